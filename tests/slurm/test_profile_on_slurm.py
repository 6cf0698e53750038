"""The shipped profile's partitions, GPUs and retries on a real Slurm, by rules of a line each."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.slurm_cluster import profile, slurm
from helpers.small_study import environment

pytestmark = pytest.mark.slurm

SNAKEFILE = """
rule all:
    input: expand("{name}.txt", name=["brief", "long", "gpu", "gres", "hungry"])

rule brief:
    output: "brief.txt"
    resources: mem_mb=200, runtime=10
    shell: "echo $SLURM_JOB_PARTITION > {output}"

rule long:
    output: "long.txt"
    resources: mem_mb=200, runtime=2000
    shell: "echo $SLURM_JOB_PARTITION > {output}"

rule gpu:
    output: "gpu.txt"
    resources: mem_mb=200, runtime=10, gpu=1
    shell: "echo $SLURM_JOB_PARTITION $CUDA_VISIBLE_DEVICES > {output}"

rule gres:
    output: "gres.txt"
    resources: mem_mb=200, runtime=10, gres="gpu:1"
    shell: "echo $SLURM_JOB_PARTITION $CUDA_VISIBLE_DEVICES > {output}"

rule hungry:
    output: "hungry.txt"
    resources:
        mem_mb=lambda w, attempt: 400 * attempt,
        runtime=10,
    shell:
        "python -c 'import time; held = bytearray(600 << 20); time.sleep(6)'"
        " && echo fed > {output}"
"""


def test_jobs_go_where_the_profile_sends_them_and_are_tried_again_with_more(tmp_path: Path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    with slurm(tmp_path / "cluster") as cluster:
        env = environment()
        env["PATH"] = os.pathsep.join([str(cluster.programs), env["PATH"]])
        call = ["timeout", "-k", "10", "240", sys.executable, "-m", "snakemake"]
        ours = profile(tmp_path / "profile", "slurm")
        with (ours / "partitions.yaml").open("a") as file:
            file.write("  short:\n    max_runtime: 60\n    max_threads: 2\n")
        call += ["--profile", str(ours)]
        call += ["--slurm-status-command", "squeue", "--latency-wait", "10"]
        call += ["--slurm-init-seconds-before-status-checks", "1"]
        done = subprocess.run(
            [*call, "--slurm-array-jobs", "none", "--groups", "all=none"],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr + cluster.logs()
        jobs = cluster.jobs()
    said = {path.stem: path.read_text().split() for path in tmp_path.glob("*.txt")}
    assert said.pop("hungry") == ["fed"]
    assert said == {"brief": ["short"], "long": ["cpu"], "gpu": ["gpu", "0"], "gres": ["gpu", "0"]}
    hungry = [job for job in jobs if job["Comment"] == "rule_hungry"]
    assert [job["JobState"] for job in hungry] == ["FAILED", "COMPLETED"]
    assert ["mem=400M" in hungry[0]["TRES"], "mem=800M" in hungry[1]["TRES"]] == [True, True]
