"""Learn what jobs ask for from Snakemake's benchmark files, and compare it with what they used.

Give folders of studies that were run, the more different in size the better. For each place whose
jobs differ enough in size, memory (MB) and time (s) are fitted by non-negative least squares of
relative errors; else what `coefficients.json` has stays, and its constant part is raised where a
job used more. No measured job may need more than the model says.

    python benchmarks/learn_demands.py STUDY [STUDY ...]            # the table alone
    python benchmarks/learn_demands.py STUDY [STUDY ...] --write    # and new coefficients
"""

import argparse
import csv
import json
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from tristream.config.load import load
from tristream.demands.job_demands import COEFFICIENTS, TERMS, Demands, Sizes
from tristream.features.core.checked_space import check

LEAST = {"memory": 100.0, "time": 10.0}
"""Of the constant part: MB of a Python, seconds of its imports on a busy machine."""


@dataclass(frozen=True)
class Measured:
    """What one job used, the sizes it had, and what it asked for."""

    place: str
    sizes: Sizes
    memory: float
    time: float
    asked: int


def measured(folder: Path) -> Iterable[Measured]:
    """All jobs of a study that was run in `folder`."""
    os.chdir(folder)
    resolved = load("config.yaml")
    spaces = {
        name: check(name, space, "config.yaml", resolved.study.data).layers
        for name, space in resolved.study.features.items()
    }
    layers = spaces | {name: space.layers for name, space in resolved.study.fusion.items()}
    demands = Demands(resolved, layers)
    for path in sorted(Path(resolved.study.results, "benchmarks").rglob("*.tsv")):
        found = demands.job_of(path)
        if found is None:
            continue
        place, wildcards = found
        with path.open() as file:
            for row in csv.DictReader(file, delimiter="\t"):
                peak, cpu = _number(row["max_rss"]), _number(row["cpu_time"])
                if peak:
                    sizes = demands.sizes(place, wildcards)
                    asked = demands.memory(place, wildcards)
                    yield Measured(place, sizes, peak, max(cpu, 0.1), asked)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def learn(what: str, terms: dict[str, float], jobs: list[Measured]) -> dict[str, float]:
    """Units of each term for a place: fitted if its jobs differ in size, else shifted."""
    used = np.array([getattr(job, what) for job in jobs])
    names = list(terms)
    table = np.array([[TERMS[name](job.sizes) for name in names] for job in jobs])
    distinct = len({tuple(row) for row in table.tolist()})
    growing = table[:, 1:].sum(axis=1) if len(names) > 1 else np.ones(1)
    fitted = np.array([terms[name] for name in names])
    if distinct > len(names) and growing.max() > 3 * max(growing.min(), 1e-9):
        fitted = nnls(table / used[:, None], np.ones(len(used)))[0]
        fitted[0] = LEAST[what]
    rest = table[:, 1:] @ fitted[1:]
    fitted[0] = max(float((used - rest).max()), fitted[0])
    rounded = [float(f"{unit:.3g}") for unit in fitted]
    return {n: int(r) if r.is_integer() else r for n, r in zip(names, rounded, strict=True)}


def table(jobs: dict[str, list[Measured]]) -> str:
    """Asked against used, for docs/cluster.md."""
    lines = ["| job that writes | jobs | volumes × voxels, largest | used, MB | asks, MB |"]
    lines.append("|---|---|---|---|---|")
    for place, mine in sorted(jobs.items()):
        most = max(mine, key=lambda job: job.memory)
        size = f"{most.sizes.rows:,} × {most.sizes.voxels:,}"
        used = f"{min(job.memory for job in mine):.0f}–{most.memory:.0f}"
        asked = f"{min(job.asked for job in mine)}–{max(job.asked for job in mine)}"
        lines.append(f"| `{place}` | {len(mine)} | {size} | {used} | {asked} |")
    return "\n".join(lines)


def main() -> None:
    """Read the studies; print the table, and write what was learned if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", type=Path, default=[Path()], help="default: this one")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    jobs: dict[str, list[Measured]] = defaultdict(list)
    for folder in [study.resolve() for study in args.studies]:
        for job in measured(folder):
            jobs[job.place].append(job)
    print(table(jobs))
    if args.write:
        known = json.loads(COEFFICIENTS.read_text())
        for place, mine in jobs.items():
            # The peak of a job does not tell in which of several phases it was.
            known[place] |= {
                what: learn(what, terms, mine)
                for what, terms in known[place].items()
                if what in LEAST
            }
        COEFFICIENTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    short = [job for mine in jobs.values() for job in mine if job.memory > job.asked]
    print(f"RATIO jobs_that_asked_for_too_little={len(short)}")


if __name__ == "__main__":
    main()
