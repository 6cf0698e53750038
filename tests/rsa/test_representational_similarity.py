"""Planted layers come back; the null holds its level where naive ones reject too often."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from helpers.rsa_arrays import autocorrelated, names, shown
from tristream.rsa.agreement import agreement
from tristream.rsa.dissimilarity import measure
from tristream.rsa.representational_similarity import compare

LAYERS, REGIONS = ("early", "middle", "late"), ("V1", "V4", "LOC")


def planted(seed=0, signal=1.0, items=14):
    """Each region answers the features of one layer, in the order of both."""
    rng = np.random.default_rng(seed)
    item, run = shown(rng, items=items, runs=6)
    features = {name: rng.standard_normal((items, 10)) for name in LAYERS}
    regions = {}
    for name, layer in zip(REGIONS, features.values(), strict=True):
        pattern = layer @ rng.standard_normal((10, 80)) / 10**0.5
        regions[name] = signal * pattern[item] + rng.standard_normal((len(item), 80))
    layers = {name: values[item] for name, values in features.items()}
    return measure(regions, layers, names(item), names(run))


def test_the_planted_order_of_layers_and_regions_comes_back():
    found = compare([planted()], permutations=999)
    assert found.value.argmax(0).tolist() == [0, 1, 2]
    diagonal = np.eye(3, dtype=bool)
    assert (found.p_corrected[diagonal] < 0.01).all()
    assert (found.p_corrected[~diagonal] > 0.05).all()
    assert (found.p_corrected >= found.p).all()
    assert (found.value[diagonal] <= found.ceiling.high + 0.05).all()
    assert found.chance == pytest.approx(0, abs=0.05)
    assert found.refusal == ""


def test_several_subjects_agree_more_surely_than_one():
    subjects = [planted(seed, signal=0.35) for seed in range(4)]
    for one in subjects:
        # The same items with the same features, and noise of one's own.
        one.layer[:] = subjects[0].layer
        one.region[:] = subjects[0].region + np.random.default_rng(1).normal(
            0, 0.1, one.region.shape
        )
    found = compare(subjects, permutations=999)
    each = np.mean(
        [[[spearmanr(a, b).statistic for b in one.region] for a in one.layer] for one in subjects],
        axis=0,
    )
    assert found.value == pytest.approx(each)
    assert found.items == 14
    assert (found.ceiling.low <= found.ceiling.high).all()


def test_subjects_are_compared_on_the_items_that_all_have_met():
    first, second = planted(0), planted(1)
    found = compare([first, second.of(second.items[:9])], permutations=99)
    assert found.items == 9
    with pytest.raises(ValueError, match="share 2 items"):
        compare([first, second.of(second.items[:2])])


def test_too_few_rearrangements_give_no_p_and_the_reason():
    found = compare([planted(items=6)], permutations=999)
    assert np.isnan(found.p).all()
    assert np.isnan(found.p_corrected).all()
    assert found.refusal.startswith("only 720 distinct rearrangements")
    assert np.isfinite(found.value).all()
    assert np.isfinite(found.low).all()


def test_p_is_that_of_all_rearrangements_by_hand():
    one = planted(items=8)
    found = compare([one], permutations=400, seed=3)
    rng = np.random.default_rng(0)
    square = np.zeros((8, 8))
    square[np.triu_indices(8, 1)] = one.layer[0]
    square += square.T
    null = []
    for _ in range(3000):
        order = rng.permutation(8)
        moved = square[np.ix_(order, order)][np.triu_indices(8, 1)]
        null.append(spearmanr(moved, one.region[1]).statistic)
    expected = np.mean(np.array(null) >= found.value[0, 1])
    assert found.p[0, 1] == pytest.approx(expected, abs=0.06)


def rejected(studies, naive):
    """Shares that reject at .05: by a naive test, and by ours."""
    found = []
    for seed in range(studies):
        rng = np.random.default_rng(seed)
        x, features, item, run = naive.study(rng)
        one = measure({"r": x}, {"l": features}, names(item), names(run))
        ours = compare([one], permutations=199, seed=seed).p[0, 0]
        found.append([naive.p(rng, x, one, item) <= 0.05, ours <= 0.05])
    return np.mean(found, axis=0)


class PairsOfItems:
    """Takes pairs for independent, where items are near to or far from all others."""

    @staticmethod
    def study(rng):
        item, run = shown(rng, items=12, runs=4)
        strength, known = rng.random((2, 12, 1)) * 2
        x = strength[item] * rng.standard_normal(30) + autocorrelated(rng, len(item), 30, rho=0.5)
        features = known * rng.standard_normal(12) + 0.5 * rng.standard_normal((12, 12))
        return x, features[item], item, run

    @staticmethod
    def p(rng, x, one, item):
        return spearmanr(one.layer[0], one.region[0], alternative="greater").pvalue


class SingleShowings:
    """Moves single showings over runs that have patterns of their own, by which features go."""

    @staticmethod
    def study(rng):
        item, run = np.arange(16), np.repeat(np.arange(2), 8)
        x = rng.standard_normal((2, 30))[run] + autocorrelated(rng, 16, 30, rho=0.5)
        features = rng.standard_normal((2, 12))[run] + rng.standard_normal((16, 12))
        return x, features, item, run

    @staticmethod
    def p(rng, x, one, item):
        null = [pdist(x[rng.permutation(item)], "correlation") for _ in range(59)]
        value, *drawn = agreement(np.stack([*one.region, *null]), one.layer, "spearman")[:, 0]
        return (1 + (np.array(drawn) >= value).sum()) / 60


@pytest.mark.parametrize("naive", [PairsOfItems, SingleShowings])
def test_the_null_holds_its_level_and_the_naive_one_does_not(naive):
    theirs, ours = rejected(100, naive)
    # Binomial bounds of 100 studies at .05.
    assert ours <= 0.11
    assert theirs > 0.2


def test_the_largest_of_all_layers_and_regions_holds_its_level():
    passed = []
    for seed in range(80):
        found = compare([planted(seed, signal=0.0, items=8)], permutations=199, seed=seed)
        passed.append([(found.p_corrected <= 0.05).any(), (found.p <= 0.05).any()])
    corrected, single = np.mean(passed, axis=0)
    assert corrected <= 0.11
    assert single > 0.2
