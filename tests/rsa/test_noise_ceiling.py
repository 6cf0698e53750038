"""Ceilings bound what the true distances reach."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from helpers.rsa_arrays import names, shown
from tristream.rsa.agreement import agreement
from tristream.rsa.dissimilarity import measure
from tristream.rsa.noise_ceiling import over_subjects, within_subject


def test_over_subjects_is_that_of_nili():
    rng = np.random.default_rng(0)
    distances = [rng.random(20) + np.arange(20) / 10 for _ in range(5)]
    found = over_subjects([one[None] for one in distances], "spearman")
    ranks = np.array([rankdata(one) for one in distances])
    high = [spearmanr(one, ranks.mean(0)).statistic for one in distances]
    low = [
        spearmanr(one, np.delete(ranks, k, 0).mean(0)).statistic for k, one in enumerate(distances)
    ]
    assert found.high == pytest.approx([np.mean(high)])
    assert found.low == pytest.approx([np.mean(low)])
    assert found.low < found.high


@pytest.mark.parametrize("comparison", ["spearman", "kendall", "cosine"])
def test_true_distances_lie_between_the_bounds(comparison):
    rng = np.random.default_rng(1)
    truth = rng.random((1, 190))
    subjects = [truth + rng.normal(0, 0.3, truth.shape) for _ in range(12)]
    found = over_subjects(subjects, comparison)
    reached = np.mean([agreement(truth, one, comparison) for one in subjects])
    assert found.low[0] - 0.02 <= reached <= found.high[0]


def test_within_a_subject_the_truth_lies_between_the_bounds():
    low, high, reached = [], [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        item, run = shown(rng, items=15, runs=8)
        pattern = rng.standard_normal((15, 3)) @ rng.standard_normal((3, 60))
        x = pattern[item] + rng.normal(0, 5, (len(item), 60))
        found = measure({"V1": x}, {"true": pattern[item]}, names(item), names(run))
        ceiling = within_subject(found.halves, "spearman")
        low.append(ceiling.low[0])
        high.append(ceiling.high[0])
        reached.append(agreement(found.layer, found.region, "spearman")[0, 0])
    assert np.mean(low) < np.mean(reached)
    # Spearman-Brown: an estimate of what is reached.
    assert np.mean(high) == pytest.approx(np.mean(reached), abs=0.05)


def test_without_halves_there_is_no_ceiling_and_the_reason():
    found = within_subject(np.empty((2, 0, 3, 10)), "spearman")
    assert np.isnan(found.low).all()
    assert "halves of the runs" in found.refusal
