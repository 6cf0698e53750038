"""SIGKILL of the whole process tree at random times, then the same command again."""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from helpers import REPOSITORY
from helpers.small_study import arrays, environment, write

pytestmark = pytest.mark.xdist_group("study")
CALL = [sys.executable, "-m", "tristream", "run", "--cores", "2"]


def start(folder: Path, *targets: str) -> subprocess.Popen[bytes]:
    """`tristream run` in `folder`, its output in a file there."""
    snakefile = ["--", "-s", str(REPOSITORY / "Snakefile"), *targets]
    with (folder / "run.log").open("ab") as log:
        return subprocess.Popen(
            [*CALL, *snakefile], cwd=folder, env=environment(), stdout=log, stderr=log
        )


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL `process` and all that it has started."""
    parent = psutil.Process(process.pid)
    for one in [parent, *parent.children(recursive=True)]:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()


def test_killed_runs_end_with_the_arrays_of_an_unbroken_one(finished: Path, tmp_path, cache):
    """Of every job that writes arrays; figures and pages, which have none, take a third more."""
    folder = write(tmp_path / "killed", cache)
    files = (path.relative_to(finished) for path in (finished / "results").rglob("*.h5"))
    targets = [str(path) for path in files if not any(p.startswith(".") for p in path.parts)]
    chance = random.Random(20)
    for _ in range(4):
        process = start(folder, *targets)
        time.sleep(chance.uniform(4, 14))
        kill_tree(process)
    process = start(folder, *targets)
    assert process.wait() == 0, (folder / "run.log").read_text()
    whole, broken = arrays(finished / "results"), arrays(folder / "results")
    assert set(whole) == set(broken)
    for name, array in whole.items():
        np.testing.assert_array_equal(array, broken[name], err_msg=name)


def test_a_second_live_run_is_refused(tmp_path, cache):
    folder = write(tmp_path / "two", cache)
    first = start(folder)
    try:
        deadline = time.monotonic() + 30
        while not (folder / ".snakemake").exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        second = subprocess.run(CALL, cwd=folder, env=environment(), capture_output=True, text=True)
        assert second.returncode == 2
        assert "another run is at work" in second.stderr
    finally:
        kill_tree(first)
