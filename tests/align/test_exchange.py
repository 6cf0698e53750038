"""What may change places: items with all their showings, blocks, blocks of time."""

import numpy as np
import pytest

from tristream.align.exchange import RunUnits, exchange, exchange_of, sign_units, why_too_short

NONE = -1


def test_blocks_of_a_run_change_places_within_it():
    showing = np.repeat([0, 1, NONE, 2], 4)
    found = exchange("block", [showing, showing], [np.zeros(16, int)] * 2)
    assert [one.size for one in found.sets] == [3, 3]
    assert found.distinct == 36
    assert not found.over_runs
    np.testing.assert_array_equal(found.sets[0].rows[0][2], [12, 13, 14, 15])


def test_blocks_that_show_the_same_change_places_to_no_effect():
    """Eight blocks of two labels have 70 orders, as decoders count, not 40,320."""
    showing = np.repeat(np.arange(8), 3)
    label = np.repeat([0, 1, 1, 0, 1, 0, 0, 1], 3)
    found = exchange("block", [showing], [label])
    orders = found.draw(0, 4000, seed=0)
    arrangements = {tuple(one) for one in label[found.sources(orders, 0, 24)].tolist()}
    assert found.distinct == len(arrangements) == 70
    assert exchange("block", [showing] * 2, [label] * 2).part(0, 1).distinct == 70
    # Controls: where each shows something else, or what is shown has no part, all count.
    assert exchange("block", [showing], [showing]).distinct == 40320
    assert exchange("time", [showing], [label]).distinct == 40320
    # Rounds show every label once: those of two labels have two orders each.
    rounds = exchange("round", [showing], [np.repeat([0, 1, 1, 0, 1, 0, 0, 1], 3)])
    assert rounds.distinct == 2 ** len(rounds.sets)


def test_items_that_show_the_same_label_change_places_to_no_effect():
    """Eight events of two labels have 70 orders, however many numbers they are given."""
    showing = np.repeat(np.arange(8), 3)
    label = np.repeat([0, 1, 1, 0, 1, 0, 0, 1], 3)
    found = exchange("item", [showing], [showing], [label])
    orders = found.draw(0, 4000, seed=0)
    arrangements = {tuple(one) for one in label[found.sources(orders, 0, 24)].tolist()}
    assert found.distinct == len(arrangements) == 70
    # Controls: items that each show something else, and no more known than items.
    assert exchange("item", [showing], [showing], [showing]).distinct == 40320
    assert exchange("item", [showing], [showing]).distinct == 40320
    # Three events of one label beside an item that is shown twice more, and another one.
    item = np.repeat([10, 11, 12, 13, 13, 14, 14, 15], 3)
    shows = np.repeat([0, 0, 0, 1, 1, 2, 2, 3], 3)
    assert exchange("item", [showing], [item], [shows]).distinct == 720 // 6


def test_blocks_stay_in_their_round():
    label = np.repeat([2, 0, 1, NONE, 1, 2, 0, 0, 2], 3)
    showing = np.repeat([0, 1, 2, NONE, 3, 4, 5, 6, 7], 3)
    found = exchange("round", [showing] * 2, [label] * 2)
    # The third round of each run has two blocks.
    assert sorted(one.size for one in found.sets) == [2, 2, 3, 3, 3, 3]
    assert found.distinct == (6 * 6 * 2) ** 2
    orders = found.draw(0, 50, seed=0)
    for run in range(2):
        moved = label[found.sources(orders, run, len(label))]
        for part, labels in ((slice(0, 9), 3), (slice(12, 21), 3), (slice(21, 27), 2)):
            assert {len(set(one)) for one in moved[:, part].tolist()} == {labels}
    assert exchange("block", [showing], [label]).sets[0].size == 8


def test_an_item_moves_with_all_its_showings_within_and_over_runs():
    # Two runs show items 5, 6, 7 twice each, in other orders.
    items = [np.array([5, 5, 6, 6, 7, 7, 6, 6, 5, 5, 7, 7]), np.array([7, 7, 6, 6, 5, 5] * 2)]
    showings = [np.arange(12) // 2] * 2
    found = exchange("item", showings, items)
    assert len(found.sets) == 1
    assert found.distinct == 6
    assert found.over_runs
    rows = found.sets[0].rows
    for run in range(2):
        assert [set(items[run][own]) for own in rows[run]] == [{5}, {6}, {7}]
    orders = found.draw(0, 50, seed=1)
    for run in range(2):
        moved = items[run][found.sources(orders, run, 12)]
        # Wherever an item was shown, one and the same other item comes.
        for item in (5, 6, 7):
            come = moved[:, items[run] == item]
            assert (come == come[:, :1]).all()
    first, second = (items[k][found.sources(orders, k, 12)] for k in range(2))
    np.testing.assert_array_equal(
        first[:, [0, 2, 4]], second[:, [4, 2, 0]], "the same in both runs"
    )


def test_an_extra_showing_and_a_lone_item_stay():
    item = np.array([0, 1, 0, 2, 3])
    other = np.array([0, 1, 2])
    found = exchange("item", [np.arange(5), np.arange(3)], [item, other])
    # Item 3 is in the first run alone; item 0 is shown there once more than the others.
    assert [one.size for one in found.sets] == [3]
    assert found.sets[0].rows[0].ravel().tolist() == [0, 1, 3]
    sources = found.sources(found.draw(0, 20, 0), 0, 5)
    assert (sources[:, [2, 4]] == [2, 4]).all()


def test_lengths_are_cut_to_the_one_that_moves_most():
    showing = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3])
    found = exchange("time", [showing], [np.zeros(11, int)])
    assert found.sets[0].rows[0].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert exchange("time", [np.array([0, 0, 1])], [np.zeros(3, int)]).distinct == 2
    assert exchange("time", [np.array([0, 0, NONE])], [np.zeros(3, int)]).distinct == 1


def test_units_of_repeated_runs_can_move_alike():
    runs = [RunUnits(np.arange(4), np.array([3, 4, 5, 6]))] * 3
    found = exchange_of(runs)
    assert found.distinct == 24
    assert [sorted(one.rows) for one in found.sets] == [[0, 1, 2]]


def test_a_part_of_the_runs_moves_as_it_does_among_all():
    # Two subjects: runs 0 and 1, and runs 2 and 3; unit 9 is in the first subject's alone.
    units = [[1, 2, 3, 4], [5, 6, 7, 9], [4, 3, 2, 1], [7, 5, 6, NONE]]
    whole = exchange_of([RunUnits(np.arange(4), np.array(own)) for own in units])
    assert [one.size for one in whole.sets] == [4, 3]
    every = whole.draw(0, 40, seed=2)
    for start in (0, 2):
        part = whole.part(start, start + 2)
        orders = part.draw(0, 40, seed=2)
        for run in range(2):
            of_all = whole.sources(every, start + run, 4)
            np.testing.assert_array_equal(part.sources(orders, run, 4), of_all)
    moved = [
        np.array(units[run])[whole.sources(every, run, 4)][:, np.argsort(units[run])]
        for run in (0, 2)
    ]
    # In the place of each unit stands the same other unit in both subjects.
    np.testing.assert_array_equal(*moved)


@pytest.mark.parametrize("start", [0, 700, 1024, 3000])
def test_a_rearrangement_has_a_number(start):
    found = exchange("block", [np.arange(6), np.arange(5)], [np.arange(6), np.arange(5)])
    every = found.draw(0, 4000, seed=3)
    some = found.draw(start, start + 500, seed=3)
    for one, part in zip(every, some, strict=True):
        np.testing.assert_array_equal(one[start : start + 500], part)
        assert (np.sort(part, axis=1) == np.arange(part.shape[1])).all()
    assert not np.array_equal(found.draw(0, 500, seed=4)[0], every[0][:500])


def test_orders_are_uniform():
    found = exchange("block", [np.arange(3)], [np.arange(3)])
    (orders,) = found.draw(0, 12_000, seed=0)
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6
    # Five standard deviations of a count.
    assert np.abs(counts - 2000).max() < 5 * np.sqrt(2000)


def test_signs_belong_to_units_and_samples_between_them_go_with_the_one_before():
    showing = np.array([-1, 0, 0, -1, 1, 1, -1])
    item = np.array([-1, 5, 5, -1, 7, 7, -1])
    first, second = sign_units("block", [showing, showing], [item, item])
    assert first.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert second.tolist() == [2, 2, 2, 2, 3, 3, 3]
    first, second = sign_units("item", [showing, showing[::-1]], [item, item[::-1]])
    assert first.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert second.tolist() == [1, 1, 1, 1, 0, 0, 0]
    first, second = sign_units("item", [showing, np.full(3, -1)], [item, np.full(3, -1)])
    assert second.tolist() == [second[0]] * 3
    assert second[0] not in first


def test_blocks_of_time_of_short_runs_have_no_p_values():
    assert why_too_short("time", {"a": 40, "b": 300}) == ""
    why = "b has 39 samples: how much noise blocks of time share can't be known from fewer than 40"
    assert why_too_short("time", {"a": 40, "b": 39}) == why
    # Blocks and items were put in random order.
    assert why_too_short("block", {"a": 40, "b": 39}) == ""
