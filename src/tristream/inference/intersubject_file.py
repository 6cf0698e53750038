"""The home of the `intersubject` file: each subject's BOLD by that of the others."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.encode.jackknife import Interval
from tristream.space import grayordinates
from tristream.space.grayordinates import Grayordinates
from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

Floats = npt.NDArray[np.floating]
KIND = "intersubject"
ESTIMATES = ("value", "se", "low", "high")


@dataclass(frozen=True)
class Intersubject:
    """Inter-subject correlation of the test data.

    Attributes
    ----------
    subjects : list of str
    ijk, affine, shape, grayordinates
        Voxels that all have.
    r : Interval of shape (subjects, voxels)
        Correlation of a subject's data with the mean of all others.
    mean : Interval of shape (subjects,)
        Its mean over voxels.
    samples : int
        That all subjects have.
    """

    subjects: list[str]
    ijk: npt.NDArray[np.int32]
    affine: Floats
    shape: npt.NDArray[np.int64]
    r: Interval
    mean: Interval
    samples: int
    grayordinates: Grayordinates | None = None


def write_intersubject(path: Path, found: Intersubject | None, provenance: Provenance) -> None:
    """Write the file that ``docs/files.md`` calls `intersubject`; of None, why there is nothing."""
    with create_h5(path, provenance) as file:
        if found is None:
            return
        write_strings(file, "subjects", found.subjects)
        for key in ("ijk", "affine", "shape"):
            file[key] = getattr(found, key)
        grayordinates.write(file, found.grayordinates)
        for name in ("r", "mean"):
            for key in ESTIMATES:
                file[f"{name}/{key}"] = getattr(getattr(found, name), key).astype(np.float32)
        file.attrs["samples"] = found.samples


def read_intersubject(path: Path) -> tuple[Intersubject | None, Provenance]:
    """Read what :func:`write_intersubject` wrote; None where subjects could not be compared.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, provenance):
        if "r" not in file:
            return None, provenance
        r, mean = (
            Interval(**{key: file[name][key][()] for key in ESTIMATES}) for name in ("r", "mean")
        )
        found = Intersubject(
            subjects=read_strings(file, "subjects"),
            **{key: file[key][()] for key in ("ijk", "affine", "shape")},
            r=r,
            mean=mean,
            samples=int(file.attrs["samples"]),
            grayordinates=grayordinates.read(file),
        )
        return found, provenance
