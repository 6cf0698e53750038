"""SIGKILL of the whole process tree all along a run, then the same command again."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
import pytest

from helpers import REPOSITORY
from helpers.small_study import arrays, environment, write

CALL = [sys.executable, "-m", "tristream", "run", "--cores", "2"]
KILLS = int(os.environ.get("TRISTREAM_TEST_KILLS", "20"))
# Seconds after which a kill is given up that waits for a job, or for a file at work.
PATIENCE = 240.0


def start(folder: Path, *targets: str) -> subprocess.Popen[bytes]:
    """`tristream run` in `folder`, its output in a file there."""
    snakefile = ["--", "-s", str(REPOSITORY / "Snakefile"), *targets]
    with (folder / "run.log").open("ab") as log:
        return subprocess.Popen(
            [*CALL, *snakefile],
            cwd=folder,
            env=environment(),
            stdout=log,
            stderr=log,
            # As in a terminal, however these tests were started: in the background it is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
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


def family(pid: int) -> Iterator[int]:
    """`pid` and all that it has started, cheaply: this is asked a thousand times a second."""
    yield pid
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            children = Path(f"/proc/{pid}/task/{task}/children").read_text().split()
            for child in children:
                yield from family(int(child))
    except OSError:
        return


def writes(process: subprocess.Popen[bytes]) -> bool:
    """Whether a job has an output open that is not whole yet."""
    for pid in family(process.pid):
        try:
            for descriptor in os.scandir(f"/proc/{pid}/fd"):
                if ".part" in os.path.basename(os.readlink(descriptor.path)):
                    return True
        except OSError:
            continue
    return False


def wait_for(process: subprocess.Popen[bytes], condition: Callable[[], bool], pause: float) -> bool:
    """Wait for something to happen while `process` runs."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(pause)
    return False


def jobs_done(folder: Path) -> int:
    """Jobs whose time Snakemake has written down."""
    return sum(1 for _ in (folder / "results/benchmarks").rglob("*.tsv"))


def values(results: Path) -> dict[str, object]:
    """All that a study found: arrays, tables and maps; no time or cost."""
    found: dict[str, object] = dict(arrays(results))
    for path in sorted(results.rglob("*")):
        name = path.relative_to(results).as_posix()
        if "/.git/" in name:
            continue
        if path.suffix == ".tsv" and not name.startswith(("benchmarks/", "report/")):
            found[name] = path.read_text()
        elif name.endswith(".nii.gz"):
            found[name] = np.asarray(nib.load(path).dataobj)
        elif name.endswith(".html"):
            found[name] = "a page"
    return found


@pytest.mark.faults
@pytest.mark.xdist_group("study")
def test_twenty_kills_and_two_signals_end_with_the_results_of_an_unbroken_run(
    finished: Path, tmp_path: Path, cache: Path
):
    """Each run goes on from the kill before it.

    Kills are spread over the jobs of the study. Every second one waits for a job that has an
    output open, and hits it there; the others come at any time within a job. In between the run is
    stopped by SIGTERM and by Ctrl-C, which must be told in one line and leave no process.
    """
    folder = write(tmp_path / "killed", cache)
    log, total, chance = folder / "run.log", jobs_done(finished), random.Random(20)
    hit = kills = 0
    plan: list[int] = [signal.SIGKILL] * KILLS
    for number, place in ((signal.SIGTERM, KILLS // 3), (signal.SIGINT, 2 * KILLS // 3)):
        plan.insert(place, number)
    for turn, number in enumerate(plan, 1):
        process = start(folder)
        before = jobs_done(folder)
        # The report, which is last, takes as long as much of the rest: the last kills hit it.
        wanted = min(max(before + 1, turn * total // (len(plan) + 1)), total - 1)
        wait_for(process, lambda n=wanted: jobs_done(folder) >= n, 0.05)
        if number == signal.SIGKILL:
            if turn % 2:
                hit += wait_for(process, lambda one=process: writes(one), 0.0005)
            else:
                time.sleep(chance.uniform(0, 3))
            assert process.poll() is None, log.read_text()
            kill_tree(process)
            kills += 1
            continue
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        assert process.wait(timeout=60) == 128 + number, log.read_text()
        said = log.read_text().splitlines()[-1]
        assert said == f"tristream: stopped by {signal.Signals(number).name}; the same command " + (
            "goes on from here"
        )
        assert not [one for one in children if one.is_running() and one.status() != "zombie"]
    process = start(folder)
    assert process.wait() == 0, log.read_text()
    print(f"{kills} kills, {hit} of them while an output was being written")
    assert kills == KILLS
    assert hit >= KILLS // 2 - 1
    whole, broken = values(finished / "results"), values(folder / "results")
    assert set(whole) == set(broken)
    for name, value in whole.items():
        np.testing.assert_array_equal(value, broken[name], err_msg=name)
    left = [p for p in (folder / "results").rglob("*") if ".part" in p.name or p.name == ".chunks"]
    assert left == []


@pytest.mark.faults
@pytest.mark.xdist_group("study")
def test_a_job_that_the_system_kills_is_done_again(study: Path):
    """As for want of memory: the first try of one job dies by SIGKILL, the second one does not."""
    real, folder = Path(sys.executable), study / "bin"
    folder.mkdir()
    (folder / "python").write_text(
        "#!/bin/sh\n"
        'case "$*" in *" tristream inference encoding "*)\n'
        "  [ -e killed ] || { touch killed; kill -9 $$; } ;;\n"
        "esac\n"
        f'exec "{real}" "$@"\n'
    )
    (folder / "python").chmod(0o755)
    target = "results/inference/tiny/streams/sub-01.h5"
    before = arrays(study / "results/inference")
    (study / target).unlink()
    env = environment()
    env["PATH"] = os.pathsep.join([str(folder), env["PATH"]])
    call = [sys.executable, "-m", "snakemake", target, "-s", str(REPOSITORY / "Snakefile")]
    call += ["--configfile", "config.yaml", "--cores", "1"]
    first = subprocess.run(call, cwd=study, env=env, capture_output=True, text=True)
    assert first.returncode != 0
    assert "Error in rule inference" in first.stderr
    assert (study / "killed").exists()
    (study / "killed").unlink()
    again = subprocess.run([*call, "--retries", "1"], cwd=study, env=env, capture_output=True)
    assert again.returncode == 0, again.stderr
    assert (study / "killed").exists()
    after = arrays(study / "results/inference")
    assert set(before) == set(after)
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name], err_msg=name)


@pytest.mark.xdist_group("study")
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
