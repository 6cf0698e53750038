"""The home of the `partition-test` file: the test of one model's unique and shared variance."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from tristream.inference.inference_file import MANY, Draws, read_draws, write_draws
from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

Floats = npt.NDArray[np.floating]
KIND = "partition-test"
ELSEWHERE = ("regions", "region_voxels", "found", "n_distinct")


@dataclass(frozen=True)
class TestedSet:
    """What was found of one set of bands.

    Attributes
    ----------
    p, p_fwe, q : ndarray of shape (voxels,)
        One-sided; against the largest voxel of each permutation; over voxels.
    null_max : ndarray of shape (permutations,)
        Largest variance over voxels.
    region_value, region_p, region_p_fwe, region_q : ndarray of shape (regions,)
        Of the mean over the voxels of each region.
    widening : float
        How many times wider the null was made where units of one run share noise.
    draws : Draws
        How many permutations the voxels got.
    """

    p: Floats
    p_fwe: Floats
    q: Floats
    null_max: Floats
    region_value: Floats
    region_p: Floats
    region_p_fwe: Floats
    region_q: Floats
    widening: float
    draws: Draws

    # Its name is the term of the field, not a case for pytest.
    __test__ = False


ARRAYS = tuple(f.name for f in fields(TestedSet) if f.name not in ("widening", "draws"))


@dataclass(frozen=True)
class TestedPartition:
    """How unique and shared variance were tested, and what came out.

    Attributes
    ----------
    statistic, null, unit : str
        In words: what is computed, how its null arises, what changes its sign.
    n_distinct, n_permutations : int
        Distinct patterns of signs (at most 10^15), and those of all voxels.
    seed, fdr, procedure
        As configured.
    regions : list of str
        Names; all voxels come first.
    region_voxels : ndarray of int of shape (regions,)
    found : mapping of str to TestedSet
        By set of bands (``a``, ``a+b``); empty where there are no p values.
    """

    statistic: str
    null: str
    unit: str
    n_distinct: int
    n_permutations: int
    seed: int
    fdr: float
    procedure: str
    regions: list[str]
    region_voxels: npt.NDArray[np.integer]
    found: Mapping[str, TestedSet] = field(default_factory=dict)

    __test__ = False


def write_partition_test(path: Path, tested: TestedPartition, provenance: Provenance) -> None:
    """Write the file that ``docs/files.md`` calls `partition-test`."""
    with create_h5(path, provenance) as file:
        for one in fields(tested):
            if one.name not in ELSEWHERE:
                file.attrs[one.name] = getattr(tested, one.name)
        file.attrs["n_distinct"] = min(tested.n_distinct, MANY)
        file.create_group("sets", track_order=True)
        write_strings(file, "regions/names", tested.regions)
        file["regions/voxels"] = tested.region_voxels
        for name, found in tested.found.items():
            group = file.create_group(f"sets/{name}", track_order=True)
            for key in ARRAYS:
                group[key] = getattr(found, key)
            group.attrs["widening"] = found.widening
            write_draws(group, found.draws)


def read_partition_test(path: Path) -> tuple[TestedPartition, Provenance]:
    """Read what :func:`write_partition_test` wrote.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, provenance):
        attrs = file.attrs
        tested = TestedPartition(
            statistic=str(attrs["statistic"]),
            null=str(attrs["null"]),
            unit=str(attrs["unit"]),
            n_distinct=int(attrs["n_distinct"]),
            n_permutations=int(attrs["n_permutations"]),
            seed=int(attrs["seed"]),
            fdr=float(attrs["fdr"]),
            procedure=str(attrs["procedure"]),
            regions=read_strings(file, "regions/names"),
            region_voxels=file["regions/voxels"][()],
            found={name: _found(group) for name, group in file["sets"].items()},
        )
        return tested, provenance


def _found(group: h5py.Group) -> TestedSet:
    arrays = {key: group[key][()] for key in ARRAYS}
    draws = read_draws(group)
    assert draws is not None
    return TestedSet(**arrays, widening=float(group.attrs["widening"]), draws=draws)
