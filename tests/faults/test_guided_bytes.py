"""Our parsers of bytes, fuzzed by coverage: what reaches a new line of them is changed further."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.parsed_bytes import HEADS, bundle
from helpers.small_study import environment

SECONDS = 8
"""Of each parser."""
SEEDS = {
    "checkpoint": lambda: [bundle()[0]],
    "ends": lambda: list(HEADS.values()),
    "affines": lambda: [
        b"#Insight Transform File V1.0\nTransform: AffineTransform_double_3_3\n"
        b"Parameters: 1 0 0 0 1 0 0 0 1 2 3 4\nFixedParameters: 0 0 0\n"
    ],
    "key": lambda: [b"MD5E-s1024--d41d8cd98f00b204e9800998ecf8427e.nii.gz"],
    "sums": lambda: [],
    "planted": lambda: [],
}


def fuzz(parser: str, folder: Path) -> subprocess.CompletedProcess[str]:
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, content in enumerate(SEEDS[parser]()):
        (corpus / str(number)).write_bytes(content)
    # Of memory one piece counts: the most that a process held begins with what its parent held.
    memory = ["-malloc_limit_mb=500", "-rss_limit_mb=0"]
    limits = [f"-max_total_time={SECONDS}", "-timeout=5", "-max_len=4096", *memory]
    call = [sys.executable, "-m", "helpers.guided_fuzz", parser, corpus, *limits, "-seed=1"]
    env = environment()
    env["PYTHONPATH"] = f"{Path(__file__).parents[1]}:{env.get('PYTHONPATH', '')}"
    call += ["-print_final_stats=1", f"-artifact_prefix={folder}/"]
    return subprocess.run(call, env=env, capture_output=True, text=True, errors="replace")


@pytest.mark.parametrize("parser", [name for name in SEEDS if name != "planted"])
def test_a_parser_answers_or_tells(parser, tmp_path):
    done = fuzz(parser, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    tried = re.search(r"stat::number_of_executed_units: (\d+)", done.stderr)
    assert tried is not None
    assert int(tried[1]) > 1000


def test_a_fault_that_chance_would_not_meet_is_found(tmp_path):
    done = fuzz("planted", tmp_path)
    assert done.returncode != 0
    assert "KeyError" in done.stdout + done.stderr
