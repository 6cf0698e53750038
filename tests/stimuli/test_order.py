"""The order baseline flags designs whose order gives the labels away, and no others."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import REPOSITORY
from tristream.config.events import EventReading, VolumeTable
from tristream.config.load import descriptor
from tristream.stimuli.events import read_volume_table
from tristream.stimuli.order_across import order_across
from tristream.stimuli.order_baseline import Unit, order_baseline

DESCRIPTORS = REPOSITORY / "workflow" / "datasets"
LABELS = list("ABCDEFGH")


def design(orders: list[list[str]]) -> list[Unit]:
    return [
        Unit(f"run-{run}", label, 30.0 * place)
        for run, order in enumerate(orders)
        for place, label in enumerate(order)
    ]


def test_a_fixed_order_is_flagged() -> None:
    result = order_baseline(design([LABELS] * 8))
    assert result is not None
    assert result.flagged
    assert result.accuracy == 1.0
    assert result.chance == pytest.approx(1 / 8, abs=0.02)
    assert result.p == pytest.approx(1 / 1001)


def test_an_order_fixed_in_part_is_flagged() -> None:
    # Each pair of neighbours is swapped at random: the label is known to one in two.
    rng = np.random.default_rng(0)
    pairs = [LABELS[i : i + 2] for i in range(0, 8, 2)]
    orders = [[x for pair in pairs for x in rng.permutation(pair).tolist()] for _ in range(8)]
    result = order_baseline(design(orders))
    assert result is not None
    assert result.flagged


def test_the_real_haxby_order_is_not_flagged(haxby: Path) -> None:
    dataset = descriptor("haxby2001_slice", [DESCRIPTORS], Path("config.yaml"))
    reading = EventReading.of(dataset)
    assert isinstance(reading.table, VolumeTable)
    runs = read_volume_table(haxby / "attributes_literal.txt", reading, reading.table)
    result = order_baseline([Unit(r, e.item, e.onset) for r, ev in runs.items() for e in ev])
    assert result is not None
    assert not result.flagged
    assert result.units == 96
    assert result.accuracy == pytest.approx(0.15625)
    assert result.p is not None
    assert result.p > 0.05


def test_random_orders_are_flagged_at_the_stated_rate() -> None:
    flagged = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        result = order_baseline(design([rng.permutation(LABELS).tolist() for _ in range(6)]), seed)
        assert result is not None
        flagged += result.flagged
    assert flagged <= 4  # binomial(60, 0.01) exceeds 4 once in 3,000 times


def test_no_p_value_from_few_orders() -> None:
    result = order_baseline(design([["A", "B"]] * 4))
    assert result is not None
    assert result.p is None
    assert result.n_distinct == 16
    assert result.flagged
    assert result.accuracy == 1.0


def test_held_out_runs_are_predicted_from_training_runs_alone() -> None:
    train = [
        Unit(f"train-{r}", x, 30.0 * i, test=False) for r in range(5) for i, x in enumerate(LABELS)
    ]
    test = [Unit("test", x, 30.0 * i, train=False) for i, x in enumerate(LABELS[::-1])]
    result = order_baseline([*train, *test])
    assert result is not None
    assert result.units == 8
    assert result.accuracy == 0.0


def test_nothing_to_ask() -> None:
    assert order_baseline([]) is None
    assert order_baseline(design([["A"]] * 3)) is None
    assert (
        order_baseline([Unit("a", "A", 0.0, test=False), Unit("b", "B", 0.0, train=False)]) is None
    )


def shown(orders: list[list[list[str]]], **columns: object) -> pd.DataFrame:
    """Events of subjects, runs and places."""
    rows = [
        {
            "timeline": f"sub{s}",
            "run": f"run-{r}",
            "onset": 3.0 * place,
            "label": label,
            "unit": f"run-{r}/{place}",
            "keep": True,
        }
        for s, runs in enumerate(orders)
        for r, order in enumerate(runs)
        for place, label in enumerate(order)
    ]
    return pd.DataFrame(rows).assign(**columns)


EACH = {f"sub{s}": 1 for s in range(6)}


def test_an_order_that_subjects_share_is_flagged_though_runs_differ() -> None:
    rng = np.random.default_rng(0)
    runs = [rng.permutation(LABELS * 2).tolist() for _ in range(4)]
    # One subject's last run ends early, and another swaps two labels.
    orders = [[list(run) for run in runs] for _ in range(6)]
    del orders[1][3][10:]
    orders[2][0][:2] = orders[2][0][1::-1]
    found = order_across(shown(orders), EACH)
    assert found is not None
    assert found.flagged
    assert found.agreement > 0.95
    assert found.chance == pytest.approx(1 / 8, abs=0.08)
    assert 0.8 < found.identical < 1
    assert found.units == 6 * 4 * 16 - 6


def test_orders_of_their_own_are_flagged_at_the_stated_rate() -> None:
    flagged = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        orders = [[rng.permutation(LABELS).tolist() for _ in range(3)] for _ in range(4)]
        found = order_across(shown(orders), EACH, seed)
        assert found is not None
        flagged += found.flagged
    assert flagged <= 3  # binomial(40, 0.01) exceeds 3 once in 1,500 times


def test_a_block_counts_once_over_subjects() -> None:
    rng = np.random.default_rng(3)
    blocks = [[np.repeat(rng.permutation(LABELS), 12).tolist() for _ in range(6)] for _ in "ab"]
    table = shown(blocks)
    table["unit"] = table["run"] + "/" + (table["onset"] // 36).astype(int).astype(str)
    found = order_across(table, EACH)
    assert found is not None
    assert found.units == 2 * 6 * 8
    assert not found.flagged


def test_nothing_to_ask_over_subjects() -> None:
    one = shown([[LABELS]])
    assert order_across(one, {"sub0": 1}) is None
    # A timeline that two subjects share is the same order by definition.
    shared = order_across(shown([[LABELS] * 4]), {"sub0": 2})
    assert shared is not None
    assert shared.flagged
    assert order_across(shown([[["A"]], [["A"]]]), EACH) is None
    assert order_across(shown([[LABELS], [LABELS]], keep=False), EACH) is None
