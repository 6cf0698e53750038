"""A study of every layout whose jobs only leave empty files: what reruns when something changes.

Snakemake decides by files, their times and the ``params`` that it wrote down, not by what a job
computes. So jobs that do nothing make a finished study in seconds, and a dry run after a change
says which jobs a real study would repeat.
"""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.small_study import REPO, environment

STUDY = REPO / "tests/workflow/wide_study"
# In place of `python` in a job: make every file below results/ that is named and not there.
STAND_IN = """#!/bin/sh
for word in "$@"; do
  case "$word" in
    results/*)
      [ -e "$word" ] && continue
      mkdir -p "$(dirname "$word")"
      case "$word" in *.*) touch "$word" ;; *) mkdir -p "$word" ;; esac
      case "$word" in *.tsv) touch "${word%.tsv}.json" ;; esac
      case "$word" in */report/index.html) touch results/report/files.json ;; esac
      case "$word" in results/encode/*.h5) touch "${word%.h5}_weights.h5" ;; esac
      case "$word" in results/power/*.h5) touch "${word%.h5}.tsv" "${word%.h5}.json" ;; esac
  esac
done
"""
DRY_RUNS = """
import contextlib, gc, io, json, re, sys
from pathlib import Path
from snakemake.cli import main
from tristream import fingerprint

def forget(code):
    if code:
        for cached in (fingerprint._fingerprint, fingerprint.closure, fingerprint._code):
            cached.cache_clear()

snakefile, changes = sys.argv[1], json.load(sys.stdin)
gc.set_threshold(200_000)
for change in changes:
    kept = {path: Path(path).read_text() for path, text in change.items() if text is not None}
    for path, text in change.items():
        if text is None:
            Path(path).rename(Path(path).with_name(".gone"))
        else:
            Path(path).write_text(text)
    code = any(path.endswith(".py") for path in change)
    forget(code)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            main(["-s", snakefile, "--configfile", "config.yaml", "--cores", "1", "--dry-run"])
            failed = 0
        except SystemExit as end:
            failed = end.code or 0
    for path in change:
        if path in kept:
            Path(path).write_text(kept[path])
        else:
            Path(path).with_name(".gone").rename(path)
    forget(code)
    stats = printed.getvalue().rpartition("Job stats:")[2] if not failed else ""
    jobs = {rule: int(n) for rule, n in re.findall(r"^(\\w+) +(\\d+)$", stats, re.MULTILINE)}
    print("JOBS", json.dumps({"jobs": jobs, "error": printed.getvalue() if failed else ""}))
"""


def copy_code(folder: Path) -> Path:
    """A copy of package and workflow that a test may edit."""
    for part in ("src", "workflow"):
        shutil.copytree(REPO / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPO / "Snakefile", folder)
    return folder


def finish(folder: Path, code: Path) -> Path:
    """Set the study up in `folder` and finish it with the workflow in `code`."""
    shutil.copytree(STUDY, folder, dirs_exist_ok=True)
    (folder / "stimuli").mkdir()
    (folder / "design").mkdir()
    for name in ("task-train_run-1", "task-train_run-2", "task-test_run-1"):
        (folder / f"design/sub-01_{name}_events.tsv").write_text("onset\tduration\ttrial_type\n")
    stand_in = folder / "bin/python"
    stand_in.parent.mkdir()
    stand_in.write_text(STAND_IN)
    stand_in.chmod(stand_in.stat().st_mode | stat.S_IEXEC)
    call = [sys.executable, "-m", "snakemake", "-s", str(code / "Snakefile"), "--cores", "8"]
    env = environment(code)
    env["PATH"] = os.pathsep.join([str(stand_in.parent), env["PATH"]])
    done = subprocess.run(
        [*call, "--configfile", "config.yaml", "--quiet"],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def reruns(
    folder: Path, code: Path, changes: Sequence[Mapping[Path, str | None]]
) -> list[dict[str, int]]:
    """Jobs that a dry run would do after each change: rule to count; or the error that it gives.

    Parameters
    ----------
    folder, code : Path
        The finished study, and the copy of package and workflow that it was finished with.
    changes : sequence of mapping
        Files to their new text, or None: deleted; taken back before the next change.
    """
    plain = [{str(path): text for path, text in change.items()} for change in changes]
    done = subprocess.run(
        [sys.executable, "-c", DRY_RUNS, str(code / "Snakefile")],
        cwd=folder,
        env=environment(code),
        input=json.dumps(plain),
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("JOBS ")]
    found: list[dict[str, Any]] = [json.loads(line.removeprefix("JOBS ")) for line in lines]
    assert len(found) == len(changes), done.stderr
    return [_grouped(one["jobs"]) if not one["error"] else {one["error"]: 1} for one in found]


def _grouped(jobs: Mapping[str, int]) -> dict[str, int]:
    """Without targets; the rules of the spaces as one, `features`."""
    out: dict[str, int] = {}
    for rule, count in jobs.items():
        if rule not in ("total", "all", "default"):
            name = "features" if rule.startswith("features_") else rule
            out[name] = out.get(name, 0) + count
    return out
