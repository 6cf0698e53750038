"""The gate before imagery opens for patterns that repeat, and for no others."""

import numpy as np
import pytest
from scipy.stats import binom

from tristream.decode.pattern_reliability import corrected_over_regions, pattern_reliability


def patterns(signal, rng, items=5, runs=6, voxels=60, shared=0.0):
    own = rng.standard_normal((items, voxels))
    item, run = np.tile(np.arange(items), runs), np.repeat(np.arange(runs), items)
    common = rng.standard_normal(voxels)
    noise = rng.standard_normal((items * runs, voxels))
    return signal * own[item] + shared * common + noise, item, run


def test_planted_patterns_pass():
    found = pattern_reliability(*patterns(0.5, np.random.default_rng(0)), permutations=500)
    assert found.passed
    assert found.value > found.threshold
    assert found.splits == 10
    # Half of the runs is three: r = s² / (s² + 1 / 3), and less for what items share.
    assert found.value == pytest.approx(0.25 / (0.25 + 1 / 3), abs=0.12)


def test_noise_passes_at_its_level_and_what_items_share_does_not_pass_for_reliability():
    repeats, passed, naive = 100, 0, 0
    for repeat in range(repeats):
        x, item, run = patterns(0.0, np.random.default_rng(repeat), shared=2.0)
        found = pattern_reliability(x, item, run, permutations=199, seed=repeat)
        passed += found.passed
        # Negative control: halves correlated without taking out what all items share.
        halves = [x[run < 3].reshape(3, 5, -1).mean(0), x[run >= 3].reshape(3, 5, -1).mean(0)]
        naive += np.mean([np.corrcoef(*pair)[0, 1] for pair in zip(*halves, strict=True)]) > 0.1
    assert binom.ppf(0.005, repeats, 0.05) <= passed <= binom.ppf(0.995, repeats, 0.05)
    assert naive == repeats


def test_runs_may_lack_items():
    x, item, run = patterns(1.0, np.random.default_rng(0), runs=7)
    keep = ~((item == 2) & (run < 3))
    found = pattern_reliability(x[keep], item[keep], run[keep], permutations=200)
    assert found.passed
    assert found.runs == 7
    assert found.items == 5


def test_too_few_rearrangements_give_no_p_value():
    x, item, run = patterns(1.0, np.random.default_rng(0), items=2, runs=4)
    found = pattern_reliability(x, item, run)
    assert found.p is None
    assert not found.passed
    assert "distinct" in found.refusal


def refused(x, item, run):
    """The refusal, of what has neither p nor threshold and does not pass."""
    with np.errstate(all="raise"):
        found = pattern_reliability(x, item, run)
    assert found.p is None
    assert np.isnan(found.threshold)
    assert not found.passed
    return found.refusal


def test_items_of_one_run_only_are_refused():
    x = np.random.default_rng(0).standard_normal((20, 100))
    why = "no item occurs in two runs, so that no pattern can repeat"
    assert refused(x, np.arange(20), np.repeat([0, 1], 10)) == why


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6])
def test_patterns_that_do_not_differ_are_refused(value):
    item, run = np.tile(np.arange(10), 4), np.repeat(np.arange(4), 10)
    # Items that are shown often differ by rounding from the others, alike in all runs.
    often = np.r_[np.arange(40), np.repeat(np.flatnonzero(item < 3), 2)]
    why = "no item has a pattern unlike the mean of its run in both halves of the runs"
    assert refused(np.full((len(often), 100), value), item[often], run[often]) == why


def test_items_of_one_run_change_places_with_none():
    x, item, run = patterns(1.0, np.random.default_rng(0), items=6, runs=3)
    single = np.arange(100, 130)
    noise = np.random.default_rng(1).standard_normal((30, 60))
    given = np.r_[x, noise], np.r_[item, single], np.r_[run, np.repeat(np.arange(3), 10)]
    found = pattern_reliability(*given)
    assert found.passed
    assert found.items == 6
    # Three items have six orders in each of two runs, however many others are shown.
    few = np.r_[item < 3, np.ones(30, bool)]
    assert refused(*(one[few] for one in given)).startswith("only 36 distinct")


def test_sessions_that_share_no_item_have_names_of_their_own():
    x, item, run = patterns(1.0, np.random.default_rng(0), items=4, runs=4)
    assert pattern_reliability(x, item, run).passed
    # Four items in two runs have 24 orders; in both sessions, 24².
    assert refused(x, np.where(run > 1, item + 4, item), run).startswith("only 576 distinct")


def test_many_items_have_more_rearrangements_than_a_float_holds():
    found = pattern_reliability(
        *patterns(0.5, np.random.default_rng(0), items=60, runs=8), permutations=99
    )
    assert found.passed


def test_a_gate_without_permutations_is_closed():
    found = pattern_reliability(*patterns(1.0, np.random.default_rng(0)), permutations=0)
    assert not found.passed
    assert found.refusal == "no permutations were asked for"


def regions(rng, signal=(0.0,) * 8):
    """Reliability of patterns of the same items in several regions."""
    each = [patterns(one, rng, voxels=40) for one in signal]
    return {f"R{k}": pattern_reliability(*one, permutations=199) for k, one in enumerate(each)}


def test_noise_in_any_region_passes_at_the_level_of_one():
    repeats, any_region, uncorrected = 60, 0, 0
    for repeat in range(repeats):
        single = regions(np.random.default_rng(repeat))
        uncorrected += any(one.passed for one in single.values())
        any_region += any(one.passed for one in corrected_over_regions(single).values())
    assert any_region <= binom.ppf(0.995, repeats, 0.05)
    # Negative control: a gate of its own in each of eight regions.
    assert uncorrected > binom.ppf(0.995, repeats, 0.05)


def test_a_region_with_patterns_passes_beside_others_without():
    single = regions(np.random.default_rng(0), (0.5, 0.0, 0.0))
    found = corrected_over_regions(single)
    assert [one.passed for one in found.values()] == [True, False, False]
    assert len({one.threshold for one in found.values()}) == 1
    for name, one in found.items():
        assert one.p >= single[name].p
        assert one.passed == (one.value > one.threshold)


def test_a_region_without_p_stays_so_and_takes_none_from_others():
    x, item, run = patterns(0.5, np.random.default_rng(0))
    flat = pattern_reliability(np.zeros_like(x), item, run)
    found = corrected_over_regions({"V1": pattern_reliability(x, item, run), "FFA": flat})
    assert found["V1"].passed
    assert found["FFA"] is flat
    assert corrected_over_regions({"FFA": flat}) == {"FFA": flat}


@pytest.mark.parametrize(("column", "message"), [(1, "one item only"), (2, "one run only")])
def test_one_run_or_item_is_refused(column, message):
    given = list(patterns(1.0, np.random.default_rng(0)))
    given[column] = np.zeros_like(given[column])
    with pytest.raises(ValueError, match=message):
        pattern_reliability(*given)
