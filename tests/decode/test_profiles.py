"""Many decoders of the same labels: nilearn's searchlight, and the largest of all as their null."""

import warnings

import nibabel as nib
import numpy as np
import pytest
from nilearn.decoding import SearchLight
from nilearn.decoding.searchlight import search_light
from scipy.sparse import lil_matrix
from scipy.spatial import Delaunay
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import LeaveOneGroupOut

from tristream.config.decoders import DecoderDesign
from tristream.decode.decoding_samples import Samples
from tristream.decode.labelled_arrays import labelled
from tristream.decode.profiles import over_time, regions, searchlight, searchlight_in
from tristream.errors import UserError
from tristream.space.neighbourhoods import Mesh, along_mesh

RIDGE = DecoderDesign(kind="ridge", samples="blocks", regularization=1.0, permutations=39)


def noise(rng: np.random.Generator, voxels: int, signal: int = 0) -> tuple[Samples, np.ndarray]:
    run = np.repeat(np.arange(6), 8)
    y = np.concatenate([rng.permutation([0, 1] * 4) for _ in range(6)])
    x = rng.standard_normal((48, voxels))
    x[:, :signal] += y[:, None]
    return labelled(x, y, run), y


def test_the_searchlight_is_nilearns() -> None:
    rng = np.random.default_rng(0)
    affine = np.diag([3.0, 3.0, 4.0, 1.0])
    inside = rng.random((6, 6, 3)) < 0.8
    ijk = np.argwhere(inside)
    samples, y = noise(rng, len(ijk), signal=12)
    volume = np.zeros((*inside.shape, len(y)))
    volume[inside] = samples.x.T
    theirs = SearchLight(
        nib.Nifti1Image(inside.astype(np.int8), affine),
        radius=5.0,
        estimator=RidgeClassifier(alpha=1.0),
        cv=LeaveOneGroupOut(),
        scoring="accuracy",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(nib.Nifti1Image(volume, affine), y, groups=samples.sample_run)
    quick = RIDGE.model_copy(update={"permutations": 0})
    ours = searchlight(samples, nib.affines.apply_affine(affine, ijk), 5.0, quick)
    np.testing.assert_allclose(ours.accuracy, theirs.scores_[inside], atol=1e-10)
    assert ours.accuracy.max() > 0.7
    assert "permutations: 0" in ours.refusal
    assert np.isnan(ours.p_fwe).all()


def test_the_searchlight_along_a_mesh_is_nilearns() -> None:
    """Of the same neighbourhoods, by the function behind nilearn's examples on surfaces."""
    rng = np.random.default_rng(0)
    mesh = Mesh(rng.uniform(0, 20, (90, 3)) * [1, 1, 0.1], np.empty((0, 3), int))
    mesh = Mesh(mesh.points, Delaunay(mesh.points[:, :2]).simplices)
    samples, y = noise(rng, 90, signal=12)
    near = along_mesh(mesh, np.arange(90), 5.0)
    rows = lil_matrix((90, 90), dtype=bool)
    for vertex, own in enumerate(near):
        rows[vertex, own] = True
    theirs = search_light(
        samples.x,
        y,
        RidgeClassifier(alpha=1.0),
        rows,
        groups=samples.sample_run,
        scoring="accuracy",
        cv=LeaveOneGroupOut(),
        n_jobs=1,
    )
    ours = searchlight_in(samples, near, RIDGE.model_copy(update={"permutations": 0}))
    np.testing.assert_allclose(ours.accuracy, theirs, atol=1e-10)
    np.testing.assert_array_equal(ours.size, [len(own) for own in near])
    assert 2 < np.median(ours.size) < 45
    with pytest.raises(UserError, match="89 neighbourhoods for 90 voxels"):
        searchlight_in(samples, near[1:], RIDGE)


def test_one_of_many_regions_without_signal_passes_only_uncorrected() -> None:
    rng = np.random.default_rng(0)
    single, corrected = 0, 0
    for _ in range(60):
        samples, _ = noise(rng, 60)
        found = regions(samples, {str(k): np.arange(4 * k, 4 * k + 4) for k in range(15)}, RIDGE)
        single += bool((found.p <= 0.05).any())
        corrected += bool((found.p_fwe <= 0.05).any())
    assert corrected <= 8  # 99 % of the binomial distribution at .05
    assert single >= 20


def test_a_region_with_signal_passes() -> None:
    samples, _ = noise(np.random.default_rng(1), 60, signal=5)
    found = regions(samples, {"first": np.arange(10), "rest": np.arange(10, 60)}, RIDGE)
    assert found.names == ["first", "rest"]
    assert found.p_fwe[0] == pytest.approx(1 / 40)
    assert found.p_fwe[1] > 0.05
    assert abs(found.chance - 0.5).max() < 0.05


def test_a_region_without_voxels_is_named() -> None:
    samples, _ = noise(np.random.default_rng(0), 5)
    with pytest.raises(UserError, match=r"region 'V9': it has no voxel with data"):
        regions(samples, {"V9": np.arange(0)}, RIDGE)


def test_time_shows_when_the_label_is_known() -> None:
    rng = np.random.default_rng(0)
    samples, y = noise(rng, 10)
    windows = rng.standard_normal((48, 5, 10))
    windows[:, 2:4, :4] += 1.5 * y[:, None, None]
    found = over_time(samples, windows, [-2.5, 0, 2.5, 5, 7.5], RIDGE)
    assert found.names[0] == "-2.5 s"
    assert (found.p_fwe <= 0.05).tolist() == [False, False, True, True, False]
    with pytest.raises(UserError, match=r"\(48, 5, 10\); expected 48 blocks, 4 times"):
        over_time(samples, windows, [0, 1, 2, 3], RIDGE)
    with pytest.raises(UserError, match=r"shape \(48, 5\); expected 48 blocks, 5 times, voxels"):
        over_time(samples, windows[..., 0], [-2.5, 0, 2.5, 5, 7.5], RIDGE)


def test_a_window_that_is_not_finite_is_refused() -> None:
    rng = np.random.default_rng(0)
    samples, _ = noise(rng, 10)
    windows = rng.standard_normal((48, 2, 10))
    windows[7, 1, 3] = np.nan
    with pytest.raises(UserError, match="windows: 1 of 10 voxels are not finite"):
        over_time(samples, windows, [0, 2.5], RIDGE)


def test_regions_are_of_the_voxels_that_were_given_whichever_were_left_out() -> None:
    rng = np.random.default_rng(1)
    whole, y = noise(rng, 10, signal=3)
    x, run = whole.x.copy(), np.repeat(np.arange(6), 8)
    x[5, 0] = np.nan
    parts = {"first": np.arange(3), "rest": np.arange(3, 10)}
    found = regions(labelled(x, y, run), parts, RIDGE)
    np.testing.assert_array_equal(found.size, [2, 7])
    alone = regions(labelled(x[:, 1:3], y, run), {"first": np.arange(2)}, RIDGE)
    assert found.accuracy[0] == alone.accuracy[0]
    # Places in what is left would be another region.
    moved = regions(labelled(x[:, 1:4], y, run), {"first": np.arange(3)}, RIDGE)
    assert moved.size[0] == 3
    with pytest.raises(UserError, match="region 'gone': it has no voxel with data"):
        regions(labelled(x, y, run), {"gone": np.array([0, 99])}, RIDGE)


def test_spheres_without_a_place_or_a_voxel_are_refused() -> None:
    samples, _ = noise(np.random.default_rng(0), 5)
    position = np.arange(15.0).reshape(5, 3)
    for radius in (-1.0, np.nan):
        with pytest.raises(UserError, match=f"radius: {radius:g} mm"):
            searchlight(samples, position, radius, RIDGE)
    with pytest.raises(UserError, match=r"6 positions for 5 voxels; .* position\[samples.column\]"):
        searchlight(samples, np.zeros((6, 3)), 4.0, RIDGE)
    position[2, 1] = np.nan
    with pytest.raises(UserError, match="position: some are not finite"):
        searchlight(samples, position, 4.0, RIDGE)
    near = [np.array([voxel]) for voxel in range(5)]
    near[3] = np.arange(0)
    with pytest.raises(UserError, match="nothing is near voxel 3"):
        searchlight_in(samples, near, RIDGE)
