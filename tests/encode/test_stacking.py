"""Stacked regression: its quadratic program, its left-out predictions, and what it is for."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut

from tristream.encode.estimators import BandedRidgeCV, RidgeCV, StackedRidgeCV
from tristream.encode.stacking import convex_weights, left_out_residuals, residual_products

RUNS = np.repeat(np.arange(4), [40, 51, 45, 48])
ALPHAS = np.logspace(-1, 5, 13)

pytestmark = pytest.mark.filterwarnings("ignore::tristream.encode.estimators.GridEdgeWarning")


def test_weights_equal_a_general_solver():
    rng = np.random.default_rng(0)
    residuals = rng.standard_normal((4, 60, 25)) * rng.uniform(0.3, 2, (4, 1, 25))
    residuals += rng.standard_normal((60, 25))
    products = residual_products(torch.from_numpy(residuals))
    weights = convex_weights(products)
    assert weights.sum(1) == pytest.approx(1)
    assert weights.min() >= 0
    assert ((weights == 0).any(1) & (weights.max(1) < 1)).any()
    for w, p in zip(weights, products, strict=True):
        scaled = p / np.trace(p)
        peer = minimize(
            lambda v, p=scaled: v @ p @ v,
            np.full(4, 0.25),
            jac=lambda v, p=scaled: 2 * p @ v,
            bounds=[(0, 1)] * 4,
            constraints={"type": "eq", "fun": lambda v: v.sum() - 1, "jac": lambda v: np.ones(4)},
            options={"ftol": 1e-14},
        )
        assert w @ scaled @ w == pytest.approx(peer.fun, rel=1e-6)


def test_weights_of_equal_and_of_faultless_predictions():
    assert convex_weights(np.ones((1, 3, 3))).sum() == pytest.approx(1)
    assert convex_weights(np.zeros((1, 2, 2))) == pytest.approx(0.5)
    assert convex_weights(np.diag([0.0, 1.0])[None])[0, 0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_left_out_predictions_equal_scikit_learn(dtype):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((len(RUNS), 30)) + RUNS[:, None]
    y = rng.standard_normal((len(RUNS), 3)) + 5
    alphas = np.array([0.1, 10, 1000])
    gram = torch.from_numpy(x @ x.T)
    found = left_out_residuals(gram, torch.from_numpy(y).to(dtype), RUNS, torch.from_numpy(alphas))
    for train, test in LeaveOneGroupOut().split(x, groups=RUNS):
        for v, alpha in enumerate(alphas):
            expected = y[test, v] - Ridge(alpha).fit(x[train], y[train, v]).predict(x[test])
            assert found[test, v].numpy() == pytest.approx(expected, abs=1e-4)


def make(voxels=40, seed=2):
    rng, n = np.random.default_rng(seed), len(RUNS)
    bands = [rng.standard_normal((n, p)) for p in (8, 60)]
    share = rng.random(voxels)
    signal = sum(
        x @ rng.standard_normal((x.shape[1], voxels)) / np.sqrt(x.shape[1]) * np.sqrt(s)
        for x, s in zip(bands, (share, 1 - share), strict=True)
    )
    return bands, signal + rng.standard_normal((n, voxels)), share


def test_stacking_beats_each_space_and_follows_their_shares():
    bands, y, share = make()
    model = StackedRidgeCV(alphas=ALPHAS).fit(bands, y, runs=RUNS)
    alone = [RidgeCV(alphas=ALPHAS).fit(x, y, runs=RUNS).cv_ for x in bands]
    assert model.band_cv_ == pytest.approx(np.stack(alone), abs=1e-6)
    assert (model.cv_ >= np.max(alone, 0) - 0.02).all()
    assert model.cv_.mean() > np.max(alone, 0).mean() + 0.01
    assert np.corrcoef(model.gamma_[0], share)[0, 1] > 0.8
    joint = BandedRidgeCV(alphas=ALPHAS, candidates=20).fit(bands, y, runs=RUNS)
    assert abs(model.cv_.mean() - joint.cv_.mean()) < 0.1


def test_parts_add_up_and_forms_of_input_agree():
    bands, y, _ = make(voxels=5)
    model = StackedRidgeCV(alphas=ALPHAS).fit(bands, y, runs=RUNS)
    parts = model.predict(bands, split=True)
    assert parts.sum(0) + model.intercept_ == pytest.approx(model.predict(bands))
    grams = np.stack([x @ x.T for x in bands])
    same = StackedRidgeCV(alphas=ALPHAS, kernel="precomputed").fit(grams, y, runs=RUNS)
    assert same.predict(grams) == pytest.approx(model.predict(bands), abs=1e-6)
    assert model.score(bands, y) > model.cv_.mean()
