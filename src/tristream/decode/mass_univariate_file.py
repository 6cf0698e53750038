"""The home of the `mass-univariate` file: one comparison of two labels in every voxel."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

KIND = "mass-univariate"
ARRAYS = ("t", "log_p", "bonferroni", "within_runs", "ijk")
SHOWN = 1.0
"""−log10 of the corrected p above which voxels are counted, as in nilearn's example."""
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class MassUnivariate:
    """Two labels compared in one subject.

    Attributes
    ----------
    pair, plus, minus : str
        Name of the comparison, and its labels.
    runs : list of str
        Those that have both labels.
    permutations : int
    t : ndarray of shape (voxels,)
    log_p, bonferroni, within_runs : ndarray of shape (voxels,)
        −log10 of the corrected p, with the sign of t: by the largest t under permutations of all
        means, by Bonferroni's correction of F tests, and by the largest t where labels are swapped
        within runs. NaN where too few rearrangements are distinct: `Provenance.omitted` says so.
    ijk : ndarray of int of shape (voxels, 3)
        Where the voxels are, as in the run files.
    """

    pair: str
    plus: str
    minus: str
    runs: list[str]
    permutations: int
    t: Floats
    log_p: Floats
    bonferroni: Floats
    within_runs: Floats
    ijk: npt.NDArray[np.integer]


def write_mass_univariate(path: Path, found: MassUnivariate, provenance: Provenance) -> None:
    """Write the file that ``docs/files.md`` calls `mass-univariate`."""
    with create_h5(path, provenance) as file:
        for key in ARRAYS:
            file[key] = getattr(found, key)
        write_strings(file, "runs", found.runs)
        for key in ("pair", "plus", "minus", "permutations"):
            file.attrs[key] = getattr(found, key)


def read_mass_univariate(path: Path) -> tuple[MassUnivariate, Provenance]:
    """Read a `mass-univariate` file.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, provenance):
        content: dict[str, Any] = {
            **{key: str(file.attrs[key]) for key in ("pair", "plus", "minus")},
            "runs": read_strings(file, "runs"),
            "permutations": int(file.attrs["permutations"]),
            **{key: file[key][()] for key in ARRAYS},
        }
        return MassUnivariate(**content), provenance
