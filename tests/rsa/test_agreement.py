"""Agreement equals scipy's, as it is and when items change places."""

import numpy as np
import pytest
from scipy.spatial.distance import squareform
from scipy.stats import kendalltau, spearmanr

from tristream.rsa.agreement import agreement, rearranged

REFERENCE = {
    "spearman": lambda a, b: spearmanr(a, b).statistic,
    "cosine": lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b),
    "kendall": lambda a, b: np.mean(
        [
            np.sign(a[i] - a[j]) * np.sign(b[i] - b[j])
            for i in range(len(a))
            for j in range(i + 1, len(a))
        ]
    ),
}


@pytest.fixture
def distances():
    rng = np.random.default_rng(0)
    # The first has ties, as a layer of labels has.
    return np.stack([rng.integers(0, 2, 15).astype(float), rng.random(15)]), rng.random((3, 15))


@pytest.mark.parametrize("comparison", REFERENCE)
def test_agreement_is_that_of_the_definition(distances, comparison):
    first, second = distances
    found = agreement(first, second, comparison)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            assert found[i, j] == pytest.approx(REFERENCE[comparison](a, b))


@pytest.mark.parametrize("comparison", REFERENCE)
def test_rearranged_items_move_rows_and_columns_alike(distances, comparison):
    first, second = distances
    rng = np.random.default_rng(1)
    order = np.array([rng.permutation(6) for _ in range(7)])
    found = rearranged(first, second, order, comparison)
    for one, values in zip(order, found, strict=True):
        moved = np.stack([squareform(squareform(row)[np.ix_(one, one)]) for row in first])
        assert values == pytest.approx(agreement(moved, second, comparison))


def test_tau_a_of_no_ties_is_tau_b(distances):
    _, second = distances
    found = agreement(second[:1], second[1:2], "kendall")[0, 0]
    assert found == pytest.approx(kendalltau(second[0], second[1]).statistic)


@pytest.mark.parametrize("comparison", REFERENCE)
def test_distances_that_are_unknown_agree_with_nothing(comparison):
    rng = np.random.default_rng(0)
    unknown = rng.random(15)
    unknown[3] = np.nan
    found = agreement(np.stack([unknown, rng.random(15)]), rng.random((1, 15)), comparison)
    assert np.isnan(found[:, 0]).tolist() == [True, False]
