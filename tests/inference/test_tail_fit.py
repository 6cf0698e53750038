"""Fitted tails against distributions whose tails are known."""

import numpy as np
import pytest
from scipy import stats

from tristream.inference.tail_fit import COUNTS, CRITICAL, anderson_darling, fit, tail_p


def normal(permutations, columns, seed=0):
    return np.random.default_rng(seed).standard_normal((permutations, columns)).astype(np.float32)


def test_goodness_of_fit_rejects_one_in_twenty_true_tails_and_other_shapes():
    rng = np.random.default_rng(0)
    for count in (COUNTS[0], COUNTS[-1]):
        true = np.sort(rng.exponential(size=(count, 4000)), axis=0)[::-1]
        assert (anderson_darling(true, *fit(true)) > CRITICAL).mean() == pytest.approx(
            0.05, abs=0.02
        )
    other = np.sort(rng.uniform(size=(250, 500)), axis=0)[::-1]
    assert (anderson_darling(other, *fit(other)) > CRITICAL).all()
    assert fit(true)[0].min() == 0
    assert np.median(fit(rng.pareto(5, (250, 500)))[0]) == pytest.approx(0.2, abs=0.05)


def test_p_is_near_the_truth_and_not_below_it():
    null = normal(20_000, 200)
    for z in (3.5, 4.0, 4.5):
        p = tail_p(null, np.full(200, z))
        assert np.isfinite(p).mean() > 0.95
        assert 0.9 <= np.nanmedian(p) / stats.norm.sf(z) <= 5
    # Far out it is still finite: with a negative shape it would be zero.
    assert 0 < tail_p(null, np.full(200, 8.0)).min() < 1e-8


def test_small_p_values_of_true_nulls_are_no_more_than_they_should_be():
    rates = {1e-3: [], 1e-4: []}
    for seed in range(8):
        null = normal(1001, 5000, seed)
        p = tail_p(null[1:], null[0])
        for level, found in rates.items():
            found.append((p <= level).mean())
    for level, found in rates.items():
        assert np.mean(found) <= level + 2 * np.sqrt(level / 40_000)


def test_a_few_permutations_or_steps_have_no_tail():
    assert np.isnan(tail_p(normal(400, 3), np.zeros(3))).all()
    steps = np.repeat([0.0, 0.1, 0.2, 0.3], 250)[:, None] * np.ones(2)
    assert np.isnan(tail_p(steps, np.full(2, 0.3))).all()
