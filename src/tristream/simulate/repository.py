"""Save a folder as a DataLad dataset: images annexed, text in git, the same commit every time."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from tristream.errors import UserError

WHEN = "2026-01-01T00:00:00+00:00"
ATTRIBUTES = """\
* annex.backend=MD5E
* annex.largefiles=nothing
*.nii.gz annex.largefiles=anything
"""


def create(root: Path, seed: int) -> None:
    """Make `root` a new, empty DataLad dataset; its id follows from `seed`."""
    root.mkdir(parents=True)
    _run(root, "datalad", "create", "--force", ".", seed=seed)
    (root / ".gitattributes").write_text(ATTRIBUTES, encoding="utf-8")


def save(root: Path, message: str) -> str:
    """Save all files and return the commit's hash.

    Raises
    ------
    UserError
        If git, git-annex or DataLad fails, with its last words.
    """
    _run(root, "datalad", "save", "-m", message)
    return _run(root, "git", "rev-parse", "HEAD").strip()


def _run(root: Path, program: str, *arguments: str, seed: int = 0) -> str:
    env = dict(os.environ)
    env["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), env.get("PATH", os.defpath)])
    # Nothing of the user's own settings enters the commit, nor need there be any.
    env["GIT_CONFIG_GLOBAL"], env["GIT_CONFIG_NOSYSTEM"] = os.devnull, "1"
    for role in ("AUTHOR", "COMMITTER"):
        env[f"GIT_{role}_NAME"] = "tristream simulate"
        env[f"GIT_{role}_EMAIL"] = "tristream@localhost"
        env[f"GIT_{role}_DATE"] = WHEN
    env["DATALAD_SEED"] = str(seed)
    env["LC_ALL"] = "C.UTF-8"
    path = shutil.which(program, path=env["PATH"])
    if path is None:
        raise UserError(f"{program}: not found; install tristream with pip, and git")
    done = subprocess.run(
        [path, *arguments], cwd=root, env=env, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        words = " ".join((done.stderr or done.stdout).split()[-60:])
        raise UserError(f"{root}: {program} {arguments[0]} failed: {words}")
    return done.stdout
