"""What lies under the slices: the MNI template, or the subject's own mean image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from nibabel.affines import voxel_sizes
from nibabel.orientations import apply_orientation, io_orientation
from nilearn.datasets import load_mni152_template
from nilearn.image import resample_img

from tristream.bold.run_file import read_run
from tristream.errors import UserError


class Grid(Protocol):
    """What says on which grid voxels lie."""

    @property
    def affine(self) -> npt.NDArray[np.floating]:
        """Voxel to millimetres, (4, 4)."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the image."""


def to_ras(image: npt.NDArray, affine: npt.NDArray) -> tuple[npt.NDArray, Sequence[float]]:
    """Reorder axes to right-anterior-superior; also the voxel sizes in that order."""
    orientation = io_orientation(affine)
    sizes = np.empty(3)
    sizes[orientation[:, 0].astype(int)] = voxel_sizes(affine)
    return apply_orientation(image, orientation), tuple(sizes)


def grey_levels(voxels: Grid, space: str | None, run: Path | None) -> npt.NDArray:
    """Grey levels (0 to 1) under the voxels, in RAS order; NaN where there is nothing.

    Parameters
    ----------
    voxels : Grid
    space : str or None
        Where the voxels lie; under those in MNI space lies its template.
    run : Path or None
        A run of the subject, whose mean BOLD lies under voxels in any other space.

    Raises
    ------
    UserError
        If a run is needed and not given.
    """
    if space is not None and space.startswith("MNI"):
        return to_ras(_template(voxels), voxels.affine)[0]
    if run is None:
        raise UserError(
            "--background: volumes that are not in MNI space are drawn over a run's mean BOLD"
        )
    return to_ras(mean_levels(voxels, run), voxels.affine)[0]


def _template(voxels: Grid) -> npt.NDArray:
    template = resample_img(
        load_mni152_template(resolution=1),
        voxels.affine,
        voxels.shape,
        copy_header=True,
        force_resample=True,
    ).get_fdata()
    return np.where(template > 0.05, 0.25 + 0.7 * template / template.max(), np.nan)


def mean_levels(voxels: Grid, path: Path) -> npt.NDArray:
    """Mean BOLD of a run, 0 to 1, in the mask that was analysed; NaN elsewhere."""
    run = read_run(path, signal=False)
    image = np.full(voxels.shape, np.nan)
    image[tuple(run.ijk.T)] = 0.25 + 0.6 * run.mean / np.percentile(run.mean, 99)
    return np.clip(image, 0, 1)
