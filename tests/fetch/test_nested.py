"""Derivatives beside the raw data, as `study/bids` and `study/derivatives/fmriprep`."""

import os
from pathlib import Path

import numpy as np
import pytest

from helpers import bold_tree as tree
from helpers.fetched import fetch_dataset, fetch_subject
from tristream.config.dataset import Dataset
from tristream.config.load import Resolved
from tristream.config.study import DatasetChoice, Study
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt

EVENTS = "onset\tduration\ttrial_type\n0\t10\tface\n20\t10\thouse\n"


def fetched(dataset: Dataset, folder: Path) -> Receipt:
    """The receipt of the subject, written and read again."""
    study = Study(datasets={"small": DatasetChoice()}, data=str(folder / "data"))
    resolved = Resolved(study, {"small": dataset}, {"small": ["01"]})
    listed = fetch_dataset(resolved, "small")
    listed.write(folder / "dataset.json")
    receipt = fetch_subject(resolved, "small", "01", Receipt.read(folder / "dataset.json"))
    receipt.write(folder / "receipt.json")
    return Receipt.read(folder / "receipt.json")


@pytest.mark.parametrize("how", ["beside", "by ..", "link", "stale copy inside"])
def test_derivatives_that_lie_elsewhere_give_the_same_bold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    whole = tree.write_fmriprep(tmp_path / "whole")
    inside = tree.fmriprep_dataset(source={"kind": "folder", "path": str(whole)})
    bids, made = tmp_path / "study/bids", tmp_path / "study/derivatives/fmriprep"
    for root in (whole, bids):
        for run in tree.RUNS:
            events = root / f"sub-01/func/sub-01_{run}_events.tsv"
            events.parent.mkdir(parents=True, exist_ok=True)
            events.write_text(EVENTS)
    expected = tree.prepare(inside, "01", tree.RUNS[0], fetched(inside, tmp_path))
    made.parent.mkdir()
    os.rename(whole / "derivatives/fmriprep", made)
    address = made.as_posix()
    if how == "by ..":
        monkeypatch.chdir(bids)
        address = "../derivatives/fmriprep"
    elif how == "link":
        address = (tmp_path / "link").as_posix()
        os.symlink(made, address)
    elif how == "stale copy inside":
        tree.write_fmriprep(bids)
        tree.image_path(bids, tree.RUNS[0]).write_text("not what was named")
    dataset = tree.fmriprep_dataset(
        source={"kind": "folder", "path": str(bids)},
        derivatives={"kind": "folder", "path": address},
    )
    receipt = fetched(dataset, tmp_path)
    monkeypatch.chdir(tmp_path)
    run = tree.prepare(dataset, "01", tree.RUNS[0], receipt)
    np.testing.assert_array_equal(run.bold, expected.bold)
    assert run.sources == expected.sources
    assert not (bids / "derivatives").exists() or how == "stale copy inside"
    with pytest.raises(UserError, match="leaves the dataset"):
        receipt.path("derivatives/fmriprep/../../../secret")
