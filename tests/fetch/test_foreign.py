"""Clones of another user are used where they run nothing, and refused where they could."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.tiny_dataset import Program
from tristream.config.sources import DataladSource
from tristream.errors import UserError
from tristream.fetch import annex
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


def test_fsmonitor_is_never_run(
    clone: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By plain git it is: the program that is planted would run."""
    hook, trace = planted(clone)
    git(clone, "config", "core.fsmonitor", str(hook))
    program(clone, "git", "status")
    assert trace.exists()
    trace.unlink()
    git(clone, "status")
    assert not trace.exists()
    give_away(clone, monkeypatch)
    with pytest.raises(UserError, match=r"\.git/config: belongs to another user and sets core.fsm"):
        git(clone, "status")
    assert not trace.exists()


def test_hooks_are_never_run(
    clone: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, trace = planted(clone)
    (clone / ".git/hooks/post-checkout").unlink(missing_ok=True)
    hook.rename(clone / ".git/hooks/post-checkout")
    program(clone, "git", "checkout", "--quiet", "--detach", "HEAD")
    assert trace.exists()
    trace.unlink()
    git(clone, "checkout", "--quiet", "--detach", "HEAD")
    assert not trace.exists()
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


def evil_configuration(folder: Path, hook: Path) -> None:
    """A filter that runs a program when git looks at any file."""
    (folder / "info").mkdir(parents=True, exist_ok=True)
    (folder / "info/attributes").write_text("* filter=x\n")
    call("git", "config", "--file", str(folder / "config"), "filter.x.clean", f"{hook}; cat")


def test_filters_of_a_common_folder_are_never_run(
    made: Path, clone: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git reads the configuration in the folder that `.git/commondir` names."""
    hook, trace = planted(clone)
    evil = clone.parent / "evil"
    shutil.copytree(clone / ".git", evil, symlinks=True)
    evil_configuration(evil, hook)
    (clone / ".git/commondir").write_text(f"{evil}\n")
    os.utime(clone / ".gitattributes", (1e9, 1e9))
    program(clone, "git", "status")
    assert trace.exists()
    trace.unlink()
    os.utime(clone / ".gitattributes", (2e9, 1.1e9))
    give_away(clone, monkeypatch)
    source = DataladSource(url=str(made), commit="0" * 40)
    with pytest.raises(UserError, match=r"\.git/commondir: belongs to another user and leads to"):
        check_out(source, clone)
    assert not trace.exists()


def test_a_redirection_that_another_user_planted_makes_a_clone_theirs(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clone / ".git/commondir").write_text(f"{clone.parent}\n")
    assert not is_foreign(clone)
    if os.getuid() == 0:
        os.chown(clone / ".git/commondir", 12345, 12345)
        assert is_foreign(clone)


@pytest.mark.parametrize(
    "name", ["commondir", "gitdir", "config.worktree", "worktrees", "../HEAD", "FETCH_HEAD"]
)
def test_what_leads_git_elsewhere_is_named(clone: Path, name: str) -> None:
    """By a link git would write into any file, as into FETCH_HEAD."""
    check_harmless(clone)
    (clone / ".git" / name).unlink(missing_ok=True)
    (clone / ".git" / name).symlink_to(clone.parent / "victim")
    with pytest.raises(UserError, match=f"{Path(name).name}: belongs to another user and leads"):
        check_harmless(clone)


@pytest.mark.parametrize("name", ["annex", "annex/objects", "objects", "refs"])
def test_links_to_folders_of_a_repository_are_named(clone: Path, name: str) -> None:
    place, moved = clone / ".git" / name, clone.parent / "moved"
    place.mkdir(exist_ok=True)
    place.rename(moved)
    place.symlink_to(moved)
    with pytest.raises(UserError, match=f"{name}: belongs to another user and leads"):
        check_harmless(clone)


def test_filters_of_subdatasets_are_never_run(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git enters those that are there, with settings of theirs."""
    upstream, place = tmp_path / "upstream", tmp_path / "data/tiny"
    for root in (upstream, upstream / "inner"):
        program(tmp_path, "git", "init", "--quiet", str(root))
        (root / "text.txt").write_text("text")
        program(root, "git", "add", "text.txt")
        program(root, "git", "commit", "--quiet", "-m", "Make")
    program(upstream, "git", "-c", "advice.addEmbeddedRepo=false", "add", "inner")
    (upstream / ".gitmodules").write_text('[submodule "inner"]\npath = inner\nurl = ./inner\n')
    program(upstream, "git", "add", ".gitmodules")
    program(upstream, "git", "commit", "--quiet", "-m", "Nest")
    commit = program(upstream, "git", "rev-parse", "HEAD")
    source = DataladSource(url=str(upstream), commit=commit)
    check_out(source, place)
    program(place, "git", "clone", "--quiet", str(upstream / "inner"), "inner")
    hook, trace = planted(place)
    evil_configuration(place / "inner/.git", hook)
    os.utime(place / "inner/text.txt", (1e9, 1e9))
    program(place, "git", "status")
    assert trace.exists()
    trace.unlink()
    os.utime(place / "inner/text.txt", (2e9, 1.1e9))
    assert check_out(source, place) == commit
    give_away(place, monkeypatch)
    assert check_out(source, place) == commit
    assert not trace.exists()


def test_unlocked_files_are_filled_although_the_hook_of_git_annex_is_off(
    program: Program, tmp_path: Path
) -> None:
    """By another name in a later commit, with the same content."""
    upstream, place = tmp_path / "upstream", tmp_path / "data/tiny"
    program(tmp_path, "git", "init", "--quiet", str(upstream))
    program(upstream, "git", "annex", "init", "--quiet")
    (upstream / "one.nii").write_text("content")
    program(upstream, "git", "-c", "annex.addunlocked=true", "annex", "add", "--quiet", "one.nii")
    program(upstream, "git", "commit", "--quiet", "-m", "Make")
    first = program(upstream, "git", "rev-parse", "HEAD")
    check_out(DataladSource(url=str(upstream), commit=first), place)
    annex.get(place, annex.list_files(place)[0])
    assert (place / "one.nii").read_text() == "content"
    program(upstream, "git", "mv", "one.nii", "two.nii")
    program(upstream, "git", "commit", "--quiet", "-m", "Move")
    second = program(upstream, "git", "rev-parse", "HEAD")
    check_out(DataladSource(url=str(upstream), commit=second), place)
    assert (place / "two.nii").read_text() == "content"


def test_the_repository_around_the_data_folder_is_never_meant(clone: Path) -> None:
    git(clone.parent, "init", "--quiet")
    (clone / ".git").rename(clone.parent / "moved")
    with pytest.raises(UserError, match=r"git ls-files failed: .*not a git repository"):
        git(clone, "ls-files")
