"""Banded ridge on data that are not nice: the right answer, or a ValueError that says what is."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut

from encode.solvers.test_banded_ridge import ALPHAS, RUNS, data, fitted_values, himalaya
from tristream.encode.solvers import banded_ridge

SOLVERS = pytest.mark.parametrize("solver", ["exact", "skeleton"])
SCORES = pytest.mark.parametrize("score", ["r2", "correlation"])
WEIGHTS = banded_ridge.dirichlet_candidates(20, 3)


def fit(grams, y, solver="skeleton", gammas=WEIGHTS, alphas=ALPHAS, runs=RUNS, **options):
    return banded_ridge.fit(grams, y, runs, gammas, alphas, solver=solver, **options)


@SOLVERS
@SCORES
def test_constant_voxels_score_zero_and_take_the_largest_penalty(solver, score):
    _, grams, y = data("float32")
    y[:, 7] = 0.1
    y[:, 9] = 0
    alphas = np.array([1e3, 1.0, 1e5, 10.0])
    found = fit(grams, y, solver, alphas=alphas, score=score)
    dead = [7, 9]
    assert not found.choice.score[dead].any()
    assert (alphas[found.choice.alpha[dead]] == 1e5).all()
    assert not found.duals[:, dead].any()
    assert torch.equal(found.intercept[dead], torch.tensor([0.1, 0.0]))
    clean = fit(grams, torch.from_numpy(np.delete(y.numpy(), dead, 1)), solver, score=score)
    assert torch.isfinite(clean.duals).all()


def by_scikit_learn(x, y, alpha, score, runs=RUNS):
    """Mean score of ridge fitted without each run; zero for a run in which a voxel is constant."""
    out = []
    for train, test in LeaveOneGroupOut().split(x, groups=runs):
        peer = Ridge(alpha, solver="svd").fit(x[train], y[train])
        # The intercept apart: beside it, what a huge penalty leaves would be rounded away.
        p = (x[test] - x[train].mean(0)) @ peer.coef_.T
        own = y[test] - y[test].mean(0)
        varies = np.ptp(y[test], axis=0) > 0
        total = np.where(varies, (own**2).sum(0), 1)
        if score == "r2":
            value = 1 - ((y[test] - y[train].mean(0) - p) ** 2).sum(0) / total
        else:
            p = p - p.mean(0)
            value = (own * p).sum(0) / np.sqrt(total * (p**2).sum(0))
        out.append(np.where(varies, value, 0))
    return np.mean(out, 0)


def joined(x, gamma):
    """Features whose kernel is the bands' mixture."""
    pairs = zip(x, gamma, strict=True)
    return np.hstack([b * np.sqrt(g * len(b) / np.trace(b @ b.T)) for b, g in pairs])


@SOLVERS
@SCORES
def test_a_voxel_constant_in_one_run_counts_zero_there(solver, score):
    x, grams, y = data("float64", voxels=40)
    y[RUNS == 2, 3] = 1.5
    found = fit(grams, y, solver, gammas=WEIGHTS[:1], alphas=np.array([10.0]), score=score)
    expected = by_scikit_learn(joined(x, WEIGHTS[0]), y.numpy(), 10.0, score)
    assert found.choice.score.numpy() == pytest.approx(expected, abs=1e-8)


def test_voxels_with_nan_are_counted():
    _, grams, y = data("float32", voxels=12)
    y[3, 5], y[9, 7] = np.nan, np.inf
    with pytest.raises(ValueError, match="2 of 12 voxels hold NaN"):
        fit(grams, y)


def test_a_bad_kernel_is_named():
    _, grams, y = data("float64", voxels=4)
    broken = grams.clone()
    broken[1, 3, 3] = torch.nan
    with pytest.raises(ValueError, match="kernel of band 1 holds NaN"):
        fit(broken, y)
    with pytest.raises(ValueError, match=r"kernel of band 0 has shape \(4, 4\)"):
        fit(grams[:, :4, :4], y)
    negative = grams.clone()
    negative[2] = -negative[2]
    with pytest.raises(ValueError, match="kernel of band 2 has negative eigenvalues"):
        fit(negative, y, "exact", gammas=np.eye(3)[2:])


@SOLVERS
@SCORES
def test_a_band_of_zeros_predicts_nothing(solver, score):
    _, grams, y = data("float64", voxels=40)
    grams = torch.cat([grams, torch.zeros_like(grams[:1])])
    gammas = np.vstack([np.eye(4), np.full((1, 4), 0.25)])
    found = fit(grams, y, solver, gammas=gammas, score=score)
    without = fit(grams[:3], y, solver, gammas=gammas[[0, 1, 2, 4], :3], score=score)
    good = without.choice.score > 0.01
    assert torch.allclose(found.choice.score[good], without.choice.score[good], atol=1e-5)
    assert (found.choice.gamma[good] != 3).all()
    alone = fit(grams, y, solver, gammas=np.eye(4)[3:], score=score)
    assert not alone.duals.any()
    assert torch.allclose(alone.intercept, y.mean(0))


@SOLVERS
@SCORES
def test_a_constant_band_predicts_nothing(solver, score):
    _, grams, y = data("float32", voxels=40)
    grams[1] = 1e4
    found = fit(grams, y, solver, gammas=np.eye(3)[1:2], score=score)
    assert not found.duals.any()
    assert torch.allclose(found.intercept, y.mean(0))
    assert score == "r2" or not found.choice.score.any()


@SOLVERS
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_extreme_penalties_stay_finite(solver, scale):
    _, grams, y = data("float32")
    alphas = np.array([1e-30, 1e-10, 1e-3, 1.0, 1e3, 1e9, 1e20])
    for score in ("r2", "correlation"):
        found = fit(grams * scale, y, solver, alphas=alphas, score=score)
        for value in (found.choice.score, found.duals, found.intercept):
            assert torch.isfinite(value).all()


@SCORES
@pytest.mark.parametrize("alpha", [1e-10, 1e20])
def test_extreme_penalties_equal_scikit_learn(alpha, score):
    """Kernels of full and of low rank."""
    for bands in ((400, 300), (12, 8)):
        x, grams, y = data("float64", voxels=15, bands=bands)
        gammas = np.array([[0.3, 0.7]])
        found = fit(grams, y, "exact", gammas=gammas, alphas=np.array([alpha]), score=score)
        features = joined(x, gammas[0])
        expected = by_scikit_learn(features, y.numpy(), alpha, score)
        assert found.choice.score.numpy() == pytest.approx(expected, abs=1e-7)
        peer = Ridge(alpha, solver="svd").fit(features, y).predict(features)
        assert fitted_values(grams, gammas, found).numpy() == pytest.approx(peer, abs=1e-5)


@SOLVERS
@SCORES
def test_duplicate_columns_and_low_rank(solver, score):
    rng = np.random.default_rng(0)
    x = np.repeat(rng.standard_normal((len(RUNS), 3)), 4, axis=1)
    other = rng.standard_normal((len(RUNS), 2))
    grams = torch.from_numpy(np.stack([x @ x.T / 12, other @ other.T + 1e3]))
    y = torch.from_numpy(x @ rng.standard_normal((12, 60)) + rng.standard_normal((len(RUNS), 60)))
    gammas = banded_ridge.dirichlet_candidates(12, 2)
    alphas = np.logspace(-6, 3, 10)
    found = fit(grams, y, solver, gammas=gammas, alphas=alphas, score=score)
    scores, _ = himalaya(grams, y, gammas, alphas, score)
    loss = found.choice.score - scores.amax(0)
    assert float(loss.mean()) > -3e-5
    assert float(loss.max()) < 1e-6


@SOLVERS
def test_a_target_of_any_scale_is_the_same(solver):
    _, grams, y = data("float32")
    scale = torch.logspace(-12, 12, y.shape[1])
    one, two = fit(grams, y, solver), fit(grams, y * scale, solver)
    assert torch.allclose(one.choice.score, two.choice.score, atol=1e-4)


def test_equal_scores_take_the_larger_penalty():
    _, grams, _ = data("float32", voxels=3)
    rng = np.random.default_rng(0)
    y = torch.from_numpy(rng.standard_normal((len(RUNS), 3)))
    found = fit(0 * grams, y, "exact", gammas=np.eye(3), alphas=np.array([1.0, 1e5, 10.0]))
    assert found.choice.alpha.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runs": np.zeros(len(RUNS))}, "at least two groups"),
        ({"runs": np.arange(len(RUNS))}, "at least two"),
        ({"runs": RUNS[:-1]}, "group labels for"),
        (
            {"runs": [(np.arange(9), np.arange(5, 20)), (np.arange(3), np.arange(5, 9))]},
            "tested on",
        ),
        ({"alphas": np.array([0.0, 1.0])}, "penalties must be positive"),
        ({"alphas": np.array([])}, "penalties must be positive"),
        ({"gammas": np.ones((2, 2))}, "for 3 bands"),
        ({"gammas": -np.eye(3)}, "not negative"),
        ({"score": "mse"}, "neither 'r2' nor"),
        ({"solver": "fast"}, "neither 'exact' nor"),
    ],
)
def test_impossible_fits_are_refused(change, message):
    _, grams, y = data("float32", voxels=2)
    with pytest.raises(ValueError, match=message):
        fit(grams, y, **change)


def test_targets_of_another_kind_are_refused():
    _, grams, y = data("float32", voxels=2)
    with pytest.raises(ValueError, match="expected float32 or float64"):
        fit(grams, y.int())
    with pytest.raises(ValueError, match="expected \\(n, voxels\\)"):
        fit(grams, y[:, :0])
