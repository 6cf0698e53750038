"""The mean of near-best candidates: equal to the mean of their models, and better than the best."""

import numpy as np
import pytest
import torch
from himalaya.kernel_ridge import MultipleKernelRidgeCV
from scipy.special import softmax
from sklearn.linear_model import Ridge
from sklearn.model_selection import PredefinedSplit

from helpers.real_series import haxby_series, localizer_series
from tristream.encode.estimators import BandedRidgeCV
from tristream.encode.solvers import averaging, banded_ridge, ridge

RUNS = np.random.default_rng(1).permutation(np.arange(160) % 4)
TRAIN = len(RUNS)
ALPHAS = np.logspace(-1, 4, 8)
WIDTHS = (30, 15, 20)
SOLVERS = pytest.mark.parametrize("solver", ["primal", "exact", "skeleton"])


def data(seed=0, voxels=60, noise=1.5, dtype="float64"):
    """Features of three bands and data, of training and new rows."""
    rng = np.random.default_rng(seed)
    x = [rng.standard_normal((2 * TRAIN, p)) * np.arange(1, p + 1) ** -0.5 for p in WIDTHS]
    parts = [b @ rng.standard_normal((b.shape[1], voxels)) for b in x]
    shares = rng.dirichlet([0.3] * len(x), voxels).T
    y = sum(p / p.std(0) * np.sqrt(w) for p, w in zip(parts, shares, strict=True))
    y = (y + noise * rng.standard_normal(y.shape) + 3).astype(dtype)
    return [b[:TRAIN] for b in x], y[:TRAIN], [b[TRAIN:] for b in x], y[TRAIN:]


def r2(y, predicted):
    return 1 - ((y - predicted) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0)


def one_by_one(x, y, new, gammas):
    """Every candidate's score and prediction, by scikit-learn."""
    scores, predictions, weights = [], [], []
    for gamma in gammas:
        train, test = (
            np.hstack([b * np.sqrt(g) for b, g in zip(part, gamma, strict=True)])
            for part in (x, new)
        )
        for alpha in ALPHAS:
            folds = []
            for run in np.unique(RUNS):
                own = run == RUNS
                model = Ridge(alpha, solver="svd").fit(train[~own], y[~own])
                folds.append(r2(y[own], model.predict(train[own])))
            scores.append(np.mean(folds, 0))
            predictions.append(Ridge(alpha, solver="svd").fit(train, y).predict(test))
            weights.append(gamma)
    return np.array(scores), np.array(predictions), np.array(weights)


@SOLVERS
def test_it_predicts_the_mean_of_the_models_of_its_candidates(monkeypatch, solver):
    monkeypatch.setattr(averaging, "SMALLEST", 1e-9)
    monkeypatch.setattr(ridge, "SMALLEST", 1e-9)
    x, y, new, _ = data(voxels=12)
    gammas = banded_ridge.dirichlet_candidates(2, 3)
    model = BandedRidgeCV(ALPHAS, gammas, solver=solver, select="average").fit(x, y, runs=RUNS)
    scores, predictions, weights = one_by_one(x, y, new, gammas)
    share = softmax(scores / model.temperature_, axis=0)
    expected = np.einsum("cv,ctv->tv", share, predictions)
    assert model.predict(new) == pytest.approx(expected, abs=1e-6)
    assert model.gamma_ == pytest.approx(weights.T @ share, abs=1e-6)
    assert model.averaged_ == pytest.approx(1 / (share**2).sum(0), rel=1e-5)
    # No candidate, nor one model under the mean weights and the best penalty, predicts the same.
    assert np.abs(predictions - expected).max((1, 2)).min() > 1e-3
    split = model.predict(new, split=True)
    assert split.sum(0) + model.intercept_ == pytest.approx(expected, abs=1e-6)
    assert np.hstack(new) @ model.coef_.T + model.intercept_ == pytest.approx(expected, abs=1e-6)
    shares = model.score_targets(new, expected, split=True)
    assert shares.sum(0) == pytest.approx(1, abs=1e-6)


@SOLVERS
@pytest.mark.parametrize("noise", [0.7, 2.5])
def test_it_predicts_better_than_the_best_candidate(monkeypatch, solver, noise):
    """And, where there is signal, the mean of all candidates whatever their scores does not."""
    gain, poor = [], []
    for seed in range(2):
        x, y, new, new_y = data(seed, noise=noise, dtype="float32")
        settings = {"alphas": ALPHAS, "candidates": 20, "solver": solver}
        best = BandedRidgeCV(**settings, select="best").fit(x, y, runs=RUNS)
        mean = BandedRidgeCV(**settings).fit(x, y, runs=RUNS)
        assert best.cv_ == pytest.approx(mean.cv_, abs=1e-3)
        assert mean.averaged_.min() >= 1 - 1e-5
        known = r2(new_y, best.predict(new))
        gain.append(r2(new_y, mean.predict(new)) - known)
        if solver == "primal" and noise < 1:
            with monkeypatch.context() as patch:
                patch.setattr(ridge, "standard_error", lambda scores: 10.0)
                all_alike = BandedRidgeCV(**settings).fit(x, y, runs=RUNS)
            poor.append(r2(new_y, all_alike.predict(new)) - known)
    assert np.mean(gain) > 0
    assert not poor or np.mean(poor) < min(np.mean(gain), 0)


@pytest.mark.parametrize("name", ["haxby", "localizer"])
def test_real_bold_is_predicted_as_well_as_by_gradient_descent(request, name):
    """himalaya's better solver, and the best candidate, on a run of a real scan."""
    read = {"haxby": haxby_series, "localizer": localizer_series}[name]
    series = read(request.getfixturevalue(name))
    train, new = series.held_out(3, 3)
    kernels = series.kernels(train).astype(np.float32)
    y = series.targets.astype(np.float32)
    y -= y[train].mean(0)
    runs, few = series.runs[train], slice(None, None, 5)

    def score(model, voxels=slice(None), **options):
        fitted = model.fit(kernels[:, train], y[train, voxels], **options)
        return r2(y[new, voxels], np.asarray(fitted.predict(kernels[:, new])))

    mean, best = (
        score(
            BandedRidgeCV(kernel="precomputed", alphas=np.logspace(-1, 5, 20), select=select),
            runs=runs,
        )
        for select in ("average", "best")
    )
    descent = MultipleKernelRidgeCV(
        kernels="precomputed",
        cv=PredefinedSplit(np.unique(runs, return_inverse=True)[1]),
        solver="hyper_gradient",
        solver_params={
            "progress_bar": False,
            "max_iter": 100,
            "hyper_gradient_method": "direct",
            "initial_deltas": "ridgecv",
        },
    )
    assert mean[few].mean() >= score(descent, few).mean() - 5e-4
    assert mean.mean() >= best.mean()
    assert mean.mean() > 0.15


@pytest.mark.parametrize("solver", ["exact", "skeleton"])
@pytest.mark.parametrize("score", ["r2", "correlation"])
def test_one_candidate_is_its_own_mean(solver, score):
    x, y, _, _ = data(voxels=20)
    y[:, 3] = 0.25
    kernels = torch.from_numpy(np.stack([b @ b.T for b in x]))
    found = banded_ridge.fit(
        kernels,
        torch.from_numpy(y),
        RUNS,
        np.array([[0.2, 0.3, 0.5]]),
        ALPHAS[4:5],
        solver=solver,
        score=score,
        select="average",
    )
    mean = found.average
    for own in mean.duals:
        assert torch.allclose(own, found.duals, atol=1e-10)
    assert torch.allclose(mean.intercept, found.intercept, atol=1e-10)
    assert torch.allclose(mean.number, torch.ones(20, dtype=torch.float64))
    assert mean.gamma[:, 0].tolist() == pytest.approx([0.2, 0.3, 0.5])
    assert not mean.duals[:, :, 3].any()
    assert float(mean.intercept[3]) == 0.25


def test_the_temperature_is_the_noise_of_scores():
    """Differences between scores of known standard deviation over folds; far ones don't count."""
    rng = np.random.default_rng(0)
    scores = 0.3 + 4e-3 * rng.standard_normal((6, 400, 5))
    scores[5] -= 0.2
    found = averaging.standard_error(torch.from_numpy(scores))
    assert found == pytest.approx(4e-3 * (2 / 5) ** 0.5, rel=0.15)
    assert averaging.standard_error(torch.zeros(3, 4, 5)) == averaging.LEAST


def test_a_much_better_score_takes_over():
    """Weights are relative to the best so far, also if scores rise by many temperatures."""
    sums = torch.zeros(1, 2)
    weights = averaging.Weights(1e-4, torch.zeros(1), [sums])
    for score, value in ((0.0, 1.0), (0.5, 2.0), (0.5001, 5.0), (0.1, 9.0)):
        share = weights.of(torch.tensor([0]), torch.tensor([[score]]))
        sums[0] += share[0] * value
    assert sums[0] / weights.total == pytest.approx((2 + np.e * 5) / (1 + np.e), rel=1e-2)


def test_subjects_side_by_side_have_their_own_mean():
    x, y, _, _ = data(voxels=30, dtype="float32")
    kernels = torch.from_numpy(np.stack([b @ b.T for b in x]))
    gammas = banded_ridge.dirichlet_candidates(10, 3)
    parts = torch.from_numpy(y).split([10, 20], 1)
    stack = banded_ridge.fit_stack(kernels, parts, RUNS, gammas, ALPHAS, select="average")
    whole = banded_ridge.fit(
        kernels, torch.from_numpy(y), RUNS, gammas, ALPHAS, select="average"
    ).average
    assert [f.average.duals.shape[2] for f in stack] == [10, 20]
    assert torch.equal(torch.cat([f.average.duals for f in stack], 2), whole.duals)


def test_other_choices_are_refused():
    x, y, _, _ = data(voxels=2)
    with pytest.raises(ValueError, match="select 'mean' is neither of average, best"):
        BandedRidgeCV(select="mean").fit(x, y, runs=RUNS)


@pytest.mark.parametrize("solver", ["exact", "primal"])
@pytest.mark.parametrize("voxels", [1, 2])
def test_few_voxels_are_averaged_too(solver, voxels):
    """Their best candidates alone don't tell the noise; nor do others that are nearly the same."""
    x, y, _, _ = data(voxels=20)
    model = BandedRidgeCV(ALPHAS, candidates=40, solver=solver)
    some = model.fit(list(x), y[:, :voxels], runs=RUNS).temperature_
    every = model.fit(list(x), y, runs=RUNS).temperature_
    assert every / 10 < some < 10 * every


def test_voxels_whose_best_has_copies_alone_tell_no_noise():
    """Most of few voxels may be such, and all would have the temperature of these."""
    rng = np.random.default_rng(0)
    scores = 0.3 + 4e-3 * rng.standard_normal((2, 30, 5))
    scores[1, 10:] = scores[0, 10:] + 1e-9 * rng.standard_normal((20, 5))
    found = averaging.standard_error(torch.from_numpy(scores))
    assert found == averaging.standard_error(torch.from_numpy(scores[:, :10]))
    assert found > 1e-3


def test_weightings_that_serve_few_voxels_do_not_set_the_temperature():
    """Equal weights and single bands alone told .022, more than the mean can bear: it predicted
    worse than the best candidate."""
    n = 160
    gains = []
    for seed in (50, 51, 52):
        rng = np.random.default_rng(seed)
        x = [rng.standard_normal((2 * n, 20)) for _ in range(3)]
        shares = np.sqrt(rng.dirichlet([0.5] * 3, 120).T)
        parts = [b @ rng.standard_normal((20, 120)) / 20**0.5 for b in x]
        y = 0.2**0.5 * sum(p * s for p, s in zip(parts, shares, strict=True))
        y += 0.8**0.5 * rng.standard_normal(y.shape)
        found = []
        for select in ("best", "average"):
            model = BandedRidgeCV(ALPHAS, candidates=30, solver="primal", select=select)
            model.fit([b[:n] for b in x], y[:n], runs=np.arange(n) * 5 // n)
            found.append(model.score([b[n:] for b in x], y[n:]))
        assert model.temperature_ < 0.015
        gains.append(found[1] - found[0])
    assert np.mean(gains) > 0
