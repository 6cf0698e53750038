"""What a job imports before it computes: no library that it does without, and in little time.

A study has a hundred short jobs, and each is a process. Of a job that imports torch, nilearn or
matplotlib it is most of the time.
"""

import re
import subprocess
import sys
from importlib import import_module

import pytest

from helpers.small_study import environment
from tristream import cli

HEAVY = {"torch", "nilearn", "sklearn", "matplotlib", "cv2", "librosa", "datalad", "jinja2"}
# Entry of a job: the heavy libraries that it needs, and time in imports of numpy (a tenth of a
# second). Each is about twice what was measured.
BUDGETS: dict[str, tuple[set[str], float]] = {
    "tristream.cli": (set(), 3),
    "tristream.bold.prepare": (set(), 12),
    "tristream.bold.index_file": (set(), 12),
    "tristream.features.core.extraction": (set(), 12),
    "tristream.stimuli.inventory": (set(), 16),
    "tristream.align.samples": (set(), 18),
    "tristream.align.aligned": (set(), 20),
    "tristream.encode.fit": ({"torch"}, 90),
    "tristream.encode.partition.nested_models": ({"torch"}, 90),
    "tristream.inference.recovery": (set(), 45),
    "tristream.inference.comparison": (set(), 45),
    "tristream.inference.group_models": (set(), 50),
    "tristream.inference.group_comparisons": (set(), 50),
    "tristream.inference.group_partitions": (set(), 50),
    "tristream.inference.intersubject": (set(), 50),
    "tristream.inference.encoding": ({"torch"}, 90),
    "tristream.maps.encoding_maps": ({"nilearn", "sklearn", "matplotlib"}, 75),
    "tristream.report.build": ({"nilearn", "sklearn", "matplotlib", "cv2", "jinja2"}, 90),
}
TRIES = 3
LINE = re.compile(r"^import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)$", re.MULTILINE)


def imported(*modules: str) -> dict[str, int]:
    """Modules that a new process imports, in microseconds, those that they import included."""
    code = "import numpy; " + "; ".join(f"import {name}" for name in modules)
    call = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(call, env=environment(), capture_output=True, text=True, check=True)
    return {name: int(total) for _, total, _, name in LINE.findall(done.stderr)}


def over(modules: tuple[str, ...], needed: set[str], budget: float) -> list[str]:
    """What is imported and not needed, and time above the budget.

    Of a few processes the quickest counts: others take the processor away from some of them.
    """
    spent = float("inf")
    for _ in range(TRIES):
        times = imported(*modules)
        spent = min(spent, sum(times[name] for name in modules) / times["numpy"])
        if spent <= budget:
            break
    wrong = [f"imports {name}" for name in sorted(HEAVY & set(times) - needed)]
    return [*wrong, *([f"takes {spent:.1f} imports of numpy"] if spent > budget else [])]


@pytest.mark.parametrize("module", BUDGETS)
def test_a_job_imports_what_it_needs(module):
    needed, budget = BUDGETS[module]
    assert over((module,), needed, budget) == []


def test_a_job_waits_for_the_command_line_of_no_other_stage(monkeypatch, capsys):
    loaded = []
    monkeypatch.setattr(
        cli, "import_module", lambda name: loaded.append(name) or import_module(name)
    )
    with pytest.raises(SystemExit):
        cli.main(["bold", "--help"])
    assert loaded == ["tristream.cli.bold"]
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert len(loaded) == 1 + len(cli.STAGES)


def test_what_is_too_much_is_noticed():
    wrong = over(("sklearn.linear_model", "torch"), {"sklearn"}, 3)
    assert wrong[0] == "imports torch"
    assert wrong[1].startswith("takes ")
