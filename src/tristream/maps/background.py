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

from tristream.bold.index_file import read_index
from tristream.bold.run_file import read_run


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


def grey_levels(voxels: Grid, index: Path, space: str | None) -> npt.NDArray:
    """Grey levels (0 to 1) under the voxels, in RAS order; NaN where there is nothing."""
    in_template = space is not None and space.startswith("MNI")
    image = _template(voxels) if in_template else _mean(voxels, index)
    return to_ras(image, voxels.affine)[0]


def _template(voxels: Grid) -> npt.NDArray:
    template = resample_img(
        load_mni152_template(resolution=1),
        voxels.affine,
        voxels.shape,
        copy_header=True,
        force_resample=True,
    ).get_fdata()
    return np.where(template > 0.05, 0.25 + 0.7 * template / template.max(), np.nan)


def _mean(voxels: Grid, index: Path) -> npt.NDArray:
    """Mean BOLD of the first run, in the mask that was analysed."""
    run = read_run(read_index(index).files[0], signal=False)
    image = np.full(voxels.shape, np.nan)
    image[tuple(run.ijk.T)] = 0.25 + 0.6 * run.mean / np.percentile(run.mean, 99)
    return np.clip(image, 0, 1)
