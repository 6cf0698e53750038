"""Clones of another user are used where they run nothing, and refused where they could."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tristream.config.sources import DataladSource
from tristream.errors import UserError
from tristream.fetch.clone import check_out
from tristream.fetch.foreign import check_harmless, is_foreign
from tristream.fetch.git import call, git


@pytest.fixture(scope="module")
def made(program: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of a DataLad dataset."""
    folder = tmp_path_factory.mktemp("made")
    root = folder / "upstream"
    program(folder, "datalad", "-l", "critical", "create", "-c", "text2git", root.name)
    (root / "image.nii.gz").write_bytes(bytes(range(256)) * 20)
    program(root, "datalad", "-l", "critical", "save", "-m", "Make")
    place = folder / "data" / "tiny"
    commit = program(root, "git", "rev-parse", "HEAD")
    check_out(DataladSource(url=str(root), commit=commit), place)
    return place


@pytest.fixture
def clone(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "data/tiny", symlinks=True))


def give_away(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clone belongs to another user, or as good as (only root can give files away)."""
    if os.getuid():
        monkeypatch.setattr(os, "getuid", lambda: 1 << 20)
        return
    for path in [clone, *clone.rglob("*")]:
        os.chown(path, 12345, 12345, follow_symlinks=False)


def planted(clone: Path) -> tuple[Path, Path]:
    """A program, and the file that it writes."""
    trace, program = clone.parent / "trace", clone.parent / "program"
    program.write_text(f"#!/bin/sh\ntouch '{trace}'\n")
    program.chmod(0o755)
    return program, trace


def test_a_plain_clone_of_another_user_is_used(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_foreign(clone)
    give_away(clone, monkeypatch)
    assert is_foreign(clone)
    assert git(clone, "ls-files").splitlines()
    assert call("git", "annex", "find", "--include=*", at=clone).stdout.strip() == "image.nii.gz"


def test_fsmonitor_of_another_user_is_never_run(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one's own clone it is: the program that is planted would run."""
    program, trace = planted(clone)
    git(clone, "config", "core.fsmonitor", str(program))
    git(clone, "status")
    assert trace.exists()
    trace.unlink()
    give_away(clone, monkeypatch)
    with pytest.raises(UserError, match=r"\.git/config: belongs to another user and sets core.fsm"):
        git(clone, "status")
    assert not trace.exists()


def test_hooks_of_another_user_are_never_run(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, trace = planted(clone)
    (clone / ".git/hooks/post-checkout").unlink(missing_ok=True)
    program.rename(clone / ".git/hooks/post-checkout")
    git(clone, "checkout", "--quiet", "--detach", "HEAD")
    assert trace.exists()
    trace.unlink()
    give_away(clone, monkeypatch)
    call("git", "checkout", "--quiet", "--detach", "HEAD", at=clone)
    assert not trace.exists()


HARMFUL = {
    "include.path": "more",
    "core.sshCommand": "sh -c 'touch x'",
    "core.worktree": "/",
    "core.hooksPath": "hooks",
    "filter.annex.clean": "touch x",
    "filter.other.smudge": "touch x",
    "diff.external": "touch x",
    "remote.origin.url": "ext::sh -c touch% x",
    "remote.origin.uploadpack": "touch x",
    "remote.s3.annex-externaltype": "../../x",
    "annex.freezecontent-command": "touch x",
    "datalad.ssh.executable": "touch x",
    "alias.status": "!touch x",
    "credential.helper": "!touch x",
}


def test_keys_that_can_run_something_are_named(clone: Path) -> None:
    check_harmless(clone)
    plain = (clone / ".git/config").read_text()
    for key, value in HARMFUL.items():
        call("git", "config", key, value, at=clone)
        with pytest.raises(UserError, match=f"(?i)sets {key}, by which programs"):
            check_harmless(clone)
        (clone / ".git/config").write_text(plain)


def test_a_repository_that_lies_elsewhere(clone: Path) -> None:
    (clone / ".git").rename(clone.parent / "moved")
    (clone / ".git").symlink_to(clone.parent / "moved")
    with pytest.raises(UserError, match="leads to a repository elsewhere"):
        check_harmless(clone)


def test_the_repository_around_the_data_folder_is_never_meant(clone: Path) -> None:
    git(clone.parent, "init", "--quiet")
    (clone / ".git").rename(clone.parent / "moved")
    with pytest.raises(UserError, match=r"git ls-files failed: .*not a git repository"):
        git(clone, "ls-files")
