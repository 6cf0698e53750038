"""Chance of labels is what permuted labels of items give."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from tristream.networks.label_chance import label_chance


def test_two_items_change_places_or_do_not():
    labels = np.repeat(["a", "b"], [3, 2])
    named = {"frozen": np.array([list("aabbb"), list("abbba")])}
    swapped = np.repeat(["b", "a"], [3, 2])
    both = [
        np.mean([balanced_accuracy_score(given, row) for row in named["frozen"]])
        for given in (labels, swapped)
    ]
    found = label_chance(named, labels, ["x"] * 3 + ["y"] * 2, 400).loc["frozen"]
    assert sorted(both) == pytest.approx([found["low"], found["high"]])
    assert found["mean"] == pytest.approx(np.mean(both), abs=0.1)


def test_chance_of_four_labels_is_a_quarter_and_narrows_with_items():
    rng = np.random.default_rng(0)
    width = []
    for items in (16, 160):
        labels = np.repeat(np.tile(list("abcd"), items // 4), 5)
        moved = np.repeat(np.arange(items), 5)
        found = label_chance({"joint": rng.permutation(labels)[None]}, labels, moved, 500)
        assert found.loc["joint", "mean"] == pytest.approx(0.25, abs=0.02)
        width.append(found.loc["joint", "high"] - found.loc["joint", "low"])
    assert width[1] < width[0] / 2
