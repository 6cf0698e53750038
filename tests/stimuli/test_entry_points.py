"""An event that does not say where it enters its film is a question, unless it shows all of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from helpers.sounds import seconds, write
from tristream.config.dataset import Dataset
from tristream.config.events import EventReading
from tristream.config.settings.stimuli import InventorySettings
from tristream.errors import UserError
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.stimuli.events import events_of_run
from tristream.stimuli.inventory import make_inventory
from tristream.stimuli.tables import read_inventory

RUNS = [f"run-{n}" for n in range(1, 6)]


def listing(root: Path) -> Receipt:
    files = [p for p in sorted(root.rglob("*")) if p.is_file()]
    listed = tuple(FetchedFile(p.relative_to(root).as_posix(), p.stat().st_size) for p in files)
    return Receipt("d", None, {}, "", root, "d", "CC0", listed, False)


def dataset_of(**more: Any) -> Dataset:
    content: dict[str, Any] = {
        "id": "d",
        "title": "d",
        "licence": "CC0",
        "citation": "d",
        "source": {"kind": "folder", "path": "."},
        "layout": {"kind": "fmriprep"},
        "tr": 2.0,
        "subjects": ["01"],
        "runs": RUNS,
        "stimuli": {
            "source": {"kind": "folder", "path": "."},
            "table": [{"stimulus": "story", "kind": "sound", "path": "story.wav"}],
        },
        "split": {"scheme": "leave-one-run-out"},
        "exchange": {"unit": "time"},
    }
    return Dataset.model_validate(content | more)


def starts(
    root: Path, length: float, runs: Sequence[str], **events: Any
) -> list[list[tuple[float, str]]]:
    """(media_start, item) of each event of each run, as the inventory has them.

    The rows are written to events files of a sound that lasts `length` seconds.
    """
    data, media = root / "data", root / "media"
    write(media / "story.wav", 0 * seconds(length, 8000), 8000)
    for run, rows in zip(RUNS, runs, strict=True):
        path = data / "sub-01/func" / f"sub-01_{run}_events.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("onset\tduration\tstim_file\n" + rows)
    settings = InventorySettings.from_descriptor(dataset_of(events=events))
    table = root / "inventory.tsv"
    make_inventory(settings, listing(data), listing(media), table, root / "splits.tsv")
    timeline = read_inventory(table).timeline("main")
    return [[(e.media_start, e.item) for e in timeline[run]] for run in RUNS]


def test_five_runs_of_one_film_are_a_question(tmp_path: Path) -> None:
    runs = [f"0\t{length}\tstory.wav\n" for length in (20, 10, 15, 20, 5)]
    with pytest.raises(UserError, match=r"run-1 row 1: shows 20 s of story, which lasts 70.00 s"):
        starts(tmp_path, 70, runs)
    found = starts(tmp_path, 70, runs, without_media_start="continues")
    assert [run[0] for run in found] == [
        (0.0, "story"), (20.0, "story@20"), (30.0, "story@30"), (45.0, "story@45"),
        (65.0, "story@65"),
    ]  # fmt: skip
    found = starts(tmp_path, 70, runs, without_media_start="beginning")
    assert {run[0] for run in found} == {(0.0, "story")}


def test_a_story_whose_music_is_in_the_file(tmp_path: Path) -> None:
    runs = ["15\t45\tstory.wav\n"] * 5
    with pytest.raises(UserError, match="`run`") as error:
        starts(tmp_path, 60, runs)
    assert "\n" not in str(error.value)
    found = starts(tmp_path, 60, runs, without_media_start="run")
    assert [run[0] for run in found] == [(15.0, "story@15")] * 5


def test_a_file_that_began_with_its_first_event(tmp_path: Path) -> None:
    """Its music, then its story, later than the run begins: as in ds002345."""
    runs = ["4.5\t20\tstory.wav\n27.5\t40\tstory.wav\n", *["12\t60\tstory.wav\n"] * 4]
    found = starts(tmp_path, 70, runs, without_media_start="first")
    assert found == [[(0.0, "story"), (23.0, "story@23")], *[[(0.0, "story")]] * 4]


def test_whole_files_begin_at_their_beginning(tmp_path: Path) -> None:
    found = starts(tmp_path, 10.4, ["4\t10\tstory.wav\n20\t10\tstory.wav\n"] * 5)
    assert found == [[(0.0, "story")] * 2] * 5
    # Twice in a run, and each time a part of it: which?
    with pytest.raises(UserError, match=r"run-1 row 1: shows 5 s of story, which lasts 10.40 s"):
        starts(tmp_path, 10.4, ["4\t5\tstory.wav\n20\t5\tstory.wav\n"] * 5)


def test_a_film_that_stops_within_a_run_and_goes_on(tmp_path: Path) -> None:
    runs = ["0\t4\tstory.wav\n9\t2\tstory.wav\n", *["0\t1\tstory.wav\n"] * 4]
    found = starts(tmp_path, 10, runs, without_media_start="continues")
    assert [start for run in found for start, _ in run] == [0, 4, 6, 7, 8, 9]
    reading = EventReading.of(dataset_of(events={"without_media_start": "continues"}))
    third = events_of_run(reading, "01", "run-3", listing(tmp_path / "data"))
    assert [event.item for event in third] == ["story@7"]


def test_a_subject_who_lacks_a_run_before_is_refused(tmp_path: Path) -> None:
    starts(tmp_path, 10, ["0\t2\tstory.wav\n"] * 5, without_media_start="continues")
    dataset = dataset_of(events={"without_media_start": "continues"}, missing={"01": ["run-2"]})
    with pytest.raises(UserError, match="sub-01 lacks run-2"):
        events_of_run(EventReading.of(dataset), "01", "run-3", listing(tmp_path / "data"))


def test_without_files_unlike_durations_are_a_question(tmp_path: Path) -> None:
    data = tmp_path / "data/sub-01/func"
    data.mkdir(parents=True)
    for run, duration in zip(RUNS, (30, 30, 30, 30, 12), strict=True):
        text = f"onset\tduration\tstim_file\n0\t{duration}\tstory.wav\n"
        (data / f"sub-01_{run}_events.tsv").write_text(text)
    dataset = dataset_of(stimuli={"get": "ask", "table": dataset_of().stimuli.table})
    settings = InventorySettings.from_descriptor(dataset)
    tables = (tmp_path / "inventory.tsv", tmp_path / "splits.tsv")
    with pytest.raises(UserError, match="which other events show for 12 s"):
        make_inventory(settings, listing(tmp_path / "data"), None, *tables)
