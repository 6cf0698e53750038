"""Borders of regions, against a mesh and an atlas of which they are known."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from nilearn.datasets import fetch_surf_fsaverage
from nilearn.surface import load_surf_mesh
from scipy.spatial import KDTree

from tristream.maps.outlines import Outlines, borders, short
from tristream.maps.surface import HEMISPHERES, cortex, view
from tristream.space.atlas import Regions


def test_a_border_runs_through_the_middles_of_edges_between_labels():
    points = np.array([[0.0, 0], [2, 0], [0, 2], [2, 2]])
    faces = np.array([[0, 1, 2], [1, 3, 2]])
    lines = borders(np.array([5, 7, 5, 7]), points, faces)
    # One line a face, and the two meet in the middle of the edge that faces share.
    assert {tuple(map(tuple, line)) for line in lines} == {((1, 0), (1, 1)), ((1, 2), (1, 1))}
    assert len(borders(np.array([5, 5, 5, 5]), points, faces)) == 0
    stars = borders(np.array([1, 2, 3]), points[:3], faces[:1])
    assert [tuple(line[1].round(3)) for line in stars] == [(0.667, 0.667)] * 3


@pytest.fixture(scope="module")
def halves() -> Outlines:
    """Of each side a region in front of y = -20 mm and one behind."""
    affine = np.diag([100.0, 120, 200, 1])
    affine[:3, 3] = [-50, -80, 0]
    labels = np.array([[0, 1], [2, 3]], np.int16)[..., None]
    return Outlines.of(Regions(labels, affine, ["Left b", "Left f", "Right b", "Right f (all)"]))


@pytest.mark.parametrize("side", HEMISPHERES)
def test_regions_and_their_borders_lie_where_the_atlas_has_them(halves, side):
    paths = fetch_surf_fsaverage("fsaverage5")
    depths = [load_surf_mesh(paths[f"{kind}_{side}"]).coordinates for kind in ("white", "pial")]
    y = np.mean(depths, axis=0)[:, 1]
    back, front = (0, 1) if side == "left" else (2, 3)
    shown = cortex(side) & (np.abs(y + 20) > 1e-6)
    # A few vertices of a hemisphere lie across the midline.
    assert (halves.labels[side][shown] == np.where(y < -20, back, front)[shown]).mean() > 0.99
    assert (halves.labels[side][~cortex(side)] == -1).all()
    seen = view(side, "flat")
    used = np.unique(seen.faces)
    lines = borders(np.where(y < -20, 0, 1), seen.points, seen.faces)
    _, nearest = KDTree(seen.points[used]).query(lines.mean(axis=1))
    assert np.abs(y[used][nearest] + 20).max() < 12
    assert halves.number == 4


def test_points_of_a_view_are_where_its_faces_are_seen():
    for side in ("lateral", "flat"):
        seen = view("left", side)
        rows, columns = np.nonzero(seen.face_of_pixel >= 0)
        corners = seen.points[seen.faces[seen.face_of_pixel[rows, columns]]]
        away = np.abs(corners.mean(axis=1) - np.stack([columns, rows], axis=1))
        # A face is some pixels wide.
        assert np.median(away) < 3


def test_numbers_and_names_are_those_of_the_highest_means(halves):
    values = np.where(halves.labels["right"] == 3, 0.4, 0.1)
    assert halves.highest("right", values) == [3, 2]
    values[:] = np.nan
    assert halves.highest("right", values) == []
    axes = plt.figure().add_subplot()
    halves.draw(axes, "right", view("right", "flat"), [3, 2])
    assert [text.get_text() for text in axes.texts] == ["1", "2", "1 f, 2 b"]
    plt.close(axes.figure)


def test_a_name_has_no_side_and_no_brackets():
    assert short("Left Heschl's Gyrus (includes H1 and H2)") == "Heschl's Gyrus"
    assert short("Right Superior Temporal Gyrus") == "Superior Temporal Gyrus"
