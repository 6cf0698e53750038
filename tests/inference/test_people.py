"""Prevalence and sign flips."""

import numpy as np
import pytest
from nilearn.mass_univariate import permuted_ols
from scipy import stats

from tristream.inference.people import prevalence, sign_flip


def test_prevalence_as_published():
    """Ince et al. 2021: 14 of 20 participants at .05 make 0.68; all of 20, one."""
    found = prevalence(14, 20, credible=0.96)
    assert found.map == pytest.approx((14 / 20 - 0.05) / 0.95)
    assert (found.low, found.high) == pytest.approx((0.45, 0.87), abs=0.01)
    assert prevalence(20, 20).map == 1
    assert prevalence(0, 20).low == pytest.approx(0, abs=1e-6)
    assert prevalence(1, 20).map == pytest.approx(0, abs=1e-9)


def test_the_interval_is_the_shortest_that_holds_so_much():
    """Against a grid of the posterior."""
    gamma = np.linspace(0, 1, 200_001)
    density = stats.beta(1 + 5, 1 + 2).pdf(0.05 + 0.95 * gamma)
    density /= density.sum()
    order = np.argsort(density)[::-1]
    inside = gamma[order[: int(np.searchsorted(np.cumsum(density[order]), 0.95)) + 1]]
    found = prevalence(5, 7)
    assert (found.low, found.high) == pytest.approx((inside.min(), inside.max()), abs=1e-3)


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="8 of 7"):
        prevalence(8, 7)


@pytest.mark.parametrize(("sides", "alternative"), [(1, "greater"), (2, "two-sided")])
def test_few_subjects_take_every_pattern_of_signs(sides, alternative):
    z = np.random.default_rng(0).normal(0.5, 1, (8, 300))
    p, p_fwe, smallest = sign_flip(z, 100, sides=sides)
    assert smallest == sides / 256
    assert p.min() >= smallest
    assert (p_fwe >= p).all()
    # One voxel, by the book.
    test = stats.permutation_test(
        (z[:, 0],), np.mean, permutation_type="samples", n_resamples=np.inf, alternative=alternative
    )
    assert p[0] == pytest.approx(test.pvalue)


def test_the_family_wise_p_is_that_of_nilearns_largest_t():
    rng = np.random.default_rng(4)
    # Voxels whose spread over subjects differs by a factor of 100.
    z = rng.normal(0, np.geomspace(0.1, 10, 60), (16, 60))
    z[:, :5] += 0.15
    _, p_fwe, _ = sign_flip(z, 5000, seed=0)
    theirs = permuted_ols(
        np.ones((16, 1)), z, None, False, 5000, False, random_state=0, output_type="dict"
    )
    np.testing.assert_allclose(p_fwe, 10 ** -theirs["logp_max_t"][0], atol=0.03)
    assert (p_fwe[:5] < 0.05).any()


def test_sign_flips_keep_their_error_rate_and_find_an_effect():
    rng = np.random.default_rng(1)
    # All voxels share the patterns drawn, so that several draws are needed.
    rates, corrected = [], []
    for seed in range(40):
        p, p_fwe, _ = sign_flip(rng.standard_normal((14, 200)), 499, seed)
        rates.append((p <= 0.05).mean())
        corrected.append(p_fwe.min() <= 0.05)
    assert 0.04 < np.mean(rates) < 0.06
    assert np.mean(corrected) < 0.15
    z = rng.normal(1, 1, (14, 500))
    p, _, smallest = sign_flip(z, 999, seed=2)
    assert (p <= 0.05).mean() > 0.9
    assert smallest == 1 / 1000
    assert np.array_equal(p, sign_flip(z, 999, seed=2)[0])
