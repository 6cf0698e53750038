"""The configuration: what is right loads, what is wrong is one readable line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers import REPOSITORY
from tristream.config.base import expand
from tristream.config.load import descriptor as read_descriptor
from tristream.config.load import load
from tristream.config.reference import ROOTS, markdown, schema
from tristream.config.runs import Split
from tristream.config.settings.report import ReportSettings
from tristream.errors import UserError

REPO = REPOSITORY


def write(folder: Path, change=None, descriptor=None) -> Path:
    """The demo study of both subjects in `folder`, changed, and its descriptor of bunny."""
    study = yaml.safe_load((REPO / "config.yaml").read_text())
    study["datasets"]["bunny"]["subjects"] = "all"
    if change:
        change(study)
    (folder / "workflow/datasets").mkdir(parents=True)
    for name in ("bunny", "haxby2001_slice"):
        content = yaml.safe_load((REPO / f"workflow/datasets/{name}.yaml").read_text())
        if descriptor and name == "bunny":
            descriptor(content)
        (folder / f"workflow/datasets/{name}.yaml").write_text(yaml.safe_dump(content))
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


def test_the_demo_study_loads():
    resolved = load(REPO / "config.yaml")
    assert set(resolved.datasets) == {"haxby2001_slice", "bunny"}
    assert resolved.subjects["bunny"] == ["01"]
    assert len(resolved.datasets["haxby2001_slice"].runs) == 12


def test_the_study_that_the_report_is_given_is_the_same(tmp_path):
    resolved = load(write(tmp_path))
    given = ReportSettings.of(resolved).write(tmp_path)
    assert ReportSettings.read(given).resolved() == resolved


def test_datasets_may_be_a_list_and_subjects_a_table(tmp_path):
    path = write(tmp_path, lambda s: s.update(datasets=["bunny", "haxby2001_slice"]))
    assert load(path).subjects["bunny"] == ["01", "02"]
    (tmp_path / "some.tsv").write_text("participant_id\tage\r\nsub-02\t30\r\n")
    other = tmp_path / "other"
    other.mkdir()
    (other / "some.tsv").write_text("participant_id\tage\r\nsub-02\t30\r\n")
    path = write(other, lambda s: s["datasets"].update(bunny={"subjects": "some.tsv"}))
    assert load(path).subjects["bunny"] == ["02"]


def test_a_study_may_take_some_of_the_runs(tmp_path):
    every = load(REPO / "config.yaml").datasets["bunny"].runs
    kept = ["task-training_run-02", "task-test_*"]
    path = write(tmp_path, lambda s: s["datasets"]["bunny"].update(runs=kept))
    taken = load(path).datasets["bunny"].runs
    assert taken == ["task-training_run-02", *(run for run in every if "test" in run)]
    assert taken != every


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.update(colour=1), ["colour", "unknown key"]),
        (lambda s: s["models"]["streams"].update(alpha=1), ["models.streams.alpha", "unknown key"]),
        (lambda s: s["datasets"].update(nowhere={}), ["datasets.nowhere", "no descriptor"]),
        (lambda s: s["datasets"]["bunny"].update(subjects=["09"]), ["bunny.subjects", "09"]),
        (lambda s: s["datasets"]["bunny"].update(subjects="x.tsv"), ["bunny.subjects", "x.tsv"]),
        (lambda s: s["datasets"]["bunny"].update(runs=["task-x*"]), ["bunny.runs", "task-x*"]),
        (lambda s: s["datasets"]["bunny"].update(runs=["*test*"]), ["every run is a test run"]),
        (
            lambda s: s["datasets"]["haxby2001_slice"].update(runs=["*"]),
            ["haxby2001_slice.runs", "one image"],
        ),
        (lambda s: s.update(leakage="ignore"), ["leakage", "warn"]),
        (lambda s: s["models"]["streams"]["bands"].update(x=["gone"]), ["bands.x", "gone"]),
        (lambda s: s["decoders"]["svm_blocks"].update(kind="forest"), ["svm_blocks.kind", "ridge"]),
        (
            lambda s: s["decoders"]["svm_blocks"].update(across_subjects=True),
            ["decoders.svm_blocks.across_subjects", "haxby2001_slice has one chosen subject"],
        ),
        (lambda s: s["models"]["streams"].update(delays=[]), ["streams.delays"]),
        (lambda s: s["inference"].update(fdr=2), ["inference.fdr"]),
        (
            lambda s: s["models"]["streams"].update(delays=[2, 3]),
            ["streams.delays", "`[2 TR, 3 TR]`"],
        ),
        (lambda s: s.update(results="my {results}"), ["results", "braces"]),
        (lambda s: s.update(data="-data"), ["data", "hyphen"]),
    ],
)
def test_a_mistake_in_the_study_is_one_line(tmp_path, change, words):
    with pytest.raises(UserError) as error:
        load(write(tmp_path, change))
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"{tmp_path / 'config.yaml'}: ")
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["split"].update(test=["task-none_*"]), ["split.test", "no run matches"]),
        (lambda d: d["split"].update(test=["task-*"]), ["split.test", "nothing is left"]),
        (lambda d: d["split"].update(scheme="leave-one-run-out"), ["split"]),
        (lambda d: d["exchange"].update(seconds=5), ["exchange.seconds", "20"]),
        (lambda d: d.update(id="hare"), ["id", "hare"]),
        (lambda d: d.update(subjects=["../x"]), ["subjects", "BIDS label"]),
        (lambda d: d["source"].update(kind="ftp"), ["source", "ftp"]),
        (lambda d: d["stimuli"].update(source=None), ["stimuli", "say in `get`"]),
        (lambda d: d.update(timelines={"a": ["01"]}), ["timelines"]),
    ],
)
def test_a_mistake_in_a_descriptor_is_one_line(tmp_path, change, words):
    with pytest.raises(UserError) as error:
        load(write(tmp_path, descriptor=change))
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"{tmp_path / 'workflow/datasets/bunny.yaml'}: ")
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not one column participant_id"),
        (b"\n\n", "not one column participant_id"),
        (b"age\tparticipant_id\n30\tsub-01\n31\n", "row 2 has no participant_id"),
        (b"participant_id\tparticipant_id\nsub-01\tsub-02\n", "not one column"),
        (b"participant_id\tname\nsub-01\tJos\xe9\n", "Windows-1252"),
    ],
)
def test_a_table_of_participants_that_is_empty_or_odd(tmp_path, content, words):
    (tmp_path / "participants.tsv").write_bytes(content)
    path = write(tmp_path, lambda s: s["datasets"]["bunny"].update(subjects="participants.tsv"))
    with pytest.raises(UserError, match=words) as error:
        load(path)
    assert "participants.tsv" in str(error.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"stimulus\tkind\tpath\nfilm\tfilm\tAm\xe9lie.mp4\n", "is not UTF-8 text"),
        (b"stimulus\tkind\tpath\tpath\nfilm\tfilm\ta\tb\n", "has two columns 'path'"),
        (b"stimulus\tkind\tpath\nfilm\tfilm\n", "row 1: 2 cells under 3 column names"),
        (b"", "source without table"),
    ],
)
def test_a_table_of_stimuli_that_is_empty_or_odd(tmp_path, content, words):
    (tmp_path / "films.tsv").write_bytes(content)
    text = yaml.safe_load((REPO / "workflow/datasets/bunny.yaml").read_text())
    text["stimuli"] |= {"table": "films.tsv"}
    (tmp_path / "bunny.yaml").write_text(yaml.safe_dump(text))
    with pytest.raises(UserError, match=words) as error:
        read_descriptor("bunny", [tmp_path], tmp_path / "config.yaml")
    assert "\n" not in str(error.value)


def test_a_study_in_another_encoding(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes("title: Amélie".encode("latin-1"))
    with pytest.raises(UserError, match=r"config\.yaml: is not UTF-8 text"):
        load(path)


def test_what_reads_no_more_of_the_output_is_no_error():
    """As `tristream plan | head -1`."""
    code = (
        "import argparse, sys, tristream.cli as cli\n"
        "top = argparse.ArgumentParser()\n"
        "top.set_defaults(run=lambda args: [print('line', n) for n in range(99999)] and None)\n"
        "cli.parser = lambda stages: top\n"
        "sys.exit(cli.main([]))"
    )
    done = subprocess.run(
        f"{sys.executable} -c \"$CODE\" | head -1; exit ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True, check=False,
        env={**os.environ, "CODE": code},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "line 0\n", "")


def test_broken_yaml_names_the_file(tmp_path):
    (tmp_path / "config.yaml").write_text("datasets: [")
    with pytest.raises(UserError, match=r"config\.yaml: not valid YAML"):
        load(tmp_path / "config.yaml")
    with pytest.raises(UserError, match="no such file"):
        load(tmp_path / "none.yaml")


def test_braces_expand_and_keep_zeros():
    assert expand(["run-{09..11}", "x"]) == ["run-09", "run-10", "run-11", "x"]
    assert len(expand(["ses-{1..3}_run-{1..4}"])) == 12
    split = Split.model_validate({"scheme": "holdout", "test": ["run-{3..4}"]})
    assert [split.is_test(f"run-{k}") for k in range(1, 6)] == [False, False, True, True, False]


def test_the_written_reference_is_up_to_date():
    assert (REPO / "docs/config.md").read_text() == markdown(), "run: tristream config reference"
    for root in ROOTS:
        assert (REPO / f"workflow/schemas/{root}.schema.json").read_text() == schema(root)
