"""A run whose raw image is sampled at the voxels that all runs of its subject share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine

from tristream.bold.cleaned import Columns, Confounds, cleaned_run
from tristream.bold.images import DAMAGED, PROBE, damaged, kept_volumes
from tristream.bold.readers.minimal_inputs import Timing
from tristream.bold.resampling.distortion import Distortion
from tristream.bold.resampling.sampling import Sampling
from tristream.bold.resampling.target_grid import Target
from tristream.bold.run_file import Run
from tristream.config.dataset import Dataset
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.store import Omission

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
    alive = np.ones(len(target.points), bool)
    own: dict[str, int] = {}
    for name, here in runs.items():
        sampling = here.of_t1w(target.points)
        inside = sampling.covered()
        last = np.array(here.image.shape[:3]) - 1
        nearest = np.rint(sampling.coordinates(min(first, len(here.motion) - 1)).T)
        living = _varying(here, first)[tuple(np.clip(nearest, 0, last).astype(int).T)]
        covered &= inside
        alive &= living
        own[name] = int((inside & living).sum())
    where = runs[next(iter(runs))].path
    if not covered.any():
        raise UserError(
            f"{where}: no voxel of the brain lies in the images of all {len(runs)} runs; look at "
            "the coregistrations"
        )
    keep = covered & alive
    if not keep.any():
        raise UserError(f"{where}: no voxel of the mask varies in every run")
    kept = Target(target.affine, target.shape, target.ijk[keep], target.points[keep])
    return Shared(kept, int((covered & ~alive).sum()), own)


def _varying(here: Geometry, first: int) -> npt.NDArray[np.bool_]:
    try:
        few = np.asarray(here.image.dataobj[..., first : first + PROBE], np.float32)
    except DAMAGED as error:
        raise damaged(here.path, error) from None
    # A voxel that is NaN counts as varying: the reader that follows names it.
    return np.ptp(few, axis=3) != 0


def clean_run(
    dataset: Dataset,
    subject: str,
    run: str,
    receipt: Receipt,
    here: Geometry,
    timing: Timing,
    shared: Shared,
    bold: npt.NDArray[np.float32],
    confounds: Confounds,
    omitted: Sequence[Omission],
    sources: dict[str, str],
) -> Run:
    """Trim and clean a run that was sampled at the shared voxels.

    Parameters
    ----------
    dataset, subject, run, receipt
        As in :func:`tristream.bold.prepare.prepare_run`.
    here : Geometry
        Of the run.
    timing : Timing
        When it was acquired.
    shared : Shared
        The voxels.
    bold : ndarray of float32, shape (volumes, voxels)
        All volumes at these voxels.
    confounds : Confounds
        Of all volumes.
    omitted, sources
        As in :class:`tristream.bold.run_file.Run`; what timing had to assume is added.

    Raises
    ------
    UserError
        If trims or confounds leave too little.
    """
    kept = kept_volumes(here.path, here.image.shape[3], dataset.trims)
    target = shared.target
    columns = Columns(
        np.ascontiguousarray(bold[kept]),
        target.ijk,
        target.affine,
        target.shape,
        shared.constant,
        shared.own[run],
    )
    return cleaned_run(
        dataset,
        subject,
        run,
        receipt,
        here.path,
        kept,
        timing.start_time,
        columns,
        confounds.of(kept),
        omitted=(*timing.omitted, *omitted),
        sources=sources,
    )
