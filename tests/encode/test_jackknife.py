"""Intervals of test scores: what is left out together, and how often they hold the truth."""

from itertools import product

import numpy as np
import pytest
from scipy import signal, stats

from tristream.encode.jackknife import (
    FEWEST_UNITS,
    Groups,
    groups_of,
    interval,
    spread,
    z_left_out,
)
from tristream.encode.prediction_scores import fisher_z

BLOCK = 10  # volumes of 2 s


def serial(rng, rho, *shape):
    """Noise of variance one that depends on its own past, along the first axis."""
    white = rng.standard_normal((shape[0] + 50, *shape[1:]))
    return signal.lfilter([np.sqrt(1 - rho**2)], [1, -rho], white, axis=0)[50:]


def predicted(rng, prediction, r, noise):
    """Data of which the prediction explains r²."""
    return r * prediction + np.sqrt(1 - r**2) * noise


def held(value, left_out, groups, truth):
    """Share of the columns whose interval holds the truth; and of a plain jackknife's.

    The plain one takes neighbours for independent and units for normal: what intervals did.
    """
    found = interval(value, left_out, groups)
    count = len(left_out)
    se = np.sqrt((count - 1) * left_out.var(0))
    half = 1.96 * se
    inside = (found.low <= truth) & (truth <= found.high)
    plain = np.abs(value - truth) <= half
    return inside.mean(), plain.mean()


def test_time_blocks_belong_to_their_run_and_items_to_all():
    showing = np.repeat([0, 1, 2, 3], 5)
    item = np.repeat([7, 8, 9, 7], 5)
    film = groups_of("time", [showing, showing], [item, item])
    assert len(film) == 8
    assert film.stratum.tolist() == [0] * 4 + [1] * 4
    assert film.touching
    assert film.degrees == 6
    items = groups_of("item", [showing, showing], [item, item])
    assert len(items) == 3
    assert items.codes[0].tolist() == np.repeat([0, 1, 2, 0], 5).tolist()
    assert np.array_equal(*items.codes)


def test_items_of_runs_of_their_own_are_compared_within_the_run():
    rng = np.random.default_rng(0)
    runs = [np.tile(np.arange(10) + 10 * k, 4) for k in range(3)]
    order = [rng.permutation(40) for _ in runs]
    items = [run[o] for run, o in zip(runs, order, strict=True)]
    found = groups_of("item", [np.arange(40)] * 3, items)
    assert np.bincount(found.stratum).tolist() == [10, 10, 10]
    assert not found.touching
    # Items of ever other runs are one population.
    mixed = [np.array([0, 1, 2, 3]), np.array([2, 3, 4, 5, 0]), np.array([0, 4, 5, 6, 7])]
    assert len(np.unique(groups_of("item", mixed, mixed).stratum)) == 1


def test_many_units_are_joined_and_samples_of_none_stay():
    showing = np.append(np.repeat(np.arange(100), 2), [-1, -1])
    found = groups_of("time", [showing], [showing])
    assert len(found) == 33
    assert (found.codes[0][-2:] == -1).all()
    assert np.bincount(found.codes[0][:-2]).min() >= 4
    short = groups_of("time", [showing[:10]], [showing[:10]])
    assert len(short) == 5
    assert not short.enough
    assert np.isnan(interval(np.zeros(2), np.zeros((5, 2)), short).low).all()


def test_fisher_z_without_a_group_is_that_of_the_other_samples():
    rng = np.random.default_rng(0)
    tests = [tuple(rng.standard_normal((2, n, 3))) for n in (40, 60)]
    unit = [np.arange(n) // 10 for n in (40, 60)]
    groups = groups_of("time", unit, unit)
    whole, left_out = z_left_out(tests, groups, chunk=2)
    z = [np.arctanh([stats.pearsonr(y[:, v], p[:, v])[0] for v in range(3)]) for y, p in tests]
    assert whole == pytest.approx(np.mean(z, axis=0))
    (y, p), keep = tests[1], unit[1] != 2
    without = np.arctanh([stats.pearsonr(y[keep, v], p[keep, v])[0] for v in range(3)])
    assert left_out[4 + 2] == pytest.approx((z[0] + without) / 2)


def film(rng, blocks, r, rho, voxels):
    """z and z without each block of one film, smooth prediction."""
    time = blocks * BLOCK
    prediction = serial(rng, 0.7, time, 1)
    y = predicted(rng, prediction, r, serial(rng, rho, time, voxels))
    unit = np.arange(time) // BLOCK
    groups = groups_of("time", [unit], [unit])
    return (*z_left_out([(y, prediction + 0 * y)], groups), groups)


def items(rng, count, r, rho, voxels, runs=3):
    """The same of items that each run shows once, in an order of its own."""
    shown = rng.standard_normal((count, 1))
    tests, codes = [], []
    for _ in range(runs):
        order = rng.permutation(count)
        prediction = shown[order]
        y = predicted(rng, prediction, r, serial(rng, rho, count, voxels))
        tests.append((y, prediction + 0 * y))
        codes.append(order)
    groups = groups_of("item", [np.arange(count)] * runs, codes)
    return (*z_left_out(tests, groups), groups)


@pytest.mark.parametrize("count", [8, 30])
@pytest.mark.parametrize(("design", "memory"), [(film, (0, 0.4, 0.7)), (items, (0, 0.4))])
def test_intervals_of_r_hold_the_truth_in_93_to_97_of_100(design, memory, count):
    rng = np.random.default_rng(count)
    for r, rho in product((0, 0.2, 0.6), memory):
        cover = []
        for _ in range(120):
            z, left_out, groups = design(rng, count, r, rho, 40)
            cover.append(held(z, left_out, groups, np.arctanh(r)))
        mean, error = np.mean(cover, axis=0), np.std(cover, axis=0) / np.sqrt(len(cover))
        assert 0.93 - 2 * error[0] < mean[0] < 0.97 + 2 * error[0], (r, rho, mean)


def test_neighbours_that_depend_make_plain_intervals_too_narrow():
    """Where blocks are short beside the noise's memory, a plain jackknife holds too rarely."""
    rng = np.random.default_rng(1)
    cover = []
    for _ in range(150):
        time = 20 * 5
        prediction = serial(rng, 0.9, time, 1)
        y = serial(rng, 0.7, time, 40)
        unit = np.arange(time) // 5
        groups = groups_of("time", [unit], [unit])
        z, left_out = z_left_out([(y, prediction + 0 * y)], groups)
        cover.append(held(z, left_out, groups, 0.0))
    ours, plain = np.mean(cover, axis=0)
    assert 0.92 < ours < 0.97
    assert plain < 0.88


def test_few_units_make_normal_intervals_too_narrow():
    rng = np.random.default_rng(2)
    cover = [held(*film(rng, FEWEST_UNITS, 0.2, 0.4, 40), np.arctanh(0.2)) for _ in range(150)]
    ours, plain = np.mean(cover, axis=0)
    assert 0.93 < ours < 0.97
    assert plain < 0.91


def test_a_mean_over_voxels_with_shared_noise_is_as_uncertain_as_its_blocks():
    """Independent voxels would make it certain; the shared noise does not average out."""
    rng = np.random.default_rng(3)
    inside, single = [], []
    for _ in range(200):
        time = 15 * BLOCK
        prediction = serial(rng, 0.7, time, 1)
        noise = np.sqrt(0.3) * serial(rng, 0.4, time, 1) + np.sqrt(0.7) * serial(rng, 0.4, time, 50)
        y = predicted(rng, prediction, 0.2, noise)
        unit = np.arange(time) // BLOCK
        groups = groups_of("time", [unit], [unit])
        z, left_out = z_left_out([(y, prediction + 0 * y)], groups)
        truth = np.arctanh(0.2)
        found = interval(np.float64(z.mean()), left_out.mean(1), groups)
        inside.append(found.low <= truth <= found.high)
        naive = 1.96 * z.std() / np.sqrt(len(z))
        single.append(abs(z.mean() - truth) <= naive)
    assert 0.9 < np.mean(inside) < 0.985
    assert np.mean(single) < 0.7


def test_runs_are_compared_each_with_itself():
    """Runs that differ in r add nothing to the error of their mean."""
    rng = np.random.default_rng(4)
    stratum = np.repeat([0, 1], 10)
    left_out = rng.standard_normal((20, 5)) * 0.01 + stratum[:, None]
    groups = Groups((), stratum, False)
    apart = Groups((), np.zeros(20, int), False)
    assert spread(left_out, groups).se.mean() < 0.1 * spread(left_out, apart).se.mean()
    assert fisher_z(np.array([1.0]))[0] < 15
