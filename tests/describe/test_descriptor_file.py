"""Descriptors of folders made on the spot: raw, with outputs of fMRIPrep, and hostile."""

import gzip
import json
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml

from helpers import small_bids as bids
from tristream.cli import main
from tristream.config.load import descriptor
from tristream.config.load.questions import MARK
from tristream.describe.descriptor_file import Written, describe
from tristream.errors import UserError


def raw_run(root: Path, subject: str, run: str, events: str | None) -> None:
    """Names of a raw run, whose image is empty, and its events."""
    func = root / f"sub-{subject}/func"
    func.mkdir(parents=True, exist_ok=True)
    (func / f"sub-{subject}_{run}_bold.nii.gz").write_bytes(b"")
    if events:
        (func / f"sub-{subject}_{run}_events.tsv").write_text(events)


def described(root: Path, folder: Path, **about: str) -> Written:
    stated = {"Name": "Made", "License": "CC0", "HowToAcknowledge": "Nobody", **about}
    (root / "dataset_description.json").write_text(json.dumps(stated))
    return describe(str(root), folder)


EVENTS = "onset\tduration\ttrial_type\n0\t2\ta\n10\t2\tb\n20\t2\ta\n30\t2\tb\n"


def test_raw_data_with_uneven_runs_and_rest(tmp_path):
    root = tmp_path / "study-1"
    for subject, count in (("01", 3), ("02", 4)):
        for number in range(1, count + 1):
            raw_run(root, subject, f"task-see_run-{number}", EVENTS)
        raw_run(root, subject, "task-rest", None)
    (root / "task-see_bold.json").write_text('{"RepetitionTime": 1.25}')
    written = described(root, tmp_path / "out")
    found = descriptor("study_1", [tmp_path / "out"], written.path, questions=False)
    assert found.layout.kind == "raw"
    assert found.tr == 1.25
    assert found.missing == {"01": ["task-see_run-4"]}
    assert found.timelines == {}
    assert found.split.scheme == "leave-one-run-out"
    assert "task-rest is left out: no events" in written.path.read_text()
    assert len(written.questions) == 1


def test_sizes_are_those_of_the_headers_that_are_here(tmp_path):
    root = tmp_path / "tiny"
    course = np.zeros(40)
    for run in ("task-see_run-1", "task-see_run-2"):
        raw_run(root, "01", run, EVENTS)
        bids.write_run(root, run, course, None)
    written = described(root, tmp_path / "out")
    found = descriptor("tiny", [tmp_path / "out"], written.path, questions=False)
    assert (found.size.volumes, found.size.voxels) == (40, np.prod(bids.SHAPE))
    assert "by the headers of 2 images" in written.path.read_text()


@pytest.mark.parametrize("tr", [np.nan, np.inf, -2.0])
def test_a_header_whose_tr_is_not_a_time_states_none(tmp_path, tr):
    root = tmp_path / "tiny"
    for run in ("task-see_run-1", "task-see_run-2"):
        raw_run(root, "01", run, EVENTS)
        image = nib.Nifti1Image(np.ones((4, 4, 4, 9), np.float32), np.eye(4))
        content = bytearray(image.to_bytes())
        struct.pack_into("<f", content, 92, tr)
        path = root / f"sub-01/func/sub-01_{run}_bold.nii.gz"
        path.write_bytes(gzip.compress(content))
    text = described(root, tmp_path / "out").path.read_text()
    assert f"{MARK}what is the repetition time (s)? no sidecar and no header says" in text


def test_a_whole_image_counts_as_a_brain_alone(tmp_path):
    root = tmp_path / "head"
    for run in ("task-see_run-1", "task-see_run-2"):
        raw_run(root, "01", run, EVENTS)
    image = nib.Nifti1Image(np.zeros((60, 60, 60, 3), np.uint8), np.diag([4.0, 4, 4, 1]))
    nib.save(image, root / "sub-01/func/sub-01_task-see_run-1_bold.nii.gz")
    (root / "task-see_bold.json").write_text('{"RepetitionTime": 1.25}')
    written = described(root, tmp_path / "out")
    found = descriptor("head", [tmp_path / "out"], written.path, questions=False)
    # As many as a brain has of the voxels that raw images are resampled to.
    assert (found.size.volumes, found.size.voxels) == (3, 67_778)


def test_outputs_elsewhere_and_runs_that_lack_them(tmp_path):
    raw, made = tmp_path / "bids", tmp_path / "made"
    for number in (1, 2, 3):
        raw_run(raw, "01", f"task-see_run-0{number}", EVENTS)
    (raw / "task-see_bold.json").write_text('{"RepetitionTime": 2.0}')
    for number in (1, 2):
        stem = made / f"sub-01/func/sub-01_task-see_run-{number}"
        stem.parent.mkdir(parents=True, exist_ok=True)
        for space in ("T1w", "MNI152NLin2009cAsym_res-2", "MNI152NLin2009cAsym_res-native"):
            Path(f"{stem}_space-{space}_desc-preproc_bold.nii.gz").write_bytes(b"")
    (raw / "dataset_description.json").write_text('{"Name": "Made", "License": "CC0"}')
    written = describe(str(raw), tmp_path / "out", derivatives=str(made))
    found = descriptor("bids", [tmp_path / "out"], written.path, questions=False)
    assert found.layout.kind == "fmriprep"
    assert found.layout.space == "MNI152NLin2009cAsym_res-2"
    assert not found.layout.padded_runs
    assert found.derivatives is not None
    assert found.derivatives.kind == "folder"
    assert found.runs[:2] == ["task-see_run-01_part-1", "task-see_run-01_part-2"]
    text = written.path.read_text()
    assert "not preprocessed, so left out: task-see_run-03" in text
    assert "T1w (2 runs)" in text
    assert "how is it cited?" in text


def test_runs_without_events_are_their_stimulus(tmp_path):
    root = tmp_path / "films"
    for name in ("wolf", "forest"):
        raw_run(root, "01", f"task-{name}", None)
        (root / "stimuli").mkdir(exist_ok=True)
        (root / f"stimuli/the_{name}.mp4").write_bytes(b"film")
    (root / "task-wolf_bold.json").write_text('{"RepetitionTime": 2.0}')
    written = described(root, tmp_path / "out")
    found = descriptor("films", [tmp_path / "out"], written.path, questions=False)
    shown = {one.runs: one.stimulus for one in found.events.shown}
    assert shown == {"task-wolf": "the_wolf", "task-forest": "the_forest"}
    assert found.stimuli.source is not None
    assert found.stimuli.source.kind == "dataset"
    assert found.exchange.unit == "time"
    assert any("no run has events" in line for line in written.questions)


def test_text_of_a_dataset_stays_text(tmp_path):
    """Newlines, quotes, marks of YAML and questions; names that lead out."""
    root = tmp_path / "hostile"
    name = 'x"\nsource: {kind: folder, path: /}\n# QUESTION: none\t\u2028{{7*7}} ${HOME}'
    label = "a\u0007b: [c] # QUESTION: d"
    events = f"onset\tduration\tstim_file\ttrial_type\n0\t2\t../../up.jpg\t{label}\n"
    events += "5\t2\tin/side.jpg\tnull\n9\t2\t/etc/host.png\tyes\n"
    for number in (1, 2, 3):
        raw_run(root, "01", f"task-see_run-{number}", events)
    (root / "task-see_bold.json").write_text('{"RepetitionTime": 2.0}')
    written = described(root, tmp_path / "out", Name=name, License=name)
    content = yaml.safe_load(written.path.read_text())
    assert content["source"] == {"kind": "folder", "path": str(root)}
    assert content["title"].startswith('x" source: {kind')
    rows = content["stimuli"]["table"]
    assert {row["path"] for row in rows} == {"in/side.jpg", "etc/host.png"}
    for line in written.questions:
        assert "none" not in line.partition("QUESTION")[2]
    lines = written.path.read_text().splitlines()
    assert sum(MARK in line for line in lines) == len(written.questions)


def test_no_tr_is_asked_and_nothing_is_overwritten(tmp_path, capsys):
    root = tmp_path / "made"
    for number in (1, 2, 3):
        raw_run(root, "01", f"task-see_run-{number}", EVENTS)
    written = described(root, tmp_path / "out")
    assert any("repetition time" in line for line in written.questions)
    assert main(["describe", str(root), "--output", str(tmp_path / "out")]) == 2
    assert "is there already" in capsys.readouterr().err


def test_no_bids_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no BOLD under BIDS names"):
        describe(str(tmp_path / "empty"), tmp_path / "out")
    with pytest.raises(UserError, match="no such folder"):
        describe(str(tmp_path / "nowhere"), tmp_path / "out")


def test_a_design_of_blocks_is_seen(tmp_path):
    root = tmp_path / "blocks"
    bids.write_dataset(root, "Blocks")
    labels = np.repeat(["a", "b", "c"], 6)
    rows = [f"{2 * n + 20 * (n // 6)}\t0.5\t{label}" for n, label in enumerate(labels)]
    for number in (1, 2, 3):
        text = "onset\tduration\ttrial_type\n" + "\n".join(rows) + "\n"
        raw_run(root, "01", f"task-see_run-{number}", text)
    (root / "task-see_bold.json").write_text('{"RepetitionTime": 2.0}')
    written = described(root, tmp_path / "out")
    found = descriptor("blocks", [tmp_path / "out"], written.path, questions=False)
    assert found.exchange.unit == "block"


@pytest.mark.parametrize("time", ["1e300", "inf", "nan", "n/a"])
@pytest.mark.parametrize("runs", [2, 3])
def test_times_that_no_run_reaches_say_nothing_of_the_design(tmp_path, time, runs):
    """The inventory names their row; here they are no pauses, and no lengths."""
    root = tmp_path / "odd"
    for number in range(1, runs + 1):
        rows = "".join(f"{8 * n}\t{time}\t{'ab'[n // 4]}\n" for n in range(8))
        raw_run(root, "01", f"task-see_run-{number}", f"{EVENTS.partition(chr(10))[0]}\n{rows}")
    written = described(root, tmp_path / "out")
    assert "exchange: {unit: item}" in written.path.read_text()


def test_films_that_begin_at_an_unknown_time(tmp_path):
    root = tmp_path / "films"
    (root / "stimuli").mkdir(parents=True)
    (root / "stimuli/film.mp4").write_bytes(b"")
    rows = "n/a\t100\tfilm.mp4\n8\t100\tfilm.mp4\n"
    for number in (1, 2, 3):
        text = f"onset\tduration\tstim_file\n{rows}"
        raw_run(root, "01", f"task-see_run-{number}", text)
    assert "without_media_start" in described(root, tmp_path / "out").path.read_text()
