"""The banded ridge solver against himalaya, scikit-learn and explicit delayed features."""

import numpy as np
import pytest
import torch
from himalaya import scoring
from himalaya.backend import set_backend
from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut, PredefinedSplit

from tristream.encode.estimators import BandedRidgeCV
from tristream.encode.solvers import banded_ridge, kernels

RUNS = np.repeat(np.arange(5), [30, 41, 25, 37, 27])
ALPHAS = np.logspace(-2, 5, 9)


def data(dtype, voxels=80, bands=(60, 30, 8), seed=0):
    """Voxels driven by random mixtures of bands; neither is centred, and runs drift."""
    rng = np.random.default_rng(seed)
    x = [rng.standard_normal((len(RUNS), p)) + rng.random(p) for p in bands]
    signal = sum(b @ rng.standard_normal((b.shape[1], voxels)) * rng.random(voxels) ** 3 for b in x)
    noise = rng.standard_normal(signal.shape) * signal.std(0) * rng.uniform(0.3, 2, voxels)
    y = (signal + noise) / signal.std(0) + RUNS[:, None] * 0.1
    grams = np.stack([b @ b.T / np.trace(b @ b.T) * len(b) for b in x])
    return x, torch.from_numpy(grams), torch.from_numpy(y.astype(dtype))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("float64", 1e-8)])
def test_choices_and_scores_equal_himalaya(dtype, tolerance):
    alphas_tried = np.logspace(-2, 2, 5)
    _, grams, y = data(dtype)
    gammas = banded_ridge.dirichlet_candidates(12, len(grams), seed=1)
    ours = banded_ridge.search(grams, y, RUNS, gammas, alphas_tried)
    set_backend("torch")
    # himalaya in float64: its float32 eigendecomposition is what would differ.
    deltas, duals, scores, alphas, intercept = solve_multiple_kernel_ridge_random_search(
        grams,
        y.double(),
        n_iter=torch.from_numpy(gammas),
        alphas=torch.from_numpy(alphas_tried),
        cv=PredefinedSplit(RUNS),
        score_func=scoring.r2_score,
        fit_intercept=True,
        return_weights="dual",
        return_alphas=True,
        progress_bar=False,
    )
    best = scores.max(0)
    assert float((ours.score - best.values).abs().max()) < tolerance
    # Within rounding, two candidates may be equally good.
    runner_up = scores.sort(0).values[-2]
    clear = best.values - runner_up > 10 * tolerance
    assert clear.float().mean() > 0.8
    assert torch.equal(ours.gamma[clear], best.indices[clear])
    chosen = torch.from_numpy(alphas_tried)[ours.alpha]
    assert torch.allclose(chosen[clear], alphas[clear])
    dual, offset = banded_ridge.refit(grams, y, gammas, alphas_tried, ours)
    weights = torch.from_numpy(gammas.T)[:, ours.gamma]
    fitted = banded_ridge.predict(grams, dual.double(), weights).sum(0) + offset
    theirs = banded_ridge.predict(grams, duals, torch.exp(deltas)).sum(0) + intercept
    assert float((fitted - theirs)[:, clear].abs().max()) < 1e3 * tolerance


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e3])
def test_one_candidate_equals_refitting_scikit_learn_without_each_run(alpha):
    x, grams, y = data("float64", voxels=10, bands=(40, 12))
    gamma = np.array([[0.3, 0.7]])
    choice = banded_ridge.search(grams, y, RUNS, gamma, np.array([alpha]))
    features = np.hstack(
        [b * np.sqrt(g * len(b) / np.trace(b @ b.T)) for b, g in zip(x, gamma[0], strict=True)]
    )
    expected = []
    for train, test in LeaveOneGroupOut().split(features, groups=RUNS):
        peer = Ridge(alpha).fit(features[train], y[train])
        residual = ((y[test] - peer.predict(features[test])) ** 2).sum(0)
        expected.append(1 - residual / ((y[test] - y[test].mean(0)) ** 2).sum(0))
    assert choice.score.numpy() == pytest.approx(np.mean(expected, 0), abs=1e-8)
    dual, intercept = banded_ridge.refit(grams, y, gamma, np.array([alpha]), choice)
    weights = torch.from_numpy(np.repeat(gamma.T, 10, 1))
    fitted = banded_ridge.predict(grams, dual, weights).sum(0) + intercept
    assert fitted.numpy() == pytest.approx(
        Ridge(alpha).fit(features, y).predict(features), abs=1e-5
    )


def test_samples_need_not_be_sorted_by_run():
    _, grams, y = data("float64")
    gammas = banded_ridge.dirichlet_candidates(6, 3)
    order = np.random.default_rng(3).permutation(len(RUNS))
    one = banded_ridge.search(grams, y, RUNS, gammas, ALPHAS)
    two = banded_ridge.search(
        grams[:, order][:, :, order], y[order], RUNS[order], gammas, ALPHAS
    )
    assert torch.equal(one.gamma, two.gamma)
    assert torch.equal(one.alpha, two.alpha)
    assert torch.allclose(one.score, two.score, atol=1e-10)


def test_extreme_penalties_stay_finite():
    _, grams, y = data("float32")
    alphas = np.array([1e-30, 1e-9, 1.0, 1e9, 1e20])
    for scale in (1e-8, 1.0, 1e8):
        choice = banded_ridge.search(grams * scale, y, RUNS, np.eye(3), alphas)
        dual, intercept = banded_ridge.refit(grams * scale, y, np.eye(3), alphas, choice)
        for value in (choice.score, dual, intercept):
            assert torch.isfinite(value).all()


def test_equal_scores_take_the_larger_penalty_and_dead_voxels_score_zero():
    _, grams, y = data("float32", voxels=3)
    y[:, 1] = 2.5
    alphas = np.array([1e3, 1.0, 1e5])
    choice = banded_ridge.search(grams, y, RUNS, np.eye(3), alphas)
    assert choice.score[1] == 0
    assert alphas[choice.alpha[1]] == 1e5


def test_impossible_searches_are_refused():
    _, grams, y = data("float32", voxels=2)
    with pytest.raises(ValueError, match="two groups"):
        banded_ridge.search(grams, y, np.zeros(len(RUNS)), np.eye(3), ALPHAS)
    with pytest.raises(ValueError, match="positive"):
        banded_ridge.search(grams, y, RUNS, np.eye(3), np.array([0.0, 1.0]))


def test_candidates_hold_each_band_alone_and_are_repeatable():
    drawn = banded_ridge.dirichlet_candidates(20, 3, seed=4)
    assert drawn.shape == (20, 3)
    assert np.allclose(drawn.sum(1), 1)
    assert np.allclose(drawn[0], 1 / 3)
    assert np.array_equal(drawn[1:4], np.eye(3))
    assert np.array_equal(drawn, banded_ridge.dirichlet_candidates(20, 3, seed=4))
    assert not np.array_equal(drawn, banded_ridge.dirichlet_candidates(20, 3, seed=5))
    assert np.array_equal(banded_ridge.dirichlet_candidates(50, 1), [[1.0]])


def explicit_delays(x, lengths, delays):
    """Delayed features written out, zeros before each run's start."""
    parts = []
    for run in np.split(x, np.cumsum(lengths)[:-1]):
        shifted = [np.vstack([np.zeros((d, run.shape[1])), run])[: len(run)] for d in delays]
        parts.append(np.hstack(shifted))
    return np.vstack(parts)


@pytest.mark.parametrize("delays", [[0], [1, 2, 3, 4], [2, 5, 9]])
def test_delayed_projected_kernel_equals_explicit_features(delays):
    rng = np.random.default_rng(0)
    rows, columns = [20, 13, 7], [11, 30]
    left, right = rng.standard_normal((40, 9)), rng.standard_normal((41, 9))
    bases = [np.linalg.qr(rng.standard_normal((n, 3)))[0] for n in (*rows, *columns)]
    explicit = []
    for x, lengths, own in ((left, rows, bases[:3]), (right, columns, bases[3:])):
        delayed = np.split(explicit_delays(x, lengths, delays), np.cumsum(lengths)[:-1])
        explicit.append(np.vstack([d - q @ q.T @ d for d, q in zip(delayed, own, strict=True)]))
    position = [torch.cat([torch.arange(n) for n in lengths]) for lengths in (rows, columns)]
    kernel = kernels.delayed_kernel(torch.from_numpy(left @ right.T), *position, delays)
    tensors = [torch.from_numpy(q) for q in bases]
    kernel = kernels.project_rows(kernel, tensors[:3])
    kernel = kernels.project_rows(kernel.T, tensors[3:]).T
    assert kernel.numpy() == pytest.approx(explicit[0] @ explicit[1].T, abs=1e-10)


def test_linear_kernel_standardises_and_leaves_constant_columns_out():
    rng = np.random.default_rng(0)
    x = (1e3 + rng.standard_normal((50, 12)) * np.arange(12)).astype(np.float32)
    scaler = kernels.Scaler.fit(x[:30])
    assert scaler.live.tolist() == [False] + [True] * 11
    z = (x[:, 1:].astype(float) - x[:30, 1:].mean(0, dtype=float)) / x[:30, 1:].std(0, dtype=float)
    assert kernels.linear_kernel(x, 20, scaler).numpy() == pytest.approx(z @ z[:20].T, rel=1e-10)


def test_principal_kernel_equals_components_of_the_features():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 20))
    train = np.arange(40) % 7 > 0
    x -= x[:40][train].mean(0)
    components = np.linalg.svd(x[:40][train], full_matrices=False)[2][:6]
    expected = (x @ components.T) @ (x[:40] @ components.T).T
    found = kernels.principal_kernel(torch.from_numpy(x @ x[:40].T), torch.from_numpy(train), 6)
    assert found.numpy() == pytest.approx(expected, abs=1e-9)


def test_centred_kernel_equals_centred_features():
    rng = np.random.default_rng(0)
    train, new = rng.random((30, 5)), rng.random((8, 5))
    expected = (new - train.mean(0)) @ (train - train.mean(0)).T
    found = kernels.centre(torch.from_numpy(new @ train.T), torch.from_numpy(train @ train.T))
    assert found.numpy() == pytest.approx(expected, abs=1e-12)


def test_estimator_predicts_new_samples_and_splits_them_over_bands():
    x, _, y = data("float64", voxels=6)
    model = BandedRidgeCV(candidates=8, alphas=ALPHAS * 50).fit(x, y, RUNS)
    new = [b[:10] + 0.1 for b in x]
    parts = model.predict(new, split=True)
    assert parts.shape == (3, 10, 6)
    assert model.predict(new) == pytest.approx(parts.sum(0) + model.intercept_)
    assert np.allclose(model.gamma_.sum(0), 1)
    grams = np.stack([b @ b.T for b in x])
    same = BandedRidgeCV(candidates=8, alphas=ALPHAS * 50, kernel="precomputed")
    same.fit(grams, y, RUNS)
    assert same.predict(grams) == pytest.approx(model.predict(x))
    assert (model.score(x, y.numpy()) > model.cv_).all()


def test_planted_bands_are_found():
    rng = np.random.default_rng(2)
    x = [rng.standard_normal((len(RUNS), 10)) for _ in range(2)]
    y = np.hstack([b @ rng.standard_normal((10, 30)) for b in x])
    y += y.std() * rng.standard_normal(y.shape)
    model = BandedRidgeCV(candidates=20).fit(x, y, RUNS)
    assert model.gamma_[0, :30].mean() > 0.85
    assert model.gamma_[1, 30:].mean() > 0.85
    shuffled = BandedRidgeCV(candidates=20).fit(x, y[rng.permutation(len(y))], RUNS)
    assert shuffled.cv_.mean() < 0.05 < 0.3 < model.cv_.mean()
