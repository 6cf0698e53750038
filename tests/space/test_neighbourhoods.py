"""Spheres among voxels and neighbourhoods along a mesh, against distances that are known."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tristream.space.grayordinates import CORTEX, Grayordinates
from tristream.space.grid import Grid
from tristream.space.mesh_faces import mesh_middles
from tristream.space.meshes import FSAVERAGE5_VERTICES, FSLR_VERTICES
from tristream.space.neighbourhoods import Mesh, along_mesh, neighbourhoods, spheres


def strip(points: np.ndarray) -> Mesh:
    """A ribbon of two rows of vertices, 1 mm apart, whose middle line runs through points."""
    both = np.concatenate([points, points + np.array([0, 0, 1])])
    n = len(points)
    k = np.arange(n - 1)
    faces = [np.stack([k, k + 1, k + n], 1), np.stack([k + 1, k + n + 1, k + n], 1)]
    return Mesh(both, np.concatenate(faces))


def test_a_sphere_holds_what_is_near() -> None:
    position = np.random.default_rng(0).uniform(0, 10, (80, 3))
    distance = cdist(position, position)
    for own, row in zip(spheres(position, 3.0), distance, strict=True):
        np.testing.assert_array_equal(own, np.flatnonzero(row <= 3.0))


def test_the_other_bank_of_a_sulcus_is_far_along_the_mesh() -> None:
    # Down one bank, 2 mm across, and up the other: the tops are 2 mm apart, 22 along the mesh.
    down = [[0, -depth, 0] for depth in range(11)]
    up = [[2, -depth, 0] for depth in range(10, -1, -1)]
    points = np.array([*down, [1, -10, 0], *up], float)
    mesh, tops = strip(points), [0, len(points) - 1]
    rows = np.arange(len(points))
    assert set(tops) <= set(spheres(points, 3.0)[0].tolist())
    near = along_mesh(mesh, rows, 3.0)
    assert near[0].tolist() == [0, 1, 2, 3]
    assert near[11].tolist() == [8, 9, 10, 11, 12, 13, 14]
    assert tops[1] not in along_mesh(mesh, rows, 21.9)[0]
    assert tops[1] in along_mesh(mesh, rows, 22.0)[0]
    # Vertices that have no data are gone through, not counted.
    assert along_mesh(mesh, np.array([0, 2, 5]), 3.0)[0].tolist() == [0, 1]


def test_distances_on_fsaverage5_are_no_shorter_than_in_space() -> None:
    meshes = mesh_middles((FSAVERAGE5_VERTICES,) * 2, None)
    left = meshes[CORTEX[0]]
    vertices = np.random.default_rng(0).choice(FSAVERAGE5_VERTICES, 4000, replace=False)
    near = along_mesh(left, vertices, 8.0)
    straight = spheres(left.points[vertices], 8.0)
    for column, (own, around) in enumerate(zip(near, straight, strict=True)):
        assert column in own
        assert set(own.tolist()) <= set(around.tolist())
    counts = np.array([len(own) for own in near]), np.array([len(own) for own in straight])
    # A disc of the radius has 201 square millimetres; folds bring more within a sphere.
    assert 0.4 < np.median(counts[0]) / np.median(counts[1]) < 0.9
    pairs = {(a, b) for a, own in enumerate(near) for b in own.tolist()}
    assert all((b, a) in pairs for a, b in pairs)


def test_structures_of_grayordinates_have_neighbours_of_their_own(fslr_meshes: Path) -> None:
    meshes = mesh_middles((FSLR_VERTICES, FSLR_VERTICES, 0), fslr_meshes)
    names = (*CORTEX, "THALAMUS_LEFT")
    where = Grayordinates(
        np.repeat(np.arange(3, dtype=np.int8), [300, 300, 8]), names, (FSLR_VERTICES,) * 2 + (0,)
    )
    ijk = np.zeros((608, 3), np.int32)
    ijk[:600, 0] = np.tile(np.arange(300), 2)
    ijk[600:] = np.argwhere(np.ones((2, 2, 2)))
    grid = Grid(ijk, np.diag([2, 2, 2, 1.0]), (91, 109, 91), where)
    near = neighbourhoods(grid, meshes, 3.0)
    for column, own in enumerate(near):
        assert column in own
        assert len(set(where.structure[own].tolist())) == 1
    assert [len(own) for own in near[600:]] == [7] * 8
    alone = along_mesh(meshes[CORTEX[1]], np.arange(300), 3.0)
    np.testing.assert_array_equal(near[305], alone[5] + 300)


@pytest.mark.parametrize("vertices", [(1000, 1000), (FSLR_VERTICES, FSLR_VERTICES)])
def test_meshes_that_are_not_at_hand_are_none(vertices: tuple[int, ...]) -> None:
    assert mesh_middles(vertices, None) == {}
