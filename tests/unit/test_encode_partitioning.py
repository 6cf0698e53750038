"""Unique and shared variance: the algebra, the bootstrap, and what nested fits recover."""

import numpy as np
import pytest

from tristream.encode.partitioning import NestedRun, commonality, partition, set_names


def test_names_of_subsets():
    assert set_names("ab") == ["a", "b", "a+b"]
    assert set_names("abc")[-1] == "a+b+c"
    assert len(set_names("abcd")) == 15


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_coefficients_add_up_and_are_found_again(bands):
    """From known coefficients to the R² of every subset, and back."""
    rng = np.random.default_rng(bands)
    wanted = rng.standard_normal((2**bands - 1, 5))
    base = rng.random(5)
    r2 = np.array(
        [
            base + sum(c for s, c in enumerate(wanted, start=1) if s & subset) if subset else base
            for subset in range(2**bands)
        ]
    )
    found = commonality(r2)
    assert found == pytest.approx(wanted)
    assert found.sum(0) == pytest.approx(r2[-1] - r2[0])
    unique = [r2[-1] - r2[(2**bands - 1) ^ (1 << b)] for b in range(bands)]
    assert found[[(1 << b) - 1 for b in range(bands)]] == pytest.approx(np.array(unique))


def test_two_bands_by_hand():
    r2 = np.array([0.0, 0.3, 0.5, 0.6])
    assert commonality(r2) == pytest.approx([0.1, 0.3, 0.2])


def test_a_subset_that_is_missing_is_refused():
    with pytest.raises(ValueError, match="3 subsets"):
        commonality(np.zeros((3, 2)))


def nested_runs(n=400, voxels=60, seed=0, noise=1.0):
    """Two orthogonal signals; the prediction of a subset is the sum of its own."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, n, voxels))
    y = a + b + noise * rng.standard_normal((n, voxels))
    predictions = np.stack([np.zeros_like(a), a, b, a + b])
    return [NestedRun(y, predictions, np.arange(n) // 20)]


def test_values_are_those_of_the_scores_and_intervals_hold_the_truth():
    tests = nested_runs()
    every = np.ones(60, bool)
    found = partition(tests, {"all": every, "none": ~every}, resamples=400)
    y, p = tests[0].y, tests[0].predictions[3]
    y, p = y - y.mean(0), p - p.mean(0)
    assert found.r2[3] == pytest.approx(1 - ((y - p) ** 2).sum(0) / (y**2).sum(0))
    assert found.parts.value.sum(0) == pytest.approx(found.r2[3])
    truth = np.array([1 / 3, 1 / 3, 0])[:, None]
    inside = (found.parts.low < truth) & (truth < found.parts.high)
    assert inside.mean() > 0.85
    assert found.means.value[0] == pytest.approx(truth[:, 0], abs=0.02)
    assert np.isnan(found.means.value[1]).all()
    assert found.blocks == 20
    # As wide as the spread over voxels, which are independent here.
    assert found.parts.se.mean(1) == pytest.approx(found.parts.value.std(1), rel=0.25)


def test_the_bootstrap_is_repeatable_and_does_not_depend_on_chunks():
    every = {"all": np.ones(60, bool)}
    one = partition(nested_runs(), every, resamples=50, seed=3)
    two = partition(nested_runs(), every, resamples=50, seed=3, chunk=7)
    other = partition(nested_runs(), every, resamples=50, seed=4)
    assert one.parts.low == pytest.approx(two.parts.low)
    assert one.means.high == pytest.approx(two.means.high)
    assert not np.array_equal(one.parts.low, other.parts.low)


def test_few_blocks_have_no_interval():
    found = partition(nested_runs(n=60), {"all": np.ones(60, bool)}, resamples=10)
    assert np.isnan(found.parts.low).all()
    assert np.isnan(found.means.high).all()
    assert np.isfinite(found.parts.value).all()
