"""Predictions by delay are those of the kernels, however few columns their features have."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tristream.encode import tap_predictions
from tristream.encode.tap_predictions import TapPredictions

BANDS, TAPS, ROWS, SAMPLES, VOXELS = 2, 3, 40, 60, 11


def predictions(columns, stacked=True):
    """Of features of so many columns, at delays within 60 training samples."""
    rng = np.random.default_rng(0)
    kernels = torch.zeros(BANDS, TAPS, ROWS, SAMPLES)
    for band in range(BANDS):
        test = rng.standard_normal((ROWS, columns)) * np.logspace(0, -2, columns)
        for tap in range(TAPS):
            kernels[band, tap] = torch.from_numpy(test @ rng.standard_normal((columns, SAMPLES)))
    dual = rng.standard_normal((BANDS, SAMPLES, VOXELS) if stacked else (SAMPLES, VOXELS))
    gamma = rng.dirichlet(np.ones(BANDS), VOXELS).T
    nothing = torch.zeros(BANDS, TAPS, 0, SAMPLES)
    return TapPredictions(kernels, nothing, gamma, dual, np.eye(TAPS), 0, SimpleNamespace())


@pytest.mark.parametrize("columns", [1, 5, 200])
@pytest.mark.parametrize("stacked", [True, False])
def test_predictions_are_kernels_times_weights(columns, stacked):
    tap, chosen = predictions(columns, stacked), np.array([7, 2])
    dual = np.broadcast_to(tap.dual, (BANDS, SAMPLES, VOXELS))[..., chosen]
    expected = np.einsum("bktn,bnv,bv->ktv", tap.timed.double(), dual, tap.gamma[:, chosen])
    found = tap.of_volumes(tap.weights(chosen))
    assert np.abs(found - expected).max() < 3e-6 * np.abs(expected).max()
    assert tap.of_presentations(tap.weights(chosen)).shape == (TAPS, 0, 2)


def test_few_columns_make_small_products():
    small, whole = (predictions(columns)._timed[0] for columns in (5, 200))
    assert small.right.shape == (TAPS, 5, SAMPLES)
    assert whole.right.shape == (TAPS, ROWS, SAMPLES)


def test_a_product_that_leaves_out_too_much_is_seen(monkeypatch):
    monkeypatch.setattr(tap_predictions, "NEGLIGIBLE", 0.5)
    tap = predictions(5)
    dual, gamma = tap.dual, tap.gamma
    expected = np.einsum("bktn,bnv,bv->ktv", tap.timed.double(), dual, gamma)
    found = tap.of_volumes(tap.weights(np.arange(VOXELS)))
    assert np.abs(found - expected).max() > 1e-2 * np.abs(expected).max()
