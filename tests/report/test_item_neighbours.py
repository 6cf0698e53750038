"""Test items that lie near training items are named, at the rate that is stated for the others."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.feature_files import write_features
from tristream.report.item_neighbours import NEAR, Items, items_of, neighbours, neighbours_in
from tristream.report.sections.stimuli import near_items
from tristream.stimuli.tables import Inventory, Splits
from tristream.store import Provenance

TRAIN, TEST, WIDTH = 400, 50, 30


def items(train: int = TRAIN, test: int = TEST) -> Items:
    names = [f"t{n}" for n in range(train)], [f"x{n}" for n in range(test)]
    labels = {name: str(int(name[1:]) % 10) for side in names for name in side}
    return Items(*names, labels, {})


def test_planted_neighbours_are_named_with_their_training_item():
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(TRAIN, WIDTH)), rng.normal(size=(TEST, WIDTH))
    test[:5] = train[10:15] + 0.2 * rng.normal(size=(5, WIDTH))
    # Columns on other scales, and one that does not vary, change nothing.
    scale = np.r_[1e4, 1e-4, np.ones(WIDTH - 2)]
    train, test = (np.c_[x * scale + 7, np.ones(len(x))] for x in (train, test))
    found = neighbours(train, test, items())
    assert {one.item: one.nearest for one in found[:5]} == {f"x{n}": f"t{n + 10}" for n in range(5)}
    assert all(one.is_near and one.r > 0.9 and one.same_label for one in found[:5])
    assert sum(one.is_near for one in found[5:]) <= 3


def test_unrelated_items_are_named_at_the_stated_rate_and_a_lax_rule_names_more():
    named, lax, of = 0, 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        mixing = rng.normal(size=(8, WIDTH))
        train, test = (rng.normal(size=(n, 8)) @ mixing for n in (TRAIN, TEST))
        found = neighbours(train, test, items())
        named += sum(one.is_near for one in found)
        # Negative control: a fixed similarity, which says nothing of how alike items are here.
        lax += sum(one.r > 0.5 for one in found)
        of += len(found)
    assert 0.4 * NEAR < named / of < 1.8 * NEAR
    assert lax / of > 10 * NEAR


def study(kind: str, names: dict[str, list[str]]) -> Items:
    """Items of an inventory in which each is shown for 10 s, clips from 10 s of a film on."""
    rows = [
        {
            "timeline": "main", "run": run, "item": name, "label": name[-1], "keep": True,
            "stimulus": "film" if kind == "film" else name, "kind": kind, "duration": 10.0,
            "media_start": float(name[1:]) * 10 if kind == "film" else float("nan"),
        }
        for run, ones in names.items()
        for name in ones
    ]  # fmt: skip
    split = pd.DataFrame({"timeline": "main", "run": list(names), "split": list(names)})
    quiet = Provenance("inventory", False)
    return items_of(
        Inventory(Path("x.tsv"), pd.DataFrame(rows), (), quiet), Splits(Path("x"), split, quiet)
    )


@pytest.mark.parametrize("kind", ["image", "film"])
def test_features_are_those_of_each_item(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    train, test = [f"i{n}" for n in range(120)], [f"i{n}" for n in range(120, 130)]
    features = rng.normal(size=(130, 12))
    features[125] = features[7] + 0.01
    # What is in both is left out.
    items = study(kind, {"train": train, "test": [*test, "i3"]})
    assert (items.train, items.test) == (train, test)
    if kind == "image":
        path = write_features(tmp_path / "f.h5", "s/l", items=[*train, *test], values=features)
    else:
        # Two rows to a clip, of which the features are the mean.
        noise = rng.normal(size=features.shape)
        rows = np.stack([features + noise, features - noise], 1).reshape(260, 12)
        path = write_features(tmp_path / "f.h5", "s/l", {"film": (rows, np.arange(260) * 5.0 + 2)})
    found = neighbours_in(path, items)
    assert [one.item for one in found if one.is_near] == ["i125"]
    assert (found[0].nearest, found[0].r) == ("i7", pytest.approx(1, abs=1e-4))
    caution, summary, listed = near_items({("s", "l"): found}, len(train))
    assert "1 of 10 test items lie unusually near a training item" in caution.text
    assert summary.rows == (("s", "l", 1, 10, "0.1"),)
    assert listed.rows[0][2:4] == ("i125", "i7")


def test_too_few_items_and_missing_items_are_not_compared(tmp_path: Path) -> None:
    names = [f"i{n}" for n in range(140)]
    values = np.random.default_rng(0).normal(size=(130, 4))
    path = write_features(tmp_path / "f.h5", "s/l", items=names[:130], values=values)
    assert neighbours_in(path, study("image", {"train": names[:99], "test": names[99:]})) == []
    assert neighbours_in(path, study("image", {"train": names[:110], "test": names[110:]})) == []
    assert near_items({}, 0) == []
