"""Ceilings of items: in other orders, unequally often, and again within a run."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import signal

from tristream.encode import repeats
from tristream.encode.encoding_file import HeldOut
from tristream.encode.fit_inputs import Run
from tristream.encode.repeats import ceiling_of, left_out_of
from tristream.store import Omission

VOXELS = 80


def noise(rng, rho, rows):
    white = rng.standard_normal((rows + 50, VOXELS))
    return signal.lfilter([np.sqrt(1 - rho**2)], [1, -rho], white, axis=0)[50:]


class Study:
    """Test runs of items, and what `ceiling_of` reads of them.

    Parameters
    ----------
    orders : sequence of sequence of int
        Items of each run, one after the other.
    share : float
        Of the variance of a sample that is the item's.
    rows : int
        Samples of a showing.
    rho : float
        Of the noise, from sample to sample.
    drift : float
        Variance of what changes slowly within a run.
    """

    def __init__(self, rng, orders, share, monkeypatch, rows=1, rho=0.0, drift=0.0):
        shown = rng.standard_normal((max(map(max, orders)) + 1, rows, VOXELS))
        self.bold, runs, self.tests = {}, {}, {}
        signals, everything = [], []
        for number, order in enumerate(orders):
            name, length = f"run-{number}", len(order) * rows
            item = np.repeat(order, rows)
            unit = np.repeat(np.arange(len(order)), rows)
            course = shown[item, np.tile(np.arange(rows), len(order))]
            slow = noise(rng, 1 - 1 / length, length)
            error = np.sqrt(1 - drift) * noise(rng, rho, length) + np.sqrt(drift) * slow
            self.bold[name] = np.sqrt(share) * course + np.sqrt(1 - share) * error
            signals.append(share * course.var(0))
            everything.append(self.bold[name].var(0))
            nothing, every = np.zeros((length, 0)), np.arange(length)
            runs[name] = Run(
                *(name, length, every, nothing, unit, item, item, unit >= 0, "test", name, name)
            )
            hyper = np.ones((1, VOXELS)), np.ones(VOXELS)
            y = self.bold[name]
            self.tests[name] = HeldOut(y, y[None], y, unit, (name,), *hyper, nothing, item, every)
        # About the means of runs, which hold a part of slow noise.
        self.truth = np.mean(signals) / np.mean(everything)

        def read(path, voxels):
            return SimpleNamespace(bold=self.bold[path][:, voxels])

        monkeypatch.setattr(repeats, "read_run", read)
        self.inputs = SimpleNamespace(runs=runs, ijk=np.zeros((VOXELS, 3)), exchange="item")

    def ceiling(self):
        groups = {name: [name] for name in self.tests}
        left_out = left_out_of(self.inputs, self.tests)
        return ceiling_of(self.inputs, groups, self.tests, left_out)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("rows", [1, 4])
def test_items_in_other_orders_have_the_ceiling_of_a_sample(share, rows, monkeypatch):
    rng = np.random.default_rng(rows)
    found, low = [], []
    for _ in range(15):
        orders = [rng.permutation(20) for _ in range(6)]
        study = Study(rng, orders, share, monkeypatch, rows, rho=0.4)
        measured = study.ceiling()
        assert measured.design == "items"
        found.append(measured.ceiling.explainable.mean() - study.truth)
        low.append((measured.ceiling.low > np.sqrt(share) + 1e-9).mean())
    assert np.mean(found) == pytest.approx(0, abs=0.015)
    assert np.mean(low) < 0.05


def test_items_may_be_shown_unequally_often_and_twice_within_a_run(monkeypatch):
    """Showings of one run share its slow noise: as independent ones they make noise a signal."""
    rng = np.random.default_rng(5)
    found, naive = [], []
    for _ in range(15):
        orders = []
        for _ in range(5):
            some = rng.permutation(24)[: rng.integers(14, 24)]
            # Twice in a row: both showings lie in the same noise.
            orders.append(np.repeat(some, 2))
        study = Study(rng, orders, 0.2, monkeypatch, rho=0.8)
        measured = study.ceiling()
        assert measured.design == "items"
        found.append(measured.ceiling.explainable.mean() - study.truth)
        pairs = [y[::2] * y[1::2] for y in (b - b.mean(0) for b in study.bold.values())]
        power = np.concatenate(list(study.bold.values())).var(0)
        naive.append((np.concatenate(pairs).mean(0) / power).mean() - study.truth)
    assert np.mean(found) == pytest.approx(0, abs=0.02)
    assert np.mean(naive) > 0.3


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_items_of_one_run_alone_are_compared_with_others_at_the_same_distance(share, monkeypatch):
    """Ten clips four times a run: what showings share beyond other clips is the clips'."""
    rng = np.random.default_rng(6)
    found, naive = [], []
    for _ in range(15):
        orders = [np.tile(rng.permutation(10), 4) + 10 * k for k in range(6)]
        study = Study(rng, orders, share, monkeypatch, rows=3, drift=0.5)
        measured = study.ceiling()
        assert measured.design == "within runs"
        found.append(measured.ceiling.explainable.mean() - study.truth)
        shaped = [y.reshape(4, 30, VOXELS) for y in (b - b.mean(0) for b in study.bold.values())]
        signal_ = np.mean([(y.sum(0) ** 2 - (y**2).sum(0)).mean(0) / 12 for y in shaped], axis=0)
        ratio = signal_ / np.mean([(y**2).mean((0, 1)) for y in shaped], axis=0)
        naive.append(ratio.mean() - study.truth)
    assert np.mean(found) == pytest.approx(0, abs=0.015)
    # About a run's mean, slow noise of showings far apart has opposite signs.
    assert abs(np.mean(naive)) > 0.03


def test_items_that_are_shown_once_have_no_ceiling(monkeypatch):
    rng = np.random.default_rng(7)
    orders = [np.arange(10) + 10 * k for k in range(3)]
    study = Study(rng, orders, 0.5, monkeypatch)
    assert study.ceiling() == Omission("ceiling", "most items of the test are shown once")
    study.inputs.exchange = "time"
    assert study.ceiling() == Omission("ceiling", "no test run is a repeat of another")
