"""Jobs of the report: their order, what they note, and the threads that they compute on."""

import os
from functools import partial
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from tristream.report import workers
from tristream.report.study_results import Results
from tristream.store import Omission


def noted(results, number):
    results.sources[Path(f"{number}.h5")] = number
    results.omitted[Omission("ceiling", "nothing repeats")] = [f"{number}.h5"]
    return number, os.getpid()


def threads():
    """Of the libraries that are loaded, and what one that is loaded later would take."""
    most = max(library["num_threads"] for library in threadpool_info())
    return most, os.environ["OMP_NUM_THREADS"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_results_come_in_the_order_of_the_jobs_whoever_did_them(number):
    results = Results(None, Path("report"))
    made = workers.make(results, [partial(noted, results, job) for job in range(5)], number)
    assert [job for job, _ in made] == list(range(5))
    assert (os.getpid() in {process for _, process in made}) == (number == 1)
    assert results.sources == {Path(f"{job}.h5"): job for job in range(5)}
    assert results.omitted == {
        Omission("ceiling", "nothing repeats"): [f"{job}.h5" for job in range(5)]
    }


def test_a_worker_computes_on_one_thread(monkeypatch):
    # What a job of two threads is given.
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    results = Results(None, Path("report"))
    with threadpool_limits(2):
        assert threads() == (2, "2")
        assert workers.make(results, [threads, threads], 2) == [(1, "1")] * 2
        assert threads() == (2, "2")
