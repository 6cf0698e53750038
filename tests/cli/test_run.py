"""What `tristream run` does beside calling snakemake: the lock, and signals to stop."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from helpers.small_study import environment
from tristream.cli.run import lock
from tristream.errors import UserError

# Stands for snakemake: a job below a shell, and itself; both note that they were interrupted.
WORK = """
import signal, subprocess, sys, time
def note(*_):
    open(sys.argv[1], "a").write(sys.argv[2] + "\\n")
    sys.exit(1)
signal.signal(signal.SIGINT, signal.SIG_IGN if "deaf" in sys.argv[2] else note)
if sys.argv[2] != "job":
    subprocess.Popen(["sh", "-c", f"{sys.executable} {sys.argv[0]} {sys.argv[1]} job; true"])
open(sys.argv[1], "a").write("ready\\n")
time.sleep(60)
"""
SUPERVISE = """
import os, signal, sys
from tristream.cli import run
# As in a terminal, however these tests were started; or in the background.
background = signal.SIG_IGN if "background" in sys.argv else signal.default_int_handler
signal.signal(signal.SIGINT, background)
signal.signal(signal.SIGHUP, signal.SIG_IGN if "background" in sys.argv else signal.SIG_DFL)
run.PATIENCE = 1.0
sys.exit(run.supervise([sys.executable, *sys.argv[1:]], dict(os.environ), []))
"""


def started(folder: Path, name: str, where: str = "terminal") -> subprocess.Popen[str]:
    """A supervised process with a job, both at work."""
    (folder / "work.py").write_text(WORK)
    notes = folder / "notes"
    notes.touch()
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, str(folder / "work.py"), str(notes), name, where],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while notes.read_text().count("ready") < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


@pytest.mark.parametrize(
    ("number", "where"),
    [
        (signal.SIGTERM, "terminal"),
        (signal.SIGINT, "terminal"),
        (signal.SIGHUP, "terminal"),
        (signal.SIGTERM, "background"),
    ],
)
def test_a_signal_reaches_every_job_and_is_told_in_one_line(
    tmp_path: Path, number: int, where: str
) -> None:
    process = started(tmp_path, "snakemake", where)
    if where == "background":
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGINT)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 2
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert errors.splitlines() == [
        f"tristream: stopped by {signal.Signals(number).name}; the same command goes on from here"
    ]
    assert sorted(tmp_path.joinpath("notes").read_text().split()) == [
        "job",
        "ready",
        "ready",
        "snakemake",
    ]
    assert not psutil.wait_procs(family, timeout=5)[1]


def test_what_does_not_heed_an_interrupt_is_killed(tmp_path: Path) -> None:
    process = started(tmp_path, "deaf")
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 128 + signal.SIGTERM
    assert not psutil.wait_procs(family, timeout=5)[1]


def test_the_status_of_a_run_that_ends_by_itself(tmp_path: Path) -> None:
    call = [sys.executable, "-c", SUPERVISE, "-c", "raise SystemExit(3)"]
    assert subprocess.run(call, env=environment()).returncode == 3


def test_a_second_run_is_told_which_one_is_at_work(tmp_path: Path) -> None:
    with (
        lock(tmp_path / "results"),
        pytest.raises(UserError, match=f"at work in this folder.*process {os.getpid()} on "),
        lock(tmp_path / "results"),
    ):
        pass
    with lock(tmp_path / "results") as held:
        assert held is not None


def test_a_link_in_place_of_the_lock_is_refused(tmp_path: Path) -> None:
    victim, results = tmp_path / "victim.txt", tmp_path / "results"
    victim.write_text("precious")
    results.mkdir()
    (results / ".lock").symlink_to(victim)
    with pytest.raises(UserError, match=r"results/\.lock: is a link"), lock(results):
        pass
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_a_file_system_without_locks_is_not_another_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with lock(tmp_path / "results") as held:
        assert held is None
    assert "this file system has no locks" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    tmp_path.joinpath("results").write_text("a file")
    with pytest.raises(UserError, match="results: can't be written to"), lock(tmp_path / "results"):
        pass
