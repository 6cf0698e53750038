"""A DataLad dataset as a clone in the data folder, checked out at the pinned commit."""

import os
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tristream.config.sources import DataladSource
from tristream.errors import UserError
from tristream.fetch.git import call, git, last_words, results

SCHEMES = ("", "file", "http", "https")


def pinned(source: DataladSource) -> str:
    """The commit or tag that `source` pins, read from its file where it names one."""
    if source.commit is not None:
        return source.commit
    path = Path(str(source.commit_file))
    try:
        commit = path.read_text(encoding="utf-8").strip()
    except OSError:
        raise UserError(
            f"{path}: no such file; the step that writes the dataset has not run"
        ) from None
    if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        raise UserError(f"{path}: holds no commit hash; delete it and run again")
    return commit


def present(source: DataladSource, root: Path) -> str | None:
    """The wanted commit if the clone is there and has it, without touching the network."""
    return _find(root, pinned(source)) if (root / ".git").exists() else None


def is_at(root: Path, commit: str) -> bool:
    """Whether a clone that :func:`check_out` made is at a commit, by its files alone."""
    git_folder = root / ".git"
    if not (git_folder / "HEAD").is_file():
        return False
    head = (git_folder / "HEAD").read_text(encoding="utf-8").strip()
    branch = head.removeprefix("ref: ")
    if branch == head:
        return head == commit
    for place in (git_folder / branch, git_folder / "packed-refs"):
        if place.is_file():
            lines = place.read_text(encoding="utf-8").splitlines()
            return commit in lines or f"{commit} {branch}" in lines
    return False


def beside(root: Path, home: Path | None, pattern: str) -> Path:
    """Where a file or folder lies that belongs to the clone `root`: never in a dataset.

    A dataset could ship a link of that name. What belongs to a clone within a dataset lies beside
    that dataset, `home`.
    """
    home = home or root
    return home.with_name(pattern.format("+".join((home.name, *root.relative_to(home).parts))))


def check_out(source: DataladSource, root: Path, home: Path | None = None) -> str:
    """Clone the dataset to `root` if needed and check out its pinned commit.

    A clone is made under another name and renamed when whole, so an interrupted one is made
    again. An existing clone is asked for the commit first and its origin only if it lacks it; the
    default branch is never trusted.

    Parameters
    ----------
    source : DataladSource
        Address and commit or tag.
    root : Path
        Where the clone belongs.
    home : Path, optional
        The dataset whose folder `root` is, where it is nested.

    Returns
    -------
    str
        The full hash of the commit.

    Raises
    ------
    UserError
        If the dataset can't be cloned, lacks the commit, or tracked files of the clone were
        changed by hand.
    """
    wanted = pinned(source)
    address = git_address(source.url)
    if not (root / ".git").exists():
        _clone(address, root, beside(root, home, ".{}.cloning"))
    moved = call("git", "remote", "get-url", "origin", at=root).stdout.strip() != address
    git(root, "remote", "set-url", "origin", address)
    # A tag of another origin may name another commit; a whole hash can't.
    known = None if moved and not re.fullmatch(r"[0-9a-f]{40,64}", wanted) else _find(root, wanted)
    commit = known or _ask_origin(root, wanted, address, moved)
    _switch(root, commit)
    return commit


def git_address(url: str) -> str:
    """`url` as git takes it: local paths absolute, transports that run programs refused."""
    scheme = urlsplit(url).scheme if "://" in url else ""
    if scheme not in SCHEMES or re.match(r"[A-Za-z0-9+.-]*::", url):
        raise UserError(f"source.url: {url!r}: use a local path, file://, http:// or https://")
    return url if scheme else str(Path(url).expanduser().absolute())


def _clone(address: str, root: Path, half: Path) -> None:
    _make_room(root, address)
    remove(half)
    half.parent.mkdir(parents=True, exist_ok=True)
    done = call("datalad", "-l", "critical", "-f", "json", "clone", address, str(half.absolute()))
    if done.returncode:
        reasons = [str(r.get("error_message") or r.get("message")) for r in results(done)]
        remove(half)
        why = " ".join((reasons[0] if reasons else last_words(done)).split())
        raise UserError(
            f"{address}: can't be cloned ({why}); check `source.url` in the descriptor and the "
            "network, then run again"
        )
    os.replace(half, root)


def _make_room(root: Path, address: str) -> None:
    """Only an empty folder may be where a clone belongs, as git leaves one for a subdataset."""
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        free = not os.path.lexists(root) or (not root.is_symlink() and not any(root.iterdir()))
    except (FileExistsError, NotADirectoryError):
        free = False
    if not free:
        raise UserError(
            f"{root}: has content of its own where {address} is to be cloned; move it away, or, if "
            "a dataset ships it, drop `derivatives` from the descriptor"
        )


def _find(root: Path, wanted: str) -> str | None:
    """Full hash of a tag or commit that the clone has; a branch name does not pin one."""
    names = [f"refs/tags/{wanted}"]
    if re.fullmatch(r"[0-9a-f]{7,64}", wanted):
        names.append(wanted)
    for name in names:
        done = call("git", "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", at=root)
        if not done.returncode:
            return done.stdout.strip()
    return None


def _ask_origin(root: Path, wanted: str, address: str, moved: bool) -> str:
    """Fetch what the origin has gained (or the one commit, if no branch holds it).

    Of an origin that has `moved` nothing is known before it answers.
    """
    done = call("git", "fetch", "--quiet", "--tags", "--force", "origin", at=root)
    commit = None if moved and done.returncode else _find(root, wanted)
    if commit is None and re.fullmatch(r"[0-9a-f]{40,64}", wanted):
        done = call("git", "fetch", "--quiet", "origin", wanted, at=root)
        commit = _find(root, wanted)
    if commit is None:
        why = f" ({last_words(done)})" if done.returncode else ""
        raise UserError(
            f"{address}: has no tag or commit {wanted!r}{why}; check `commit` in the descriptor: a "
            "tag or a hash, not a branch"
        )
    return commit


def _switch(root: Path, commit: str) -> None:
    """Check `commit` out; an interrupted checkout is repeated by force."""
    under_way = root / ".git" / "tristream-checkout"
    if under_way.exists() or git(root, "rev-parse", "HEAD").strip() != commit:
        (root / ".git" / "index.lock").unlink(missing_ok=True)
        force = ["--force"] if under_way.exists() else []
        under_way.touch()
        git(root, "checkout", "--quiet", "--detach", *force, commit)
        # Fills unlocked files whose content is here; git-annex's own hook for it is off.
        call("git", "annex", "smudge", "--update", at=root)
        under_way.unlink()
    # Git would run in subdatasets, too, by settings of theirs.
    only = ("--untracked-files=no", "--ignore-submodules=all")
    changed = git(root, "status", "--porcelain", *only).splitlines()
    if changed:
        raise UserError(
            f"{root / changed[0][3:]}: differs from commit {commit[:12]}; undo the change with "
            f"`git -C {root} checkout --force {commit[:12]}`"
        )


def remove(folder: Path) -> None:
    """Delete a repository, whose annex is write-protected; links are deleted, not followed."""

    def unlock(function: Callable[[str], Any], path: str, _: object) -> None:
        for place in (os.path.dirname(path), path):
            if not os.path.islink(place):
                os.chmod(place, os.stat(place).st_mode | stat.S_IRWXU)
        function(path)

    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder, onerror=unlock)
