"""Sums of looked-up products against moving time series and correlating them."""

import numpy as np
import pytest
from scipy import stats

from tristream.align.exchange import exchange
from tristream.inference.moved_predictions import MovedPredictions
from tristream.inference.permutation import PredictedRun, Shifts


def runs(*volumes, voxels=4, widening=1.0, length=10):
    rng = np.random.default_rng(0)
    return [
        PredictedRun(*rng.random((2, n, voxels)), np.arange(n) // length, widening) for n in volumes
    ]


def correlations(tests, sources):
    z = [
        [np.arctanh(stats.pearsonr(t.prediction[s, v], t.y[:, v])[0]) for v in range(t.y.shape[1])]
        for t, s in zip(tests, sources, strict=True)
    ]
    return np.tanh(np.mean(z, axis=0))


@pytest.mark.parametrize("kind", ["time", "item"])
def test_units_move_within_runs_or_with_all_their_showings(kind):
    """Items are shown twice in the first run and once in the second, in other orders."""
    tests = runs(43, 60)
    items = [np.array([0, 1, 1, 0, 2])[tests[0].unit], np.array([2, 0, 3, 1, 4, 4])[tests[1].unit]]
    may = exchange(kind, [test.unit for test in tests], items)
    null = MovedPredictions(tests, may, seed=1)
    orders = may.draw(1020, 1030, seed=1)
    found = null.values(1020, 1030, np.array([0, 2, 3]))
    for i in range(10):
        sources = [may.sources(orders, k, len(t.y))[i] for k, t in enumerate(tests)]
        assert found[i] == pytest.approx(correlations(tests, sources)[[0, 2, 3]], abs=1e-6)
    as_it_is = [np.arange(len(t.y)) for t in tests]
    assert null.observed == pytest.approx(correlations(tests, as_it_is), abs=1e-12)
    assert null.distinct == may.distinct
    assert np.array_equal(null.values(1024, 1026, np.array([2])), found[4:6, 1:2])


def test_a_wider_null_has_the_same_mean():
    narrow, wide = (
        MovedPredictions(own, exchange("time", [own[0].unit], [own[0].unit])).values(
            0, 20_000, np.arange(4)
        )
        for own in (runs(200), runs(200, widening=1.3))
    )
    assert wide.std(0) == pytest.approx(1.3 * narrow.std(0), rel=1e-3)
    assert wide.mean(0) == pytest.approx(narrow.mean(0), abs=2e-3)


def test_units_that_cannot_move_leave_the_correlation_as_it_is():
    tests = [PredictedRun(t.y, t.prediction, np.zeros(len(t.y), int)) for t in runs(30, 20)]
    units = [test.unit for test in tests]
    null = MovedPredictions(tests, exchange("time", units, units))
    assert null.distinct == 1
    assert null.values(0, 3, np.arange(4)) == pytest.approx(
        np.tile(null.observed, (3, 1)), abs=1e-6
    )


def test_shifts_equal_rolling_the_prediction():
    (test,) = runs(31)
    null = MovedPredictions([test], Shifts((31,)))
    assert (null.available, null.distinct) == (30, 31)
    shifts = null.moves.draw(4, 9, 0)[0]
    for shift, row in zip(shifts, null.values(4, 9, np.arange(4)), strict=True):
        expected = correlations([test], [np.roll(np.arange(31), shift)])
        assert row == pytest.approx(expected, abs=1e-6)
    two = MovedPredictions(runs(31, 40), Shifts((31, 40)))
    assert (two.available, two.distinct) == (None, 31 * 40)
    every = two.values(0, 3000, np.arange(4))
    assert every[1000:1100] == pytest.approx(two.values(1000, 1100, np.arange(4)), abs=1e-6)
    assert len(np.unique(every[:, 0].round(5))) > 900
