"""A study of raw images plans their registration, and names what it lacks."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

import raw_head as world
from small_study import REPO, environment, planned


def write(folder: Path) -> None:
    (folder / "workflow/datasets").mkdir(parents=True)
    (folder / "workflow/datasets/head.yaml").write_text(yaml.safe_dump(world.descriptor()))
    (folder / "config.yaml").write_text(yaml.safe_dump({"datasets": ["head"]}))


def test_registration_is_once_a_subject_and_once_a_run(tmp_path: Path) -> None:
    write(tmp_path)
    jobs = planned(tmp_path, "results/bold/head/sub-01/index.json")
    runs = len(world.RUNS)
    assert jobs == {
        "fetch_dataset": 1,
        "fetch_subject": 1,
        "normalise": 1,
        "register": runs,
        "bold": runs,
        "bold_index": 1,
    }


def test_without_antspyx_nothing_starts(tmp_path: Path) -> None:
    write(tmp_path)
    hidden = "lambda name, *more: None if name == 'ants' else found(name, *more)"
    lines = [
        "import importlib.util as util",
        "found = util.find_spec",
        f"util.find_spec = {hidden}",
    ]
    (tmp_path / "sitecustomize.py").write_text("\n".join(lines))
    call = [sys.executable, "-m", "snakemake", "-s", str(REPO / "Snakefile"), "--dry-run"]
    paths = os.pathsep.join([str(tmp_path), str(REPO / "src")])
    done = subprocess.run(
        [*call, "--configfile", "config.yaml"],
        cwd=tmp_path,
        env={**environment(), "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert (
        "head: layout raw needs the package antspyx; run `pip install" in done.stdout + done.stderr
    )
