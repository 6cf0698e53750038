"""What registration of raw images leaves for `bold prepare`: a file a subject and one a run."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import numpy.typing as npt

from tristream.bold.resampling.transforms import Affine, Displacement, Transform
from tristream.errors import UserError
from tristream.store import Omission, Provenance, create_h5, open_h5

Array = npt.NDArray[np.float64]

NORMALISATION, REGISTRATION = "normalisation", "registration"


@dataclass(frozen=True)
class Normalisation:
    """Where the template lies in a subject's T1w.

    Attributes
    ----------
    t1w : str
        Path of the T1w inside the dataset; empty where there is none. Then `brain` is the
        template's and `steps` is empty.
    brain : Nifti1Image
        Brain of the T1w, zero outside, to which runs are registered.
    steps : tuple of transforms
        RAS mm of the template to RAS mm of the T1w, in the order in which they apply to points.
    likeness : float
        Correlation of T1w and template (``likeness`` of ``normalise``); NaN where there is no T1w.
    omitted : tuple of Omission
        That there is no T1w, or which were not used.
    """

    t1w: str
    brain: nib.Nifti1Image
    steps: tuple[Transform, ...]
    likeness: float = math.nan
    omitted: tuple[Omission, ...] = ()


@dataclass(frozen=True)
class Registration:
    """How the volumes of one run lie.

    Attributes
    ----------
    run : str
    reference : Nifti1Image
        Mean of some aligned volumes, that head motion refers to.
    brain : ndarray of bool, shape of the reference
        Its brain.
    motion : ndarray of shape (volumes, 4, 4)
        RAS mm of the reference to RAS mm of each volume.
    coregistration : ndarray of shape (4, 4)
        RAS mm of the T1w (of the template, where there is none) to RAS mm of the reference.
    """

    run: str
    reference: nib.Nifti1Image
    brain: npt.NDArray[np.bool_]
    motion: Array
    coregistration: Array


def write_normalisation(
    path: Path, made: Normalisation, simulated: bool, config: dict[str, Any], code: str
) -> None:
    """Write the subject's file, atomically."""
    provenance = Provenance(NORMALISATION, simulated, config, code, made.omitted)
    with create_h5(path, provenance) as file:
        file.attrs["t1w"] = made.t1w
        file.attrs["likeness"] = made.likeness
        _write_image(file, "brain", made.brain)
        for step in made.steps:
            if isinstance(step, Affine):
                file["affine"] = step.matrix
            else:
                file.create_dataset("warp/field", data=step.field, compression="lzf")
                file["warp/to_node"] = step.to_node


def read_normalisation(path: Path) -> Normalisation:
    """Read the subject's file.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    with open_h5(path, NORMALISATION) as (file, provenance):
        try:
            steps: list[Transform] = []
            if "warp" in file:
                steps.append(Displacement(file["warp/field"][()], file["warp/to_node"][()]))
            if "affine" in file:
                steps.append(Affine(file["affine"][()]))
            brain = _read_image(file, "brain")
            t1w, likeness = str(file.attrs["t1w"]), float(file.attrs["likeness"])
            return Normalisation(t1w, brain, tuple(steps), likeness, provenance.omitted)
        except (KeyError, OSError) as error:
            raise _not_whole(path, error) from None


def write_registration(
    path: Path, made: Registration, simulated: bool, config: dict[str, Any], code: str
) -> None:
    """Write a run's file, atomically."""
    with create_h5(path, Provenance(REGISTRATION, simulated, config, code)) as file:
        file.attrs["run"] = made.run
        _write_image(file, "reference", made.reference)
        file.create_dataset("brain", data=made.brain, compression="lzf")
        file["motion"] = made.motion
        file["coregistration"] = made.coregistration


def read_registration(path: Path) -> Registration:
    """Read a run's file.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    with open_h5(path, REGISTRATION) as (file, _):
        try:
            return Registration(
                str(file.attrs["run"]),
                _read_image(file, "reference"),
                file["brain"][()].astype(bool),
                file["motion"][()],
                file["coregistration"][()],
            )
        except (KeyError, OSError) as error:
            raise _not_whole(path, error) from None


def _write_image(file: h5py.File, name: str, image: nib.Nifti1Image) -> None:
    values = np.asarray(image.dataobj, np.float32)
    file.create_dataset(f"{name}_image/values", data=values, compression="lzf")
    file[f"{name}_image/affine"] = image.affine


def _read_image(file: h5py.File, name: str) -> nib.Nifti1Image:
    group = file[f"{name}_image"]
    return nib.Nifti1Image(group["values"][()], group["affine"][()])


def _not_whole(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: not a whole registration ({error}); delete it and run again")
