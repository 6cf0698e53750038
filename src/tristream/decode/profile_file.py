"""The home of the `decoding-profile` file: one decoder in many spheres, regions or times."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

KIND = "decoding-profile"
ARRAYS = ("accuracy", "chance", "p", "p_fwe", "largest", "size", "ijk", "times")
TEXTS = ("over", "decoder", "refusal")
Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Profile:
    """Accuracies of the parts.

    Attributes
    ----------
    names : list of str
    accuracy, chance, p, p_fwe : ndarray of shape (parts,)
        Share of right predictions, the mean of its null, its p, and its p corrected for all parts
        by the largest accuracy; NaN without permutations.
    largest : ndarray of shape (permutations,)
        Largest accuracy of all parts under each permutation.
    size : ndarray of int of shape (parts,)
        Voxels of each part.
    refusal : str
        Why there is no p; empty if there is.
    over : {'spheres', 'regions', 'times'}
    decoder : str
        Its name in the study.
    ijk : ndarray of int of shape (parts, 3)
        Where the centres of spheres are, as in the run files; else without rows.
    times : ndarray of shape (parts,)
        Seconds after the onset; empty for spheres and regions.
    """

    names: list[str]
    accuracy: Floats
    chance: Floats
    p: Floats
    p_fwe: Floats
    largest: Floats
    size: Ints
    refusal: str
    over: str = ""
    decoder: str = ""
    ijk: Ints = field(default_factory=lambda: np.empty((0, 3), int))
    times: Floats = field(default_factory=lambda: np.empty(0))


def write_profile(path: Path, found: Profile, provenance: Provenance) -> None:
    """Write the file that ``docs/files.md`` calls `decoding-profile`."""
    with create_h5(path, provenance) as file:
        for key in ARRAYS:
            file[key] = getattr(found, key)
        write_strings(file, "names", found.names)
        for key in TEXTS:
            file.attrs[key] = getattr(found, key)


def read_profile(path: Path) -> tuple[Profile, Provenance]:
    """Read a `decoding-profile` file.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, provenance):
        content: dict[str, Any] = {
            "names": read_strings(file, "names"),
            **{key: str(file.attrs[key]) for key in TEXTS},
            **{key: file[key][()] for key in ARRAYS},
        }
        return Profile(**content), provenance
