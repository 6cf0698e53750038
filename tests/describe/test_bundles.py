"""`tristream describe` on whole OpenNeuro repositories, against the descriptors that ship.

They are had as git bundles (TRISTREAM_OPENNEURO_BUNDLES); without them these tests are not there.
Their outputs of fMRIPrep are datasets elsewhere, which can't be reached here: that is left open.
"""

import os
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from helpers import REPOSITORY
from helpers.event_tables import timelines_of
from tristream.config.dataset import Dataset
from tristream.config.load import descriptor
from tristream.config.load.questions import MARK
from tristream.describe.descriptor_file import Written, describe
from tristream.describe.study_folder import make_study
from tristream.errors import UserError
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.stimuli.timelines import Timeline

BUNDLES = os.environ.get("TRISTREAM_OPENNEURO_BUNDLES")
SHIPPED = REPOSITORY / "workflow/datasets"
KNOWN = ["ds000105", "ds001246", "ds003717", "ds003720"]
# Seconds that looking at a dataset may take; 3 to 8 when measured.
LONGEST = 60.0


def described(name: str, folder: Path) -> tuple[Dataset, Written]:
    """The descriptor that is written of a bundle, and its questions."""
    bare = folder / f"{name}.git"
    bundle = Path(str(BUNDLES)) / f"{name}.bundle"
    subprocess.run(["git", "clone", "-q", "--bare", bundle, bare], check=True)
    begun = time.monotonic()
    written = describe(str(bare), folder / "out", data=folder / "data")
    seconds = time.monotonic() - begun
    print(f"{name}: described in {seconds:.1f} s, {len(written.questions)} questions")
    assert seconds < LONGEST
    return descriptor(name, [folder / "out"], written.path, questions=False), written


def ships_as(found: Dataset, name: str) -> Dataset:
    """The descriptor that ships, which agrees with what is found."""
    ships = descriptor(name, [SHIPPED], SHIPPED)
    for key in ("tr", "subjects", "timelines", "parts", "split", "exchange"):
        assert getattr(found, key) == getattr(ships, key), key
    assert found.events.stimulus == ships.events.stimulus
    rows, known = (
        {(row.stimulus, row.kind, row.path, row.match or row.path, row.label) for row in d}
        for d in (found.stimuli.table, ships.stimuli.table)
    )
    assert rows == known
    return ships


def read_as(ships: Dataset, subject: str, folder: Path) -> Timeline:
    """The real events of a subject, as the descriptor has them read."""
    root = folder / "data/datasets" / ships.id
    files = (str(path.relative_to(root)) for path in sorted(root.rglob("*_events.tsv")))
    listed = tuple(FetchedFile(file, 0) for file in files)
    listing = Receipt(ships.id, None, {}, "", root, ships.id, "", listed, False)
    (timeline,) = timelines_of(ships, [subject], listing).values()
    return timeline


def answered(written: Written) -> None:
    """Take the guesses: delete the questions."""
    lines = written.path.read_text().splitlines(keepends=True)
    written.path.write_text("".join(line for line in lines if MARK.strip() not in line))


if BUNDLES:

    @pytest.mark.parametrize("name", KNOWN)
    def test_what_is_found_is_what_ships(name, tmp_path):
        found, written = described(name, tmp_path)
        ships = descriptor(name, [SHIPPED], SHIPPED)
        assert found.tr == ships.tr
        assert found.subjects == ships.subjects
        for subject in ships.subjects:
            assert set(found.runs_of(subject)) == set(ships.runs_of(subject))
        assert found.timelines == ships.timelines
        assert found.exchange.unit == ships.exchange.unit
        assert found.split.scheme == ships.split.scheme
        assert set(found.split.test) == set(ships.split.test)
        assert found.events.label_column == ships.events.label_column
        for key in ("ignore", "modelled", "one_back", "carry_over"):
            assert getattr(found.events, key) == getattr(ships.events, key), key
        text = " ".join(written.questions)
        assert "held out" in text or "hold out" in text
        # What the events alone can't tell is asked.
        if ships.events.duration:
            assert "`duration:`" in text
        if ships.stimuli.table:
            assert "of which no file is here" in text
        if name == "ds003720":
            assert found.events.media_start == ["start"]
        if ships.layout.kind == "spm":
            assert (found.layout.bold, found.layout.rois) == (ships.layout.bold, ships.layout.rois)
            masks = {mask for union in ships.layout.regions.values() for mask in union}
            assert {m for union in found.layout.regions.values() for m in union} == masks
            assert "preprocessed" in text
        else:
            assert found.layout.kind == "raw"
            assert "--derivatives" in written.path.read_text()

    def test_stories_that_the_dataset_ships(tmp_path):
        """ds002345: 345 subjects with one to eight of some 40 runs, in a table of a row each."""
        found, written = described("ds002345", tmp_path)
        assert len(found.subjects) == 345
        assert (
            sum(len(found.runs_of(subject)) for subject in found.subjects) == 2 * 873
        )  # in two parts
        assert "missing:" not in written.path.read_text()
        assert found.stimuli.source is not None
        assert found.stimuli.source.kind == "dataset"
        assert {row.kind for row in found.stimuli.table} == {"sound"}
        assert "stimuli/pieman_audio.wav" in {row.path for row in found.stimuli.table}
        assert len(found.stimuli.table) == 28
        text = " ".join(written.questions)
        assert "did the file begin with its `first` event, with the `run`" in text
        assert "1.52 s in sub-115" in text
        ships = ships_as(found, "ds002345")
        gone = {s: set(found.runs_of(s)) - set(ships.runs_of(s)) for s in found.subjects}
        assert {s: runs for s, runs in gone.items() if runs} == {
            "115": {"task-milkyway_part-1", "task-milkyway_part-2"}
        }
        assert found.events.without_media_start == ships.events.without_media_start
        # Music of 22 s, 3 s of silence, and the story, in one file that began 4.5 s late.
        heard = read_as(ships, "016", tmp_path)["task-notthefallintact_part-1"]
        assert [(event.onset, event.media_start, event.keep) for event in heard] == [
            (4.5, 0.0, False),
            (29.5, 25.0, True),
        ]
        (rest,) = read_as(ships, "016", tmp_path)["task-notthefallintact_part-2"]
        assert (rest.onset, rest.media_start, rest.end) == (329.0, 324.5, 576.5)

    def test_images_of_which_test_ones_are_in_every_run(tmp_path):
        """ds004192: ``file_path`` names the picture, ``trial_type`` the kind of trial."""
        found, written = described("ds004192", tmp_path)
        assert found.subjects == ["01", "02", "03"]
        assert {run.split("_")[1] for run in found.runs} == {"task-things"}
        assert len(found.runs_of("01")) == 2 * 120  # each in two parts
        assert found.events.stimulus == "{file_path}"
        assert found.events.modelled == {"trial_type": ["catch"]}
        assert found.parts is not None
        assert found.parts.items == {"trial_type": ["test"]}
        assert found.split.test == ["*_part-test"]
        by_path = {row.path: row for row in found.stimuli.table}
        assert by_path["cork/cork_02s.jpg"].label == "cork"
        assert by_path["yo-yo/yo-yo_11s.jpg"].stimulus == "yo_yo_11s"
        assert len(by_path) == 8640 + 100 + 100
        assert "8840 of 8840 stimuli are not in the dataset" in " ".join(written.questions)
        ships = ships_as(found, "ds004192")
        assert all(found.runs_of(s) == ships.runs_of(s) for s in found.subjects)
        assert found.events == ships.events
        seen = read_as(ships, "01", tmp_path)
        for part, times, images in (("train", 1, 5470), ("test", 12, 100)):
            runs = [own for run, own in seen.items() if run.endswith(part)]
            shown = Counter(event.item for run in runs for event in run if event.keep)
            assert Counter(shown.values()) == {times: images}

    def test_a_study_refuses_open_questions_and_takes_answers(tmp_path):
        _, written = described("ds000105", tmp_path)
        with pytest.raises(UserError, match="line 30: is every run to be held out"):
            descriptor("ds000105", [written.path.parent], written.path)
        study = tmp_path / "study"
        assert len(make_study(study, str(written.path))) == 1
        answered(written)
        assert descriptor("ds000105", [written.path.parent], written.path).tr == 2.5
