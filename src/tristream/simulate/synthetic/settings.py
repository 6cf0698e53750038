"""What a synthetic dataset is to be, and where in a head which signals are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.space.grayordinates import Grayordinates

Array = npt.NDArray[np.float64]
# BOLD (volumes, n), float32, baseline included, of a run at MNI points (n, 3), RAS mm.
Responses = Callable[[str, Array], npt.NDArray[np.float32]]

LABEL, ITEM, NONE = "label", "item", "none"
REGIONS = (LABEL, ITEM, NONE)
# An ellipsoid about the brain of the template (MNI mm).
CENTRE = np.array([0.0, -17.0, 8.0])
RADII = np.array([66.0, 85.0, 62.0])
# Behind and in front of these planes (y, MNI mm) voxels have a signal.
BACK, FRONT = -48.0, 14.0


@dataclass(frozen=True)
class SyntheticSettings:
    """What is asked of a synthetic dataset.

    Attributes
    ----------
    dataset : str
        Id of the real dataset.
    subjects : tuple of str
        Labels of the subjects to write.
    runs : tuple of str
        BIDS entities of the runs to write; a subject has those of them that it really has.
    scale : float
        Factor on the edges of voxels: 1 gives the real shape.
    ceiling : float
        Effect size: correlation of the noise-free signal with the cleaned data of one run, in
        voxels that have a signal.
    seed : int
        Fixes everything that is random.
    data : Path
        Folder of downloads, where the places of fsLR's vertices are looked for.
    features : tuple of Path
        Feature files of layers that items are answered by, from the lowest part of the brain that
        follows items to the highest; by default it follows a few measures of each stimulus.
    """

    dataset: str
    subjects: tuple[str, ...]
    runs: tuple[str, ...]
    scale: float = 1.0
    ceiling: float = 0.5
    seed: int = 0
    data: Path = Path("data")
    features: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Brain:
    """Simulated voxels on one grid.

    Attributes
    ----------
    affine : ndarray of shape (4, 4)
        Image to world (mm).
    shape : tuple of int
        Of a volume.
    ijk : ndarray of int, shape (v, 3)
        Places of the voxels in the image.
    region : ndarray of str, shape (v,)
        ``label``: follows what the event's label is; ``item``: follows which item is shown;
        ``none``: noise alone.
    worlds : ndarray of shape (v, 3), optional
        Where they are (mm), if no affine says so.
    grayordinates : Grayordinates, optional
        Structures of vertices.
    """

    affine: Array
    shape: tuple[int, int, int]
    ijk: npt.NDArray[np.int64]
    region: npt.NDArray[np.str_]
    worlds: Array | None = None
    grayordinates: Grayordinates | None = None

    def image(self, values: npt.NDArray, fill: float = 0) -> npt.NDArray:
        """Put voxel values, (v,) or (v, t), into the image."""
        out = np.full((*self.shape, *values.shape[1:]), fill, dtype=values.dtype)
        out[tuple(self.ijk.T)] = values
        return out


def in_brain(worlds: Array) -> npt.NDArray[np.bool_]:
    """Which points (n, 3), MNI mm, lie in the brain, where no image of a template says so."""
    return np.asarray(np.sum(((worlds - CENTRE) / RADII) ** 2, axis=1) <= 1)


def region_at(worlds: Array) -> npt.NDArray[np.str_]:
    """Region of points (n, 3), MNI mm: labels at the back, items in front, noise between."""
    y = worlds[:, 1]
    return np.where(y < BACK, LABEL, np.where(y > FRONT, ITEM, NONE))


def layer_at(worlds: Array, count: int) -> npt.NDArray[np.int64]:
    """Layer of points (n, 3), MNI mm, by their height: equal shares of a ball, the lowest 0."""
    height = np.clip((worlds[:, 2] - CENTRE[2]) / RADII[2], -1, 1)
    below = (2 + 3 * height - height**3) / 4
    return np.minimum((below * count).astype(np.int64), count - 1)
