"""r over its ceiling, pooled over voxels: what a perfect model and others show."""

import numpy as np
import pytest
from scipy import signal

from tristream.encode.ceiling import ceiling, repeat_power
from tristream.encode.encoding_file import LeftOut
from tristream.encode.jackknife import groups_of, z_left_out
from tristream.encode.over_ceiling import over_regions
from tristream.maps.score_maps import normalized

VOXELS = 150


def serial(rng, rho, *shape):
    white = rng.standard_normal(shape)
    return signal.lfilter([np.sqrt(1 - rho**2)], [1, -rho], white, axis=-2)


def mixed(rng, time):
    """Voxels of eight courses that they share, variance one."""
    weights = rng.standard_normal((8, VOXELS))
    return serial(rng, 0.6, time, 8) @ (weights / np.linalg.norm(weights, axis=0))


def film_of(rng, explainable, quality, blocks=30, rho=0.4):
    """r, what is left out, and the ceiling of a film that was shown twice."""
    time = 10 * blocks
    truth, other = mixed(rng, time), mixed(rng, time)
    noise = serial(rng, rho, 2, time, VOXELS)
    y = np.sqrt(explainable) * truth + np.sqrt(2 * (1 - explainable)) * noise
    prediction = quality * truth + np.sqrt(1 - quality**2) * other
    unit = np.arange(time) // 10
    groups = groups_of("time", [unit], [unit])
    power = repeat_power([y], groups.codes, len(groups))
    z, left_out = z_left_out([(y.mean(0), prediction)], groups)
    return np.tanh(z), LeftOut(groups, left_out, power), ceiling(power, groups)


@pytest.mark.parametrize("quality", [1.0, 0.5])
@pytest.mark.parametrize("explainable", [0.05, 0.4])
def test_pooled_ratios_are_right_where_those_of_picked_voxels_are_not(explainable, quality):
    """A perfect model shows about half of its ratio in voxels that are picked by their bound."""
    rng = np.random.default_rng(0)
    everywhere = np.ones(VOXELS, bool)
    found, picked = [], []
    for _ in range(30):
        r, left_out, top = film_of(rng, explainable, quality)
        over = over_regions(r, left_out, [everywhere]).over_ceiling
        assert over is not None
        found.append([over.value[0], over.low[0], over.high[0]])
        picked.append(np.nanmean(normalized(r, top)))
    value, low, high = np.array(found).T
    assert np.nanmean(value) == pytest.approx(quality, abs=0.05)
    assert np.nanmean((low <= quality) & (quality <= high)) > 0.85
    if explainable < 0.1:
        assert np.mean(picked) < 0.65 * quality


def test_a_model_that_predicts_nothing_shows_nothing():
    rng = np.random.default_rng(1)
    r, left_out, _ = film_of(rng, 0.3, 0.0)
    over = over_regions(r, left_out, [np.ones(VOXELS, bool)]).over_ceiling
    assert over.value[0] < 0.1
    assert over.low[0] == 0


def test_regions_without_explainable_variance_have_no_ratio_and_others_do():
    rng = np.random.default_rng(2)
    half = np.arange(VOXELS) < VOXELS // 2
    explainable = np.where(half, 0.0, 0.4)
    refused = 0
    for _ in range(20):
        r, left_out, _ = film_of(rng, explainable, 1.0)
        over = over_regions(r, left_out, [half, ~half]).over_ceiling
        refused += np.isnan(over.value[0])
        assert over.value[1] == pytest.approx(1, abs=0.15)
    assert refused >= 17


def test_mean_r_has_its_interval_also_without_ceiling():
    rng = np.random.default_rng(3)
    r, left_out, _ = film_of(rng, 0.3, 1.0)
    only = over_regions(r, LeftOut(left_out.groups, left_out.z), [np.ones(VOXELS, bool)])
    assert only.over_ceiling is None
    assert only.r.value[0] == pytest.approx(r.mean())
    assert only.r.low[0] < only.r.value[0] < only.r.high[0]
