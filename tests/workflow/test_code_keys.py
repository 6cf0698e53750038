"""Code keys hold every module that a job really imports, as its own process tells."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers.small_study import REPO, TRACE, environment
from tristream import fingerprint

pytestmark = pytest.mark.xdist_group("study")

# What the parse of the study asks `fingerprint` for: key to modules.
KEYS = """
import json, sys
from tristream import fingerprint
from snakemake.cli import main

asked, plain = {}, fingerprint.fingerprint

def noted(*modules):
    key = plain(*modules)
    asked[key] = modules
    return key

fingerprint.fingerprint = noted
try:
    main(["-s", sys.argv[1], "--configfile", "config.yaml", "--cores", "1", "-n", "-F", "--quiet"])
except SystemExit as end:
    assert not end.code, end.code
print("KEYS", json.dumps(asked))
"""


@pytest.fixture(scope="module")
def asked(finished: Path) -> dict[str, list[str]]:
    """The modules that each code key of the small study was made from."""
    done = subprocess.run(
        [sys.executable, "-c", KEYS, str(REPO / "Snakefile")],
        cwd=finished,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("KEYS ")]
    return dict(json.loads(line.removeprefix("KEYS ")))


@pytest.fixture(scope="module")
def jobs(finished: Path) -> list[dict[str, Any]]:
    """Arguments and imported modules of every job of the small study."""
    traces = [json.loads(path.read_text()) for path in (finished / TRACE).glob("*.json")]
    found = [trace for trace in traces if "--output" in trace["argv"]]
    assert len(found) > 25
    return found


def missing(job: dict[str, Any], asked: dict[str, list[str]]) -> set[str]:
    """Modules that the job imported and its key does not hold."""
    key = job["argv"][job["argv"].index("--code") + 1]
    held = fingerprint.closure(*asked[key])
    return {name for name in job["modules"] if not fingerprint.is_plumbing(name)} - held


def test_every_job_that_computes_has_a_key(jobs, asked):
    for job in jobs:
        if job["argv"][1] != "fetch":
            assert "--code" in job["argv"], job["argv"]
            assert job["argv"][job["argv"].index("--code") + 1] in asked


def test_no_module_that_computes_is_missing_from_a_key(jobs, asked):
    found = {}
    for job in jobs:
        if "--code" in job["argv"] and (lacking := missing(job, asked)):
            found[" ".join(job["argv"][1:3])] = sorted(lacking)
    assert found == {}


def test_a_module_that_is_dropped_from_the_closure_is_noticed(jobs, asked, monkeypatch):
    plain = fingerprint.closure
    monkeypatch.setattr(fingerprint, "closure", lambda *m: plain(*m) - {"tristream.align.delays"})
    (fit,) = [job for job in jobs if job["argv"][1:3] == ["encode", "fit"]]
    assert missing(fit, asked) == {"tristream.align.delays"}


def test_plumbing_is_short_and_exists():
    assert len(fingerprint.PLUMBING) <= 12
    for name in fingerprint.PLUMBING:
        assert fingerprint._source(name).is_file(), name
