"""Signs of units: the null, and how much wider neighbours that share noise make it."""

from itertools import product

import numpy as np
import pytest
from scipy import signal

from tristream.align.exchange import sign_units
from tristream.bold.cleaning import projection_basis
from tristream.bold.high_pass import high_pass_cosines
from tristream.inference import sign_widening as sign_widening_module
from tristream.inference.permutation import PredictedRun, unit_length
from tristream.inference.sign_flips import SignFlips, patterns
from tristream.inference.sign_widening import sign_widening

UNITS = 12


def slow(rng, shape, rho):
    white = rng.standard_normal((shape[0] + 50, shape[1]))
    return signal.lfilter([1], [1, -rho], white, axis=0)[50:] * np.sqrt(1 - rho**2)


def compared(rng, n, voxels, length, first=0.0, rho=0.5):
    """Data, and the difference of two predictions of which the first may hold something."""
    a, b = slow(rng, (n, voxels), 0.8), slow(rng, (n, voxels), 0.8)
    y = first * a + slow(rng, (n, voxels), rho)
    unit = np.minimum(np.arange(n) // length, n // length - 1)
    return PredictedRun(y, unit_length(a) - unit_length(b), unit)


def p_values(run, kind="time", widen=True):
    units = sign_units(kind, [run.unit], [run.unit])
    parts = np.zeros((units[0].max() + 1, run.y.shape[1]))
    np.add.at(parts, units[0], unit_length(run.y) * run.prediction)
    wider = sign_widening([run], units, kind) if widen else 1.0
    null = SignFlips(parts, np.full(run.y.shape[1], wider), 0)
    values = null.values(0, 400, np.arange(run.y.shape[1]))
    return (1 + (values >= null.observed - 1e-6).sum(0)) / 401


def test_patterns_of_signs_are_those_of_all_combinations():
    parts = np.random.default_rng(0).standard_normal((4, 1))
    null = SignFlips(parts, np.ones(1), 0)
    drawn = null.values(0, 2000, np.array([0]))[:, 0]
    every = {
        round(abs(float(np.dot(signs, parts[:, 0]))), 4) for signs in product((1, -1), repeat=4)
    }
    assert {round(float(value), 4) for value in drawn} == every
    assert len(every) == null.distinct == patterns(4, 2) == 8
    assert patterns(4, 1) == 16
    assert null.observed == pytest.approx(np.abs(parts.sum(0)))


def test_a_pattern_has_its_number_whatever_else_is_drawn():
    parts = np.random.default_rng(0).standard_normal((UNITS, 5))
    null = SignFlips(parts, np.ones(5), 3, sides=1)
    every = null.values(0, 3000, np.arange(5))
    assert np.allclose(null.values(1000, 2100, np.array([1, 4])), every[1000:2100, [1, 4]])
    wide = SignFlips(parts, np.full(5, 2.0), 3, sides=1)
    assert np.allclose(wide.values(0, 10, np.arange(5)), 2 * every[:10])


@pytest.mark.parametrize("kind", ["time", "block"])
def test_error_rate_and_power_where_neighbours_touch(kind):
    rng = np.random.default_rng(5)
    none = [compared(rng, 300, 400, 15, rho=0.8) for _ in range(8)]
    rate = np.mean([(p_values(run, kind) <= 0.05).mean() for run in none])
    assert 0.03 < rate < 0.062
    # Today's rule outside of films: signs as if neighbours shared nothing.
    assert np.mean([(p_values(run, kind, widen=False) <= 0.05).mean() for run in none]) > 0.065
    better = compared(rng, 300, 400, 15, first=0.7)
    assert (p_values(better, kind) <= 0.05).mean() > 0.8


def test_error_rate_where_a_filter_makes_data_unlike_half_a_minute_later(monkeypatch):
    """Presentations of 6 s in runs of 3 min without what is slower than 128 s."""
    rng = np.random.default_rng(0)
    time = 2 * (np.arange(90) + 0.5)
    slowest = projection_basis(90, high_pass_cosines(time, 128))

    def filtered(rho):
        series = slow(rng, (90, 400), rho)
        return series - slowest @ (slowest.T @ series)

    runs = [
        PredictedRun(
            filtered(0.7),
            unit_length(filtered(0.8)) - unit_length(filtered(0.8)),
            (time // 6).astype(int),
        )
        for _ in range(12)
    ]

    def rate():
        return np.mean([(p_values(run, "block") <= 0.05).mean() for run in runs])

    assert 0.03 < rate() < 0.06
    # The rule before: neighbours alone.
    monkeypatch.setattr(
        sign_widening_module, "products_of_distant", lambda y, *_: np.zeros(y.shape[1])
    )
    assert rate() > 0.065


def test_showings_of_an_item_change_their_sign_together():
    """Responses to items that neither model holds, the items shown five times each."""
    rng = np.random.default_rng(1)
    items, voxels = np.concatenate([rng.permutation(20) for _ in range(5)]), 600
    showing = np.arange(100)
    answers, features = rng.standard_normal((20, voxels)), rng.standard_normal((20, voxels))
    y = answers[items] + rng.standard_normal((100, voxels))
    run = PredictedRun(y, unit_length(features[items]), showing, item=items)
    rates = []
    for kind in ("item", "block"):
        (units,) = sign_units(kind, [showing], [items])
        parts = np.zeros((units.max() + 1, voxels))
        np.add.at(parts, units, unit_length(run.y) * run.prediction)
        null = SignFlips(parts, np.ones(voxels), 0)
        reached = (null.values(0, 400, np.arange(voxels)) >= null.observed).sum(0)
        rates.append(((1 + reached) / 401 <= 0.05).mean())
    assert rates[0] < 0.075
    assert rates[1] > 0.2
