"""Weights of samples, against plain loops over scikit-learn's Ridge with the same weights."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut, ShuffleSplit

from tristream.encode.solvers import banded_ridge, operators, ridge
from tristream.encode.solvers.sample_weights import less_constant, level

BLOCKS = np.repeat(np.arange(4), [24, 31, 20, 27])
SHUFFLED = np.random.default_rng(5).permutation(BLOCKS)
ALPHAS = np.logspace(-1, 4, 6)
GAMMAS = banded_ridge.dirichlet_candidates(6, 2, seed=3)[[0, 1, 2, 5]]
SOLVERS = ["exact", "primal"]


def data(widths=(5, 7), dtype=torch.float64, seed=0):
    """Features and targets far from zero; weights that differ by a hundred."""
    rng = np.random.default_rng(seed)
    x = [rng.standard_normal((len(BLOCKS), p)) + 3 for p in widths]
    signal = sum(b @ rng.standard_normal((b.shape[1], 8)) / b.shape[1] ** 0.5 for b in x)
    noise = signal.std(0) * rng.standard_normal(signal.shape) * rng.uniform(0.2, 3, 8)
    weight = rng.gamma(1, 1, len(BLOCKS)) + 0.05
    return x, torch.from_numpy(signal + noise + 2).to(dtype), weight


def fit(solver, x, y, weight, runs=BLOCKS, alphas=ALPHAS, gammas=GAMMAS, **options):
    """Weightings, penalties, scores, and weights of features (p, targets) with the intercept."""
    features = [torch.from_numpy(b) for b in x]
    options = {"sample_weight": weight, **options}
    if solver == "primal":
        found = ridge.fit(features, y, runs, gammas, alphas, **options)
        model = found if found.average is None else found.average
        return found.gamma, found.alpha, found.score, model.weights, model.intercept
    grams = torch.stack([b @ b.T for b in features])
    found = banded_ridge.fit(grams, y, runs, gammas, alphas, solver="exact", **options)
    model, share = found, torch.from_numpy(gammas.T)[:, found.choice.gamma]
    if found.average is not None:
        model, share = found.average, found.average.gamma
    duals = model.duals.expand(2, *model.duals.shape[-2:]).double()
    parts = [b.T @ d * own for b, d, own in zip(features, duals, share, strict=True)]
    return (
        found.choice.gamma,
        found.choice.alpha,
        found.choice.score,
        torch.cat(parts),
        (model.intercept),
    )


def joined(x, gamma):
    return np.hstack([b * np.sqrt(own) for b, own in zip(x, gamma, strict=True)])


def scored(t, p, weight, score):
    """R² or correlation of weighted samples, by their definitions."""
    own = weight[:, None] / weight.sum()
    t_mean, p_mean = (own * t).sum(0), (own * p).sum(0)
    variance = (own * (t - t_mean) ** 2).sum(0)
    if score == "r2":
        return 1 - (own * (t - p) ** 2).sum(0) / variance
    common = (own * (t - t_mean) * (p - p_mean)).sum(0)
    return common / np.sqrt(variance * (own * (p - p_mean) ** 2).sum(0))


def looped(x, y, weight, runs, alphas=ALPHAS, score="r2", intercept=True):
    """Scores (weightings, penalties, targets) of scikit-learn's Ridge without each run."""
    out = np.zeros((len(GAMMAS), len(alphas), y.shape[1]))
    for g, gamma in enumerate(GAMMAS):
        every = joined(x, gamma)
        for a, alpha in enumerate(alphas):
            for train, test in LeaveOneGroupOut().split(every, groups=runs):
                peer = Ridge(alpha, fit_intercept=intercept, solver="cholesky")
                peer.fit(every[train], y[train], sample_weight=weight[train])
                out[g, a] += scored(y[test], peer.predict(every[test]), weight[test], score) / 4
    return out


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("widths", "runs"), [((5, 7), BLOCKS), ((5, 7), SHUFFLED), ((80, 60), SHUFFLED)]
)
def test_choices_and_models_are_those_of_a_plain_loop(solver, score, intercept, widths, runs):
    x, y, weight = data(widths)
    found = fit(solver, x, y, weight, runs, score=score, intercept=intercept)
    gamma, alpha, scores, weights, offset = found
    table = looped(x, y.numpy(), weight, runs, score=score, intercept=intercept)
    flat = table.reshape(-1, 8)
    assert scores.numpy() == pytest.approx(flat.max(0), abs=1e-9)
    chosen = flat[gamma * len(ALPHAS) + alpha, np.arange(8)]
    assert chosen == pytest.approx(flat.max(0), abs=1e-9)
    for v in range(8):
        own = GAMMAS[gamma[v]]
        peer = Ridge(ALPHAS[alpha[v]], fit_intercept=intercept, solver="cholesky")
        peer.fit(joined(x, own), y[:, v], sample_weight=weight)
        expected = peer.coef_ * np.repeat(np.sqrt(own), widths)
        assert weights[:, v].numpy() == pytest.approx(expected, abs=1e-8)
        assert float(offset[v]) == pytest.approx(peer.intercept_, abs=1e-7)
    # They matter.
    plain = fit(solver, x, y, None, runs, score=score, intercept=intercept)
    assert float((plain[2] - scores).abs().mean()) > 0.005
    assert float((plain[3] - weights).abs().max()) > 0.005


@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize("alpha", [1e-7, 1e9])
@pytest.mark.parametrize("widths", [(5, 7), (80, 60)])
def test_folds_that_are_fitted_one_by_one(widths, alpha, score, monkeypatch):
    """The inverse of all samples can't serve so small or so large a penalty."""
    built = []
    explicit = operators.Operators._explicit
    monkeypatch.setattr(
        operators.Operators,
        "_explicit",
        lambda self, c: built.append(c) or explicit(self, c),
    )
    x, y, weight = data(widths)
    alphas, gammas = np.array([alpha]), GAMMAS[:1]
    found = fit("exact", x, y, weight, SHUFFLED, alphas, gammas, score=score)
    assert bool(built) == (alpha == 1e-7 or score == "correlation")
    table = looped(x, y.numpy(), weight, SHUFFLED, alphas, score)[0, 0]
    assert found[2].numpy() == pytest.approx(table, abs=1e-6)
    peer = Ridge(alpha, solver="svd").fit(joined(x, gammas[0]), y, sample_weight=weight)
    predicted = np.hstack(x) @ found[3].numpy() + found[4].numpy()
    assert predicted == pytest.approx(peer.predict(joined(x, gammas[0])), abs=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("select", ["best", "average"])
@pytest.mark.parametrize("labels", [None, np.repeat([1, 0], 4)])
def test_a_weight_of_two_is_the_sample_twice(solver, select, labels):
    x, y, _ = data()
    count = np.random.default_rng(2).integers(1, 4, len(BLOCKS))
    options = {"select": select, "regions": labels}
    once = fit(solver, x, y, count.astype(float), **options)
    twice = fit(
        solver,
        [b.repeat(count, 0) for b in x],
        torch.from_numpy(y.numpy().repeat(count, 0)),
        None,
        BLOCKS.repeat(count),
        **options,
    )
    for one, two in zip(once, twice, strict=True):
        assert torch.allclose(one, two, atol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_float32_finds_the_same(solver):
    x, y, weight = data()
    wide = fit(solver, x, y, weight, SHUFFLED)
    y = torch.cat([y] * 12, 1)  # So many that penalties are looked at in brief first.
    narrow = fit(solver, x, y.float(), weight, SHUFFLED)
    for one, two in zip(wide, narrow, strict=True):
        assert torch.allclose(one, two[..., :8].to(one.dtype), atol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize("value", [0.1, -1e6 - 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_run_in_which_a_target_does_not_vary_counts_zero(solver, score, value, dtype):
    """Times the root of weights a constant varies."""
    x, y, weight = data()
    y[BLOCKS == 1, 0] = 2.5
    y[:, 1] = value
    found = fit(solver, x, y.to(dtype), weight, score=score)
    assert float(found[2][1]) == 0
    assert ALPHAS[found[1][1]] == ALPHAS.max()
    tolerance = 1e-4 if dtype == torch.float32 else 1e-8
    assert found[3][:, 1].abs().max() < tolerance * max(abs(value) / 1e4, 1)
    runs = [(r != BLOCKS, r == BLOCKS) for r in (0, 2, 3)]
    gamma, alpha = GAMMAS[found[0][0]], ALPHAS[found[1][0]]
    every, expected = joined(x, gamma), 0.0
    for train, test in runs:
        peer = Ridge(alpha).fit(every[train], y[train, 0], sample_weight=weight[train])
        predicted = peer.predict(every[test])[:, None]
        expected += scored(y[test, :1].numpy(), predicted, weight[test], score)[0] / 4
    assert float(found[2][0]) == pytest.approx(expected, abs=tolerance)


def test_what_can_not_be_weighted_is_refused():
    x, y, weight = data()
    grams = torch.stack([torch.from_numpy(b @ b.T) for b in x])
    features = [torch.from_numpy(b) for b in x]
    given = (grams, y, BLOCKS, GAMMAS, ALPHAS)
    with pytest.raises(ValueError, match="takes solver 'exact', not 'skeleton'"):
        banded_ridge.fit(*given, sample_weight=weight)
    splits = list(ShuffleSplit(3, random_state=0).split(x[0]))
    with pytest.raises(ValueError, match="each leave a group"):
        banded_ridge.fit(grams, y, splits, GAMMAS, ALPHAS, solver="exact", sample_weight=weight)
    for bad in (weight[1:], weight * 0, -weight, weight * np.nan):
        with pytest.raises(ValueError, match="102 positive numbers"):
            banded_ridge.fit(*given, solver="exact", sample_weight=bad)
        with pytest.raises(ValueError, match="102 positive numbers"):
            ridge.fit(features, y, BLOCKS, GAMMAS, ALPHAS, sample_weight=bad)


def test_what_is_along_the_constant_is_a_weighted_mean():
    rng = np.random.default_rng(0)
    y, weight = rng.standard_normal((3, 7)), rng.random(7) + 0.1
    root = torch.from_numpy(weight).sqrt()
    rows = torch.from_numpy(y) * root
    mean = np.average(y, 1, weights=weight)
    assert level(rows, root)[:, 0].numpy() == pytest.approx(mean)
    assert level(rows.T, root, 0)[0].numpy() == pytest.approx(mean)
    left = less_constant(rows, root) / root
    assert left.numpy() == pytest.approx(y - mean[:, None])
    assert less_constant(rows, None).numpy() == pytest.approx(
        rows.numpy() - rows.numpy().mean(1, keepdims=True)
    )
