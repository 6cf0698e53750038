"""Clones that another user owns, as in the data folder of a lab: used only if they run nothing.

Git refuses such clones, as their configuration names programs (``core.fsmonitor``, filters, hooks)
that it would run as whoever calls it. Here they are used if their configuration sets nothing but
what git, git-annex and DataLad write into every clone, and nothing leads git to another
repository. Hooks are off in all clones: colleagues may have written them into one that they share.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tristream.errors import UserError

# Keys that run no program, with the values that they may have.
WORDS = r"[\w.,:/+@=-]*"
ADDRESS = r"(?![\w.+-]*::)[^\0]*"
HARMLESS = {
    r"core\.(repositoryformatversion|filemode|bare|logallrefupdates|symlinks|ignorecase"
    r"|precomposeunicode|sharedrepository)": WORDS,
    r"remote\..+\.(url|pushurl|annexurl)": ADDRESS,
    r"remote\..+\.(fetch|push)": r"[\w./+*:^-]*",
    r"remote\..+\.(tagopt|annex-(uuid|config-uuid|ignore|cost|bare|readonly|sync|s3|web|bucket))": (
        WORDS
    ),
    r"remote\..+\.annex-externaltype": r"[\w-]+",
    r"branch\..+\.(remote|merge)": WORDS,
    r"annex\.(uuid|version|private|backend|crippledfilesystem|pidlock|sshcaching|tune\..*)": WORDS,
    r"filter\.annex\.smudge": r"git-annex smudge -- %f",
    r"filter\.annex\.clean": r"git-annex smudge --clean -- %f",
    r"filter\.annex\.process": r"git-annex filter-process",
    r"datalad\.dataset\.id": WORDS,
}
# For every clone: no program that lies in it, and nothing that git would do in subdatasets.
QUIET = (
    ("core.hooksPath", os.devnull),
    ("core.fsmonitor", "false"),
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "false"),
)
# By these git reads another configuration than `.git/config`; no clone of ours has them.
REDIRECTS = ("commondir", "gitdir", "config.worktree", "worktrees")
CONTENT = (Path("objects"), Path("annex/objects"))  # what no command runs, and much of it
REMEDY = "name a data folder of your own by `data:` in config.yaml, or have its owner remove it"


def is_foreign(clone: Path) -> bool:
    """Whether the clone, its repository or what configures it belongs to another user."""
    repository = clone / ".git"
    places = (clone, repository, *(repository / name for name in ("config", *REDIRECTS)))
    return any(place.stat().st_uid != os.getuid() for place in places if place.exists())


def check_harmless(clone: Path) -> None:
    """Refuse a clone of another user whose configuration could run something.

    Raises
    ------
    UserError
        Naming the key, or what leads to another repository.
    """
    if place := _leads_elsewhere(clone):
        raise UserError(
            f"{place}: belongs to another user and leads to a repository elsewhere; {REMEDY}"
        )
    _check_configuration(clone / ".git/config")


def _leads_elsewhere(clone: Path) -> Path | None:
    """What makes git read, or write, other places than the folder ``.git``."""
    repository = clone / ".git"
    if repository.is_symlink() or not repository.is_dir():
        return repository
    # Git takes the clone itself for a repository if `.git` is none.
    redirects = (clone / "HEAD", *(repository / name for name in REDIRECTS))
    found = next((place for place in redirects if os.path.lexists(place)), None)
    return found or next(_links(repository), None)


def _links(repository: Path) -> Iterator[Path]:
    """Links in a repository, content aside: git and git-annex make none, but write through them."""
    for folder, inner, files in os.walk(repository):
        here = Path(folder)
        yield from (here / name for name in (*inner, *files) if (here / name).is_symlink())
        inner[:] = [n for n in inner if (here / n).relative_to(repository) not in CONTENT]


def _check_configuration(config: Path) -> None:
    listed = subprocess.run(
        ["git", "config", "--file", str(config.resolve()), "--list", "-z"],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
    )
    if listed.returncode:
        raise UserError(f"{config}: can't be read ({' '.join(listed.stderr.split())}); {REMEDY}")
    for entry in filter(None, listed.stdout.split("\0")):
        key, _, value = entry.partition("\n")
        if not any(
            re.fullmatch(known, key) and re.fullmatch(allowed, value)
            for known, allowed in HARMLESS.items()
        ):
            raise UserError(
                f"{config}: belongs to another user and sets {key}, by which programs could be run "
                f"in your name; {REMEDY}"
            )
