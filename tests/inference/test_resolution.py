"""More permutations where they decide something: exact answers, error rates, and what is found."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pytest
from scipy import stats
from scipy.stats import false_discovery_control

from helpers.fixed_permutations import permutation_test
from tristream.align.exchange import exchange
from tristream.inference.moved_predictions import MovedPredictions
from tristream.inference.permutation import PredictedRun
from tristream.inference.resolution import ENOUGH, Resolution, StoredNull, resolve


@dataclass
class Enumerated:
    """All orders of a few blocks, each once and in random order; what changes nothing is first."""

    y: np.ndarray
    x: np.ndarray

    def __post_init__(self):
        self.orders = np.array(list(permutations(range(len(self.x)))))
        np.random.default_rng(0).shuffle(self.orders[1:])
        self.distinct = len(self.orders)
        self.available = self.distinct - 1
        self.every = self.x[self.orders] @ self.y
        self.observed = self.every[0]

    def values(self, start, stop, voxels):
        return self.every[1 + start : 1 + stop, voxels].astype(np.float32)


def blocks(voxels, volumes=300, length=15, driven=0, r=0.0, seed=0):
    """White data and slow predictions, the first voxels driven by theirs."""
    rng = np.random.default_rng(seed)
    y, x = rng.standard_normal((2, volumes, voxels)).astype(np.float32)
    x[1:] += x[:-1]
    x /= x.std(0)
    y[:, :driven] = r * x[:, :driven] + np.sqrt(1 - r**2) * y[:, :driven]
    unit = np.arange(volumes) // length
    run = PredictedRun(y, x, unit)
    return MovedPredictions([run], exchange("time", [unit], [unit]), seed)


def test_all_rearrangements_of_a_small_design_give_the_exact_p():
    rng = np.random.default_rng(0)
    # So many voxels that one alone asks for all orders.
    null = Enumerated(rng.standard_normal((7, 252)) / 20, rng.standard_normal(7))
    exact = (null.every >= null.observed - 1e-6).mean(0)
    found = resolve(null, Resolution(first=10_000))
    assert found.p == pytest.approx(exact)
    assert len(found.null_max) == found.most == found.needed == 5039
    assert not found.tail.any()
    # Of a voxel that goes on to the last one, p is exact too; of one that stops, it is near.
    found = resolve(null, Resolution(first=200))
    last = found.permutations == 5039
    assert found.stopped == (~last).sum() > 200
    assert found.p[last] == pytest.approx(exact[last])
    assert np.abs(np.log(found.p / exact)).max() < 4.5 / np.sqrt(ENOUGH)


def test_every_level_is_held_and_used_up():
    null = blocks(30_000)
    found = resolve(null, Resolution())
    assert (found.permutations == 1000).mean() > 0.9
    assert found.most > 10_000
    for level in (0.05, 0.01, 0.001):
        expected = stats.binom(30_000, level)
        assert 1e-3 < expected.cdf((found.p <= level).sum()) < 1 - 1e-3
    # Ended for a voxel when its own p is smallest, permutations make p values too small.
    values = null.values(0, 1000, np.arange(5000)) >= found.observed[:5000]
    running = (1 + values.cumsum(0)) / (2 + np.arange(1000))[:, None]
    assert (running[100:].min(0) <= 0.01).mean() > 0.014


def test_one_strong_voxel_passes_and_a_thousand_permutations_find_none():
    null = blocks(8000, driven=1, r=0.8)
    found = resolve(null, Resolution())
    assert found.needed == found.most == 8000 / 0.05 - 1
    q = false_discovery_control(found.p)
    assert q[0] <= 0.05
    assert not found.tail.any()
    assert found.fewest == 1
    assert found.stopped > 7900
    plain = permutation_test(null.runs, null.moves, 1000)
    assert (false_discovery_control(plain.p) > 0.05).all()


def test_driven_voxels_are_found_at_the_rate_of_false_discoveries():
    power, false, plain = [], [], []
    for seed in range(8):
        null = blocks(4000, driven=40, r=0.6, seed=seed)
        found = resolve(null, Resolution())
        passed = false_discovery_control(found.p) <= 0.05
        power.append(passed[:40].mean())
        false.append(passed[40:].sum() / passed.sum())
        coarse = permutation_test(null.runs, null.moves, 1000, seed)
        plain.append((false_discovery_control(coarse.p) <= 0.05).sum())
    assert np.mean(power) >= 0.95
    assert np.mean(false) <= 0.05
    assert max(plain) == 0


def test_it_ends_where_all_that_go_on_are_significant():
    null = blocks(1000, driven=300, r=0.6)
    found = resolve(null, Resolution())
    # A voxel alone asks for 19,999.
    assert found.most == 16_000 or found.most == 4000
    assert (false_discovery_control(found.p)[:300] <= 0.05).all()
    assert not found.tail.any()


def test_where_permutations_run_out_a_tail_serves_or_its_lack_is_known():
    null = blocks(4000, driven=1, r=0.8)
    found = resolve(null, Resolution(first=2000, most=2000))
    assert found.tail[0]
    assert found.p[0] < 1e-5
    assert false_discovery_control(found.p)[0] <= 0.05
    few = resolve(null, Resolution(first=100, most=100))
    assert not few.tail.any()
    assert few.no_tail > 0
    # p = 1/101 in 792 of 4,000 voxels passes .05; in 791 it does not.
    assert few.fewest == int(np.ceil(4000 / 101 / 0.05)) == 793
    p = np.ones(4000)
    p[:793] = 1 / 101
    assert false_discovery_control(p)[0] <= 0.05
    p[792] = 1
    assert false_discovery_control(p)[0] > 0.05


def test_any_dependence_asks_for_more():
    bh, by = (Resolution(procedure=way).needed(1000) for way in ("bh", "by"))
    assert bh == 19_999
    assert by == pytest.approx(bh * (1 / np.arange(1, 1001)).sum(), rel=1e-3)


def test_family_wise_errors_keep_their_rate():
    hits = [
        resolve(blocks(150, seed=seed), Resolution(first=199, most=199)).p_fwe.min() <= 0.05
        for seed in range(300)
    ]
    assert stats.binomtest(sum(hits), 300, 0.05).pvalue > 0.01


@pytest.mark.parametrize("lost", ["observed", "permuted"])
def test_what_is_not_a_number_is_not_significant_and_costs_others_nothing(lost):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((501, 20)) / 10
    values[0, :2] = 0.9
    broken = values.copy()
    if lost == "observed":
        broken[0, 0] = np.nan
    else:
        broken[1:51, 0] = np.nan
    plan = Resolution(first=500, most=500)
    whole, found = (resolve(StoredNull.of(one, 10**6), plan) for one in (values, broken))
    # The control: with all numbers there, the voxel is significant.
    assert whole.p[0] < 0.01
    assert whole.p_fwe[0] < 0.01
    assert found.p[0] == (1.0 if lost == "observed" else pytest.approx(51 / 501))
    assert found.p_fwe[0] > 0.05
    np.testing.assert_array_equal(found.p[1:], whole.p[1:])
    if lost == "observed":
        assert found.p_fwe[1] == whole.p_fwe[1]
