"""Derivatives that are not the dataset's own: beside it, or a dataset that is cloned into it."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import bold_tree as tree
from helpers.fetched import fetch_dataset, fetch_subject
from helpers.tiny_dataset import Program
from tristream.config.dataset import Dataset
from tristream.config.load import Resolved
from tristream.config.settings.fetch import FetchDatasetSettings
from tristream.config.sources import DataladSource
from tristream.config.study import DatasetChoice, Study
from tristream.errors import UserError
from tristream.fetch import steps
from tristream.fetch.receipt import FetchedFile, Receipt

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


Shipping = Callable[[Callable[[Path], object]], FetchDatasetSettings]


@pytest.fixture
def shipping(program: Program, tmp_path: Path) -> Shipping:
    """Function: what a dataset ships -> its settings, with derivatives that are cloned into it."""

    def repository(name: str, make: Callable[[Path], object]) -> DataladSource:
        root = tmp_path / name
        program(tmp_path, "git", "init", "--quiet", name)
        (root / "text.txt").write_text(name)
        make(root)
        program(root, "git", "add", "--all")
        program(root, "git", "commit", "--quiet", "-m", "Make")
        return DataladSource(url=str(root), commit=program(root, "git", "rev-parse", "HEAD"))

    def settings(make: Callable[[Path], object]) -> FetchDatasetSettings:
        inner = repository("inner", lambda _: None)
        return FetchDatasetSettings(
            dataset="tiny",
            data=str(tmp_path / "data"),
            source=repository("outer", make),
            derivatives=inner,
            folder="derivatives",
            accept={},
            preset="",
        )

    return settings


def test_links_that_a_dataset_ships_lead_neither_locks_nor_half_clones_out(
    shipping: Shipping, tmp_path: Path
) -> None:
    victim, folder = tmp_path / "victim.txt", tmp_path / "folder"
    victim.write_text("precious")
    folder.mkdir(mode=0o500)

    def make(root: Path) -> None:
        for name in ("derivatives.lock", "tiny+derivatives.lock"):
            (root / name).symlink_to(victim)
        for name in (".derivatives.cloning", ".tiny+derivatives.cloning"):
            (root / name).symlink_to(folder)

    listed = steps.fetch_dataset(shipping(make))
    assert (listed.root / "derivatives/text.txt").read_text() == "inner"
    steps.drop([replace(listed, files=(FetchedFile("derivatives/text.txt", 5, annexed=True),))])
    assert victim.read_text() == "precious"
    assert (folder.stat().st_mode & 0o777, [*folder.iterdir()]) == (0o500, [])
    names = {path.name for path in listed.root.parent.iterdir()}
    assert names == {"tiny", "tiny.lock", "tiny+derivatives.lock"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: (root / "derivatives").symlink_to("."), "the dataset ships a link here"),
        (lambda root: (root / "derivatives").symlink_to(".git"), "the dataset ships a link here"),
        (lambda root: (root / "derivatives").symlink_to("gone"), "the dataset ships a link here"),
        (lambda root: (root / "derivatives").write_text("x"), "has content of its own"),
        (
            lambda root: [(root / "derivatives").mkdir(), (root / "derivatives/a").write_text("a")],
            "has content of its own where .*/inner is to be cloned",
        ),
    ],
)
def test_what_a_dataset_ships_in_place_of_its_derivatives(
    shipping: Shipping,
    program: Program,
    tmp_path: Path,
    make: Callable[[Path], object],
    message: str,
) -> None:
    settings = shipping(make)
    with pytest.raises(UserError, match=f"tiny/derivatives: {message}") as told:
        steps.fetch_dataset(settings)
    assert "\n" not in str(told.value)
    outer = tmp_path / "data/datasets/tiny"
    assert program(outer, "git", "remote", "get-url", "origin") == settings.source.url
    assert program(outer, "git", "rev-parse", "HEAD") == settings.source.commit
    assert program(outer, "git", "status", "--porcelain") == ""


def test_derivatives_two_folders_down_where_a_dataset_ships_a_file(
    shipping: Shipping,
) -> None:
    settings = shipping(lambda root: (root / "derivatives").write_text("x"))
    with pytest.raises(UserError, match="derivatives/fmriprep: has content of its own"):
        steps.fetch_dataset(settings.model_copy(update={"folder": "derivatives/fmriprep"}))
