"""A run whose raw image is sampled at the voxels that all runs of its subject share."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine

from tristream.bold.cleaned import Columns
from tristream.bold.nifti import DAMAGED, PROBE, damaged
from tristream.bold.resampling.distortion import Distortion
from tristream.bold.resampling.sampling import Sampling
from tristream.bold.resampling.target_grid import Target
from tristream.errors import UserError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Geometry:
    """How a run's raw image lies to the T1w (or, where there is none, to the template).

    Attributes
    ----------
    path : Path
        Raw BOLD.
    image : Nifti1Image
        The same.
    reference : Nifti1Image
        The volume that head motion refers to.
    motion : ndarray of shape (volumes, 4, 4)
        RAS mm of the reference volume to RAS mm of each volume.
    coregistration : ndarray of shape (4, 4)
        RAS mm of the T1w to RAS mm of the reference volume.
    distortion : Distortion, optional
    """

    path: Path
    image: nib.Nifti1Image
    reference: nib.Nifti1Image
    motion: Array
    coregistration: Array
    distortion: Distortion | None = None

    def sampling(self, points: Array) -> Sampling:
        """Where the raw image is sampled for points in RAS mm of the reference volume."""
        shift = None if self.distortion is None else self.distortion.shift(points)
        axis = 0 if self.distortion is None else self.distortion.axis
        to_voxel = np.linalg.inv(self.image.affine) @ self.motion
        return Sampling(points, to_voxel, self.image.shape[:3], axis, shift)

    def of_t1w(self, points: Array) -> Sampling:
        """Where the raw image is sampled for points in RAS mm of the T1w."""
        return self.sampling(apply_affine(self.coregistration, points))


@dataclass(frozen=True)
class Shared:
    """Voxels of the target that every run covers and in which every run varies.

    Attributes
    ----------
    target : Target
        These voxels alone.
    constant : int
        Voxels left out because the nearest raw voxel does not vary at the start of some run.
    own : dict of str to int
        Voxels that each run covers and in which it varies.
    """

    target: Target
    constant: int
    own: dict[str, int]


def shared_voxels(target: Target, runs: dict[str, Geometry], first: int) -> Shared:
    """Voxels that all runs of a subject share.

    Parameters
    ----------
    target : Target
        Brain voxels.
    runs : dict
        All runs of the subject.
    first : int
        First volume that is used.

    Raises
    ------
    UserError
        If none is left.
    """
    covered = np.ones(len(target.points), bool)
    varies = np.ones(len(target.points), bool)
    own: dict[str, int] = {}
    for name, here in runs.items():
        sampling = here.of_t1w(target.points)
        inside = sampling.covered()
        last = np.array(here.image.shape[:3]) - 1
        nearest = np.rint(sampling.coordinates(min(first, len(here.motion) - 1)).T)
        varying = _varying(here, first)[tuple(np.clip(nearest, 0, last).astype(int).T)]
        covered &= inside
        varies &= varying
        own[name] = int((inside & varying).sum())
    where = runs[next(iter(runs))].path
    if not covered.any():
        raise UserError(
            f"{where}: no voxel of the brain lies in the images of all {len(runs)} runs; look at "
            "the coregistrations"
        )
    keep = covered & varies
    if not keep.any():
        raise UserError(f"{where}: no voxel of the mask varies in every run")
    kept = Target(target.affine, target.shape, target.ijk[keep], target.points[keep])
    return Shared(kept, int((covered & ~varies).sum()), own)


def _varying(here: Geometry, first: int) -> npt.NDArray[np.bool_]:
    try:
        few = np.asarray(here.image.dataobj[..., first : first + PROBE], np.float32)
    except DAMAGED as error:
        raise damaged(here.path, error) from None
    # A voxel that is NaN counts as varying: the reader that follows names it.
    return np.ptp(few, axis=3) != 0


def shared_columns(shared: Shared, run: str, bold: npt.NDArray[np.float32], kept: slice) -> Columns:
    """The volumes of a run that are kept, at the voxels that all runs share.

    Parameters
    ----------
    shared : Shared
        The voxels.
    run : str
        Its name.
    bold : ndarray of float32, shape (volumes, voxels)
        All volumes at these voxels.
    kept : slice
        Volumes to keep.
    """
    target, own = shared.target, shared.own[run]
    kept_bold = np.ascontiguousarray(bold[kept])
    return Columns(kept_bold, target.ijk, target.affine, target.shape, shared.constant, own)
