"""Fractions are reached, by penalties under which scikit-learn's ridge gives the same weights."""

import numpy as np
from sklearn.linear_model import Ridge

from tristream.bold.fractional_ridge import penalties_of, shrunk

FRACTIONS = np.linspace(1, 0.05, 20)


def test_lengths_are_the_fractions_and_weights_those_of_ridge() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 12)) * np.geomspace(1, 1e-2, 12)
    y = x @ rng.normal(size=(12, 6)) + rng.normal(size=(80, 6))
    left, values, right = np.linalg.svd(x, full_matrices=False)
    weights = (left.T @ y) / values[:, None]
    found = penalties_of(FRACTIONS, values**2, weights)
    assert not found[0].any()
    for penalties, fraction in zip(found[1:], FRACTIONS[1:], strict=True):
        rotated = shrunk(values[:, None] ** 2, penalties) * weights
        share = np.linalg.norm(rotated, axis=0) / np.linalg.norm(weights, axis=0)
        np.testing.assert_allclose(share, fraction, atol=3e-4)
        ridge = Ridge(alpha=penalties, fit_intercept=False).fit(x, y).coef_.T
        np.testing.assert_allclose(right.T @ rotated, ridge, rtol=1e-6, atol=1e-9)


def test_directions_and_targets_without_data() -> None:
    squares, weights = np.array([4.0, 1.0, 0.0]), np.array([[1.0, 0], [2, 0], [0, 0]])
    found = penalties_of(FRACTIONS, squares, weights)
    assert not found[:, 1].any()
    assert (np.diff(found[:, 0]) > 0).all()
    assert not shrunk(squares, np.array(0.0))[2]
    assert not penalties_of(FRACTIONS, np.zeros(3), np.zeros((3, 2))).any()
