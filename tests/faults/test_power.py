"""Designs that can't be analysed are refused in one line that says what to correct."""

from pathlib import Path

import pytest
import yaml

from helpers.inference_settings import planning
from helpers.power_designs import block, write_events
from tristream.cli import main
from tristream.config.load import load_study
from tristream.errors import UserError
from tristream.power.design import read_design
from tristream.power.detection import Analysis


def refused(call, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        call()
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def rewrite(folder: Path, run: int, *rows: str) -> None:
    path = folder / f"sub-01_task-sounds_run-{run:02d}_events.tsv"
    path.write_text("\n".join(["onset\tduration\ttrial_type", *rows]) + "\n")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"test": ["*run-09"]}, ["power.x.test", "no run matches *run-09", "run-05"]),
        ({"test": ["*run-0[2345]"]}, ["power.x.test", "1 training runs"]),
        ({"volumes": 40}, ["power.x.volumes", "run-01", "an event lasts until", "40 volumes"]),
        ({"label": "genre"}, ["no column 'genre'", "power.x.label"]),
        ({"ignore": {"trial_type": ["drums", "flute", "harp", "organ"]}}, ["one label", "voice"]),
        ({"volumes": 10**12}, ["power.x", "run-01", "1000000000000 volumes", "`volumes`"]),
        ({"events": ["nowhere/*.tsv"]}, ["power.x.events", "no file matches 'nowhere/*.tsv'"]),
    ],
)
def test_a_design_that_does_not_fit(tmp_path, changes, words):
    settings = block(write_events(tmp_path)).model_dump() | changes
    refused(lambda: read_design("x", block(tmp_path, **settings)), *words)


def test_a_run_without_events(tmp_path):
    write_events(tmp_path)
    rewrite(tmp_path, 2)
    refused(lambda: read_design("x", block(tmp_path)), "run-02_events.tsv", "holds no event")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("30000\t20\tdrums", ["run-02: its events end at 30020 s", "last 8 hours"]),
        ("0\t1e9\tdrums", ["run-02_events.tsv: row 1: duration 1e+09 s is beyond"]),
    ],
)
def test_events_that_last_for_hours(tmp_path, row, words):
    write_events(tmp_path)
    rewrite(tmp_path, 2, row)
    refused(lambda: read_design("x", block(tmp_path)), *words)


def test_a_test_label_that_no_training_run_shows(tmp_path):
    write_events(tmp_path)
    rewrite(tmp_path, 5, "0\t20\tdrums", "30\t20\tviola")
    refused(lambda: read_design("x", block(tmp_path)), "no training run shows viola")


def test_brief_events_hold_no_volume(tmp_path):
    write_events(tmp_path, seconds=0.1)
    refused(lambda: read_design("x", block(tmp_path)), "volumes stand within events", "`duration`")


def test_two_files_of_one_run(tmp_path):
    write_events(tmp_path)
    first = tmp_path / "sub-01_task-sounds_run-01_events.tsv"
    (tmp_path / "sub-02_task-sounds_run-01_events.tsv").write_bytes(first.read_bytes())
    refused(lambda: read_design("x", block(tmp_path)), "a second task-sounds_run-01")


def test_too_few_blocks_to_permute(tmp_path):
    settings = block(write_events(tmp_path, blocks=5))
    design = read_design("x", settings)
    refused(lambda: Analysis(design, planning(settings)), "120 distinct rearrangements", "no p")


@pytest.mark.parametrize(
    ("power", "words"),
    [
        ({"test": ["a"], "tr": 2}, "power.x: give either `events`"),
        ({"events": "a", "aligned": "b", "test": ["a"]}, "power.x: give either `events`"),
        ({"events": "a", "test": ["a"]}, "power.x: tr:"),
        ({"events": "a", "tr": 2}, "power.x.test: Field required"),
        ({"events": "a", "test": "a", "tr": 2000}, "power.x.tr: Input should be less"),
        ({"events": "a", "test": "a", "tr": 1e-9}, "power.x.tr: Input should be greater"),
        ({"events": "a", "test": "a", "tr": 2, "shift": 1e300}, "power.x.shift: Input should"),
        ({"events": "a", "test": "a", "tr": 2, "effects": [1.2]}, "power.x.effects.0"),
        ({"events": "a", "test": "a", "tr": 2, "driven": 0.00001}, "power.x: driven:"),
        ({"aligned": "a", "test": "a", "exchange": {"unit": "item"}}, "power.x: exchange:"),
        ({"events": "a", "test": "a", "tr": 2, "effect": 1}, "power.x.effect: unknown key"),
    ],
)
def test_a_block_that_makes_no_sense(tmp_path, power, words):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"power": {"x": power}}))
    refused(lambda: load_study(path), f"{path}: {words}")


def test_a_name_that_is_not_there(tmp_path, capsys):
    path = tmp_path / "config.yaml"
    power = {"events": "a", "test": "a", "tr": 2}
    path.write_text(yaml.safe_dump({"power": {"film": power}}))
    args = ["power", "run", "--config", str(path), "--name", "flim", "--output", "x.h5"]
    assert main(args) == 2
    assert "power: there is no 'flim' in the study; it has film" in capsys.readouterr().err


def test_a_study_of_nothing(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("title: nothing\n")
    refused(lambda: load_study(path), "datasets: none is named", "`power`")
