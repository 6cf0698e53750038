"""The target's voxels: a grid in T1w or template space, and where its brain lies in the T1w."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from scipy import ndimage
from scipy.special import erf

from tristream.bold.nifti import DAMAGED, damaged, open_image
from tristream.bold.resampling.transforms import Transform, map_points
from tristream.errors import UserError

Array = npt.NDArray[np.float64]

# Outer faces of the last voxels of TemplateFlow's MNI152NLin2009cAsym, and its extent (mm). Its
# grids of 1 and 2 mm both end there; coarser ones here do too.
TEMPLATE_END = np.array([96.5, 96.5, 114.5])
TEMPLATE_EXTENT = np.array([193.0, 229.0, 193.0])


@dataclass(frozen=True)
class Target:
    """Brain voxels of a target grid.

    Attributes
    ----------
    affine : ndarray of shape (4, 4)
        From voxel indices to RAS mm.
    shape : tuple of int
    ijk : ndarray of int32, shape (n, 3)
        Brain voxels, in C order.
    points : ndarray of shape (n, 3)
        The same in RAS mm of the T1w image.
    """

    affine: Array
    shape: tuple[int, ...]
    ijk: npt.NDArray[np.int32]
    points: Array


def template_grid(resolution: float) -> tuple[Array, tuple[int, ...]]:
    """Affine and shape of MNI152NLin2009cAsym at an edge of `resolution` mm.

    At 1 and 2 mm these are TemplateFlow's ``res-01`` and ``res-02``.
    """
    size = np.ceil(TEMPLATE_EXTENT / resolution - 1e-6)
    affine = np.diag([resolution] * 3 + [1.0])
    affine[:3, 3] = TEMPLATE_END - resolution * (size - 0.5)
    return affine, tuple(int(n) for n in size)


def image_grid(image: nib.Nifti1Image, resolution: float) -> tuple[Array, tuple[int, ...]]:
    """Affine and shape of a grid over the image's field of view, along its axes."""
    edges = np.array(image.header.get_zooms()[:3], float)
    size = np.ceil(np.array(image.shape) * edges / resolution - 1e-6)
    affine = image.affine.astype(float)
    affine[:3, :3] *= resolution / edges
    affine[:3, 3] = apply_affine(image.affine, 0.5 * resolution / edges - 0.5)
    return affine, tuple(int(n) for n in size)


def target_voxels(
    brain_mask: Path, resolution: float, to_t1w: Sequence[Transform] | None
) -> Target:
    """Voxels of the target grid that lie in the brain.

    Parameters
    ----------
    brain_mask : Path
        In T1w space.
    resolution : float
        Edge of a voxel in mm.
    to_t1w : sequence of transforms, optional
        From template to T1w; None for a grid in T1w space.

    Raises
    ------
    UserError
        If the mask can't be read, or no voxel lies in it.
    """
    image = open_image(brain_mask, 3)
    made = image_grid(image, resolution) if to_t1w is None else template_grid(resolution)
    affine, shape = made
    brain = read_volume(brain_mask, image)
    found, places = [], []
    for i in range(shape[0]):
        slab = np.stack(np.meshgrid([i], *map(np.arange, shape[1:]), indexing="ij"), axis=-1)
        ijk = slab.reshape(-1, 3).astype(np.int32)
        points = map_points(apply_affine(affine, ijk), to_t1w or ())
        keep = sample(brain, image.affine, points) > 0.5
        found.append(ijk[keep])
        places.append(points[keep])
    target = Target(affine, shape, np.concatenate(found), np.concatenate(places))
    if not len(target.ijk):
        raise UserError(
            f"{brain_mask}: no voxel of the target grid lies in it; it is empty, or the transform "
            "to the template is of somebody else"
        )
    return target


def sample(volume: npt.NDArray, affine: Array, points: Array) -> npt.NDArray[np.float32]:
    """Linear interpolation of an image at points in its RAS mm; zero outside."""
    index = apply_affine(np.linalg.inv(affine), points).T
    out = np.empty(len(points), np.float32)
    ndimage.map_coordinates(volume, index, output=out, order=1, mode="grid-constant")
    return out


def sample_gaussian(volume: npt.NDArray, affine: Array, points: Array) -> Array:
    """ITK's Gaussian interpolation of an image at points in its RAS mm; zero outside.

    As ``antsApplyTransforms -n Gaussian`` has it: a standard deviation of one voxel, cut off there.
    """
    size = np.array(volume.shape)
    index = apply_affine(np.linalg.inv(affine), points)
    inside = np.all((index >= -0.5) & (index <= size - 0.5), axis=1)
    index = index[inside, None]
    # The three voxels along each axis that may touch the span of ±1 about the point.
    voxels = np.floor(index - 0.5) + np.arange(3)[:, None]
    weights = erf((voxels + 0.5 - index) / np.sqrt(2)) - erf((voxels - 0.5 - index) / np.sqrt(2))
    weights[(voxels < 0) | (voxels >= np.minimum(size, np.ceil(index + 1.5)))] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    voxels = np.clip(voxels, 0, size - 1).astype(np.intp)
    out = np.zeros(len(points))
    for i, j, k in product(range(3), repeat=3):
        near = volume[voxels[:, i, 0], voxels[:, j, 1], voxels[:, k, 2]]
        out[inside] += weights[:, i, 0] * weights[:, j, 1] * weights[:, k, 2] * near
    return out


def read_volume(path: Path, image: nib.Nifti1Image | None = None) -> npt.NDArray[np.float32]:
    """The data of a 3-D image.

    Raises
    ------
    UserError
        If it can't be read.
    """
    image = open_image(path, 3) if image is None else image
    try:
        return np.asarray(image.dataobj, np.float32)
    except DAMAGED as error:
        raise damaged(path, error) from None
