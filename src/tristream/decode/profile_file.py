"""The home of the `decoding-profile` file: one decoder in many spheres, regions or times."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tristream.space import grayordinates
from tristream.space.grayordinates import Grayordinates
from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

KIND = "decoding-profile"
ARRAYS = ("accuracy", "chance", "p", "p_fwe", "largest", "size", "ijk", "affine", "times")
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
    over : {'spheres', 'neighbourhoods', 'regions', 'times'}
        Neighbourhoods are those of vertices along their mesh, and spheres of voxels beside them.
    decoder : str
        Its name in the study.
    ijk : ndarray of int32 of shape (parts, 3)
        Where the centres of spheres or neighbourhoods are, as in the run files; else without rows.
    affine : ndarray of shape (4, 4)
        From indices of voxels to millimetres.
    shape : tuple of int
        Of the volume that the voxels are in; zeros where there is none.
    grayordinates : Grayordinates or None
        Structures of the centres, where they are not all voxels.
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
    ijk: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty((0, 3), np.int32))
    affine: Floats = field(default_factory=lambda: np.eye(4))
    shape: tuple[int, ...] = (0, 0, 0)
    grayordinates: Grayordinates | None = None
    times: Floats = field(default_factory=lambda: np.empty(0))


def write_profile(path: Path, found: Profile, provenance: Provenance) -> None:
    """Write the file that ``docs/files.md`` calls `decoding-profile`."""
    with create_h5(path, provenance) as file:
        for key in ARRAYS:
            file[key] = getattr(found, key)
        write_strings(file, "names", found.names)
        file["shape"] = found.shape
        grayordinates.write(file, found.grayordinates)
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
            "shape": tuple(int(n) for n in file["shape"][()]),
            "grayordinates": grayordinates.read(file),
        }
        return Profile(**content), provenance
