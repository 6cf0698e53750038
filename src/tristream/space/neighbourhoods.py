"""What lies near each column of a file: voxels in a sphere, vertices along their mesh."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from tristream.space.grid import Grid

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
AT_ONCE = 256
"""Vertices from which distances are computed at a time."""


@dataclass(frozen=True)
class Mesh:
    """The surface of one structure.

    Attributes
    ----------
    points : ndarray of shape (vertices, 3)
        In mm.
    faces : ndarray of int of shape (faces, 3)
    """

    points: Floats
    faces: Ints


def spheres(position: Floats, radius: float) -> list[Ints]:
    """For each point, the points within a radius of it, rising; itself is among them.

    Parameters
    ----------
    position : ndarray of shape (points, 3)
        In mm.
    radius : float
        In mm.
    """
    near = cKDTree(position).query_ball_point(position, radius)
    return [np.array(sorted(own)) for own in near]


def along_mesh(mesh: Mesh, vertices: Ints, radius: float) -> list[Ints]:
    """For each of some vertices, which of these lie within a radius of it, rising.

    Distances go along edges of the whole mesh (Dijkstra 1959), so that the other bank of a sulcus
    is far, however near it lies in space.

    Parameters
    ----------
    mesh : Mesh
    vertices : ndarray of int of shape (columns,)
        Indices of vertices.
    radius : float
        In mm.

    Returns
    -------
    list of ndarray of int
        Places among `vertices`.
    """
    faces = mesh.faces
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    one, other = np.unique(np.sort(edges, axis=1), axis=0).T
    length = np.linalg.norm(mesh.points[one] - mesh.points[other], axis=1)
    graph = coo_array((length, (one, other)), shape=(len(mesh.points),) * 2).tocsr()
    found: list[Ints] = []
    for start in range(0, len(vertices), AT_ONCE):
        own = vertices[start : start + AT_ONCE]
        distance = dijkstra(graph, directed=False, indices=own, limit=radius)[:, vertices]
        found += [np.flatnonzero(row <= radius) for row in distance]
    return found


def neighbourhoods(grid: Grid, meshes: Mapping[str, Mesh], radius: float) -> list[Ints]:
    """For each column, the columns within a radius of it.

    Parameters
    ----------
    grid : Grid
    meshes : mapping of str to Mesh
        Of each structure that is a surface.
    radius : float
        In mm.

    Raises
    ------
    KeyError
        If the mesh of a structure is not given.
    """
    where = grid.grayordinates
    if where is None:
        return spheres(apply_affine(grid.affine, grid.ijk), radius)
    found: list[Ints] = [np.empty(0, int)] * len(grid.ijk)
    parts = [
        (np.flatnonzero(where.of(name)), meshes[name])
        for name, vertices in zip(where.names, where.vertices, strict=True)
        if vertices and where.of(name).any()
    ]
    near = [along_mesh(mesh, grid.ijk[own, 0], radius) for own, mesh in parts]
    places = [own for own, _ in parts]
    if len(voxels := np.flatnonzero(~where.on_mesh)):
        near.append(spheres(apply_affine(grid.affine, grid.ijk[voxels]), radius))
        places.append(voxels)
    for own, around in zip(places, near, strict=True):
        for column, columns in zip(own, around, strict=True):
            found[column] = own[columns]
    return found
