"""The gate before imagery opens for patterns that repeat, and for no others."""

import numpy as np
import pytest
from scipy.stats import binom

from tristream.decode.pattern_reliability import pattern_reliability


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


@pytest.mark.parametrize(("column", "message"), [(1, "one item only"), (2, "one run only")])
def test_one_run_or_item_is_refused(column, message):
    given = list(patterns(1.0, np.random.default_rng(0)))
    given[column] = np.zeros_like(given[column])
    with pytest.raises(ValueError, match=message):
        pattern_reliability(*given)
