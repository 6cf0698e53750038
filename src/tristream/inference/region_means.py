"""Means over regions of what is known by voxel."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine

from tristream.inference.table_files import WHOLE
from tristream.space.atlas import Regions

Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]


class Placed(Protocol):
    """Voxels that have places."""

    @property
    def ijk(self) -> npt.NDArray[np.int32]: ...

    @property
    def affine(self) -> Floats: ...


def members(placed: Placed, regions: Path | None) -> dict[str, Mask]:
    """All voxels, and those of each region of an atlas that has any."""
    parts = {WHOLE: np.ones(len(placed.ijk), bool)}
    if regions is not None:
        parts |= Regions.read(regions).members(apply_affine(placed.affine, placed.ijk))
    return parts


def region_means(values: Floats, regions: Mapping[str, Mask]) -> npt.NDArray[np.float64]:
    """Means over the voxels of each region, (n, voxels) to (n, regions)."""
    return np.stack([values[:, m].mean(1, dtype=np.float64) for m in regions.values()], axis=1)
