"""The atlas of calibration in small: right rules hold their level where faulty ones do not.

The same draws go to both: run files, sample index, features, fit and test are made anew in each.
All of it: ``benchmarks/calibration.py``.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.calibration_cells import Rates, draws, rates_of
from helpers.calibration_designs import DESIGNS, Design, made
from helpers.calibration_subjects import Subject, World
from helpers.calibration_tests import TESTS
from helpers.faulty_rules import (
    pieces_of_data,
    pieces_of_differences,
    pieces_of_predictions,
    showings_moved_apart,
    signs_of_fixed_predictions,
    signs_of_r2_of_means,
    signs_of_subjects,
    volumes_moved_singly,
)
from tristream.config.runs import Exchange
from tristream.config.trials import Trials
from tristream.encode.encoding_file import read_encoding

Faulty = Callable[[Sequence[Subject]], np.ndarray]


def both(
    design: Design,
    test: str,
    world: World,
    faulty: Faulty,
    folder: Path,
    number: int,
    voxels: int = 150,
    people: int | None = None,
) -> tuple[Rates, float]:
    """Rates of the package's test, and the rate at .05 of the faulty one."""
    found, wrong, kind = [], [], TESTS[test]
    kind = replace(kind, voxels=voxels, subjects=people or kind.subjects)
    for subjects, one in draws(design, kind, world, number, folder):
        assert not one.refused
        found.append(one)
        wrong.append((faulty(subjects) <= 0.05).mean())
    return rates_of(found), float(np.mean(wrong))


def holds(rates: Rates) -> bool:
    """Whether rates are what they should be, or lower, within what the draws leave open."""
    low, _ = rates.interval(0.05)
    family, _ = rates.fwe_interval
    return low <= 0.05 and rates.rate(0.01) <= 0.025 and family <= 0.05


def trials_in_other_orders(runs: int = 4) -> Design:
    """Items once each in training, sixteen others in every test run, each a trial of its own."""
    rng = np.random.default_rng(0)
    train = [[(f"i{n}-{k}", "n", 4.0, 4.0) for k in range(16)] for n in range(2 * runs)]
    test = [[(f"t{k}", "n", 4.0, 4.0) for k in rng.permutation(16)] for _ in range(runs)]
    trials = Trials(estimate="mean", shift=4.0, scale="run")
    keys = {"trials": trials, "delays": (0,)}
    return made("trials in other orders", [*train, *test], "item", "holdout", **keys)


def test_showings_of_an_item_move_alike(tmp_path):
    rates, wrong = both(
        trials_in_other_orders(),
        "encoder",
        World(rho=0.2, items=0.4),
        lambda subjects: showings_moved_apart(read_encoding(subjects[0].encoding())[0]),
        tmp_path,
        number=16,
    )
    assert holds(rates)
    assert wrong > 0.08


def test_what_subjects_share_is_no_evidence_for_other_stimuli(tmp_path):
    rates, wrong = both(
        trials_in_other_orders(2),
        "group: other stimuli",
        World(rho=0.2, shared=0.4),
        lambda subjects: signs_of_subjects([read_encoding(s.encoding())[0] for s in subjects]),
        tmp_path,
        number=8,
    )
    assert holds(rates)
    assert wrong > 0.08


def items_with_answers_that_reach_on(scheme: str) -> Design:
    """Ten items of 12 s with pauses of 6 s, in other orders in every test run."""
    rng = np.random.default_rng(0)

    def run(prefix: str) -> list[tuple[str, str, float, float]]:
        return [(f"{prefix}{k}", "n", 12.0, 6.0) for k in rng.permutation(10)]

    test = [run("t") for _ in range(4)]
    train = [run(f"i{n}-") for n in range(8)] if scheme == "holdout" else []
    return made("items that reach on", [*train, *test], "item", scheme)


@pytest.mark.parametrize("scheme", ["holdout", "leave-one-run-out"])
def test_features_of_items_move_and_no_pieces_of_answers(tmp_path, scheme):
    def pieces(subjects: Sequence[Subject]) -> np.ndarray:
        path = subjects[0].encoding()
        encoding = read_encoding(path)[0].in_memory()
        if scheme == "holdout":
            return pieces_of_predictions([encoding])
        return pieces_of_data(encoding, path)

    design = items_with_answers_that_reach_on(scheme)
    world = World(rho=0.0 if scheme == "holdout" else 0.4, items=0.3)
    rates, wrong = both(design, "encoder", world, pieces, tmp_path, number=12, voxels=60)
    assert holds(rates)
    assert wrong > (0.08 if scheme == "holdout" else 0.25)


def test_features_move_alike_in_all_subjects(tmp_path):
    rates, wrong = both(
        items_with_answers_that_reach_on("holdout"),
        "group: other stimuli",
        World(rho=0.2, shared=0.3),
        lambda subjects: pieces_of_predictions([read_encoding(s.encoding())[0] for s in subjects]),
        tmp_path,
        number=6,
        voxels=100,
        people=4,
    )
    assert holds(rates)
    assert wrong > 0.08


def blocks_in_five_runs() -> Design:
    rng = np.random.default_rng(1)
    runs = [[(f"l{k}", "n", 8.0, 8.0) for k in rng.permutation(10)] for _ in range(5)]
    return made("blocks in five runs", runs, "block", "leave-one-run-out")


def test_moments_of_a_film_move_in_blocks_under_means_over_candidates(tmp_path):
    def single_volumes(subjects: Sequence[Subject]) -> np.ndarray:
        encoding, _ = read_encoding(subjects[0].encoding())
        assert (encoding.fitted.models.share > 0).sum(0).mean() > 2
        return volumes_moved_singly(encoding)

    rates, wrong = both(
        DESIGNS["bunny"](tmp_path),
        "encoder",
        World(rho=0.7),
        single_volumes,
        tmp_path,
        number=8,
        voxels=100,
    )
    assert holds(rates)
    assert wrong > 0.1


def test_comparisons_where_runs_are_left_out_in_turn_know_that_folds_share_data(tmp_path):
    rates, wrong = both(
        blocks_in_five_runs(),
        "model comparison",
        World(rho=0.4),
        lambda subjects: signs_of_fixed_predictions(
            *(read_encoding(subjects[0].encoding(band))[0] for band in "ab")
        ),
        tmp_path,
        number=16,
    )
    assert holds(rates)
    assert wrong > 0.1


def words_in_groups(unit: str) -> Design:
    """As in ds003717: groups of words of one condition, each condition twice a run."""
    rng = np.random.default_rng(2)
    orders = [np.concatenate([rng.permutation(6), rng.permutation(6)]) for _ in range(3)]
    runs = [[(f"c{k}", "n", 1.5, 3.5) for k in order for _ in range(4)] for order in orders]
    exchange = Exchange(unit=unit, pause=10.0)
    design = made(f"words in groups, {unit}", runs, unit, "leave-one-run-out", exchange=exchange)
    words = {
        run: [replace(event, kind="label") for event in own] for run, own in design.timeline.items()
    }
    return replace(design, timeline=words)


def test_words_that_were_shown_in_groups_move_as_groups(tmp_path):
    world, test = World(rho=0.8), replace(TESTS["encoder"], voxels=60)
    right, wrong = (
        rates_of([f for _, f in draws(words_in_groups(unit), test, world, 6, tmp_path / unit)])
        for unit in ("block", "item")
    )
    assert holds(right)
    assert wrong.rate(0.05) > 0.08


def test_means_over_candidates_lend_no_variance_to_bands_of_no_use(tmp_path):
    """Nested models are of best candidates, the whole one, too, whose predictions are means."""
    rates, wrong = both(
        DESIGNS["items, no rest"](tmp_path),
        "partition",
        World(rho=0.4),
        lambda subjects: signs_of_r2_of_means(
            *(read_encoding(subjects[0].encoding(bands))[0] for bands in ("ab", "b"))
        ),
        tmp_path,
        number=8,
    )
    assert holds(rates)
    assert wrong > 0.06


def few_items_that_touch() -> Design:
    """Eight test items in two runs, one after the other: too few for signs."""
    rng = np.random.default_rng(11)
    train = [[(f"i{n}-{k}", "n", 6.0, 0.0) for k in range(24)] for n in range(4)]
    test = [[(f"t{k}", "n", 6.0, 0.0) for k in rng.permutation(8)] for _ in range(2)]
    return made("few items that touch", [*train, *test], "item", "holdout")


def test_comparisons_of_few_items_move_features_and_no_pieces_of_the_difference(tmp_path):
    rates, wrong = both(
        few_items_that_touch(),
        "model comparison",
        World(rho=0.7),
        lambda subjects: pieces_of_differences(
            *(read_encoding(subjects[0].encoding(band))[0] for band in "ab")
        ),
        tmp_path,
        number=12,
        voxels=100,
    )
    assert holds(rates)
    assert wrong > 0.08
