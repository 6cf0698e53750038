"""What is not a number never becomes a small p value."""

import numpy as np
import pytest

from tristream.decode.item_exchange import all_exchange, matched, p_value


def test_p_counts_null_values_that_are_as_large():
    null = np.array([0.1, 0.2, 0.3, 0.4])
    assert p_value(0.3, null) == pytest.approx(3 / 5)
    assert p_value(0.3 + 1e-15, null) == pytest.approx(3 / 5)
    assert p_value(1.0, null) == pytest.approx(1 / 5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_has_no_p(value):
    assert np.isnan(p_value(value, np.zeros(99)))


def test_null_values_that_are_not_known_count_as_large():
    assert p_value(1.0, np.r_[np.zeros(98), np.nan]) == pytest.approx(2 / 100)
    assert p_value(1.0, np.full(99, np.nan)) == 1


def test_a_mean_that_is_not_finite_is_refused_and_a_finite_one_is_tested():
    table = np.eye(8)
    found = matched(table, all_exchange(8), permutations=999)
    assert found.p < 0.01
    assert found.refusal == ""
    table[2, 2] = np.nan
    found = matched(table, all_exchange(8), permutations=999)
    assert found.p is None
    assert found.refusal == "the mean over items is not finite"
