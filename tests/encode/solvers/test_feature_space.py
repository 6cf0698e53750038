"""Directions of features: all of few, and the leading ones of many."""

import numpy as np
import pytest
import torch

from tristream.encode.solvers.feature_space import FeatureSpace
from tristream.encode.solvers.folds import make_folds

N = 120


def study(columns=(30, 50), decay=0.0, seed=0):
    rng = np.random.default_rng(seed)
    runs = rng.permutation(np.repeat(np.arange(4), N // 4))
    latent = [
        rng.standard_normal((N, p))
        * np.arange(1.0, p + 1) ** -decay
        @ np.linalg.qr(rng.standard_normal((p, p)))[0]
        for p in columns
    ]
    return [torch.from_numpy(x + 5) for x in latent], make_folds(runs, N)


@pytest.mark.parametrize("intercept", [True, False])
def test_all_directions_make_up_the_features(intercept):
    features, folds = study()
    space = FeatureSpace.whole(features, folds, intercept)
    q = space.basis.shape[1]
    assert q == 80 + intercept
    torch.testing.assert_close(space.basis.T @ space.basis, torch.eye(q).double())
    for x, own, mean, kernel in zip(
        features, space.loadings, space.means, space.kernels(), strict=True
    ):
        ordered = x[torch.from_numpy(folds.order)] - mean
        torch.testing.assert_close(space.basis @ own, ordered)
        torch.testing.assert_close(space.basis @ kernel @ space.basis.T, ordered @ ordered.T)
        assert bool((mean != 0).all()) == intercept
    if intercept:
        assert float(space.basis[:, 0].std()) < 1e-12


@pytest.mark.parametrize("intercept", [True, False])
def test_leading_directions_leave_out_nearly_as_little_as_singular_vectors(intercept):
    """Of bands scaled alike, however large one is."""
    features, folds = study((150, 200), decay=1.5)
    features[1] = features[1] * 1e3
    space = FeatureSpace.leading(features, folds, intercept, 20, torch.float64)
    assert space.basis.shape == (N, 20 + intercept)
    q = space.basis.shape[1]
    torch.testing.assert_close(space.basis.T @ space.basis, torch.eye(q).double())
    centred = [(x - x.mean(0) * intercept)[torch.from_numpy(folds.order)] for x in features]
    scaled = torch.cat([x / torch.linalg.matrix_norm(x) for x in centred], 1)
    least = float(torch.linalg.svdvals(scaled)[20:].square().sum())
    assert least <= space.left_out.sum() + 1e-12
    assert space.left_out.sum() < 1.01 * least
    for x, left in zip(centred, space.left_out, strict=True):
        rest = x - space.basis @ (space.basis.T @ x)
        share = float(rest.square().sum() / x.square().sum())
        assert left == pytest.approx(share, rel=1e-6)


def test_a_band_that_does_not_vary_has_no_directions():
    features, folds = study((10, 20))
    features.append(torch.full((N, 3), 0.1, dtype=torch.float64))
    for space in (
        FeatureSpace.whole(features, folds, True),
        FeatureSpace.leading(features, folds, True, 12, torch.float64),
    ):
        assert float(space.kernels()[2].abs().max()) == 0
        assert space.left_out[2] == 0
        assert float(space.kernels()[1].trace()) > 100


def test_weights_are_those_of_dual_weights():
    features, folds = study()
    space = FeatureSpace.whole(features, folds, True)
    duals = torch.from_numpy(np.random.default_rng(1).standard_normal((N, 3)))
    weights = space.weights([space.basis.T @ duals] * 2)
    ordered = torch.cat(features, 1)[torch.from_numpy(folds.order)]
    expected = (ordered - ordered.mean(0)).T @ duals
    torch.testing.assert_close(weights, expected)
    torch.testing.assert_close(space.level(weights), ordered.mean(0) @ expected)
