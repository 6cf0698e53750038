"""One rearrangement for all subjects: who has which unit where, and rates under items."""

import numpy as np
import pandas as pd
import pytest

from helpers.group_files import held_out
from tristream.encode.prediction_scores import correlation, fisher_z
from tristream.inference.moved_predictions import MovedPredictions
from tristream.inference.permutation import PredictedRun
from tristream.inference.resolution import Resolution, resolve
from tristream.inference.shared_stimuli import (
    MeanOverSubjects,
    ShownRun,
    over_regions,
    shared_exchange,
)
from tristream.inference.subject_nulls import InFisherZ

ITEMS, LENGTH, VOXELS = 24, 3, 150


def shown(order):
    """A run that shows items in an order, each for some samples."""
    return ShownRun(
        np.repeat(np.arange(len(order)), LENGTH), [f"i{k}" for k in np.repeat(order, 3)]
    )


def world(seed, effect=0.0, subjects=5):
    """Subjects meet the same items in orders of their own; voxels answer items, alike in all."""
    rng = np.random.default_rng(seed)
    feature, response = rng.standard_normal((2, ITEMS, VOXELS))
    runs, orders = [], []
    for _ in range(subjects):
        order = rng.permutation(ITEMS)
        own = np.repeat(order, LENGTH)
        noise = rng.standard_normal((2, len(own), VOXELS))
        y = response[own] + effect * feature[own] + noise[0]
        prediction = feature[own] + 0.3 * noise[1]
        runs.append(PredictedRun(y, prediction, np.repeat(np.arange(ITEMS), LENGTH)))
        orders.append(order)
    return runs, orders


def nulls(runs, orders):
    whole, parts = shared_exchange([[shown(order)] for order in orders], "block")
    assert [one.size for one in whole.sets] == [ITEMS]
    return [InFisherZ(MovedPredictions([r], part, 0)) for r, part in zip(runs, parts, strict=True)]


def test_the_first_block_of_a_label_is_of_the_first_round_in_all_subjects():
    def run(order):
        named = [("run-1", label, order[:k].count(label)) for k, label in enumerate(order)]
        return ShownRun(np.arange(len(order)), named)

    subjects = [[run("abccba")], [run("bcaabc")]]
    whole, _ = shared_exchange(subjects, "round")
    assert [one.size for one in whole.sets] == [3, 3]
    assert shared_exchange(subjects, "block")[0].sets[0].size == 6


def test_events_of_one_label_are_counted_once_among_items():
    """In one subject alone they are the same, see `tests/align/test_exchange.py`."""
    table = pd.DataFrame(
        {
            "run": "run-1",
            "row": np.arange(12),
            "item": ["a", "a", "b", "b", "a", "a", "b", "b", "x", "x", "y", "y"],
            "unit": [f"run-1/{k // 2}" for k in range(12)],
        }
    )
    table["exchange"] = table["unit"].where(table["item"].isin(["a", "b"]), table["item"])
    unit = np.repeat(np.arange(6), 2)
    y = np.zeros((12, 1))
    run = ShownRun.of(held_out("run-1", y, y, unit, unit), table, "item")
    assert run.unit[::2] == [
        *(("run-1", "a", 0), ("run-1", "b", 0), ("run-1", "a", 1), ("run-1", "b", 1)),
        *("x", "y"),
    ]
    whole, _ = shared_exchange([[run], [run]], "item")
    assert whole.distinct == 720 // 4


def test_items_move_alike_wherever_each_subject_met_them():
    runs, orders = world(0)
    made = nulls(runs, orders)
    voxels = np.arange(VOXELS)
    found = [one.values(0, 20, voxels) for one in made]
    observed = [one.observed for one in made]
    for k, (run, order) in enumerate(zip(runs, orders, strict=True)):
        np.testing.assert_allclose(observed[k], fisher_z(correlation(run.y, run.prediction)))
        # The same by hand, item by item.
        (sigma,) = shared_exchange([[shown(one)] for one in orders], "block")[0].draw(0, 20, 0)
        first = {item: place for place, item in enumerate(orders[0])}
        where = {item: place for place, item in enumerate(order)}
        units = [int(name[1:]) for name in dict.fromkeys(shown(orders[0]).unit)]
        moved = dict(zip(units, (units[to] for to in sigma[3]), strict=True))
        assert set(first) == set(where)
        rows = np.concatenate([np.arange(3) + 3 * where[moved[item]] for item in order])
        by_hand = fisher_z(correlation(run.y, run.prediction[rows]))
        np.testing.assert_allclose(found[k][3], by_hand, atol=1e-5)


def test_an_item_that_one_subject_lacks_moves_in_the_others():
    orders = [np.array([0, 1, 2, 3]), np.array([2, 1, 0, 3]), np.array([1, 2, 0, 9])]
    whole, parts = shared_exchange([[shown(order)] for order in orders], "block")
    # Item 3 is in two subjects, item 9 in one: neither has another to change places with.
    assert [one.size for one in whole.sets] == [3]
    assert whole.distinct == 6
    assert all(part.units == 3 for part in parts)


def over_voxels(made, permutations, sides=1):
    null = MeanOverSubjects(made, [np.arange(VOXELS)] * len(made), 10**9, sides)
    return resolve(null, Resolution(permutations, permutations))


def rate(seed, apart, effect=0.0):
    runs, orders = world(seed, effect)
    if apart:  # As if each subject had met stimuli of its own.
        alone = [shared_exchange([[shown(order)]], "block")[1][0] for order in orders]
        pairs = enumerate(zip(runs, alone, strict=True))
        made = [InFisherZ(MovedPredictions([run], own, seed)) for seed, (run, own) in pairs]
    else:
        made = nulls(runs, orders)
    found = over_voxels(made, 300)
    return (found.p <= 0.05).mean(), found.p_fwe.min() <= 0.05


def test_items_moved_alike_keep_the_level_and_items_moved_apart_do_not():
    alike = np.mean([rate(seed, apart=False) for seed in range(12)], axis=0)
    apart = np.mean([rate(seed, apart=True) for seed in range(4)], axis=0)
    assert 0.035 < alike[0] < 0.065
    assert alike[1] <= 4 / 12
    assert apart[0] > 0.15
    assert apart[1] == 1
    assert rate(0, apart=False, effect=1.0)[0] > 0.9


def test_regions_are_means_over_their_voxels():
    runs, orders = world(1)
    made = nulls(runs, orders)
    inside = np.zeros((2, VOXELS), bool)
    inside[0], inside[1, :3] = True, True
    found = over_regions(made, [inside] * len(made), 100)
    z = np.mean([one.observed for one in made], axis=0)
    np.testing.assert_allclose(found.observed, [z.mean(), z[:3].mean()])
    null = np.mean([one.values(0, 100, np.arange(3)).mean(1) for one in made], axis=0)
    assert found.p[1] == pytest.approx((1 + (null >= z[:3].mean()).sum()) / 101)
    assert (found.p_fwe >= found.p).all()


def test_two_sided_tests_take_either_side():
    runs, orders = world(2, effect=1.0)
    turned = [PredictedRun(run.y, -run.prediction, run.unit) for run in runs]
    one = over_voxels(nulls(turned, orders), 200)
    two = over_voxels(nulls(turned, orders), 200, sides=2)
    assert (one.p <= 0.05).mean() < 0.05
    assert (two.p <= 0.05).mean() > 0.8


def test_blocks_of_one_label_are_numbered_in_the_order_in_which_they_came():
    items = np.repeat(["face", "house", "face"], 2)
    table = pd.DataFrame(
        {
            "run": "r1",
            "row": np.arange(6),
            "item": items,
            "exchange": items,
            "unit": np.repeat(["r1/1", "r1/2", "r1/3"], 2),
        }
    )
    series = np.zeros((6, 1))
    test = held_out("r1", series, series, np.repeat([0, 1, 2], 2), np.repeat([0, 1, 0], 2))
    expected = {
        "block": [("r1", "face", 0)] * 2 + [("r1", "house", 0)] * 2 + [("r1", "face", 1)] * 2,
        "item": list(items),
        "time": list(table["unit"]),
    }
    for kind, names in expected.items():
        assert ShownRun.of(test, table, kind).unit == names
    # Known by their label alone, presentations are no more the same in other subjects than blocks.
    alone = table.assign(exchange=table["unit"])
    assert ShownRun.of(test, alone, "item").unit == expected["block"]


def test_blocks_of_one_label_count_once_in_all_subjects_too():
    names = [("r", label, number) for label in "ab" for number in range(4)]
    runs = [ShownRun(np.arange(8), [names[k] for k in order]) for order in (range(8), range(8))]
    whole, parts = shared_exchange([[run] for run in runs], "block")
    assert whole.distinct == parts[0].distinct == 70
    # Items have names of their own, and each is another.
    items = [[ShownRun(run.showing, [f"i{names.index(k)}" for k in run.unit])] for run in runs]
    assert shared_exchange(items, "item")[0].distinct == 40320
