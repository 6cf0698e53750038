"""The home of the `comparison` file: two models of one subject, tested against each other."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.inference.inference_file import MANY, Draws, read_draws, write_draws
from tristream.space import grayordinates
from tristream.space.grayordinates import Grayordinates
from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

Floats = npt.NDArray[np.floating]
KIND = "comparison"


@dataclass(frozen=True)
class Difference:
    """The first model's correlation less the second's, mean over test runs.

    Attributes
    ----------
    difference, p, p_fwe, q : ndarray of shape (voxels,)
        `p` is two-sided; `p_fwe` against the largest voxel of each permutation.
    null_max : ndarray of shape (permutations,)
        Largest absolute difference over voxels.
    regions : list of str
        Names; all voxels come first.
    region_voxels, region_difference, region_p, region_p_fwe, region_q : ndarray of shape (regions,)
        Number of voxels, and the same of the mean over them.
    """

    difference: Floats
    p: Floats
    p_fwe: Floats
    q: Floats
    null_max: Floats
    regions: list[str]
    region_voxels: npt.NDArray[np.integer]
    region_difference: Floats
    region_p: Floats
    region_p_fwe: Floats
    region_q: Floats


@dataclass(frozen=True)
class ComparedModels:
    """How two models were compared, and what came out.

    Attributes
    ----------
    first, second : str
        Names of the models.
    statistic, null, unit : str
        In words: what is computed, how its null arises, what is permuted.
    n_distinct, n_permutations : int
        Distinct rearrangements (at most 10^15), and those that were used.
    seed, fdr
        As configured.
    ijk, grayordinates
        Where the voxels lie.
    widening : float
        How many times wider the null was made where units of one run share noise.
    found : Difference or None
        None where there are no p values.
    draws : Draws or None
        As `found`: how many permutations the voxels got.
    """

    first: str
    second: str
    statistic: str
    null: str
    unit: str
    n_distinct: int
    n_permutations: int
    seed: int
    fdr: float
    ijk: npt.NDArray[np.int32]
    grayordinates: Grayordinates | None
    widening: float = 1.0
    found: Difference | None = None
    draws: Draws | None = None


TEXTS = ("first", "second", "statistic", "null", "unit")
NUMBERS = ("n_permutations", "seed", "fdr", "widening")
BY_VOXEL = ("difference", "p", "p_fwe", "q", "null_max")
BY_REGION = ("voxels", "difference", "p", "p_fwe", "q")


def write_comparison(path: Path, compared: ComparedModels, provenance: Provenance) -> None:
    """Write the file that ``docs/files.md`` calls `comparison`."""
    with create_h5(path, provenance) as file:
        for key in TEXTS + NUMBERS:
            file.attrs[key] = getattr(compared, key)
        file.attrs["n_distinct"] = min(compared.n_distinct, MANY)
        file["ijk"] = compared.ijk
        grayordinates.write(file, compared.grayordinates)
        if (found := compared.found) is None:
            return
        if compared.draws is not None:
            write_draws(file, compared.draws)
        for key in BY_VOXEL:
            values = getattr(found, key)
            file[key] = values.astype(np.float32) if key == "difference" else values
        write_strings(file, "regions/names", found.regions)
        for key in BY_REGION:
            file[f"regions/{key}"] = getattr(found, f"region_{key}")


def read_comparison(path: Path) -> tuple[ComparedModels, Provenance]:
    """Read what :func:`write_comparison` wrote.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, provenance):
        found = None
        if "p" in file:
            found = Difference(
                **{key: file[key][()] for key in BY_VOXEL},
                regions=read_strings(file, "regions/names"),
                **{f"region_{key}": file[f"regions/{key}"][()] for key in BY_REGION},
            )
        attrs = file.attrs
        return (
            ComparedModels(
                **{key: str(attrs[key]) for key in TEXTS},
                n_distinct=int(attrs["n_distinct"]),
                n_permutations=int(attrs["n_permutations"]),
                seed=int(attrs["seed"]),
                fdr=float(attrs["fdr"]),
                widening=float(attrs["widening"]),
                ijk=file["ijk"][()],
                grayordinates=grayordinates.read(file),
                found=found,
                draws=read_draws(file),
            ),
            provenance,
        )
