"""Cleaning equals nilearn's, and one projection serves BOLD and delayed features alike."""

import numpy as np
import pytest
from nilearn import signal

from tristream.bold.cleaning import clean, project_out, projection_basis, shared_projection
from tristream.bold.quality import mean_and_tsnr
from tristream.errors import UserError


@pytest.fixture
def raw() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    confounds = rng.normal(size=(80, 6)) * np.logspace(-4, 3, 6)
    bold = 1000 + 10 * rng.normal(size=(80, 50)) + confounds @ rng.normal(size=(6, 50))
    return (bold + np.linspace(0, 40, 80)[:, None]).astype(np.float32), confounds


def test_equals_nilearn_clean(raw: tuple[np.ndarray, np.ndarray]) -> None:
    bold, confounds = raw
    reference = signal.clean(
        bold.astype(float),
        confounds=confounds,
        detrend=True,
        standardize="zscore_sample",
        standardize_confounds=True,
    )
    none = np.zeros(80, bool)
    got = clean(bold.copy(), projection_basis(80, confounds), none)
    np.testing.assert_allclose(got, reference, atol=2e-6)


def test_censoring_equals_nilearn_on_the_remaining_volumes(
    raw: tuple[np.ndarray, np.ndarray],
) -> None:
    bold, confounds = raw
    censor = np.zeros(80, bool)
    censor[[0, 1, 30, 31, 64]] = True
    bold[30] += 500
    trend = np.linspace(-1, 1, 80)[:, None]
    reference = signal.clean(
        bold.astype(float),
        confounds=np.concatenate([confounds, trend], axis=1),
        sample_mask=np.flatnonzero(~censor),
        detrend=False,
        standardize="zscore_sample",
        standardize_confounds=True,
    )
    got = clean(bold.copy(), projection_basis(80, confounds, censor), censor)
    np.testing.assert_allclose(got[~censor], reference, atol=2e-6)
    assert not got[censor].any()


def test_regression_on_projected_features_gives_the_weights_of_the_full_model() -> None:
    rng = np.random.default_rng(1)
    x, confounds = rng.normal(size=(90, 5)), rng.normal(size=(90, 4))
    y = x @ rng.normal(size=(5, 3)) + confounds @ rng.normal(size=(4, 3)) + rng.normal(size=(90, 3))
    censor = np.zeros(90, bool)
    censor[10:14] = True
    kept = ~censor
    full = np.concatenate([x, confounds, np.ones((90, 1)), np.arange(90)[:, None]], axis=1)
    reference = np.linalg.lstsq(full[kept], y[kept], rcond=None)[0][:5]
    basis = projection_basis(90, confounds, censor)
    got = np.linalg.lstsq(project_out(x, basis), project_out(y, basis), rcond=None)[0]
    np.testing.assert_allclose(got, reference, rtol=1e-9)


def test_basis_is_orthonormal_and_drops_dependent_columns() -> None:
    rng = np.random.default_rng(2)
    confounds = rng.normal(size=(40, 3))
    twice = np.concatenate([confounds, confounds @ rng.normal(size=(3, 2)), np.ones((40, 1))], 1)
    basis = projection_basis(40, twice)
    assert basis.shape == (40, 5)
    np.testing.assert_allclose(basis.T @ basis, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(project_out(twice, basis), 0, atol=1e-12)


def test_voxels_that_confounds_explain_fully_become_zero_not_noise() -> None:
    confounds = np.random.default_rng(3).normal(size=(40, 1))
    bold = np.concatenate([100 + confounds, np.full((40, 1), 7.0)], axis=1).astype(np.float32)
    assert not clean(bold, projection_basis(40, confounds), np.zeros(40, bool)).any()


def test_too_many_confounds_are_refused() -> None:
    with pytest.raises(UserError, match="leave 3 degrees of freedom of 30 volumes"):
        projection_basis(30, np.random.default_rng(0).normal(size=(30, 25)))


def test_tsnr_is_mean_over_noise_about_a_trend() -> None:
    rng = np.random.default_rng(4)
    bold = 800 + np.linspace(-50, 50, 2000)[:, None] + 8 * rng.normal(size=(2000, 3))
    bold[:, 2] = 5
    mean, tsnr = mean_and_tsnr(bold.astype(np.float32))
    np.testing.assert_allclose(mean, [800, 800, 5], rtol=1e-3)
    np.testing.assert_allclose(tsnr, [100, 100, 0], rtol=0.05)


def test_what_two_runs_lost_alike_is_found():
    """Cosines, but neither run's own confounds nor its censored volumes."""
    rng = np.random.default_rng(0)
    slow = np.cos(np.pi * np.outer(np.arange(90) + 0.5, np.arange(4)) / 90)
    censor = np.zeros(90, bool)
    censor[[7, 40]] = True
    bases = [
        projection_basis(90, np.hstack([slow, rng.standard_normal((90, 3))]), lost)
        for lost in (censor, np.zeros(90, bool))
    ]
    rows = np.flatnonzero(~censor)
    shared = shared_projection(bases, rows)
    linear = np.linspace(-1, 1, 90)[:, None]
    wanted = np.linalg.qr(np.hstack([slow, linear])[rows])[0]
    assert shared.T @ shared == pytest.approx(np.eye(5), abs=1e-10)
    assert np.linalg.svd(shared.T @ wanted)[1].min() > 0.99
    alone = shared_projection(bases[:1], rows)
    assert alone.shape[1] == 8
