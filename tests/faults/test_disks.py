"""Disks that are full or can't be written to, really mounted; two runs of Snakemake at once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.encoding_files import encode_settings, model, write_study
from helpers.small_study import REPO, environment, planned
from helpers.subjects_study import write_study as write_subjects
from tristream.cli import main
from tristream.encode.encoding_file import read_encoding
from tristream.stimuli.tables import read_inventory
from tristream.store import Provenance, write_table


class Disk:
    """A file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def options(self, text: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{text}", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """One of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    call = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.getuid() or subprocess.run(call, capture_output=True).returncode:
        pytest.skip("a file system can't be mounted here")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def fit(tmp_path: Path, disk: Disk) -> list[str]:
    """The command of an encoder that writes there."""
    files = write_study(tmp_path / "study")
    settings = encode_settings(model()).write(tmp_path / "settings")
    call = ["encode", "fit", "--settings", str(settings), "--subject", "01"]
    for option in ("aligned", "bold"):
        call += [f"--{option}", *map(str, files[option])]
    return [*call, "--samples", str(files["samples"]), "--output", str(disk.folder / "encoding.h5")]


def in_a_child(job: Callable[[], int]) -> int:
    """Status of a process; a signal is negative."""
    if not (child := os.fork()):
        status = 70
        try:
            status = job()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.faults
def test_a_full_disk_is_told_by_an_encoder_and_room_helps(
    disk: Disk, fit: list[str], capfd: pytest.CaptureFixture[str]
):
    assert in_a_child(lambda: main(fit)) == 2
    (line,) = (one for one in capfd.readouterr().err.splitlines() if "tristream: error" in one)
    assert "encoding.h5: can't be written (No space left on device)" in line
    assert list(disk.folder.iterdir()) == []
    disk.options("size=64m")
    assert in_a_child(lambda: main(fit)) == 0
    assert len(read_encoding(disk.folder / "encoding.h5")[0].tests) == 1


@pytest.mark.faults
def test_a_full_disk_keeps_the_table_that_was_there(disk: Disk):
    path, about = disk.folder / "table.tsv", Provenance("samples", True, methods=("Made.",))
    write_table(path, pd.DataFrame({"row": [1]}), about)
    before = path.read_bytes()
    many = pd.DataFrame({"row": np.arange(100_000)})
    with pytest.raises(OSError, match="No space left") as caught:
        write_table(path, many, about)
    assert str(caught.value.filename).startswith(str(disk.folder))
    assert path.read_bytes() == before
    assert sorted(p.name for p in disk.folder.iterdir()) == ["table.json", "table.tsv"]


@pytest.mark.faults
def test_results_that_are_read_only(disk: Disk, fit: list[str], capfd: pytest.CaptureFixture[str]):
    (disk.folder / "other").write_text("kept")
    disk.options("ro,size=64m")
    assert in_a_child(lambda: main(fit)) == 2
    (line,) = (one for one in capfd.readouterr().err.splitlines() if "tristream: error" in one)
    assert "Read-only file system" in line
    assert str(disk.folder) in line
    assert [p.name for p in disk.folder.iterdir()] == ["other"]
    disk.options("rw")
    assert in_a_child(lambda: main(fit)) == 0


def test_two_runs_of_snakemake_at_once(tmp_path: Path):
    """Without `tristream run`: the second is refused by Snakemake's own lock, the first goes on."""
    write_subjects(tmp_path)
    table = "results/stimuli/d/inventory.tsv"
    call = [sys.executable, "-m", "snakemake", "-s", str(REPO / "Snakefile"), "--cores", "1"]
    call += [table, "--configfile", "config.yaml"]
    where = {"cwd": tmp_path, "env": environment(), "text": True}
    first = subprocess.Popen(
        call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, **where
    )
    try:
        locks = tmp_path / ".snakemake/locks"
        while not (locks.is_dir() and list(locks.iterdir())):
            assert first.poll() is None
            time.sleep(0.02)
        os.killpg(first.pid, signal.SIGSTOP)
        second = subprocess.run(call, capture_output=True, **where)
        assert second.returncode == 1
        assert "Directory cannot be locked" in second.stdout + second.stderr
        os.killpg(first.pid, signal.SIGCONT)
        assert first.wait() == 0
    finally:
        if first.poll() is None:
            os.killpg(first.pid, signal.SIGKILL)
    assert len(read_inventory(tmp_path / table).left_out) == 0
    assert planned(tmp_path, table) == {}
