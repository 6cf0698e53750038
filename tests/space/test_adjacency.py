"""Which voxels and vertices touch, against all pairs by hand."""

import numpy as np
import pytest

from tristream.space.adjacency import adjacency
from tristream.space.grayordinates import Grayordinates
from tristream.space.mesh_faces import mesh_faces


def pairs(touch):
    return {frozenset(map(int, pair)) for pair in zip(*touch.nonzero(), strict=True)}


def test_voxels_touch_by_their_faces():
    rng = np.random.default_rng(0)
    ijk = np.argwhere(rng.random((4, 5, 6)) < 0.5) + np.array([3, 0, 7])
    distance = np.abs(ijk[:, None] - ijk).sum(-1)
    found = adjacency(ijk)
    assert pairs(found) == {frozenset(pair) for pair in np.argwhere(distance == 1).tolist()}
    assert found.nnz == (distance == 1).sum() / 2


def test_vertices_touch_along_the_mesh_and_structures_do_not():
    """A ribbon of four triangles on the left, two voxels below, vertex 3 not in the file."""
    structure = np.array([0, 0, 0, 0, 0, 1, 1], np.int8)
    where = Grayordinates(structure, ("CORTEX_LEFT", "PUTAMEN_LEFT"), (6, 0))
    vertices = [5, 4, 2, 1, 0]
    ijk = np.array([*[(v, 0, 0) for v in vertices], (1, 0, 0), (2, 0, 0)])
    faces = np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]])
    edges = [(0, 1), (0, 2), (1, 2), (2, 4), (4, 5)]
    expected = {frozenset(vertices.index(v) for v in edge) for edge in edges} | {frozenset((5, 6))}
    assert pairs(adjacency(ijk, where, {"CORTEX_LEFT": faces})) == expected
    with pytest.raises(KeyError):
        adjacency(ijk, where)


def test_every_vertex_of_fsaverage5_has_its_neighbours():
    faces = mesh_faces((10_242, 10_242), None)
    where = Grayordinates(np.zeros(10_242, np.int8), ("CORTEX_LEFT", "CORTEX_RIGHT"), (10_242,) * 2)
    ijk = np.arange(10_242)[:, None] * [1, 0, 0]
    touch = adjacency(ijk, where, faces)
    degree = (touch + touch.T).sum(0)
    # An icosahedron that was divided: twelve vertices have five neighbours, all others six.
    assert np.bincount(degree.astype(int))[5:].tolist() == [12, 10_230]
    assert mesh_faces((32_492, 0), None) == {}
