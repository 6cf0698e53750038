"""What jobs asked for beside what they used, in the small study and in one of real width."""

import argparse
import csv
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from helpers.many_subjects import MODELS, RUNS, SPACES, SUBJECTS, write
from helpers.small_study import REPO, environment
from tristream.cli.plan import largest_partition, megabytes
from tristream.config.load import load
from tristream.demands.job_demands import Demands

LAYERS = {name: (layer,) for name, layer in (
    ("efficientnet", "head"), ("flow", "flow"), ("acoustics", "logmel"),
    ("lowlevel", "lowlevel"), ("cochlea", "cochleagram"),
)}  # fmt: skip
Used = dict[Path, tuple[str, dict[str, str], float]]


def used_by(study: Path, demands: Demands) -> Used:
    """Benchmark file to what its job writes, its wildcards and its peak in MB."""
    found: Used = {}
    for path in Path("results/benchmarks").rglob("*.tsv"):
        job = demands.job_of(path)
        assert job is not None, path
        with path.open() as file:
            (row,) = csv.DictReader(file, delimiter="\t")
        found[path] = (*job, float(row["max_rss"]))
    return found


def wrong(demands: Demands, used: Used) -> dict[str, Any]:
    """Jobs that asked for less than they used, or for absurdly more."""
    out = {}
    for place, wildcards, peak in used.values():
        asked = demands.memory(place, wildcards)
        if not peak < asked < 8 * peak + 1000:
            out[place] = (asked, peak)
    return out


@pytest.mark.xdist_group("study")
def test_jobs_ask_for_more_than_they_use_and_not_absurdly_more(
    finished: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(finished)
    resolved = load("config.yaml")
    demands = Demands(resolved, LAYERS)
    used = used_by(finished, demands)
    assert len(used) > 25
    assert wrong(demands, used) == {}

    class Planted(Demands):
        """Asks for a fifth, or for twenty times as much."""

        factor = 0.2

        def memory(self, place: str, wildcards: Mapping[str, str], attempt: int = 1) -> int:
            return round(self.factor * super().memory(place, wildcards, attempt))

    planted = Planted(resolved, LAYERS)
    assert {"encoding", "report", "inference"} <= set(wrong(planted, used))
    planted.factor = 20
    assert {"encoding", "report", "inference"} <= set(wrong(planted, used))


# Runs a command, and writes its seconds of the processor and its peak in KB.
MEASURED = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stderr=subprocess.STDOUT).returncode
spent = resource.getrusage(resource.RUSAGE_CHILDREN)
print(spent.ru_utime + spent.ru_stime, spent.ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


def test_a_study_of_sixty_subjects_is_planned_in_a_minute_and_two_gigabytes(tmp_path: Path):
    """Seconds of the processor: a machine with other work has longer minutes."""
    write(tmp_path)
    call = [sys.executable, "-m", "snakemake", "-s", str(REPO / "Snakefile"), "--dry-run"]
    call += ["--configfile", "config.yaml", "--cores", "2", "--quiet", "rules"]
    # A child's peak begins with that of its parent, and tests before may have made this one large.
    small = [sys.executable, "-c", MEASURED, *call]
    done = subprocess.run(
        small, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    printed, spent = done.stdout, done.stderr.splitlines()[-1].split()
    assert done.returncode == 0, printed
    jobs = dict(line.split() for line in printed.splitlines() if len(line.split()) == 2)
    assert int(jobs["bold"]) == SUBJECTS * RUNS
    assert int(jobs["encode"]) == SUBJECTS * MODELS
    assert int(jobs["align"]) == SPACES
    seconds, kilobytes = map(float, spent)
    assert 1 < seconds < 60
    assert 0.05 < kilobytes / 1e6 < 2


def test_plan_refuses_what_a_memory_cannot_hold(tmp_path: Path):
    write(tmp_path, subjects=2)
    call = [sys.executable, "-m", "tristream", "plan", "--memory"]
    shutil.copy(REPO / "Snakefile", tmp_path)
    shutil.copytree(REPO / "workflow", tmp_path / "workflow", dirs_exist_ok=True)

    def plan(memory: str) -> tuple[int, str]:
        done = subprocess.run(
            [*call, memory], cwd=tmp_path, env=environment(), capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr

    status, said = plan("2G")
    assert status == 1
    assert "Too large" in said
    (line,) = [line for line in said.splitlines() if line.strip().startswith("encoding ")]
    assert "asks for" in line
    assert "layout.resolution" in line
    assert not (tmp_path / "data").exists()
    status, said = plan("64G")
    assert status == 0, said
    assert "Too large" not in said


def test_a_partition_says_how_much_memory_there_is(tmp_path: Path):
    path = REPO / "workflow/profiles/slurm/partitions.yaml"
    assert largest_partition(str(path)) == 128_000
    (tmp_path / "none.yaml").write_text("partitions: {cpu: {}}")
    with pytest.raises(argparse.ArgumentTypeError, match="max_mem_mb"):
        largest_partition(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("text", "mb"), [("8G", 8000), ("8000M", 8000), ("900", 900), ("1.5g", 1500)]
)
def test_memory_has_a_unit(text: str, mb: int):
    assert megabytes(text) == mb
    with pytest.raises(argparse.ArgumentTypeError, match="write 8G"):
        megabytes(f"{text}i")
