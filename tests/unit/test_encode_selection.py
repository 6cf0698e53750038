"""Information criteria of ridge against their definition, and what they choose."""

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from tristream.encode.estimators import BandedRidgeCV
from tristream.encode.selection import effective_degrees, effective_samples, ridge_criteria

RUNS = np.repeat(np.arange(3), [50, 60, 55])
N = len(RUNS)


def test_degrees_are_the_trace_of_the_hat_matrix():
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((N, p)) + 1 for p in (7, 20)]
    grams = torch.from_numpy(np.stack([a @ a.T for a in x]))
    gamma = np.array([[0.2, 0.5], [0.8, 0.5]])
    alpha = np.array([3.0, 100.0])
    found = effective_degrees(grams, gamma, alpha)
    for v in range(2):
        joined = np.hstack([a * np.sqrt(g) for a, g in zip(x, gamma[:, v], strict=True)])
        joined -= joined.mean(0)
        hat = joined @ np.linalg.solve(joined.T @ joined + alpha[v] * np.eye(27), joined.T)
        assert found[v] == pytest.approx(np.trace(hat))


def test_independent_columns_without_penalty_are_degrees():
    x = np.random.default_rng(0).standard_normal((N, 9))
    gram = torch.from_numpy(x @ x.T)[None]
    found = effective_degrees(gram, np.ones((1, 1)), np.array([1e-9]))
    assert found[0] == pytest.approx(9, abs=1e-3)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_samples_of_autoregressive_noise(rho):
    rng = np.random.default_rng(1)
    runs = np.repeat(np.arange(4), 500)
    noise = np.concatenate([lfilter([1], [1, -rho], rng.standard_normal((500, 40)), axis=0)] * 4)
    found = effective_samples(noise, runs).mean()
    assert found == pytest.approx(2000 * (1 - rho) / (1 + rho), rel=0.06)


def test_criteria_are_those_of_the_residuals_and_choose_the_true_model():
    rng = np.random.default_rng(2)
    true, other = rng.standard_normal((N, 6)), rng.standard_normal((N, 40))
    y = true @ rng.standard_normal((6, 30)) + 2 * rng.standard_normal((N, 30))
    found = {}
    for name, bands in {"true": [true], "both": [true, other], "other": [other]}.items():
        grams = np.stack([b @ b.T for b in bands])
        fixed = np.ones((1, len(bands)))
        model = BandedRidgeCV(alphas=[1.0], candidates=fixed, kernel="precomputed")
        model.fit(grams, y, runs=RUNS)
        found[name] = ridge_criteria(
            torch.from_numpy(grams), model.gamma_, model.alpha_, model.dual_, RUNS
        )
        residual = y - model.predict(grams)
        c = found[name]
        fit = c.samples * np.log((residual**2).mean(0))
        assert c.aic == pytest.approx(fit + 2 * (c.degrees + 1), rel=1e-6)
        assert c.bic == pytest.approx(fit + np.log(c.samples) * (c.degrees + 1), rel=1e-6)
    assert (found["true"].bic < found["both"].bic).mean() > 0.95
    assert (found["true"].aic < found["both"].aic).mean() > 0.8
    assert (found["true"].bic < found["other"].bic).mean() > 0.95
