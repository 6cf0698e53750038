"""The small study of `tests/study/study`, set up in a folder and run as a user runs it."""

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml

from helpers import REPOSITORY
from tristream.cli import main

REPO = REPOSITORY
STUDY = REPO / "tests/study/study"
TRACER = REPO / "tests/helpers/import_trace"
TRACE = "imports"


def write(
    folder: Path, cache: Path, change: Callable[[dict[str, Any]], None] | None = None
) -> Path:
    """Set the study up in `folder`; downloads are taken from (and kept in) `cache`."""
    shutil.copytree(STUDY, folder, dirs_exist_ok=True)
    archives = cache / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data/archives").symlink_to(archives)
    if change:
        edit(folder / "config.yaml", change)
    return folder


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a YAML file."""
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def environment(source: Path = REPO) -> dict[str, str]:
    """An environment with this Python first, in which the package is the one in `source`."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PYTHONPATH": str(source / "src"), "PATH": path}


def snakemake(
    folder: Path, *args: str, source: Path = REPO, ok: bool = True, trace: Path | None = None
) -> str:
    """Run the workflow of `source` in `folder` and return what it printed.

    With `trace`, each job writes there which modules of the package it imported.
    """
    env = environment(source)
    if trace is not None:
        trace.mkdir(parents=True, exist_ok=True)
        env["TRISTREAM_IMPORT_TRACE"] = str(trace)
        env["PYTHONPATH"] = os.pathsep.join([str(TRACER), env["PYTHONPATH"]])
    call = [sys.executable, "-m", "snakemake", "-s", str(source / "Snakefile"), "--cores", "2"]
    call += ["--configfile", "config.yaml", "--show-failed-logs", *args]
    done = subprocess.run(call, cwd=folder, env=env, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert (done.returncode == 0) == ok, said
    return said


def planned(folder: Path, *args: str, source: Path = REPO) -> dict[str, int]:
    """Jobs that a dry run would do: rule to count, without targets; feature jobs together."""
    said = snakemake(folder, "--dry-run", *args, source=source).rpartition("Job stats:")[2]
    jobs: Counter[str] = Counter()
    for rule, n in re.findall(r"^(\w+)\s+(\d+)$", said, flags=re.MULTILINE):
        if rule not in ("total", "all", "default"):
            jobs["features" if rule.startswith("features_") else rule] += int(n)
    return dict(jobs)


def commands(folder: Path, *args: str, source: Path = REPO) -> list[list[str]]:
    """Arguments of ``tristream`` in every job that a dry run would do, in an order that works."""
    said = snakemake(folder, "--dry-run", "--printshellcmds", *args, source=source)
    lines = re.findall(r"^Shell command: python -m tristream (.*) > \S+ 2>&1$", said, re.MULTILINE)
    return [shlex.split(line) for line in lines]


def run_here(folder: Path, calls: list[list[str]]) -> None:
    """Run commands of ``tristream`` in `folder`, one after the other in this process.

    Each costs seconds to start in a process of its own, which is no matter of most tests.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for call in calls:
            # The pages are written here, too.
            call = ["1" if before == "--workers" else a for before, a in pairwise(["", *call])]
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
                code = main(call)
            assert code == 0, said.getvalue()


def arrays(results: Path) -> dict[str, np.ndarray]:
    """Every array in every HDF5 file under `results`."""
    found: dict[str, np.ndarray] = {}
    for path in sorted(results.rglob("*.h5")):
        if any(part.startswith(".") for part in path.relative_to(results).parts):
            continue
        with h5py.File(path, "r") as file:

            def keep(name: str, item: Any, path: Path = path) -> None:
                if isinstance(item, h5py.Dataset):
                    found[f"{path.relative_to(results)}:{name}"] = item[()]

            file.visititems(keep)
    return found
