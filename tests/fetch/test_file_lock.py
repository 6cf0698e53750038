"""Locks change no file that is there, and are no way to another one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tristream.errors import UserError
from tristream.fetch.file_lock import lock

TRY = """
import fcntl, sys
fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)
"""


def is_free(path: Path) -> bool:
    """Whether another process gets the lock."""
    tried = subprocess.run([sys.executable, "-c", TRY, str(path)], capture_output=True)
    return tried.returncode == 0


def test_a_lock_is_held_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "folder/it.lock"
    with lock(path):
        assert not is_free(path)
    assert is_free(path)


def test_a_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "it.lock"
    path.write_text("content")
    with lock(path):
        assert path.read_text() == "content"
    assert path.read_text() == "content"


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_refused(tmp_path: Path, there: bool) -> None:
    victim, path = tmp_path / "victim.txt", tmp_path / "it.lock"
    if there:
        victim.write_text("precious")
    path.symlink_to(victim)
    with (
        pytest.raises(UserError, match=r"it\.lock: is a link where a plain file") as told,
        lock(path),
    ):
        pass
    assert "\n" not in str(told.value)
    assert os.listdir(tmp_path) == ["it.lock"] or victim.read_text() == "precious"
