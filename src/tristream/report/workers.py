"""Jobs of the report, made by several processes at once."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from tristream.report.study_results import Results, Source
from tristream.store import Omission

T = TypeVar("T")
Sources = dict[Path, Source]
Omitted = dict[Omission, list[str]]
_jobs: Sequence[Callable[[], object]] = ()
_results: Results | None = None


def make(results: Results, jobs: Sequence[Callable[[], T]], workers: int) -> list[T]:
    """Do jobs (pages, findings, strips), which note in `results` what they read and left out.

    Workers are forked, so that nothing is imported or read twice; where the system cannot fork
    safely (macOS, Windows), the jobs are done one after the other.

    Parameters
    ----------
    results : Results
        What the jobs note things in; afterwards it holds the notes of all of them.
    jobs : sequence of callable
        In the order in which their results are wanted.
    workers : int
        Number of processes.
    """
    global _jobs, _results
    _jobs, _results = jobs, results
    before = results.sources, results.omitted
    if workers < 2 or len(jobs) < 2 or multiprocessing.get_start_method() == "spawn":
        done = [_one(number) for number in range(len(jobs))]
    else:
        fork = multiprocessing.get_context("fork")
        with fork.Pool(min(workers, len(jobs)), _one_thread) as pool:
            # The last ones first: pages of subjects, which take longest.
            done = pool.map(_one, reversed(range(len(jobs))), chunksize=1)[::-1]
    results.sources, results.omitted = before
    for _, sources, omitted in done:
        results.sources |= sources
        for omission, files in omitted.items():
            known = results.omitted.setdefault(omission, [])
            known += [file for file in files if file not in known]
    return [made for made, _, _ in done]


def _one_thread() -> None:
    """Each worker computes on one thread: as many as there are workers is what the job has."""
    os.environ["OMP_NUM_THREADS"] = "1"  # for libraries that are still to be loaded
    threadpool_limits(1)


def _one(number: int) -> tuple[Any, Sources, Omitted]:
    """One result, and what was read and left out: the same whoever makes it."""
    assert _results is not None
    _results.sources, _results.omitted = {}, {}
    return _jobs[number](), _results.sources, _results.omitted
