"""The small study on a real Slurm, by both executors, against a run on one machine.

Data, stimuli and their features stay from the local run, as they would be on a login node; one
space of features and all from BOLD to report (or, by cluster-generic, to inference) are computed
by jobs of Slurm.
"""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest

from helpers import REPOSITORY
from helpers.slurm_cluster import Cluster, profile, slurm
from helpers.small_study import environment

pytestmark = pytest.mark.slurm

SPACE = "features/tiny/cochlea"
STAGES = ("bold", "align", "encode", "inference", "maps", "report")
INFERENCE = "results/inference/tiny/streams/sub-01.h5"
SECONDS = 900
"""More than either takes on a busy machine; a run that hangs is ended by then."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory):
    with slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running


def start(study: Path, cluster: Cluster, name: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Snakemake in `study` by a profile, ended where it hangs."""
    env = environment()
    env["PATH"] = os.pathsep.join([str(cluster.programs), env["PATH"]])
    call = ["timeout", "-k", "10", str(SECONDS), sys.executable, "-m", "snakemake"]
    call += ["-s", str(REPOSITORY / "Snakefile"), "--configfile", "config.yaml"]
    call += ["--profile", str(profile(study / "profile", name)), *arguments]
    with (study / "run.log").open("wb") as log:
        return subprocess.Popen(call, cwd=study, env=env, stdout=log, stderr=log)


@pytest.fixture(scope="module")
def both(
    finished: Path, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The study by each executor, at the same time."""
    quick = ["--latency-wait", "10", "--seconds-between-status-checks", "1"]
    options = {
        "slurm": [
            *("--slurm-status-command", "squeue"),
            *("--slurm-init-seconds-before-status-checks", "1"),
        ],
        "cluster-generic": [INFERENCE],
    }
    folders, running = {}, {}
    for name, more in options.items():
        folders[name] = tmp_path_factory.mktemp(name) / "study"
        shutil.copytree(finished, folders[name], symlinks=True)
        for stage in (SPACE, *STAGES):
            shutil.rmtree(folders[name] / "results" / stage)
        running[name] = start(folders[name], cluster, name, *quick, *more)
    codes = {name: process.wait() for name, process in running.items()}
    for name, code in codes.items():
        assert code == 0, (folders[name] / "run.log").read_text() + cluster.logs()
    return folders


@pytest.mark.parametrize("name", ["slurm", "cluster-generic"])
def test_an_executor_gives_what_a_local_run_gives(name: str, both: dict[str, Path], finished: Path):
    encoding = "results/encode/tiny/streams/sub-01.h5"
    with h5py.File(finished / encoding) as here, h5py.File(both[name] / encoding) as there:
        equal = here["hyper/alpha"][()] == there["hyper/alpha"][()]
        equal &= (here["hyper/gamma"][()] == there["hyper/gamma"][()]).all(axis=0)
        assert len(equal) == 387
        assert equal.mean() >= 0.999
        r = here["scores/r"][()]
        assert np.abs(r).max() > 0.3
        np.testing.assert_allclose(there["scores/r"][()], r, rtol=0, atol=1e-4)
    assert (both[name] / INFERENCE).is_file()


def test_the_study_is_finished_to_its_report(both: dict[str, Path], finished: Path):
    pages = {path.name for path in (finished / "results/report").glob("*.html")}
    assert pages
    assert pages == {path.name for path in (both["slurm"] / "results/report").glob("*.html")}


def test_slurm_was_asked_for_what_the_profile_and_the_rules_say(
    both: dict[str, Path], cluster: Cluster
):
    jobs = [job for job in cluster.jobs() if str(both["slurm"]) in job["WorkDir"]]
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    assert {job["Partition"] for job in jobs} == {"cpu"}
    arrays = Counter(job["ArrayJobId"] for job in jobs if "ArrayJobId" in job)
    assert sorted(arrays.values()) == [5, 5]  # BOLD of five runs, five layers that are aligned
    comments = " ".join(job["Comment"] for job in jobs)
    for grouped in ("samples_lagscan", "inference_maps_tables"):
        assert grouped in comments
    # What fetches does so where snakemake runs.
    assert "fetch" not in comments


def test_cluster_generic_asks_for_memory_too(both: dict[str, Path], cluster: Cluster):
    jobs = [job for job in cluster.jobs() if str(both["cluster-generic"]) in job["WorkDir"]]
    assert len(jobs) > 10
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    asked = {job["JobName"]: job["TRES"] for job in jobs}
    assert "mem=" in asked["encode"]
    assert asked["encode"] != asked["samples"]
