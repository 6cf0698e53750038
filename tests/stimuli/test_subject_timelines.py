"""What most subjects of a timeline saw decides; who differs, or can't be read, is left out."""

import json
from pathlib import Path

import pytest

from tristream.config.dataset import Dataset
from tristream.config.events import EventReading
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.stimuli.subject_timelines import read_timelines

HEADER = "onset\tduration\ttrial_type\n"
FACE, HOUSE = f"{HEADER}0\t1\tface\n", f"{HEADER}0\t1\thouse\n"
SUBJECTS = ["01", "02", "03"]


def reading(**more: object) -> EventReading:
    content = {
        "id": "d",
        "title": "d",
        "licence": "CC0",
        "citation": "d",
        "source": {"kind": "folder", "path": "."},
        "layout": {"kind": "raw"},
        "tr": 2.0,
        "subjects": SUBJECTS,
        "runs": ["run-{1..3}"],
        "split": {"scheme": "holdout", "test": ["run-3"]},
        "exchange": {"unit": "block"},
    }
    return EventReading.of(Dataset.model_validate({**content, **more}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for subject in SUBJECTS:
        for run in (1, 2, 3):
            write(tmp_path, subject, run, FACE)
    return tmp_path


def write(root: Path, subject: str, run: int, text: str, ending: str = "events.tsv") -> None:
    path = root / f"sub-{subject}/func/sub-{subject}_run-{run}_{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def listing(root: Path) -> Receipt:
    files = [p.relative_to(root).as_posix() for p in sorted(root.rglob("*")) if p.is_file()]
    listed = tuple(FetchedFile(path, 1) for path in files)
    return Receipt("d", None, {"kind": "folder"}, "", root, "d", "CC0", listed, False)


@pytest.mark.parametrize("odd", SUBJECTS)
def test_one_odd_subject_blocks_no_other_whoever_comes_first(root: Path, odd: str) -> None:
    write(root, odd, 2, HOUSE)
    timelines, left_out = read_timelines(reading(), dict.fromkeys(SUBJECTS, "main"), listing(root))
    assert [event.label for event in timelines["main"]["run-2"]] == ["face"]
    assert list(left_out) == [odd]
    assert "row 1: differs from sub-" in left_out[odd]
    assert "(house at 0 s for 1 s, not face at 0 s for 1 s)" in left_out[odd]


def test_of_two_the_first_decides(root: Path) -> None:
    write(root, "01", 1, HOUSE)
    names = {"01": "main", "02": "main"}
    timelines, left_out = read_timelines(reading(), names, listing(root))
    assert timelines["main"]["run-1"][0].label == "house"
    assert list(left_out) == ["02"]


def test_a_faulty_first_subject_is_left_out_as_any_other(root: Path) -> None:
    write(root, "01", 3, "onset\n")
    timelines, left_out = read_timelines(reading(), dict.fromkeys(SUBJECTS, "main"), listing(root))
    assert set(timelines["main"]) == {"run-1", "run-2", "run-3"}
    assert list(left_out) == ["01"]


def test_a_subject_of_another_tr_is_told_from_its_sidecars(root: Path) -> None:
    """By inheritance: the root says it for all, one subject otherwise."""
    (root / "run-1_bold.json").write_text(json.dumps({"RepetitionTime": 2.0004}))
    names = dict.fromkeys(SUBJECTS, "main")
    assert read_timelines(reading(), names, listing(root), 2.0)[1] == {}
    write(root, "02", 1, json.dumps({"RepetitionTime": 1.5}), "bold.json")
    _, left_out = read_timelines(reading(), names, listing(root), 2.0)
    assert list(left_out) == ["02"]
    assert (
        "sub-02 run-1: its sidecars say RepetitionTime 1.5, the descriptor `tr: 2`"
        in (left_out["02"])
    )
    assert "left out of `subjects:` in config.yaml" in left_out["02"]
    write(root, "02", 1, json.dumps({"RepetitionTime": "2 s"}), "bold.json")
    assert "RepetitionTime '2 s'" in read_timelines(reading(), names, listing(root), 2.0)[1]["02"]
    write(root, "02", 1, "{", "bold.json")
    assert "not a usable sidecar" in read_timelines(reading(), names, listing(root), 2.0)[1]["02"]


def test_runs_that_some_subjects_lack_are_those_of_the_others(root: Path) -> None:
    (root / "sub-01/func/sub-01_run-3_events.tsv").unlink()
    names = dict.fromkeys(SUBJECTS, "main")
    timelines, left_out = read_timelines(reading(missing={"01": ["run-3"]}), names, listing(root))
    assert left_out == {}
    assert set(timelines["main"]) == {"run-1", "run-2", "run-3"}


def test_events_in_milliseconds_are_told(root: Path) -> None:
    write(root, "02", 1, f"{HEADER}0\t1\tface\n64000\t12000\thouse\n")
    _, left_out = read_timelines(reading(), dict.fromkeys(SUBJECTS, "main"), listing(root))
    assert "sub-02 run-1: its events last until 76000 s, 21 hours; BIDS has s" in left_out["02"]


def test_a_film_until_its_end_hides_no_event_of_hours(root: Path) -> None:
    """When it ends, its file tells later."""
    shown = [
        {"runs": "run-[12]", "stimulus": "song"},
        {"runs": "run-*", "stimulus": "song", "onset": 30000, "duration": 60},
    ]
    table = [{"stimulus": "song", "kind": "sound", "path": "song.wav"}]
    about = reading(events={"shown": shown}, stimuli={"get": "ask", "table": table})
    _, left_out = read_timelines(about, dict.fromkeys(SUBJECTS, "main"), listing(root))
    assert list(left_out) == SUBJECTS
    assert "sub-01 run-1: its events last until 30060 s, 8 hours" in left_out["01"]
