"""Where the voxels are: regions of a probabilistic atlas on a grid of MNI152NLin2009cAsym."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from tristream.errors import UserError
from tristream.simulate.preset import Preset
from tristream.space.atlas import Regions, likeliest

# Outer corner (mm) and extent (mm) of the template's field of view.
CORNER = np.array([-96.5, -132.5, -78.5])
EXTENT = np.array([193, 229, 193])
MARGIN = 1  # voxels of air around the regions
NONE = "none"


@dataclass(frozen=True)
class Voxels:
    """The voxels of a simulated brain, the same for all subjects.

    Attributes
    ----------
    ijk : ndarray of int, shape (v, 3)
        Places in the image.
    affine : ndarray of shape (4, 4)
        Image to MNI space (mm).
    shape : tuple of int
        Of the image: the regions' bounding box, a partial field of view.
    region : ndarray of str, shape (v,)
        Each voxel's region.
    """

    ijk: np.ndarray
    affine: np.ndarray
    shape: tuple[int, int, int]
    region: np.ndarray

    def image(self, values: np.ndarray, fill: float = 0) -> np.ndarray:
        """Put voxel values, (v,) or (v, t), into the image."""
        out = np.full((*self.shape, *values.shape[1:]), fill, dtype=values.dtype)
        out[tuple(self.ijk.T)] = values
        return out

    @property
    def mask(self) -> np.ndarray:
        """Brain mask, uint8."""
        return self.image(np.ones(len(self.ijk), np.uint8))


def voxels(preset: Preset, atlas: Path) -> Voxels:
    """Find the voxels of all regions.

    A voxel belongs to the label that is likeliest at its centre (nearest neighbour), if that
    reaches the preset's probability. Harvard-Oxford stands in MNI152NLin6Asym; the few
    millimetres to 2009cAsym do not matter for regions that are defined, not found.

    Raises
    ------
    UserError
        If the atlas is not the 4-D image that the preset needs, or a region is empty.
    """
    image = nib.load(atlas)
    if not isinstance(image, nib.Nifti1Image) or image.ndim != 4:
        raise UserError(f"{atlas}: is no 4-D NIfTI image; a probabilistic atlas is needed")
    worlds = _grid(preset.voxel)
    likely = likeliest(np.asarray(image.dataobj), preset.probability)
    label = Regions(likely, image.affine, []).at(worlds.reshape(-1, 3)).reshape(worlds.shape[:3])
    region = np.full(label.shape, "", dtype=object)
    for name, one in preset.regions.items():
        inside = np.isin(label, one.labels)
        if not inside.any():
            raise UserError(f"{atlas}: no voxel of region {name} (labels {one.labels})")
        region[inside] = name
    places = np.argwhere(region != "")
    low, high = places.min(axis=0) - MARGIN, places.max(axis=0) + MARGIN
    affine = np.diag([preset.voxel] * 3 + [1.0])
    affine[:3, 3] = worlds[0, 0, 0] + low * preset.voxel
    shape = tuple(int(n) for n in high - low + 1)
    assert len(shape) == 3
    return Voxels(places - low, affine, shape, region[tuple(places.T)].astype(str))


def _grid(size: float) -> np.ndarray:
    """World coordinates of voxel centres, (x, y, z, 3)."""
    axes = [
        corner + size * (np.arange(int(extent // size) + 1) + 0.5)
        for corner, extent in zip(CORNER, EXTENT, strict=True)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def streams_of(preset: Preset, region: str) -> str:
    """What drives a region, in one word: ``ventral``, ``dorsal+auditory``, ``none``."""
    return "+".join(preset.regions[region].streams) or NONE
