"""The grid that the columns of a file lie on, by which places of several subjects are compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from tristream.space.grayordinates import Grayordinates

Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Grid:
    """Where the columns of one subject's files lie.

    Attributes
    ----------
    ijk : ndarray of int32, shape (columns, 3)
        Indices of voxels; (vertex, 0, 0) on a surface.
    affine : ndarray of shape (4, 4)
        From indices of voxels to millimetres.
    shape : tuple of int
        Of the volume; zeros where no column is a voxel.
    grayordinates : Grayordinates or None
        Structures of the columns, where they are not all voxels.
    """

    ijk: npt.NDArray[np.int32]
    affine: npt.NDArray[np.floating]
    shape: tuple[int, ...]
    grayordinates: Grayordinates | None

    @property
    def grid(self) -> tuple[object, ...]:
        """Shape of the volume, and the structures beside it."""
        where = self.grayordinates
        return (self.shape, *((where.names, where.vertices) if where else ()))

    @property
    def keys(self) -> npt.NDArray[np.int64]:
        """One number a voxel or vertex, the same in all subjects."""
        if self.grayordinates is not None:
            return self.grayordinates.keys(self.ijk)
        return np.asarray(np.ravel_multi_index(tuple(self.ijk.T), self.shape), np.int64)

    def is_that_of(self, other: "Grid") -> bool:
        """Whether equal keys are equal places."""
        return self.grid == other.grid and np.allclose(self.affine, other.affine)


def places_in_common(keys: Sequence[Ints]) -> list[Ints]:
    """For each subject, the columns of the places that all have, in the order of the keys.

    Parameters
    ----------
    keys : sequence of ndarray of int of shape (columns,)
        The number of each column's place, one array a subject.
    """
    shared = reduce(np.intersect1d, keys[1:], np.unique(keys[0]))
    found: list[Ints] = []
    for own in keys:
        order = np.argsort(own)
        found.append(order[np.searchsorted(own, shared, sorter=order)])
    return found
