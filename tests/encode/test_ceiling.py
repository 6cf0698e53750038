"""The noise ceiling: two estimates of one quantity, with known answers."""

import numpy as np
import pytest
from scipy import stats

from tristream.encode.ceiling import ceiling, repeat_power, split_half, within_run_repeats
from tristream.encode.jackknife import groups_of


def noise_ceiling(y, blocks):
    """The ceiling of one test run, its repeats."""
    groups = groups_of("time", [blocks], [blocks])
    return ceiling(repeat_power([y], groups.codes, len(groups)), groups)


def repeats(share, count, time=400, voxels=400, seed=0):
    """Data whose average over repeats has `share` explainable variance."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((time, voxels)) * np.sqrt(share / (1 - share) / count)
    return signal + rng.standard_normal((count, time, voxels))


@pytest.mark.parametrize("count", [2, 3, 4, 5, 10])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.6])
def test_both_estimates_agree_with_each_other_and_with_the_truth(count, share):
    y = repeats(share, count)
    by_power = noise_ceiling(y, np.arange(400) // 20).explainable
    by_halves = split_half(y)
    # The ratio of the second carries a bias of the order of one over time.
    assert by_power.mean() == pytest.approx(share, abs=0.01)
    assert by_halves.mean() == pytest.approx(share, abs=0.02)
    assert np.abs(by_power - by_halves).mean() < 0.06
    if share > 0 and count % 2 == 0:
        assert np.corrcoef(by_power, by_halves)[0, 1] > 0.8


def test_two_repeats_are_stepped_up_by_spearman_and_brown():
    y = repeats(0.5, 2, voxels=3)
    r = [stats.pearsonr(y[0, :, v], y[1, :, v])[0] for v in range(3)]
    assert split_half(y) == pytest.approx([2 * x / (1 + x) for x in r])


def test_halves_are_drawn_from_all_splits_and_repeatable():
    y = repeats(0.5, 12, time=60, voxels=5)
    assert np.array_equal(split_half(y, seed=1), split_half(y, seed=1))
    assert not np.array_equal(split_half(y, seed=1), split_half(y, seed=2))
    # Up to eight repeats all splits are used, whatever the seed.
    assert np.array_equal(split_half(y[:6], seed=1), split_half(y[:6], seed=2))


def test_a_constant_voxel_has_no_ceiling_and_opposite_halves_none_either():
    y = repeats(0.5, 2, voxels=2)
    y[:, :, 0] = 3.0
    y[1, :, 1] = -y[0, :, 1]
    found = split_half(y)
    assert found[0] == 0
    assert found[1] == -np.inf


def test_what_is_shown_twice_in_a_run_is_found():
    shown = [("run-1", "a"), ("run-1", "b"), ("run-2", "a"), ("run-1", "a"), ("run-3", "c")]
    assert within_run_repeats(shown) == {"run-1": ["a"]}
    assert within_run_repeats([]) == {}
