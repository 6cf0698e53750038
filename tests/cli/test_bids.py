"""`tristream bids`: the command line of a BIDS App, on a small BIDS folder of two subjects."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import small_bids
from helpers.small_study import edit, environment, run_here
from tristream.cli import main
from tristream.config.load.questions import MARK
from tristream.decode.decoding_file import read_decoding

pytestmark = pytest.mark.xdist_group("bids_app")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset, and the study that a first call wrote, its questions open."""
    folder = tmp_path_factory.mktemp("bids")
    small_bids.write_faces(folder / "faces", ("01", "02"))
    assert main(["bids", str(folder / "faces"), str(folder / "out"), "participant"]) == 2
    return folder


@pytest.fixture
def answered(asked: Path, tmp_path: Path) -> Path:
    """The same in a folder of its own, with the guesses taken; of decoders alone, to be quick."""
    folder = tmp_path / "answered"
    shutil.copytree(asked, folder)
    for path in (folder / "out/workflow/datasets").glob("*.yaml"):
        text = path.read_text().replace(str(asked), str(folder))
        lines = text.splitlines(keepends=True)
        path.write_text("".join(line for line in lines if MARK.strip() not in line))
    edit(folder / "out/config.yaml", lambda study: [study.pop(k) for k in ("features", "models")])
    return folder


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A call of the App, in a process of its own as a container has it."""
    line = [sys.executable, "-m", "tristream", "bids", "faces", "out", *words]
    return subprocess.run(line, cwd=folder, env=environment(), capture_output=True, text=True)


def planned(folder: Path, *words: str) -> list[list[str]]:
    """Arguments of the jobs that a call would run."""
    done = call(folder, *words, "--snakemake", "--dry-run", "--printshellcmds")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = done.stdout + done.stderr
    found = re.findall(r"^Shell command: python -m tristream (.*) > \S+ 2>&1$", shown, re.M)
    return [shlex.split(line) for line in found]


def test_what_only_the_user_can_know_is_asked_and_nothing_runs(asked, capsys):
    out = asked / "out"
    assert (out / "Snakefile").is_file()
    for _ in range(2):
        capsys.readouterr()
        assert main(["bids", str(asked / "faces"), str(out), "group"]) == 2
        told = capsys.readouterr().err
        assert re.search(r"faces\.yaml: line \d+: is every run to be held out in turn\?", told)
    assert not (out / "results").exists()
    assert not (out / "dataset_description.json").exists()


def test_subjects_then_the_group_and_what_bids_asks_of_the_folder(answered):
    out = answered / "out"
    jobs = planned(answered, "participant", "--participant-label", "02")
    names = [" ".join(job[:2]) for job in jobs]
    assert any(name.startswith("decode") for name in names)
    assert not any("report" in name or "group" in name for name in names)
    outputs = " ".join(" ".join(job) for job in jobs)
    assert "sub-02" in outputs
    assert "sub-01" not in outputs
    run_here(out, jobs)
    done = call(answered, "participant", "--participant_label", "sub-02")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr
    assert read_decoding(out / "results/decode/faces/labels/sub-02.h5")[0].accuracy > 0.8
    described = json.loads((out / "dataset_description.json").read_text())
    assert described["DatasetType"] == "derivative"
    assert described["Simulated"] is True
    assert described["GeneratedBy"][0]["Name"] == "tristream"
    assert described["SourceDatasets"] == [{"URL": (answered / "faces").as_uri()}]
    assert json.loads((out / "pipeline_description.json").read_text())["Name"] == "tristream"
    validator = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent))
    checked = subprocess.run([validator, "--json", out], capture_output=True, text=True)
    issues = json.loads(checked.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    left = [" ".join(job[:2]) for job in planned(answered, "group")]
    assert {"report build"} <= set(left)
    assert any("group" in name for name in left)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["participant", "--participant-label", "07"], "07: not among the study's subjects"),
        (["group", "--participant-label", "01"], "the group is that of all subjects"),
    ],
)
def test_subjects_that_can_not_be_meant_are_refused(answered, words, told):
    done = call(answered, *words)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_of_another_study_and_one_in_the_dataset_are_refused(answered, capsys):
    other = answered / "others"
    small_bids.write_faces(other)
    assert main(["bids", str(other), str(answered / "out"), "group"]) == 2
    assert "holds a study of" in capsys.readouterr().err
    inside = str(other / "derivatives/tristream")
    assert main(["bids", str(other), inside, "group"]) == 2
    assert "lies in the dataset" in capsys.readouterr().err
    assert not (other / "derivatives/tristream").exists()
    assert main(["bids", str(answered / "none"), str(answered / "o"), "group"]) == 2
    assert "no such folder" in capsys.readouterr().err
