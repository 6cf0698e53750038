"""From an unknown dataset to results with answers alone; and what could not be written before.

Voxels follow a known course, so that the results are right only if events, files and times are.
"""

import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml
from PIL import Image

from helpers import REPOSITORY, disk_use
from helpers import small_bids as bids
from helpers.small_study import commands, environment, run_here
from tristream.align.samples import read_samples
from tristream.cli import main
from tristream.config.load.questions import MARK
from tristream.decode.decoding_file import read_decoding
from tristream.encode.encoding_file import read_encoding

pytestmark = pytest.mark.xdist_group("first_hour")
RUN_SECONDS = 90.0
DRIVEN = bids.DRIVEN * bids.SHAPE[1] * bids.SHAPE[2]
RATE = 8000
MOST_GB = 3.0
# Descriptors of the same pictures: labels of the table, labels of a column.
PICTURES = ["table_labels", "column_labels"]


def answer(path: Path) -> None:
    """Take every guess: delete the questions, and nothing else."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if MARK.strip() not in line))


def follow(
    folder: Path, page: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """The commands of a tutorial but `run`, answers in between; the study's folder.

    What `describe` prints is what the page shows; jobs ask for what small data need.
    """
    text = (REPOSITORY / f"docs/tutorials/{page}.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```console\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(folder)
    seconds = []
    for line in re.findall(r"^\$ (.*)$", "".join(shown), flags=re.MULTILINE):
        _, *words = shlex.split(line)
        if line.startswith("cd "):
            folder = folder / words[0]
            monkeypatch.chdir(folder)
        elif words != ["run"]:
            capsys.readouterr()
            begun = time.monotonic()
            assert main(words) == 0
            seconds.append(time.monotonic() - begun)
            printed = capsys.readouterr().out
        if words[0] == "describe":
            for one in printed.splitlines():
                assert numberless(one) in numberless(text)
            answer(folder / f"{words[1]}.yaml")
        if words == ["plan"]:
            asked = re.findall(r"(\d+\.\d) GB +\d+$", printed, re.MULTILINE)
            # Sizes are those of the headers, not those of a brain.
            assert 0 < max(map(float, asked)) <= MOST_GB
    assert line == "tristream run"
    with capsys.disabled():
        print(
            f"\n{page}: {len(seconds)} commands of a newcomer, median {np.median(seconds):.1f} s, "
            f"longest {max(seconds):.1f} s"
        )
    return folder


def numberless(text: str) -> str:
    """The same without the lines of a descriptor, which vary with its source."""
    return re.sub(r"line \d+", "line", text)


def first_hour(
    folder: Path, page: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """All commands of a tutorial, and the jobs of its study; the study's folder."""
    study = follow(folder, page, monkeypatch, capsys)
    judged = disk_use.judged(study)
    call = [sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run", "--printshellcmds"]
    done = subprocess.run(call, cwd=study, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = re.findall(
        r"^Shell command: python -m tristream (.*) > \S+ 2>&1$", done.stdout + done.stderr, re.M
    )
    run_here(study, [shlex.split(line) for line in lines])
    assert (study / "results/report/index.html").is_file()
    assert disk_use.holds(judged, disk_use.used(study))
    return study


def write_films(root: Path) -> list[str]:
    """A dataset of three runs without events, each of a film of its own; the films."""
    bids.write_dataset(root, "No events")
    names = ["one", "two", "three"]
    for number, name in enumerate(names):
        level = bids.levels(RUN_SECONDS, 10 + number)
        bids.write_film(root / f"stimuli/task-{name}.mp4", level)
        bids.write_run(root, f"task-{name}", bids.film_course(level, RUN_SECONDS, 0, 0), None)
    return names


def test_a_folder_of_films_without_events(tmp_path, monkeypatch, capsys):
    write_films(tmp_path / "films")
    study = follow(tmp_path, "film", monkeypatch, capsys)
    text = (study / "workflow/datasets/films.yaml").read_text()
    assert "{runs: task-one, stimulus: task_one, onset: 0, media_start: 0}" in text
    # The films are silent.
    assert "acoustics" not in (study / "config.yaml").read_text()


def test_a_folder_of_labels(tmp_path, monkeypatch, capsys):
    root = tmp_path / "faces"
    bids.write_faces(root)
    study = first_hour(tmp_path, "images", monkeypatch, capsys)
    found = read_decoding(study / "results/decode/faces/labels/sub-01.h5")[0]
    assert sorted(found.classes) == ["face", "house"]
    assert found.accuracy > 0.8
    r = read_encoding(study / "results/encode/faces/first/sub-01.h5")[0].scores.r
    assert np.median(r[:DRIVEN]) > 0.5
    assert abs(np.median(r[DRIVEN:])) < 0.15


def test_a_datalad_dataset_that_ships_its_sounds(tmp_path, program, monkeypatch, capsys):
    root = tmp_path / "stories"
    program(tmp_path, "datalad", "-l", "critical", "create", "-c", "text2git", root.name)
    bids.write_dataset(root, "Stories")
    (root / "stimuli").mkdir()
    for number in range(1, 5):
        level = bids.levels(RUN_SECONDS, number)
        loud = np.repeat(0.02 + level, round(bids.LEVEL_SECONDS * RATE))
        sound = loud * np.random.default_rng(number).standard_normal(len(loud)) / 8
        soundfile.write(root / f"stimuli/story-{number}.wav", sound, RATE)
        row = {"onset": 0, "duration": RUN_SECONDS, "stim_file": f"story-{number}.wav"}
        course = bids.film_course(np.log(0.02 + level), RUN_SECONDS, 0, 0)
        bids.write_run(root, f"task-story_run-{number}", course, [row])
    program(root, "datalad", "-l", "critical", "save", "-m", "Make the dataset")
    study = first_hour(tmp_path, "music", monkeypatch, capsys)
    text = (study / "workflow/datasets/stories.yaml").read_text()
    assert "source: {kind: dataset}" in text
    receipt = json.loads((study / "results/fetch/stories/stimuli/receipt.json").read_text())
    assert {file["path"] for file in receipt["files"]} == {
        f"stimuli/story-{number}.wav" for number in range(1, 5)
    }
    assert all(file["annexed"] for file in receipt["files"])
    r = read_encoding(study / "results/encode/stories/first/sub-01.h5")[0].scores.r
    assert np.median(r[:DRIVEN]) > 0.3
    assert abs(np.median(r[DRIVEN:])) < 0.15


FILM_SECONDS = 240.0
# Where in the film each run enters it, and when in the run that is.
ENTRIES = {
    "task-film_run-1": (3.0, 0.0),
    "task-film_run-2": (0.0, 72.0),
    "task-film_run-3": (6, 153),
}


def shown(stimulus: str, late: float = 0.0) -> list[dict[str, Any]]:
    return [
        {
            "runs": run,
            "stimulus": stimulus,
            "onset": onset,
            "media_start": start + late,
            "duration": RUN_SECONDS - onset - 6,
        }
        for run, (onset, start) in ENTRIES.items()
    ]


def film_row(name: str) -> dict[str, str]:
    return {"stimulus": name, "kind": "film", "path": f"stimuli/{name}.mp4"}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of small datasets, each of which needs words of its own; fitted."""
    folder = tmp_path_factory.mktemp("rows")
    _offsets(folder)
    _no_events(folder)
    _one_run(folder)
    _test_trials(folder)
    _labels_of_pictures(folder)
    films = ["offsets", "wrong", "no_events", "one_run"]
    study = {
        "datasets": {
            **{name: {} for name in films},
            "test_trials": {"subjects": ["01"]},
            **{n: {} for n in PICTURES},
        },
        "features": {
            "luminance": {"stream": "nuisance", "extractor": "lowlevel", "options": {"fps": 4}},
            "conditions": {"stream": "label", "extractor": "labels"},
        },
        "models": {
            "film": {"datasets": films, "bands": {"light": ["luminance"]}},
            "label": {"datasets": ["test_trials"], "bands": {"labels": ["conditions"]}},
        },
        "decoders": {
            "shown": {
                "datasets": PICTURES,
                "kind": "ridge",
                "samples": "volumes",
                "permutations": 0,
            }
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({**study, "inference": {"regions": False}}))
    targets = [f"results/encode/{name}/film/sub-01.h5" for name in films]
    targets += [f"results/decode/{name}/shown/sub-01.h5" for name in PICTURES]
    run_here(folder, commands(folder, *targets, "results/encode/test_trials/label/sub-01.h5"))
    return folder


def _offsets(folder: Path) -> None:
    """(a) A film that the events do not name, entered at another second in each run."""
    root, level = folder / "bids_offsets", bids.levels(FILM_SECONDS)
    bids.write_dataset(root, "Offsets")
    bids.write_film(root / "stimuli/film.mp4", level)
    for run, (onset, start) in ENTRIES.items():
        course = bids.film_course(level, RUN_SECONDS, onset, start)
        bids.write_run(root, run, course, [{"onset": 0, "duration": 9, "trial_type": "button"}])
    table = {"source": {"kind": "dataset"}, "table": [film_row("film")]}
    for name, late in (("offsets", 0.0), ("wrong", -21.0)):
        events = {
            "shown": [
                {**one, "media_start": max(one["media_start"], 0)} for one in shown("film", late)
            ]
        }
        bids.write_descriptor(folder, name, root, stimuli=table, events=events, runs=list(ENTRIES))


def _no_events(folder: Path) -> None:
    """(c) No events files: each run shows a film of its own, whole."""
    root = folder / "bids_no_events"
    names = write_films(root)
    events = {"shown": [{"runs": f"task-{name}", "stimulus": name} for name in names]}
    table = {
        "source": {"kind": "dataset"},
        "table": [{**film_row(name), "path": f"stimuli/task-{name}.mp4"} for name in names],
    }
    runs = [f"task-{name}" for name in names]
    bids.write_descriptor(folder, "no_events", root, stimuli=table, events=events, runs=runs)


def _one_run(folder: Path) -> None:
    """(g) One run, cut in time."""
    root, level = folder / "bids_one_run", bids.levels(FILM_SECONDS, 20)
    bids.write_dataset(root, "One run")
    bids.write_film(root / "stimuli/film.mp4", level)
    bids.write_run(root, "task-film", bids.film_course(level, FILM_SECONDS, 0, 0), None)
    bids.write_descriptor(
        folder,
        "one_run",
        root,
        stimuli={"source": {"kind": "dataset"}, "table": [film_row("film")]},
        events={"shown": [{"runs": "*", "stimulus": "film"}]},
        runs=["task-film"],
        parts={"times": [66.0, 144.0], "gap": 21.0},
        split={"scheme": "holdout", "test": ["*_part-3"]},
    )


def _test_trials(folder: Path) -> None:
    """(f) Test trials in every run, among the others; (e) the runs that exist, in a table."""
    root, rng = folder / "bids_test_trials", np.random.default_rng(3)
    bids.write_dataset(root, "Test trials")
    runs = [f"task-see_run-{n}" for n in (1, 2, 3)]
    for run in runs:
        events = [
            {
                "onset": 3 + 9 * n,
                "duration": 6,
                "trial_type": rng.choice(["a", "b", "c"]),
                "kind": "test" if n % 5 == 2 else "exp",
            }
            for n in range(15)
        ]
        course = bids.shown_course(events, ["a", "b", "c"], 150)
        bids.write_run(root, run, course, events)
    bids.write_descriptor(
        folder,
        "test_trials",
        root,
        subjects=["{01..02}"],
        timelines={"seen": ["{01..02}"]},
        runs="test_trials_runs.tsv",
        parts={"items": {"kind": ["test"]}, "gap": 0.0},
        split={"scheme": "holdout", "test": ["*_part-test"]},
        exchange={"unit": "item"},
    )
    table = "subject\truns\n01\ttask-see_run-{1..3}\n02\ttask-see_run-7\n"
    (folder / "workflow/datasets/test_trials_runs.tsv").write_text(table)


def _labels_of_pictures(folder: Path) -> None:
    """(k) Pictures with dashes in their names; what they show stands in a table, not in the events.

    The first descriptor takes it from there, the second says that another column has it.
    """
    root, rng = folder / "bids_pictures", np.random.default_rng(5)
    bids.write_dataset(root, "Pictures")
    kinds = ["yo-yo", "cut-out"]
    names = [f"{kind}/{kind}_{n:02}s.jpg" for kind in kinds for n in range(1, 7)]
    for name in names:
        path = root / "stimuli" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(path)
    runs = [f"task-see_run-{n}" for n in (1, 2, 3)]
    for run in runs:
        shown = [
            {"onset": 3 + 9 * n, "duration": 6, "trial_type": name.split("/")[0], "file": name}
            for n, name in enumerate(rng.permutation(names).tolist())
        ]
        events = [{**one, "trial_type": rng.choice(["exp", "more"])} for one in shown]
        bids.write_run(root, run, bids.shown_course(shown, kinds, 120), events)
    table = [
        {
            "stimulus": Path(name).stem.replace("-", "_"),
            "kind": "image",
            "path": f"stimuli/{name}",
            "match": name,
            "label": name.split("/")[0],
        }
        for name in names
    ]
    stimuli = {"source": {"kind": "dataset"}, "table": table}
    for dataset, column in zip(PICTURES, ({}, {"label": "trial_type"}), strict=True):
        bids.write_descriptor(
            folder,
            dataset,
            root,
            runs=runs,
            stimuli=stimuli,
            events={"stimulus": "{file}", **column},
            exchange={"unit": "block"},
        )


def scores(rows: Path, dataset: str, model: str = "film") -> tuple[float, float]:
    """Median test r of the driven voxels, and of the others."""
    r = read_encoding(rows / f"results/encode/{dataset}/{model}/sub-01.h5")[0].scores.r
    return float(np.median(r[:DRIVEN])), float(np.median(r[DRIVEN:]))


def test_what_pictures_show_is_what_the_table_says(rows):
    """Not a column of the events that nobody named, of which the voxels know nothing."""
    told, column = (
        read_decoding(rows / f"results/decode/{name}/shown/sub-01.h5")[0] for name in PICTURES
    )
    assert sorted(told.classes) == ["cut-out", "yo-yo"]
    assert told.accuracy > 0.8
    assert sorted(column.classes) == ["exp", "more"]
    assert column.accuracy < 0.65
    samples, _ = read_samples(rows / "results/align/table_labels/sub-01_samples.tsv")
    assert "yo_yo_01s" in set(samples["item"])


@pytest.mark.parametrize("dataset", ["offsets", "no_events", "one_run"])
def test_films_that_events_do_not_name(rows, dataset):
    driven, others = scores(rows, dataset)
    assert driven > 0.5
    assert abs(others) < 0.2


def test_a_wrong_second_of_the_film_is_seen_in_the_result(rows):
    assert scores(rows, "wrong")[0] < scores(rows, "offsets")[0] - 0.3


def test_parts_of_one_run_keep_their_gap(rows):
    table, provenance = read_samples(rows / "results/align/one_run/sub-01_samples.tsv")
    kept = table[table["keep"]]
    train, test = kept[kept["split"] == "train"], kept[kept["split"] == "test"]
    assert set(train["run"]) == {"task-film_part-1", "task-film_part-2"}
    assert test["time"].min() - train["time"].max() >= 21.0
    second = train[train["run"] == "task-film_part-2"]["time"]
    assert second.min() >= 87.0
    assert second.max() < 144.0
    assert "cut in time at 66, 144 s" in " ".join(provenance.methods)


def test_test_trials_of_every_run_are_held_out(rows):
    table, provenance = read_samples(rows / "results/align/test_trials/sub-01_samples.tsv")
    kept = table[table["keep"]]
    test = kept[kept["split"] == "test"]
    assert len(set(test["run"])) == 3
    assert {np.floor((time - 3) / 9) % 5 for time in test["time"]} == {2.0}
    train = kept[kept["split"] == "train"]
    assert not {np.floor((time - 3) / 9) % 5 for time in train["time"]} & {2.0}
    assert "in the same runs as training trials" in " ".join(provenance.methods)
    driven, others = scores(rows, "test_trials", "label")
    assert driven > 0.4
    assert abs(others) < 0.2
