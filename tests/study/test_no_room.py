"""Out of room in every job of the small study: one line, no signal, no debris, old files kept."""

import hashlib
import io
import os
import resource
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from helpers.small_study import commands
from tristream.cli import main

# Bytes. Some jobs write less.
ROOM = 1500


def contents(results: Path) -> dict[str, str]:
    """Every result with its hash, and every other file that lies beside it."""
    skipped = ("logs", "benchmarks", "report")
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.rglob("*"))
        if path.is_file() and path.relative_to(results).parts[0] not in skipped
    }


def in_a_child(call: list[str], folder: Path) -> tuple[int, str]:
    """Run a command of ``tristream`` with little room, in a fork: imports cost once."""
    said = folder / "said.txt"
    said.write_text("")
    if not (child := os.fork()):
        status = 70
        try:
            with said.open("w") as out, redirect_stdout(io.StringIO()), redirect_stderr(out):
                resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
                try:
                    status = main(call)
                except BaseException:
                    traceback.print_exc()
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(ended), said.read_text()


@pytest.mark.faults
@pytest.mark.xdist_group("study")
def test_every_job_that_has_no_room_says_so_and_leaves_what_was_there(
    study: Path, monkeypatch: pytest.MonkeyPatch
):
    # git and git-annex would have no room either, and wait for minutes before they give up.
    calls = [c for c in commands(study, "--forceall") if c[0] not in ("fetch", "simulate")]
    monkeypatch.chdir(study)
    before = contents(study / "results")
    told: dict[str, str] = {}
    for call in calls:
        name = " ".join(call[:2])
        status, said = in_a_child(call, study)
        assert status in (0, 2), f"{name}: {status} {said}"
        if status == 2:
            # Beside bars of progress.
            (told[name],) = (line for line in said.splitlines() if "tristream: error: " in line)
            assert "Traceback" not in said
        assert contents(study / "results") == before, name
    stages = {name.split()[0] for name in told}
    assert stages >= {"features", "bold", "align", "encode", "inference", "maps", "stimuli"}, stages
    for name, said in told.items():
        assert "File too large" in said, name
        assert "a file: " not in said, name
