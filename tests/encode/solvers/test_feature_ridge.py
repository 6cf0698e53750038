"""Banded ridge without kernels of samples: against the solvers with them, and numbers of samples
that these could not take."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from tristream.encode.solvers import banded_ridge, feature_ridge, ridge
from tristream.encode.solvers.feature_ridge import DirectionsWarning

ALPHAS = np.logspace(-2, 4, 7)
SIZES = (60, 75, 50, 66)


def study(columns=(6, 9), sizes=SIZES, voxels=200, seed=0, offset=3.0):
    rng = np.random.default_rng(seed)
    runs = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    bands = [rng.standard_normal((len(runs), p)) * 0.8 ** np.arange(p) + offset for p in columns]
    signal = sum(x @ rng.standard_normal((x.shape[1], voxels)) for x in bands)
    y = signal / signal.std(0) + 1.5 * rng.standard_normal(signal.shape) + 2
    return [torch.from_numpy(x) for x in bands], torch.from_numpy(y), runs


def weights_of(features, duals, gamma):
    own = duals if duals.ndim == 3 else [duals] * len(features)
    return torch.cat([x.T @ (d * g) for x, d, g in zip(features, own, gamma, strict=True)])


@pytest.mark.parametrize("columns", [(6, 9), (30, 40)])
@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize("intercept", [True, False])
def test_it_equals_the_exact_solver_with_kernels(intercept, score, columns):
    """Groups that are turned (more samples than directions), and groups that are not."""
    features, y, runs = study(columns)
    gammas = banded_ridge.dirichlet_candidates(12, 2)
    options = {"intercept": intercept, "score": score, "solver": "exact", "select": "average"}
    kernels = torch.stack([x @ x.T for x in features])
    theirs = banded_ridge.fit(kernels, y, runs, gammas, ALPHAS, **options)
    ours = feature_ridge.fit(features, y, runs, gammas, ALPHAS, **options)
    torch.testing.assert_close(ours.choice.score, theirs.choice.score, rtol=0, atol=1e-9)
    same = (ours.choice.gamma == theirs.choice.gamma) & (ours.choice.alpha == theirs.choice.alpha)
    # Correlations under two penalties may be equal.
    assert same.double().mean() > 0.97
    gamma = torch.as_tensor(gammas)[theirs.choice.gamma].T
    expected = weights_of(features, theirs.duals, gamma)
    size = float(expected.std())
    torch.testing.assert_close(ours.weights[:, same], expected[:, same], rtol=0, atol=1e-6 * size)
    torch.testing.assert_close(ours.intercept[same], theirs.intercept[same], rtol=0, atol=1e-5)
    assert ours.average.temperature == pytest.approx(theirs.average.temperature, rel=1e-5)
    mean = weights_of(features, theirs.average.duals, theirs.average.gamma)
    torch.testing.assert_close(ours.average.weights, mean, rtol=0, atol=1e-5 * size)
    torch.testing.assert_close(ours.average.intercept, theirs.average.intercept, atol=1e-5, rtol=0)
    assert ours.loss == 0
    assert not ours.left_out.any()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("score", ["r2", "correlation"])
def test_the_skeleton_loses_no_more_than_it_may(score, dtype):
    features, y, runs = study(voxels=600)
    gammas = banded_ridge.dirichlet_candidates(60, 2)
    exact = feature_ridge.fit(features, y, runs, gammas, ALPHAS, score=score, solver="exact")
    found = feature_ridge.fit(
        [x.to(dtype) for x in features], y.to(dtype), runs, gammas, ALPHAS, score=score
    )
    assert found.solver == "skeleton"
    lost = exact.choice.score - found.choice.score
    assert float(lost.mean()) < 3e-5
    assert float(lost.min()) > (-1e-9 if dtype == torch.float64 else -1e-5)


def test_few_voxels_are_searched_exactly_in_the_space():
    features, y, runs = study(voxels=3)
    gammas = banded_ridge.dirichlet_candidates(60, 2)
    found = feature_ridge.fit(features, y, runs, gammas, ALPHAS)
    assert found.solver == "exact"


@pytest.mark.parametrize("alpha", [1e-12, 1e-8])
def test_penalties_that_are_next_to_nothing_are_least_squares(alpha):
    """Also of a band alone, whose kernel has fewer directions than the space."""
    features, y, runs = study()
    gammas = np.array([[1.0, 0.0]])
    found = feature_ridge.fit(features, y, runs, gammas, np.array([alpha]), solver="exact")
    x = features[0].numpy()
    left = []
    for run in range(4):
        model = Ridge(1e-12, solver="svd").fit(x[runs != run], y.numpy()[runs != run])
        truth = y.numpy()[runs == run]
        error = ((truth - model.predict(x[runs == run])) ** 2).sum(0)
        left.append(1 - error / ((truth - truth.mean(0)) ** 2).sum(0))
    np.testing.assert_allclose(found.choice.score.numpy(), np.mean(left, 0), atol=1e-6)
    assert float(found.weights[6:].abs().max()) == 0


def test_penalties_too_small_for_directions_of_one_run_are_refused():
    features, y, runs = study((100, 60), voxels=4)
    features[0][runs == 1, :30] += torch.eye(75).double()[:, :30] * 1e3
    features[0][runs != 1, :30] = 0
    with pytest.raises(ValueError, match="begin `alphas` higher"):
        feature_ridge.fit(features, y, runs, np.ones((1, 2)), np.array([1e-9]), solver="exact")


def test_correlation_under_huge_penalties_keeps_its_direction():
    features, y, runs = study(voxels=50)
    options = {"score": "correlation", "solver": "exact"}
    few = [
        feature_ridge.fit(features, y, runs, np.ones((1, 2)), np.array([a]), **options)
        for a in (1e12, 1e18)
    ]
    torch.testing.assert_close(few[0].choice.score, few[1].choice.score, atol=1e-6, rtol=0)
    assert float(few[0].choice.score.mean()) > 0.1


def test_more_samples_than_kernels_could_have():
    """40,000 samples: a kernel would take 12.8 GB. Equal to the primal solver, gammas and all."""
    features, y, runs = study((8, 5), sizes=(9000, 12000, 7000, 12000), voxels=300)
    gammas = banded_ridge.dirichlet_candidates(8, 2)
    found = feature_ridge.fit(features, y, runs, gammas, ALPHAS, solver="exact")
    theirs = ridge.fit(features, y, runs, gammas, ALPHAS)
    torch.testing.assert_close(found.choice.score, theirs.score, rtol=0, atol=1e-9)
    same = found.choice.gamma == theirs.gamma
    assert same.double().mean() > 0.99
    torch.testing.assert_close(
        found.weights[:, same], theirs.weights[:, same], rtol=1e-6, atol=1e-8
    )


def test_many_features_want_a_number_of_directions():
    features, y, runs = study((200, 100))
    with pytest.raises(ValueError, match="say how many to keep"):
        feature_ridge.fit(features, y, runs, np.ones((1, 2)), ALPHAS)
    pairs = [(np.arange(100), np.arange(100, 150)), (np.arange(50, 150), np.arange(50))]
    with pytest.raises(ValueError, match="each leave a group out"):
        feature_ridge.fit(features, y, pairs, np.ones((1, 2)), ALPHAS, directions=20)


def test_a_loss_that_matters_is_a_warning_and_one_that_does_not_is_not(recwarn):
    """Features of ten directions in all but a little, of which four or 20 are kept."""
    rng = np.random.default_rng(0)
    runs = np.repeat(np.arange(4), 70)
    latent = rng.standard_normal((280, 10))
    features = [
        torch.from_numpy(
            latent @ rng.standard_normal((10, p)) + 1e-4 * rng.standard_normal((280, p))
        )
        for p in (300, 200)
    ]
    y = torch.from_numpy(latent @ rng.standard_normal((10, 40)) + rng.standard_normal((280, 40)))
    gammas = banded_ridge.dirichlet_candidates(5, 2)
    alphas = np.logspace(1, 5, 5)
    with pytest.warns(DirectionsWarning, match="4 directions lose"):
        few = feature_ridge.fit(features, y, runs, gammas, alphas, directions=4)
    assert few.loss > 0.1
    assert few.left_out.min() > 0.1
    recwarn.clear()
    more = feature_ridge.fit(features, y, runs, gammas, alphas, directions=20)
    assert not [w for w in recwarn if issubclass(w.category, DirectionsWarning)]
    assert abs(more.loss) < 1e-6
    assert more.left_out.max() < 1e-6
    exact = banded_ridge.fit(
        torch.stack([x @ x.T for x in features]), y, runs, gammas, alphas, solver="exact"
    )
    torch.testing.assert_close(more.choice.score, exact.choice.score, rtol=0, atol=1e-5)
