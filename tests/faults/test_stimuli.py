"""Faulty events, stimuli and splits: one line that names the file, the fault and the remedy."""

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

from helpers.event_tables import splits_of, timelines_of
from tristream.bold.check_subject import write_checked
from tristream.config.dataset import Dataset
from tristream.config.events import (
    EventReading,
    ScanTable,
    Stimulus,
    TrialTable,
    VolumeTable,
)
from tristream.config.settings.bold import CheckSettings
from tristream.config.settings.fetch import FetchStimuliSettings
from tristream.config.settings.stimuli import InventorySettings
from tristream.config.sources import FolderSource
from tristream.errors import UserError
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.fetch.sources import Listing
from tristream.fetch.stimulus_files import _missing
from tristream.media.films import frames
from tristream.media.media_contents import media_info
from tristream.media.sounds import read_sound, sound
from tristream.stimuli.events import read_bids_events, read_scan_events, read_volume_table
from tristream.stimuli.inventory import make_inventory
from tristream.stimuli.tables import read_inventory
from tristream.stimuli.trial_table import trial_rows

FILM = Stimulus(stimulus="bbb", kind="film", path="films/bbb.mp4", match="bbb.mp4")
HEADER = "onset\tduration\ttrial_type\n"
FACE = HEADER + "0\t1\tface\n"


def dataset_of(**more: Any) -> Dataset:
    content: dict[str, Any] = {
        "id": "d",
        "title": "d",
        "licence": "CC0",
        "citation": "d",
        "source": {"kind": "folder", "path": "."},
        "layout": {"kind": "fmriprep"},
        "tr": 2.0,
        "subjects": ["01", "02"],
        "runs": ["run-{1..3}"],
        "split": {"scheme": "holdout", "test": ["run-3"]},
        "exchange": {"unit": "block"},
    }
    return Dataset.model_validate(content | more)


def receipt_of(root: Path) -> Receipt:
    files = [p for p in sorted(root.rglob("*")) if p.is_file()]
    listed = tuple(FetchedFile(p.relative_to(root).as_posix(), p.stat().st_size) for p in files)
    return Receipt("d", None, {}, "", root, "d", "CC0", listed, False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "0\t-1\tface\n", r"row 1: duration -1 s is negative"),
        (FACE + "2\t1\ta\n0\t1\tface\n", r"row 3 is row 1 once more \(onset 0\); delete one"),
        (HEADER + "0\t1\tface\nnow\t1\tface\n", r"row 2: onset 'now' is not a number"),
        (HEADER + "1_0\t1\tface\n", r"row 1: onset '1_0' is not a number"),
        ("onset\tduration\tonset\n0\t1\t2\n", r"has two columns 'onset'"),
        (HEADER + "inf\t1\tface\n", r"row 1: onset 'inf' is not a number"),
        (HEADER + "1e7\t1\tface\n", r"row 1: onset 1e\+07 s is beyond 1,000,000 s, and no run"),
        (HEADER + "-2e6\t1\tface\n", r"row 1: onset -2e\+06 s is beyond 1,000,000 s"),
        (FACE + "2\t1e300\tface\n", r"row 2: duration 1e\+300 s is beyond 1,000,000 s"),
        (HEADER + "0\tn/a\tface\n", r"row 1: duration 'n/a' is not a number"),
        (HEADER + "0\t1\n", r"row 1: 2 cells under 3 column names"),
        ("onset\ttrial_type\n0\tface\n", r"no column duration \(columns: onset, trial_type\)"),
        ("onset,duration,trial_type\n0,1,face\n", r"no column .* by tabs, as BIDS has them"),
        (HEADER + "0\t1\tfa\0ce\n", r"holds zero bytes \(UTF-16, perhaps\)"),
        ("onset\tduration\tword\n0\t1\tx\n", r"neither trial_type nor stim_file"),
        ("", r"is empty"),
        (
            "onset\tduration\tstim_file\n0\t1\tother.mp4\n",
            r"row 1: stimulus 'other.mp4' is not in the stimulus table .* matches: bbb.mp4",
        ),
        ("onset\tduration\tstim_file\n0\t1\t../../etc/passwd\n", r"row 1: .* leaves the dataset"),
        ("onset\tduration\tstim_file\n0\t1\t/etc/passwd\n", r"row 1: .* leaves the dataset"),
        ("onset\tduration\tstim_file\n0\t0\tbbb.mp4\n", r"row 1: a film of 0 s"),
        (
            "onset\tduration\tstim_file\tmedia_start\n0\t9\tbbb.mp4\t-3\n",
            r"row 1: media_start -3 s is before the film begins",
        ),
        (
            "onset\tduration\tstim_file\tmedia_start\n0\t9\tbbb.mp4\t1e12\n",
            r"row 1: media_start 1e\+12 s is beyond 1,000,000 s",
        ),
    ],
)
def test_events_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "sub-01_events.tsv"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_bids_events(path, [FILM])
    assert "sub-01_events.tsv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seconds", ["1e9", "1e12", "1e300", "1_0"])
def test_times_that_no_run_reaches_in_other_tables(tmp_path: Path, seconds: str) -> None:
    """Of one scan, and of trials whose responses are given: arrays would be as long."""
    words = "is not a number of seconds" if "_" in seconds else "s is beyond 1,000,000 s"
    scan = {"kind": "scan", "bold": "b.nii", "events": "scan.txt", "volumes": 100}
    reading = EventReading.of(dataset_of(layout=scan))
    assert isinstance(reading.table, ScanTable)
    path = tmp_path / "scan.txt"
    for line, column in ((f"face 0 {seconds}", "duration"), (f"face {seconds} 1", "onset")):
        path.write_text(f"house 8 2\n{line}\n")
        with pytest.raises(UserError, match=rf"scan\.txt: line 2: {column} .* {words}"):
            read_scan_events(path, reading, reading.table)
    (tmp_path / "trials.tsv").write_text(f"run\tlabel\tduration\n1\tface\t{seconds}\n")
    table = TrialTable(path="trials.tsv", run="run", session="session")
    with pytest.raises(UserError, match=rf"trials\.tsv: row 1: duration .* {words}"):
        trial_rows(table, "d", ["run-1"], "01", receipt_of(tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        {"tr": 2000},
        {"tr": 1e-6},
        {"events": {"onset_shift": float("inf")}},
        {"events": {"onset_shift": -1e9}},
        {"events": {"duration": 1e12}},
        {"events": {"shown": [{"runs": "*", "stimulus": "a", "onset": 1e9}]}},
        {"events": {"shown": [{"runs": "*", "stimulus": "a", "duration": 1e300}]}},
        {"trials": {"estimate": "mean", "window": 1e9}},
        {"parts": {"times": [100, float("inf")]}},
    ],
)
def test_times_of_a_descriptor_that_no_run_reaches(content: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"Input should be (less|greater) than or equal"):
        dataset_of(**content)


@pytest.mark.parametrize("mark", ["\u2028", "\x0b", "\x85", "\x1c"])
def test_characters_that_part_lines_elsewhere_stay_in_their_cell(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "events.tsv"
    path.write_bytes(f"{HEADER}0\t1\ta{mark}b\r\n2\t1\tc\r\n".encode())
    assert [event.item for event in read_bids_events(path)] == [f"a{mark}b", "c"]


def test_events_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "sub-01_events.tsv"
    path.write_bytes(b"onset\tduration\ttrial_type\n0\t1\t\xff\xfe\n")
    with pytest.raises(UserError, match="not UTF-8"):
        read_bids_events(path)
    for encoding in ("utf-16", "utf-16-le"):
        path.write_bytes("onset\tduration\ttrial_type\n0\t1\tface\n".encode(encoding))
        with pytest.raises(UserError, match=r"not UTF-8|zero bytes \(UTF-16"):
            read_bids_events(path)


@pytest.fixture
def bids(tmp_path: Path) -> Callable[[dict[str, str]], Receipt]:
    """Function: write events files and list them."""

    def write(files: dict[str, str]) -> Receipt:
        for name, text in files.items():
            path = tmp_path / name.split("_")[0] / "func" / f"{name}_events.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return receipt_of(tmp_path)

    return write


def test_subjects_who_saw_other_events(bids: Callable[[dict[str, str]], Receipt]) -> None:
    files = {f"sub-{s}_run-{r}": FACE + "2\t1\thouse\n" for s in ("01", "02") for r in (1, 2, 3)}
    files["sub-02_run-2"] = FACE + "2\t1.5\thouse\n"
    with pytest.raises(UserError, match=r"sub-02 run-2 row 2: differs from sub-01") as caught:
        timelines_of(dataset_of(), ["01", "02"], bids(files))
    assert "`timelines:` in the descriptor" in str(caught.value)
    files["sub-02_run-2"] = FACE
    with pytest.raises(UserError, match=r"sub-02 run-2 row 2: .*no such row, not house"):
        timelines_of(dataset_of(), ["01", "02"], bids(files))


@pytest.mark.parametrize(
    ("named", "column"),
    [
        ({"ignore": {"condition": ["rest"]}}, "condition"),
        ({"modelled": {"trialtype": ["button"]}}, "trialtype"),
        ({"label": "category"}, "category"),
        ({"stimulus": "{stim_file}.{take}"}, "stim_file"),
        ({"media_start": ["start", "from"]}, "start or from"),
    ],
)
def test_a_column_that_no_file_has(
    bids: Callable[[dict[str, str]], Receipt], named: dict[str, Any], column: str
) -> None:
    """One that some files have is another matter: runs of other tasks."""
    listing = bids({f"sub-01_run-{r}": FACE for r in (1, 2, 3)})
    words = rf"sub-01 has a column {column}, .* \(columns: onset, duration, trial_type\)"
    with pytest.raises(UserError, match=words) as caught:
        timelines_of(dataset_of(events=named), ["01"], listing)
    assert "\n" not in str(caught.value)
    timelines_of(dataset_of(events={"ignore": {"trial_type": ["rest"]}}), ["01"], listing)
    # Pictures are named by a column, and labels stand in runs that are not used.
    about = {"label": "category", "stimulus": "{trial_type}"}
    with pytest.raises(UserError, match=r"face.* is not in the stimulus table"):
        timelines_of(dataset_of(events=about), ["01"], listing)
    bids({"sub-01_run-3": "onset\tduration\ttrial_type\tcondition\n0\t1\tface\tx\n"})
    timelines_of(dataset_of(events={"ignore": {"condition": ["rest"]}}), ["01"], listing)


def test_a_run_without_events(bids: Callable[[dict[str, str]], Receipt]) -> None:
    listing = bids({"sub-01_run-1": FACE, "sub-01_run-2": FACE})
    with pytest.raises(UserError, match=r"no events file sub-01_run-3_events.tsv .*`missing:`"):
        timelines_of(dataset_of(), ["01"], listing)


def test_events_whose_link_leaves_the_dataset(
    tmp_path: Path, bids: Callable[[dict[str, str]], Receipt]
) -> None:
    secret = tmp_path.parent / f"{tmp_path.name}-secret.tsv"
    secret.write_text(FACE)
    bids({"sub-01_run-1": FACE, "sub-01_run-2": FACE})
    (tmp_path / "sub-01" / "func" / "sub-01_run-3_events.tsv").symlink_to(secret)
    with pytest.raises(UserError, match="leaves the dataset"):
        timelines_of(dataset_of(), ["01"], receipt_of(tmp_path))


def test_an_impossible_split() -> None:
    with pytest.raises(ValidationError, match="no run matches"):
        dataset_of(split={"scheme": "holdout", "test": ["nothing"]})
    lacks = dataset_of(missing={"02": ["run-3"]})
    with pytest.raises(UserError, match=r"d: split: sub-02 has no test run; fix split\.test"):
        splits_of(lacks, ["01", "02"], {})
    trains = dataset_of(missing={"02": ["run-1", "run-2"]})
    with pytest.raises(UserError, match=r"d: split: sub-02 has no training run"):
        splits_of(trains, ["01", "02"], {})
    few = dataset_of(split={"scheme": "leave-one-run-out"}, missing={"02": ["run-1"]})
    with pytest.raises(UserError, match=r"sub-02 has 2 runs; leave-one-run-out needs 3"):
        splits_of(few, ["01", "02"], {})


def test_a_volume_table_that_does_not_fit(tmp_path: Path) -> None:
    layout = {"kind": "volume_table", "bold": "b.nii", "table": "t.txt"}
    dataset = dataset_of(layout=layout)
    reading = EventReading.of(dataset)
    assert isinstance(reading.table, VolumeTable)
    path = tmp_path / "t.txt"
    path.write_text("face 0\nface 0\nhouse 1\n")
    with pytest.raises(UserError, match=r"t\.txt: has 2 runs, the descriptor of d lists 3"):
        read_volume_table(path, reading, reading.table)
    path.write_text("face 0\nface\n")
    with pytest.raises(UserError, match=r"t\.txt: line 2: 'face' is not `label run`"):
        read_volume_table(path, reading, reading.table)


def test_more_is_shown_than_there_is(
    tmp_path: Path, bids: Callable[[dict[str, str]], Receipt]
) -> None:
    soundfile.write(tmp_path / "tone.wav", np.zeros(16000, np.float32), 16000)
    stimuli = {
        "source": {"kind": "folder", "path": "."},
        "table": [{"stimulus": "tone", "kind": "sound", "path": "tone.wav"}],
    }
    text = "onset\tduration\tstim_file\tmedia_start\n0\t10\ttone.wav\t0.5\n"
    listing = bids({f"sub-01_run-{r}": text for r in (1, 2, 3)})
    dataset = dataset_of(stimuli=stimuli)
    single = dataset.model_copy(update={"subjects": ["01"]})
    settings = InventorySettings.from_descriptor(single)
    tables = (tmp_path / "inventory.tsv", tmp_path / "splits.tsv")
    message = r"run-1 row 1: shows tone until 10\.5 s, but it lasts 1\.00 s"
    with pytest.raises(UserError, match=message):
        make_inventory(settings, listing, receipt_of(tmp_path), *tables)
    with pytest.raises(UserError, match="--receipt"):
        make_inventory(settings, listing, None, *tables)


def test_what_is_odd_of_a_sound_is_told_at_inventory(
    tmp_path: Path, bids: Callable[[dict[str, str]], Receipt], capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 64000)
    soundfile.write(tmp_path / "tone.wav", np.stack([noise, -noise], 1), 16000, subtype="FLOAT")
    stimuli = {
        "source": {"kind": "folder", "path": "."},
        "table": [{"stimulus": "tone", "kind": "sound", "path": "tone.wav"}],
    }
    text = "onset\tduration\tstim_file\n0\t4\ttone.wav\n"
    listing = bids({f"sub-01_run-{r}": text for r in (1, 2, 3)})
    dataset = dataset_of(stimuli=stimuli).model_copy(update={"subjects": ["01"]})
    settings = InventorySettings.from_descriptor(dataset)
    tables = (tmp_path / "inventory.tsv", tmp_path / "splits.tsv")
    make_inventory(settings, listing, receipt_of(tmp_path), *tables)
    assert "d: tone.wav: its two channels cancel out" in capsys.readouterr().err
    (stimulus,) = read_inventory(tables[0]).stimuli
    assert stimulus.duration == 4.0
    assert "cancel out" in stimulus.notes[0]
    assert stimulus.facts["sound"].startswith("16000 Hz")
    noise[320] = np.nan
    soundfile.write(tmp_path / "tone.wav", noise, 16000, subtype="FLOAT")
    with pytest.raises(UserError, match=r"tone\.wav: holds NaN or infinite samples, from 0\.02 s"):
        make_inventory(settings, listing, receipt_of(tmp_path), *tables)
    content = (tmp_path / "tone.wav").read_bytes()
    (tmp_path / "tone.wav").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"tone\.wav: is cut off: 1280\d\d bytes are missing"):
        make_inventory(settings, listing, receipt_of(tmp_path), *tables)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_whose_accents_are_other_code_points(tmp_path: Path, form: Any) -> None:
    """Folders of an Apple computer hold accents decomposed."""
    path = tmp_path / "sub-01_events.tsv"
    name = unicodedata.normalize(form, "Amélie.mp4")
    other = unicodedata.normalize("NFD" if form == "NFC" else "NFC", name)
    path.write_text(f"onset\tduration\tstim_file\n0\t1\t{name}\n", encoding="utf-8")
    (event,) = read_bids_events(path, [Stimulus(stimulus="a", kind="film", path=other)])
    assert event.stimulus == "a"
    settings = FetchStimuliSettings(
        dataset="d",
        source=FolderSource(path=str(tmp_path)),
        paths=[name],
        data=".",
        missing="error",
        get="",
    )
    listing = Listing(tmp_path, "", (FetchedFile(other, 1),))
    assert "accents are other code points" in _missing(settings, listing, [name])


@pytest.mark.parametrize("content", [b"", b"not a film" * 100])
def test_a_corrupt_film(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    for read in (media_info, lambda p: list(frames(p)), lambda p: list(sound(p, 16000))):
        with pytest.raises(UserError, match=r"film\.mp4: .*fetch it again"):
            read(path)


def test_no_film() -> None:
    with pytest.raises(UserError, match="no such file"):
        media_info("nothing.mp4")


def test_a_film_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=24, options={"g": "12"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        rng = np.random.default_rng(0)
        for _ in range(240):
            frame = av.VideoFrame.from_ndarray(rng.integers(0, 256, (48, 64, 3), np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert len(list(frames(path))) == 240
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"film\.mp4: .*fetch it again"):
        list(frames(path))


def test_a_film_without_sound_and_a_sound_without_picture(tmp_path: Path) -> None:
    silent, tone = tmp_path / "silent.mp4", tmp_path / "tone.wav"
    with av.open(str(silent), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(24):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    soundfile.write(tone, np.zeros(16000, np.float32), 16000)
    assert not media_info(silent).has_audio
    assert not media_info(tone).has_video
    with pytest.raises(UserError, match=r"silent\.mp4: has no sound"):
        read_sound(silent, 16000)
    with pytest.raises(UserError, match=r"tone\.wav: has no picture"):
        list(frames(tone))


def test_a_sound_that_lasts_no_time(tmp_path: Path) -> None:
    path = tmp_path / "none.wav"
    soundfile.write(path, np.zeros(0, np.float32), 16000)
    with pytest.raises(UserError, match=r"none\.wav"):
        media_info(path)


def test_a_playlist_is_not_followed(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tone.wav", np.zeros(16000, np.float32), 16000)
    playlists = {
        "film.mp4": "ffconcat version 1.0\nfile tone.wav\n",
        "film.mkv": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ntone.wav\n#EXT-X-ENDLIST\n",
    }
    for name, text in playlists.items():
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(UserError, match="can't be read as a film or sound"):
            media_info(path)


@pytest.mark.parametrize("damage", ["missing", "encoding", "other"])
def test_what_is_wrong_with_one_subject_stops_no_study_of_others(
    tmp_path: Path, bids: Callable[[dict[str, str]], Receipt], damage: str
) -> None:
    """The inventory leaves sub-02 out and says why, and the check of its files says it again."""
    names = [f"sub-{s}_run-{r}" for s in ("01", "02") for r in (1, 2, 3)]
    listing = bids({name: FACE for name in names if damage != "missing" or name != names[-1]})
    last = tmp_path / f"sub-02/func/{names[-1]}_events.tsv"
    if damage == "encoding":
        last.write_bytes(HEADER.encode() + b"0\t1\tf\xe4ce\n")
    elif damage == "other":
        last.write_text(HEADER + "0\t1\thouse\n")
    tables = (tmp_path / "inventory.tsv", tmp_path / "splits.tsv")
    make_inventory(InventorySettings.from_descriptor(dataset_of()), listing, None, *tables)
    inventory = read_inventory(tables[0])
    assert set(inventory.timeline("main")) == {"run-1", "run-2", "run-3"}
    assert list(inventory.left_out) == ["02"]
    why = {"missing": "no events file", "encoding": "Windows-1252", "other": "differs from sub-01"}
    assert why[damage] in inventory.left_out["02"]
    settings = CheckSettings.of_dataset(dataset_of(), "02")
    with pytest.raises(UserError, match=why[damage]):
        write_checked(settings, tmp_path / "receipt.json", tables[0], tmp_path / "checked.json")
    alone = dataset_of(subjects=["02"], runs=["run-{1..3}"])
    if damage != "other":
        with pytest.raises(UserError, match=why[damage]):
            make_inventory(InventorySettings.from_descriptor(alone), listing, None, *tables)
