"""`tristream init`: a folder in which plan, run and plain snakemake work, from a wheel, too."""

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from helpers import REPOSITORY
from helpers.built_package import Built
from helpers.small_study import environment
from tristream.cli import main
from tristream.config.load import load
from tristream.describe.study_folder import make_study
from tristream.errors import UserError

SHIPPED = sorted(path.stem for path in (REPOSITORY / "workflow/datasets").glob("*.yaml"))


@pytest.fixture(scope="module")
def wheel(package: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked, as it is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(package.wheel) as archive:
        archive.extractall(folder)
    return folder


def test_an_installed_package_runs_in_an_empty_folder(wheel, tmp_path):
    """No file of the clone is read: package and workflow are those of the wheel."""
    env = {**environment(), "PYTHONPATH": str(wheel)}
    begun = time.monotonic()
    for call in (
        ["tristream", "init", "study"],
        ["tristream", "plan"],
        ["snakemake", "--cores", "1", "--dry-run"],
    ):
        folder = tmp_path if "init" in call else tmp_path / "study"
        done = subprocess.run(
            [sys.executable, "-m", *call], cwd=folder, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "decode" in done.stdout + done.stderr
    print(f"init, plan and a dry run: {time.monotonic() - begun:.0f} s")
    code = "import tristream.workflow_home as home; print(home.WORKFLOW)"
    said = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True
    )
    assert said.stdout.startswith(str(wheel))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_descriptor_gives_a_study_that_can_be_read(name, tmp_path):
    asked = make_study(tmp_path, name)
    text = (tmp_path / "config.yaml").read_text()
    assert len(asked) == text.count("# QUESTION")
    if asked:
        with pytest.raises(UserError, match="where are the stimuli"):
            load(tmp_path / "config.yaml")
        (tmp_path / "stimuli").mkdir()
        lines = [line for line in text.splitlines() if "# QUESTION" not in line]
        text = "\n".join(lines).replace("/where/they/are", str(tmp_path / "stimuli"))
        (tmp_path / "config.yaml").write_text(text)
    resolved = load(tmp_path / "config.yaml")
    assert list(resolved.datasets) == [name]
    kinds = {row.kind for row in resolved.datasets[name].stimuli.table}
    streams = {space.stream for space in resolved.study.features.values()}
    wanted = {"film": "dorsal", "sound": "auditory", "image": "ventral"}
    assert {wanted[kind] for kind in kinds} <= streams
    assert bool(resolved.study.decoders) == (resolved.datasets[name].exchange.unit != "time") or (
        name == "localizer"
    )


def test_the_demo_is_that_of_the_repository(tmp_path, capsys):
    assert main(["init", str(tmp_path / "demo"), "--demo"]) == 0
    assert "Snakefile, config.yaml and .gitignore were written" in capsys.readouterr().out
    text = (tmp_path / "demo/config.yaml").read_text()
    assert text == (REPOSITORY / "config.yaml").read_text()
    assert {"haxby2001_slice", "bunny"} <= set(load(tmp_path / "demo/config.yaml").datasets)
    assert main(["init", str(tmp_path / "demo"), "--demo"]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("of", [[], ["--demo"]])
def test_nothing_is_overwritten(tmp_path, capsys, of):
    (tmp_path / "config.yaml").write_text("mine")
    assert main(["init", str(tmp_path), *of]) == 2
    assert "config.yaml: is there already" in capsys.readouterr().err
    assert (tmp_path / "config.yaml").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["config.yaml"]


def test_an_unknown_dataset_is_told_with_those_that_ship(tmp_path, capsys):
    assert main(["init", str(tmp_path / "new"), "--dataset", "ds999999"]) == 2
    said = capsys.readouterr().err
    assert "ds000105" in said
    assert "tristream describe" in said
    assert not (tmp_path / "new").exists()
