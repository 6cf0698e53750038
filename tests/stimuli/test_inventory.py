"""Events become an inventory and splits: labels survive as written, units and repeats are right."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import REPOSITORY
from helpers.event_tables import splits_of, timelines_of
from tristream.config.dataset import Dataset
from tristream.config.events import EventReading, Events, Stimulus
from tristream.config.load import descriptor
from tristream.config.runs import Exchange
from tristream.errors import UserError
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.stimuli.events import events_of_run, read_bids_events
from tristream.stimuli.tables import inventory_table, read_inventory, write_inventory
from tristream.stimuli.timelines import Event, first_difference
from tristream.store import Provenance

DESCRIPTORS = REPOSITORY / "workflow" / "datasets"
FILM = Stimulus(stimulus="bbb", kind="film", path="films/bbb.mp4", match="bbb.mp4")
IMAGE = Stimulus(stimulus="cat", kind="image", path="images/cat.png")


def receipt_of(root: Path, simulated: bool = False) -> Receipt:
    """Lists all files under `root`."""
    files = [p for p in sorted(root.rglob("*")) if p.is_file()]
    listed = [FetchedFile(p.relative_to(root).as_posix(), p.stat().st_size) for p in files]
    return Receipt("d", None, {}, "", root, "d", "CC0", tuple(listed), simulated)


def dataset_of(**more: Any) -> Dataset:
    """A descriptor of two subjects with three training runs and two test runs."""
    content: dict[str, Any] = {
        "id": "d",
        "title": "d",
        "licence": "CC0",
        "citation": "d",
        "source": {"kind": "folder", "path": "."},
        "layout": {"kind": "fmriprep"},
        "tr": 2.0,
        "subjects": ["01", "02"],
        "runs": ["task-train_run-{1..3}", "task-test_run-{1..2}"],
        "split": {"scheme": "holdout", "test": ["task-test_*"]},
        "exchange": {"unit": "block"},
    }
    return Dataset.model_validate(content | more)


@pytest.fixture
def bids(tmp_path: Path) -> Callable[..., Receipt]:
    """Function: write the same events for each subject and run, but those given; list them."""

    def write(dataset: Dataset, **other: str) -> Receipt:
        for subject in dataset.subjects:
            for run in dataset.runs_of(subject):
                name = f"sub-{subject}_{run}"
                path = tmp_path / f"sub-{subject}" / "func" / f"{name}_events.tsv"
                path.parent.mkdir(parents=True, exist_ok=True)
                default = "onset\tduration\ttrial_type\n0\t1\tface\n2\t1\tface\n20\t1\thouse\n"
                text = other.get(name.replace("-", "_"), default)
                path.write_text(text)
        return receipt_of(tmp_path)

    return write


def events_of(tmp_path: Path, text: str, table: list[Stimulus] | None = None) -> list[Event]:
    path = tmp_path / "events.tsv"
    path.write_bytes(text.encode())
    return read_bids_events(path, table or [])


def test_null_and_na_are_labels_to_the_end(tmp_path: Path) -> None:
    rows = "onset\tduration\ttrial_type\n0\t1\tNULL\n1\t1\tNA\n2\t1\tn/a\n3\t1\tNone\n4\t1\tnan\n"
    events = events_of(tmp_path, rows)
    assert [e.item for e in events] == ["NULL", "NA", "", "None", "nan"]
    assert [e.keep for e in events] == [True, True, False, True, True]
    path = tmp_path / "inventory.tsv"
    write_inventory(
        path, {"main": {"run-1": events}}, Exchange(unit="item"), [], Provenance("inventory", False)
    )
    back = read_inventory(path)
    assert back.table["item"].tolist() == ["NULL", "NA", "", "None", "nan"]
    assert [e.item for e in back.timeline("main")["run-1"]] == ["NULL", "NA", "", "None", "nan"]


def test_crlf_no_last_newline_and_stray_quotes(tmp_path: Path) -> None:
    text = "onset\tduration\tgenre\ttrial_type\r\n0\t15\tx\t'jazz'\r\n15\t15\tx\tclassical'"
    events = events_of(tmp_path, text)
    assert [e.item for e in events] == ["jazz", "classical"]
    assert events[1].onset == 15.0


def test_stimuli_and_labels_in_one_file(tmp_path: Path) -> None:
    text = (
        "onset\tduration\ttrial_type\tstim_file\tmedia_start\n"
        "30\t20\tfilm\tbbb.mp4\t90.5\n0\t10\tfilm\tbbb.mp4\tn/a\n"
        "60\t1\tanimal\timages/cat.png\tn/a\n70\t2\tpress\tn/a\tn/a\n"
    )
    events = events_of(tmp_path, text, [FILM, IMAGE])
    assert [e.kind for e in events] == ["film", "film", "image", "label"]
    assert [e.item for e in events] == ["bbb", "bbb@90.5", "cat", "press"]
    # The first does not say where it enters the film; `entry_points` finds out or asks.
    assert np.isnan(events[0].media_start)
    assert events[1].media_start == 90.5


def test_stim_start_is_read_too(tmp_path: Path) -> None:
    text = "onset\tduration\tstim_file\tstim_start\n0\t10\tbbb.mp4\t7\n"
    assert events_of(tmp_path, text, [FILM])[0].media_start == 7.0


def test_onsets_that_count_from_another_moment_are_shifted(tmp_path: Path) -> None:
    """ds001545: 12 s of volumes were dropped before the images, and onsets count after them."""
    path = tmp_path / "events.tsv"
    path.write_text("onset\tduration\ttrial_type\n0\t2\ta\n10.5\t2\tb\n")
    events = read_bids_events(path, reading=Events(onset_shift=-4.5))
    assert [event.onset for event in events] == [-4.5, 6.0]


def test_events_are_inherited_from_the_root(tmp_path: Path) -> None:
    """Listed by the inheritance principle and read by it; the run's own file goes before."""
    rows = "onset\tduration\ttrial_type\n{}\t2\ta\n"
    own = tmp_path / "sub-02/func/sub-02_task-test_run-1_events.tsv"
    own.parent.mkdir(parents=True)
    for path, onset in ((tmp_path / "task-test_events.tsv", 3), (own, 7)):
        path.write_text(rows.format(onset))
    reading = EventReading.of(dataset_of())
    for subject, onset in (("01", 3), ("02", 7)):
        (event,) = events_of_run(reading, subject, "task-test_run-1", receipt_of(tmp_path))
        assert event.onset == onset
    with pytest.raises(UserError, match=r"no events file sub-01_task-train_run-1_events.tsv"):
        events_of_run(reading, "01", "task-train_run-1", receipt_of(tmp_path))


def test_differences_beyond_a_millisecond() -> None:
    a = Event(1.0, 2.0, "face", "label", "face")
    assert first_difference([a], [Event(1.0009, 2.0, "face", "label", "face")]) is None
    assert first_difference([a], [Event(1.0021, 2.0, "face", "label", "face")]) == 0
    assert first_difference([a, a], [a]) == 1


def test_haxby_blocks(haxby: Path) -> None:
    dataset = descriptor("haxby2001_slice", [DESCRIPTORS], Path("config.yaml"))
    root = haxby.parents[1]
    timelines = timelines_of(dataset, ["1"], receipt_of(root))
    table = inventory_table(timelines, Exchange(unit="block"))
    # The published design: 12 runs of 8 blocks of 22.5 s, one a category.
    assert len(table) == table["unit"].nunique() == 96
    assert (table.groupby("run")["item"].nunique() == 8).all()
    assert (table["duration"] == 22.5).all()
    assert (table.groupby("run")["onset"].min() == 15.0).all()
    assert table["unit"].iloc[0] == "run-01/1"
    splits = splits_of(dataset, ["1"], timelines)
    assert splits["split"].tolist() == ["each"] * 12
    assert splits["repeat"].isna().all()


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (Exchange(unit="block"), [1, 1, 2, 3]),
        (Exchange(unit="block", pause=27.5), [1, 1, 1, 2]),
        (Exchange(unit="round", pause=27.5), [1, 1, 1, 2]),
        (Exchange(unit="item"), [1, 2, 3, 4]),
    ],
)
def test_units(exchange: Exchange, expected: list[int]) -> None:
    # Two of a block, the same label again after a rest of 27 s, another label at once.
    shown = [(0.0, "face"), (2.0, "face"), (30.0, "face"), (31.0, "house")]
    events = [Event(onset, 1.0, label, "label", label) for onset, label in shown]
    units = inventory_table({"main": {"r": events}}, exchange)["unit"]
    assert units.tolist() == [f"r/{number}" for number in expected]


def test_blocks_that_are_not_in_rounds_are_a_question() -> None:
    events = [Event(20.0 * k, 9.0, label, "label", label) for k, label in enumerate("abcacb")]
    for shown in (events, events[:5], events[:3]):
        inventory_table({"main": {"run-1": shown}}, Exchange(unit="round"))
    with pytest.raises(
        UserError, match=r"run-1: its blocks \(a, b, a, c, b\) do not come in rounds"
    ):
        inventory_table({"main": {"run-1": events[:2] + events[3:]}}, Exchange(unit="round"))


def test_units_of_time_are_left_to_the_samples() -> None:
    events = [Event(0.0, 60.0, "bbb", "film", "bbb", 0.0)]
    assert inventory_table({"main": {"r": events}}, Exchange(unit="time"))["unit"].isna().all()


def test_repeats_are_grouped_by_what_is_shown(bids: Callable[..., Receipt]) -> None:
    dataset = dataset_of(
        runs=["task-train_run-1", "task-test_run-{1..3}"], exchange={"unit": "item"}
    )
    other = "onset\tduration\ttrial_type\n0\t1\thouse\n2\t1\tface\n20\t1\tface\n"
    listing = bids(dataset, sub_01_task_test_run_2=other, sub_02_task_test_run_2=other)
    timelines = timelines_of(dataset, ["01", "02"], listing)
    splits = splits_of(dataset, ["01", "02"], timelines).set_index("run")
    assert splits["split"].tolist() == ["train", "test", "test", "test"]
    assert splits["repeat"].tolist()[1:] == ["test1", "test2", "test1"]
    assert splits["repeat"].isna().tolist()[0]


def test_timelines_and_missing_runs(bids: Callable[..., Receipt]) -> None:
    dataset = dataset_of(timelines={"a": ["01"], "b": ["02"]}, missing={"02": ["task-train_run-2"]})
    other = "onset\tduration\ttrial_type\n0\t1\thouse\n"
    listing = bids(dataset, sub_02_task_train_run_1=other)
    timelines = timelines_of(dataset, ["01", "02"], listing)
    table = inventory_table(timelines, Exchange(unit="item"))
    runs = table.groupby("timeline")["run"].nunique()
    assert runs.to_dict() == {"a": 5, "b": 4}
    splits = splits_of(dataset, ["01", "02"], timelines)
    assert "task-train_run-2" not in splits.loc[splits["timeline"] == "b", "run"].tolist()


def test_sessions_are_part_of_the_run(tmp_path: Path) -> None:
    dataset = dataset_of(
        subjects=["01"],
        runs=["ses-{1..3}_task-x_run-1"],
        split={"scheme": "leave-one-run-out"},
    )
    for run in dataset.runs:
        session = run.split("_")[0]
        for start in (tmp_path, tmp_path / "derivatives" / "spm"):
            path = start / "sub-01" / session / "func" / f"sub-01_{run}_events.tsv"
            path.parent.mkdir(parents=True)
            path.write_text("onset\tduration\ttrial_type\n0\t1\tface\n")
    timelines = timelines_of(dataset, ["01"], receipt_of(tmp_path))
    assert list(timelines["main"]) == dataset.runs
