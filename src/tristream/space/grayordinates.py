"""Where the columns of a file lie that are not all voxels of one volume: vertices of surfaces.

CIFTI calls vertices and voxels together grayordinates, and distinguishes them by the structure that
they belong to. A file of voxels alone, which is the common case, has none of this.

nibabel's ``BrainModelAxis`` is how CIFTI files are read and written. It is not what is stored
here: it holds a name a column, and fsaverage5, where no column is a voxel, has no volume.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import numpy.typing as npt

from tristream.store import read_strings, write_strings

if TYPE_CHECKING:
    import h5py

GROUP = "grayordinates"
PREFIX = "CIFTI_STRUCTURE_"
LEFT, RIGHT = "CORTEX_LEFT", "CORTEX_RIGHT"
CORTEX = (LEFT, RIGHT)
# Bits of an index in a key: the finest common mesh has 163,842 vertices a hemisphere.
BITS = 18


@dataclass(frozen=True)
class Grayordinates:
    """The structure of each column of a file.

    The file's `ijk` holds (vertex, 0, 0) where the structure is a surface.

    Attributes
    ----------
    structure : ndarray of int8, shape (columns,)
        Place among `names`.
    names : tuple of str
        As CIFTI names them, without its prefix: ``CORTEX_LEFT``, ``THALAMUS_RIGHT``.
    vertices : tuple of int
        Vertices of each structure's whole mesh; 0 where it is made of voxels.
    """

    structure: npt.NDArray[np.int8]
    names: tuple[str, ...]
    vertices: tuple[int, ...]

    def of(self, name: str) -> npt.NDArray[np.bool_]:
        """Which columns belong to a structure."""
        if name not in self.names:
            return np.zeros(len(self.structure), bool)
        return np.asarray(self.structure == self.names.index(name))

    @property
    def on_mesh(self) -> npt.NDArray[np.bool_]:
        """Which columns are vertices."""
        return np.array(self.vertices)[self.structure] > 0

    def take(self, columns: npt.NDArray | slice) -> "Grayordinates":
        """Those of some columns."""
        return Grayordinates(self.structure[columns], self.names, self.vertices)

    def keys(self, ijk: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """One number a column, that is equal in two files where the place is, (columns,)."""
        key = self.structure.astype(np.int64)
        for axis in ijk.T:
            key = key << BITS | axis.astype(np.int64)
        return key


def same(one: Grayordinates | None, other: Grayordinates | None) -> bool:
    """Whether two files have the same structures in the same columns."""
    if one is None or other is None:
        return one is other
    known = (one.names, one.vertices) == (other.names, other.vertices)
    return known and np.array_equal(one.structure, other.structure)


def write(file: "h5py.File", grayordinates: Grayordinates | None) -> None:
    """Add them to a file; nothing is added where there are none."""
    if grayordinates is not None:
        file[f"{GROUP}/structure"] = grayordinates.structure
        file[f"{GROUP}/vertices"] = np.array(grayordinates.vertices, np.int32)
        write_strings(file[GROUP], "names", grayordinates.names)


def read(file: "h5py.File", columns: slice = slice(None)) -> Grayordinates | None:
    """Read what :func:`write` wrote; None for a file of voxels."""
    if GROUP not in file:
        return None
    group = file[GROUP]
    vertices = tuple(int(n) for n in group["vertices"][()])
    return Grayordinates(group["structure"][columns], tuple(read_strings(group, "names")), vertices)


def hemispheres(left: Sequence[int], right: Sequence[int], vertices: int) -> Grayordinates:
    """Vertices of two hemispheres whose meshes have `vertices` each, left ones first."""
    structure = np.repeat(np.arange(2, dtype=np.int8), [len(left), len(right)])
    return Grayordinates(structure, CORTEX, (vertices, vertices))


def from_axis(axis: nib.cifti2.BrainModelAxis) -> tuple[Grayordinates, npt.NDArray[np.int32]]:
    """The structures of a CIFTI file's columns, and their `ijk`."""
    vertices = {name.removeprefix(PREFIX): int(n) for name, n in axis.nvertices.items()}
    structures = [(name.removeprefix(PREFIX), part) for name, part, _ in axis.iter_structures()]
    names = tuple(dict.fromkeys(name for name, _ in structures))
    structure = np.empty(len(axis), np.int8)
    for name, part in structures:
        structure[part] = names.index(name)
    ijk = np.where(axis.surface_mask[:, None], 0, axis.voxel).astype(np.int32)
    ijk[axis.surface_mask, 0] = axis.vertex[axis.surface_mask]
    return Grayordinates(structure, names, tuple(vertices.get(name, 0) for name in names)), ijk


def to_axis(
    grayordinates: Grayordinates,
    ijk: npt.NDArray[np.int32],
    affine: npt.NDArray[np.floating],
    shape: tuple[int, ...],
) -> nib.cifti2.BrainModelAxis:
    """The axis of a CIFTI file whose columns these are; `affine` and `shape` are the voxels'."""
    on_mesh = grayordinates.on_mesh
    vertices = zip(grayordinates.names, grayordinates.vertices, strict=True)
    return nib.cifti2.BrainModelAxis(
        np.array([PREFIX + name for name in grayordinates.names])[grayordinates.structure],
        np.where(on_mesh[:, None], -1, ijk),
        np.where(on_mesh, ijk[:, 0], -1),
        affine,
        shape,
        {PREFIX + name: number for name, number in vertices if number},
    )
