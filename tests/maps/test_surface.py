"""The projection to fsaverage5 and its renderings, against the meshes themselves."""

import numpy as np
import pytest
from nilearn.datasets import fetch_surf_fsaverage
from nilearn.surface import load_surf_mesh

from tristream.maps.score_maps import Scores, Voxels
from tristream.maps.surface import HEMISPHERES, cortex, coverage, project, view


def field(values, ijk, affine, shape):
    """Voxels whose r is `values`."""
    scores = Scores(values, values, values[None], ("a",))
    return Voxels(scores, ijk, affine, shape, None, None, False, ())


def grid():
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = [-96, -132, -80]
    shape = (49, 58, 52)
    ijk = np.argwhere(np.ones(shape, bool)).astype(np.int32)
    return ijk, affine, shape


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_coordinates_come_back_as_coordinates(axis):
    ijk, affine, shape = grid()
    xyz = ijk @ affine[:3, :3] + affine[:3, 3]
    surfaces = project(field(xyz[:, axis], ijk, affine, shape))
    paths = fetch_surf_fsaverage("fsaverage5")
    for side in HEMISPHERES:
        pial, white = (
            np.asarray(load_surf_mesh(paths[f"{kind}_{side}"]).coordinates)
            for kind in ("pial", "white")
        )
        expected = (pial + white)[:, axis] / 2
        shown = cortex(side)
        # Linear interpolation of a linear field is exact; depths are spread over the cortex.
        np.testing.assert_allclose(surfaces[side].r[shown], expected[shown], atol=0.1)
        assert np.isnan(surfaces[side].r[~shown]).all()


def test_coverage_is_the_share_of_cortex_that_the_volume_reaches():
    ijk, affine, shape = grid()
    xyz = ijk @ affine[:3, :3] + affine[:3, 3]
    everything = field(np.ones(len(ijk)), ijk, affine, shape)
    assert coverage(project(everything)) == 1
    left = xyz[:, 0] < 0
    half = field(np.ones(left.sum()), ijk[left], affine, shape)
    assert coverage(project(half)) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("side", ["lateral", "medial", "flat"])
@pytest.mark.parametrize("hemisphere", HEMISPHERES)
def test_a_view_shows_the_hemisphere_the_right_way_round(hemisphere, side):
    seen = view(hemisphere, side)
    paths = fetch_surf_fsaverage("fsaverage5")
    anatomy = np.asarray(load_surf_mesh(paths[f"pial_{hemisphere}"]).coordinates)
    shown = seen.face_of_pixel >= 0
    assert 0.4 < shown.mean() < 0.95
    centre = anatomy[seen.faces].mean(axis=1)
    y = np.where(shown, centre[seen.face_of_pixel, 1], np.nan)
    z = np.where(shown, centre[seen.face_of_pixel, 2], np.nan)
    width = y.shape[1]
    front_is_left = np.nanmean(y[:, : width // 3]) > np.nanmean(y[:, -width // 3 :])
    if side == "flat":
        return
    # Seen from the left, the front of the brain is on the left of the picture.
    assert front_is_left == ((hemisphere == "left") == (side == "lateral"))
    height = z.shape[0]
    assert np.nanmean(z[: height // 3]) > np.nanmean(z[-height // 3 :])


def test_an_image_takes_the_colours_of_its_vertices():
    seen = view("left", "lateral")
    red = np.tile([1.0, 0.0, 0.0], (10242, 1))
    picture = seen.image(red)
    shown = seen.face_of_pixel >= 0
    np.testing.assert_allclose(picture[shown], np.tile([1, 0, 0, 1], (shown.sum(), 1)), atol=1e-6)
    assert (picture[~shown] == 0).all()
