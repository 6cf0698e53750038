"""What a decoder's labels and items share between training and test runs."""

import pandas as pd
import pytest

from tristream.stimuli.audit_methods import label_sentences
from tristream.stimuli.label_overlap import label_overlap

Row = tuple[str, str, str | None]


def overlap(rows: list[Row], split: dict[str, str], keep: bool = True):
    """Of rows (run, item, label)."""
    events = pd.DataFrame(rows, columns=["run", "item", "label"]).assign(keep=keep)
    runs = pd.DataFrame({"run": list(split), "split": list(split.values())})
    return label_overlap(events, runs)


HELD_OUT = {"a": "train", "b": "test"}


def test_categories_of_which_other_images_were_trained_on():
    found = overlap([("a", "cat1", "cat"), ("a", "dog1", "dog"), ("b", "cat2", "cat")], HELD_OUT)
    assert (found.train, found.test, found.shared) == (2, 1, ["cat"])
    assert (found.untrained, found.shared_items, found.test_items) == ([], [], 1)
    assert found.note.startswith("all 1 in test runs are in training runs")
    assert "0 of the 1 labelled items" in found.note
    assert not found.flagged


def test_categories_that_were_never_trained_on():
    found = overlap([("a", "cat1", "cat"), ("b", "owl1", "owl")], HELD_OUT)
    assert (found.shared, found.untrained) == ([], ["owl"])
    assert "no classifier can name them" in found.note
    assert found.flagged
    both = overlap([("a", "x", "cat"), ("b", "x", "cat"), ("b", "y", "owl")], HELD_OUT)
    assert (both.shared, both.untrained, both.shared_items) == (["cat"], ["owl"], ["x"])
    assert "1 of the 2 in test runs are in no training run" in both.note
    assert "1 of the 2 labelled items" in both.note


def test_of_runs_left_out_in_turn_the_others_are_training_runs():
    rows: list[Row] = [("a", "x", "cat"), ("b", "x", "cat"), ("b", "y", "owl"), ("b", "y", "owl")]
    found = overlap(rows, {"a": "each", "b": "each"})
    # Two showings in one run are not a label of another run.
    assert (found.shared, found.untrained, found.shared_items) == (["cat"], ["owl"], ["x"])


@pytest.mark.parametrize(
    ("rows", "split", "keep"),
    [
        ([("a", "x", None), ("b", "x", "cat")], HELD_OUT, True),
        ([("a", "x", "cat"), ("a", "y", "cat")], {"a": "each"}, True),
        ([("a", "x", "cat"), ("b", "x", "cat")], HELD_OUT, False),
    ],
)
def test_nothing_to_compare(rows: list[Row], split: dict[str, str], keep: bool):
    assert overlap(rows, split, keep) is None


def test_events_that_show_a_label_alone_have_no_items():
    found = overlap([("a", "cat", "cat"), ("b", "cat", "cat")], HELD_OUT)
    assert (found.test_items, found.shared_items, found.flagged) == (0, [], False)
    assert "items" not in found.note


def test_timelines_that_agree_are_one_sentence():
    assert label_sentences([{"note": "one"}, {"note": "one"}, {"note": "two"}]) == [
        "Of the labels, one.",
        "Of the labels, two.",
    ]
