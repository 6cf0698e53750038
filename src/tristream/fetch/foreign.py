"""Clones that another user owns, as in the data folder of a lab: used only if they run nothing.

Git refuses such clones, as their configuration names programs (``core.fsmonitor``, filters, hooks)
that it would run as whoever calls it. Here they are used if their configuration sets nothing but
what git, git-annex and DataLad write into every clone; hooks are turned off.
"""

import os
import re
import subprocess
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
QUIET = (("core.hooksPath", os.devnull), ("core.fsmonitor", "false"))


def is_foreign(clone: Path) -> bool:
    """Whether the clone, its repository or its configuration belongs to another user."""
    places = (clone, clone / ".git", clone / ".git/config")
    return any(place.stat().st_uid != os.getuid() for place in places if place.exists())


def check_harmless(clone: Path) -> None:
    """Refuse a clone of another user whose configuration could run something.

    Raises
    ------
    UserError
        Naming the key.
    """
    remedy = "name a data folder of your own by `data:` in config.yaml, or have its owner remove it"
    repository = clone / ".git"
    if repository.is_symlink() or not repository.is_dir():
        raise UserError(
            f"{repository}: belongs to another user and leads to a repository elsewhere; {remedy}"
        )
    config = repository / "config"
    listed = subprocess.run(
        ["git", "config", "--file", str(config.resolve()), "--list", "-z"],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
    )
    if listed.returncode:
        raise UserError(f"{config}: can't be read ({' '.join(listed.stderr.split())}); {remedy}")
    for entry in filter(None, listed.stdout.split("\0")):
        key, _, value = entry.partition("\n")
        if not any(
            re.fullmatch(known, key) and re.fullmatch(allowed, value)
            for known, allowed in HARMLESS.items()
        ):
            raise UserError(
                f"{config}: belongs to another user and sets {key}, by which programs could be run "
                f"in your name; {remedy}"
            )
