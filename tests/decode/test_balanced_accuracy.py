"""The interval of balanced accuracy covers what it says; that of independent samples does not."""

import numpy as np
import pytest
from scipy import stats

from tristream.config.decoders import DecoderDesign
from tristream.decode.balanced_accuracy import balanced_accuracy
from tristream.decode.decoding import decode
from tristream.decode.decoding_samples import Samples

DECODER = DecoderDesign(kind="ridge", samples="volumes", regularization=20, permutations=99)


def study(rng, runs=6, blocks=10, volumes=1, test=()):
    """Two labels that voxels don't know; the volumes of a block are alike."""
    label = np.concatenate([rng.permutation(np.arange(blocks) % 2) for _ in range(runs)])
    unit = np.repeat(np.arange(len(label)), volumes)
    return Samples(
        x=rng.standard_normal((len(label), 20))[unit] + 0.5 * rng.standard_normal((len(unit), 20)),
        unit=unit,
        label=label,
        run=np.repeat(np.arange(runs), blocks),
        length=np.full(len(label), volumes),
        item=np.arange(len(label)),
        unit_names=[str(i) for i in range(len(label))],
        classes=["a", "b"],
        runs=[str(run) for run in range(runs)],
        test=np.isin(np.arange(runs), test),
        repeat=[""] * runs,
        exchange="block",
    )


@pytest.mark.parametrize(
    ("design", "most"),
    # Folds share training data; volumes of a block are shared, too.
    [({"blocks": 20}, 0.92), ({"blocks": 12, "volumes": 4, "test": (3, 4, 5)}, 0.8)],
)
def test_intervals_cover_chance_where_nothing_is_known(design, most):
    rng = np.random.default_rng(0)
    covered, independent = [], []
    for _ in range(200):
        given = study(rng, **design)
        found = decode(given, DECODER)
        covered.append(found.balanced.low <= 0.5 <= found.balanced.high)
        number = len(found.tested)
        test = stats.binomtest(round(found.accuracy * number), number)
        ends = test.proportion_ci(method="wilson")
        independent.append(ends.low <= 0.5 <= ends.high)
    assert 0.92 <= np.mean(covered) <= 0.985
    assert np.mean(independent) < most


def tallied(rng, recall, units, samples):
    """Hits of units of each class, and of a null whose units are independent."""
    size = np.full(units * len(recall), samples)
    label = np.repeat(np.arange(len(recall)), units)
    hits = rng.binomial(samples, np.array(recall)[label])
    null = rng.binomial(samples, 1 / len(recall), (99, len(label)))
    labels = np.stack([label, *(rng.permutation(label) for _ in null)])
    return np.stack([hits, *null]).astype(float), size, labels


@pytest.mark.parametrize("recall", [(0.9, 0.3, 0.6), (0.95, 0.95), (0.1, 0.2, 0.1, 0.1)])
def test_intervals_cover_recalls_that_differ(recall):
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(400):
        found = balanced_accuracy(*tallied(rng, recall, 8, 3), classes="abcd"[: len(recall)])
        covered.append(found.low <= np.mean(recall) <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.985


def test_balanced_accuracy_is_the_mean_recall():
    rng = np.random.default_rng(0)
    hits, size, labels = tallied(rng, (1.0, 0.0), 5, 2)
    found = balanced_accuracy(hits, size, labels, "ab")
    assert found.value == 0.5
    np.testing.assert_array_equal(found.recall, [1, 0])
    assert found.units == 10
    assert found.low < 0.5 < found.high
    # A class that is shown nine times as often weighs no more.
    label = np.array([0] * 9 + [1])
    found = balanced_accuracy(np.array([[1.0] * 9 + [0.0]]), np.ones(10, int), label[None], "ab")
    assert found.value == 0.5
    assert "1 tested units show b, fewer than 5" in found.omitted
    assert np.isnan(found.low)


def test_all_right_leaves_room_below():
    rng = np.random.default_rng(0)
    found = balanced_accuracy(*tallied(rng, (1.0, 1.0), 10, 5), classes="ab")
    assert found.high == pytest.approx(1)
    assert 0.75 < found.low < 0.95


def test_no_interval_without_permutations():
    hits, size, labels = tallied(np.random.default_rng(0), (0.8, 0.7), 10, 5)
    found = balanced_accuracy(hits[:1], size, labels[:1], "ab")
    assert "without permutations" in found.omitted
    assert np.isnan(found.high)
