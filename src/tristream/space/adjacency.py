"""Which places of a map touch: voxels by their faces, vertices by the edges of their mesh."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from tristream.space.grayordinates import Grayordinates

Ints = npt.NDArray[np.integer]


def adjacency(
    ijk: Ints,
    grayordinates: Grayordinates | None = None,
    faces: Mapping[str, Ints] | None = None,
) -> csr_array:
    """Pairs of columns that touch, each once, (columns, columns) of bool.

    Parameters
    ----------
    ijk : ndarray of int of shape (columns, 3)
        Indices of voxels, or (vertex, 0, 0).
    grayordinates : Grayordinates, optional
        The structures, where not all columns are voxels of one volume. Voxels of two structures
        touch as those of one do.
    faces : mapping of str to ndarray of int of shape (faces, 3), optional
        Triangles of the whole mesh of each structure that is a surface.

    Raises
    ------
    KeyError
        If the faces of a surface are not given.
    """
    if grayordinates is None:
        pairs = [_voxels(ijk, np.arange(len(ijk)))]
    else:
        on_mesh = grayordinates.on_mesh
        pairs = [_voxels(ijk[~on_mesh], np.flatnonzero(~on_mesh))]
        for name, vertices in zip(grayordinates.names, grayordinates.vertices, strict=True):
            if vertices and grayordinates.of(name).any():
                columns = np.flatnonzero(grayordinates.of(name))
                column = np.full(vertices, -1)
                column[ijk[columns, 0]] = columns
                pairs.append(_edges((faces or {})[name], column))
    one, other = np.concatenate(pairs).T
    touch = coo_array((np.ones(len(one), bool), (one, other)), shape=(len(ijk), len(ijk)))
    return touch.tocsr()


def _voxels(ijk: Ints, columns: Ints) -> npt.NDArray[np.intp]:
    """Pairs of columns whose voxels share a face, (pairs, 2)."""
    if not len(ijk):
        return np.empty((0, 2), np.intp)
    at = ijk - ijk.min(0)
    # One more on each side, where nothing is.
    column = np.full(at.max(0) + 2, -1)
    column[tuple(at.T)] = columns
    pairs = []
    for axis in range(3):
        after = column[tuple((at + np.eye(3, dtype=int)[axis]).T)]
        pairs.append(np.stack([columns, after], 1)[after >= 0])
    return np.concatenate(pairs)


def _edges(faces: Ints, column: Ints) -> npt.NDArray[np.intp]:
    """Pairs of columns whose vertices share an edge, each once, (pairs, 2)."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    pairs = column[edges]
    return np.asarray(pairs[(pairs >= 0).all(1)])
