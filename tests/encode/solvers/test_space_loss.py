"""What directions cost: conjugate gradients against one solution a voxel and run, in numpy."""

import warnings

import numpy as np
import pytest
import torch

from tristream.encode.solvers import banded_ridge, feature_ridge, space_loss

ALPHAS = np.logspace(-1, 4, 7)
VOXELS = 12


def study(dtype, seed=0):
    rng = np.random.default_rng(seed)
    runs = rng.permutation(np.repeat(np.arange(4), [60, 75, 50, 66]))
    latent = rng.standard_normal((len(runs), 200)) * np.arange(1.0, 201) ** -0.7
    bands = [latent @ rng.standard_normal((200, p)) / 10 + 1 for p in (150, 300)]
    y = sum(x @ rng.standard_normal((x.shape[1], VOXELS)) for x in bands)
    y = y / y.std(0) + rng.standard_normal(y.shape) + 2
    return [torch.from_numpy(x).to(dtype) for x in bands], torch.from_numpy(y).to(dtype), runs


def exact_scores(features, y, runs, gammas, choice, intercept, score):
    """With all features, under each voxel's choice."""
    bands, y = [x.double().numpy() for x in features], y.double().numpy()
    found = []
    for v in range(VOXELS):
        weights = gammas[choice.gamma[v]]
        kernel = sum(g * x @ x.T for g, x in zip(weights, bands, strict=True))
        alpha, own = ALPHAS[choice.alpha[v]], []
        for run in range(4):
            train, test = runs != run, runs == run
            within, across = kernel[np.ix_(train, train)], kernel[np.ix_(test, train)]
            middle = np.eye(len(within)) - intercept / len(within)
            dual = middle @ np.linalg.solve(
                middle @ within @ middle + alpha * np.eye(len(within)), middle @ y[train, v]
            )
            predicted = across @ dual + intercept * (y[train, v] - within @ dual).mean()
            truth = y[test, v]
            if score == "r2":
                spread = ((truth - truth.mean()) ** 2).sum()
                own.append(1 - ((truth - predicted) ** 2).sum() / spread)
            else:
                own.append(np.corrcoef(truth, predicted)[0, 1])
        found.append(np.mean(own))
    return np.array(found)


@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-6), (torch.float32, 3e-6)])
@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize("intercept", [True, False])
def test_it_is_what_exact_scores_say(monkeypatch, intercept, score, dtype, near):
    """20 directions, fewer than a run's samples, and 90, more; over all runs and voxels."""
    monkeypatch.setattr(space_loss, "GROUPS", 4)
    monkeypatch.setattr(space_loss, "HELD_BYTES", 2**17)
    features, y, runs = study(dtype)
    gammas = banded_ridge.dirichlet_candidates(6, 2)
    for directions in (20, 90):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", feature_ridge.DirectionsWarning)
            found = feature_ridge.fit(
                features,
                y,
                runs,
                gammas,
                ALPHAS,
                directions=directions,
                intercept=intercept,
                score=score,
            )
        exact = exact_scores(features, y, runs, gammas, found.choice, intercept, score)
        expected = exact.mean() - float(found.choice.score.mean())
        assert abs(expected) > 5 * near
        assert found.loss == pytest.approx(expected, abs=near)


def test_systems_without_an_end_are_not_a_loss_of_zero(monkeypatch):
    monkeypatch.setattr(space_loss, "STEPS", 1)
    features, y, runs = study(torch.float64)
    with pytest.warns(feature_ridge.DirectionsWarning, match="lose nan"):
        found = feature_ridge.fit(features, y, runs, np.ones((1, 2)), ALPHAS, directions=20)
    assert np.isnan(found.loss)


def test_voxels_that_do_not_vary_lose_nothing():
    features, y, runs = study(torch.float64)
    found = feature_ridge.fit(
        features, torch.ones_like(y), runs, np.ones((1, 2)), ALPHAS, directions=20
    )
    assert found.loss == 0
