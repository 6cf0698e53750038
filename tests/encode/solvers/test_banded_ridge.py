"""The exact banded ridge solver against himalaya and scikit-learn."""

import numpy as np
import pytest
import torch
from himalaya import scoring
from himalaya.backend import set_backend
from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut, PredefinedSplit, ShuffleSplit

from tristream.encode.solvers import banded_ridge, operators

RUNS = np.repeat(np.arange(5), [30, 41, 25, 37, 27])
ALPHAS = np.logspace(-2, 5, 9)
SCORES = {"r2": scoring.r2_score, "correlation": scoring.correlation_score}


def data(dtype="float64", voxels=80, bands=(60, 30, 8), seed=0):
    """Voxels driven by random mixtures of bands; neither is centred, and runs drift."""
    rng = np.random.default_rng(seed)
    x = [rng.standard_normal((len(RUNS), p)) + rng.random(p) for p in bands]
    signal = sum(b @ rng.standard_normal((b.shape[1], voxels)) * rng.random(voxels) ** 3 for b in x)
    noise = rng.standard_normal(signal.shape) * signal.std(0) * rng.uniform(0.3, 2, voxels)
    y = (signal + noise) / signal.std(0) + RUNS[:, None] * 0.1
    grams = np.stack([b @ b.T / np.trace(b @ b.T) * len(b) for b in x])
    return x, torch.from_numpy(grams), torch.from_numpy(y.astype(dtype))


def himalaya(grams, y, gammas, alphas, score="r2", intercept=True, cv=None):
    """CV scores (weightings, voxels) at the best penalty, and predictions of the training data.

    In float64: its float32 eigendecomposition is what would differ.
    """
    set_backend("torch")
    found = solve_multiple_kernel_ridge_random_search(
        grams,
        y.double(),
        n_iter=torch.from_numpy(gammas),
        alphas=torch.from_numpy(alphas),
        cv=cv or PredefinedSplit(RUNS),
        score_func=SCORES[score],
        fit_intercept=intercept,
        return_weights="dual",
        progress_bar=False,
    )
    deltas, duals, scores, offset = found if intercept else (*found, 0.0)
    return scores, banded_ridge.predict(grams, duals, torch.exp(deltas)).sum(0) + offset


def fitted_values(grams, gammas, found):
    weights = torch.from_numpy(gammas.T)[:, found.choice.gamma]
    return banded_ridge.predict(grams, found.duals.double(), weights).sum(0) + found.intercept


@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize(
    ("bands", "alphas", "dtype"),
    [
        ((60,), np.logspace(-2, 2, 5), "float64"),
        ((300, 40), np.logspace(1, 20, 20), "float64"),
        ((300, 40), np.logspace(1, 20, 20), "float32"),
        ((60, 30, 8), np.logspace(-2, 2, 5), "float64"),
        ((60, 30, 8), np.logspace(-2, 2, 5), "float32"),
        ((60, 30, 8, 5, 200), np.logspace(-2, 2, 5), "float64"),
    ],
)
def test_choices_and_scores_equal_himalaya(bands, alphas, dtype, score):
    """Bands of fewer and of more features than samples; uneven runs."""
    tolerance = {"float32": 2e-6, "float64": 1e-8}[dtype]
    _, grams, y = data(dtype, voxels=30, bands=bands)
    gammas = banded_ridge.dirichlet_candidates(6, len(grams), seed=1)
    ours = banded_ridge.fit(grams, y, RUNS, gammas, alphas, solver="exact", score=score)
    scores, theirs = himalaya(grams, y, gammas, alphas, score)
    best = scores.amax(0)
    assert float((ours.choice.score - best).abs().max()) < tolerance
    # Within rounding, two candidates may be equally good.
    clear = torch.ones(30, dtype=torch.bool)
    if len(gammas) > 1:
        clear = best - scores.sort(0).values[-2] > 10 * tolerance
        assert clear.float().mean() > 0.3
    assert torch.equal(ours.choice.gamma[clear], scores.argmax(0)[clear])
    if score == "r2":  # Correlations hardly change with large penalties.
        found = fitted_values(grams, gammas, ours)
        assert float((found - theirs)[:, clear].abs().max()) < 1e3 * tolerance


def test_without_intercept_equals_himalaya():
    _, grams, y = data(voxels=20)
    gammas = banded_ridge.dirichlet_candidates(6, 3)
    for score in SCORES:
        ours = banded_ridge.fit(
            grams, y, RUNS, gammas, ALPHAS, solver="exact", score=score, intercept=False
        )
        scores, theirs = himalaya(grams, y, gammas, ALPHAS, score, intercept=False)
        assert float((ours.choice.score - scores.amax(0)).abs().max()) < 1e-8
        assert not ours.intercept.any()
    assert float((fitted_values(grams, gammas, ours) - theirs).abs().max()) < 1e-5


def test_folds_that_are_no_partition_equal_himalaya_and_are_solved_exactly():
    _, grams, y = data(voxels=20)
    gammas = banded_ridge.dirichlet_candidates(5, 3)
    splits = ShuffleSplit(4, test_size=0.3, train_size=0.5, random_state=0)
    pairs = list(splits.split(np.zeros((len(RUNS), 1))))
    for score in SCORES:
        ours = banded_ridge.fit(grams, y, pairs, gammas, ALPHAS, score=score)
        assert ours.solver == "exact"
        scores, _ = himalaya(grams, y, gammas, ALPHAS, score, cv=splits)
        assert float((ours.choice.score - scores.amax(0)).abs().max()) < 1e-8


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e3])
def test_one_candidate_equals_refitting_scikit_learn_without_each_run(alpha):
    x, grams, y = data(voxels=10, bands=(40, 12))
    gamma = np.array([[0.3, 0.7]])
    found = banded_ridge.fit(grams, y, RUNS, gamma, np.array([alpha]), solver="exact")
    features = np.hstack(
        [b * np.sqrt(g * len(b) / np.trace(b @ b.T)) for b, g in zip(x, gamma[0], strict=True)]
    )
    expected = []
    for train, test in LeaveOneGroupOut().split(features, groups=RUNS):
        peer = Ridge(alpha).fit(features[train], y[train])
        residual = ((y[test] - peer.predict(features[test])) ** 2).sum(0)
        expected.append(1 - residual / ((y[test] - y[test].mean(0)) ** 2).sum(0))
    assert found.choice.score.numpy() == pytest.approx(np.mean(expected, 0), abs=1e-8)
    assert fitted_values(grams, gamma, found).numpy() == pytest.approx(
        Ridge(alpha).fit(features, y).predict(features), abs=1e-5
    )
    again = banded_ridge.refit(grams, y, gamma, np.array([alpha]), found.choice)
    assert torch.allclose(again[0], found.duals)
    assert torch.allclose(again[1], found.intercept)


@pytest.mark.parametrize("score", ["r2", "correlation"])
def test_fitting_each_fold_by_itself_equals_one_inverse_for_all(monkeypatch, score):
    _, grams, y = data(voxels=10)
    gammas = banded_ridge.dirichlet_candidates(4, 3)
    options = {"solver": "exact", "score": score}
    blocks = banded_ridge.fit(grams, y, RUNS, gammas, ALPHAS, **options)
    monkeypatch.setattr(operators, "DOUBLE", np.inf)
    explicit = banded_ridge.fit(grams, y, RUNS, gammas, ALPHAS, **options)
    assert torch.equal(blocks.choice.gamma, explicit.choice.gamma)
    assert torch.allclose(blocks.choice.score, explicit.choice.score, atol=1e-9)
    found = [fitted_values(grams, gammas, f) for f in (blocks, explicit)]
    assert torch.allclose(*found, atol=1e-8)
    assert torch.allclose(blocks.intercept, explicit.intercept, atol=1e-8)


@pytest.mark.parametrize("solver", ["exact", "skeleton"])
def test_samples_need_not_be_sorted_by_run(solver):
    _, grams, y = data()
    gammas = banded_ridge.dirichlet_candidates(20, 3)
    order = np.random.default_rng(3).permutation(len(RUNS))
    order = order[np.argsort(RUNS[order] % 3, kind="stable")]
    one = banded_ridge.fit(grams, y, RUNS, gammas, ALPHAS, solver=solver)
    two = banded_ridge.fit(
        grams[:, order][:, :, order], y[order], RUNS[order], gammas, ALPHAS, solver=solver
    )
    if solver == "exact":
        # The largest penalty is that of voxels for which all weightings are equal.
        same = one.choice.alpha < len(ALPHAS) - 1
        assert same.float().mean() > 0.8
        # Weightings, not their numbers: (1, 0, 0) stands there twice, up to 1e-15.
        chosen = [gammas[fit.choice.gamma[same]] for fit in (one, two)]
        np.testing.assert_allclose(*chosen, atol=1e-12)
        assert torch.allclose(one.duals[order][:, same], two.duals[:, same], atol=1e-10)
        assert torch.allclose(one.choice.score, two.choice.score, atol=1e-10)
    assert torch.allclose(one.choice.score, two.choice.score, atol=1e-4)


@pytest.mark.parametrize("solver", ["exact", "skeleton"])
def test_subjects_in_a_stack_fit_as_each_alone(solver):
    _, grams, y = data(voxels=90)
    subjects = y.split([40, 30, 20], 1)
    gammas = banded_ridge.dirichlet_candidates(20, 3)
    stacked = banded_ridge.fit_stack(grams, subjects, RUNS, gammas, ALPHAS, solver=solver)
    for own, found in zip(subjects, stacked, strict=True):
        alone = banded_ridge.fit(grams, own, RUNS, gammas, ALPHAS, solver="exact")
        if solver == "exact":
            same = found.choice.gamma == alone.choice.gamma  # But for ties.
            assert same.float().mean() > 0.9
            assert torch.allclose(found.duals[:, same], alone.duals[:, same], atol=1e-10)
            assert torch.allclose(found.choice.score, alone.choice.score, atol=1e-12)
        assert float((found.choice.score - alone.choice.score).mean()) >= -3e-5


def test_candidates_hold_each_band_alone_and_are_repeatable():
    drawn = banded_ridge.dirichlet_candidates(20, 3, seed=4)
    assert drawn.shape == (20, 3)
    assert np.allclose(drawn.sum(1), 1)
    assert np.allclose(drawn[0], 1 / 3)
    assert np.array_equal(drawn[1:4], np.eye(3))
    assert np.array_equal(drawn, banded_ridge.dirichlet_candidates(20, 3, seed=4))
    assert not np.array_equal(drawn, banded_ridge.dirichlet_candidates(20, 3, seed=5))
    assert np.array_equal(banded_ridge.dirichlet_candidates(50, 1), [[1.0]])
