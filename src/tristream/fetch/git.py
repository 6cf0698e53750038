"""git, git-annex and DataLad as programs, in an environment of our own.

Clones must work on a machine where git has never been set up: no identity, no prompt for a
password, and a clone that leaves no trace of itself in the dataset's git-annex branch.
"""

import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tristream.errors import UserError
from tristream.fetch.foreign import QUIET, check_harmless, is_foreign

FAILURES = ("error", "impossible")  # of DataLad's results


def environment(clone: Path | None = None) -> dict[str, str]:
    """Environment for git and its helpers; settings of the caller's environment stay.

    Parameters
    ----------
    clone : Path, optional
        Where it is used. Another user may own it (shared data folders).

    Raises
    ------
    UserError
        If another user owns it and its configuration could run something.
    """
    env = dict(os.environ)
    env["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), env.get("PATH", os.defpath)])
    env["GIT_TERMINAL_PROMPT"] = "0"
    env["LC_ALL"] = "C.UTF-8"
    there: list[tuple[str, str]] = []
    if clone is not None:
        # Where the clone is gone, git must not find the repository around the data folder.
        env["GIT_CEILING_DIRECTORIES"] = str(clone.resolve().parent)
        there += QUIET
        if is_foreign(clone):
            check_harmless(clone)
            there.append(("safe.directory", str(clone.resolve())))
    settings = [
        ("user.name", "tristream"),
        ("user.email", "tristream@localhost"),
        ("annex.private", "true"),
        ("advice.detachedHead", "false"),
        *there,
    ]
    first = int(env.get("GIT_CONFIG_COUNT") or 0)
    for number, (key, value) in enumerate(settings, start=first):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    env["GIT_CONFIG_COUNT"] = str(first + len(settings))
    return env


def call(*command: str, at: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program in the clone `at`; the caller looks at the return code."""
    env = environment(at)
    return subprocess.run(
        _found(command, env),
        cwd=at,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
    )


def stream(*command: str, at: Path) -> Iterator[Mapping[str, Any]]:
    """JSON lines of a program in the clone `at`, as they come.

    Raises
    ------
    UserError
        If the program fails without having reported a failure in its lines.
    """
    env = environment(at)
    reported = False
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(
            _found(command, env),
            cwd=at,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
            errors="surrogateescape",
        ) as process,
    ):
        for line in process.stdout or ():
            if line.startswith("{"):
                record = json.loads(line)
                reported |= record.get("status") in FAILURES or record.get("success") is False
                yield record
        if process.wait() and not reported:
            errors.seek(0)
            raise UserError(f"{at}: {' '.join(command[:6])} failed: {_last(errors.read())}")


def _found(command: tuple[str, ...], env: Mapping[str, str]) -> list[str]:
    program = shutil.which(command[0], path=env["PATH"])
    needed = "git-annex" if command[:2] == ("git", "annex") else command[0]
    if program is None or shutil.which(needed, path=env["PATH"]) is None:
        raise UserError(
            f"{needed}: not found; install tristream with pip, which brings DataLad and "
            "git-annex, and git itself with the system's package manager"
        )
    return [program, *command[1:]]


def git(at: Path, *arguments: str) -> str:
    """Output of a git command in `at`; its failure is an error with git's own last words."""
    done = call("git", *arguments, at=at)
    if done.returncode:
        raise UserError(f"{at}: git {arguments[0]} failed: {last_words(done)}")
    return done.stdout


def results(done: subprocess.CompletedProcess[str]) -> Iterator[Mapping[str, Any]]:
    """The JSON lines that DataLad or git-annex printed."""
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """The last words of a failed program, as one line."""
    return _last(done.stderr or done.stdout) or f"exit status {done.returncode}"


def _last(text: str) -> str:
    return " ".join([line.strip() for line in text.splitlines() if line.strip()][-3:])
