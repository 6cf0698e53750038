"""Which run trains, which tests, and which test runs repeat each other."""

from collections.abc import Mapping, Sequence

import pandas as pd

from tristream.config.events import EventReading
from tristream.config.runs import Split
from tristream.errors import UserError
from tristream.stimuli.tables import SPLITS
from tristream.stimuli.timelines import Event, Timeline, first_difference

# Fewer runs leave none to choose hyperparameters on.
FEWEST_RUNS = 3


def split_table(
    reading: EventReading,
    split: Split,
    subjects: Sequence[str],
    timelines: Mapping[str, Timeline],
) -> pd.DataFrame:
    """One row a run of each timeline; columns `tables.SPLITS`.

    Raises
    ------
    UserError
        If a subject's runs leave nothing to train or to test on.
    """
    for subject in subjects:
        _check_subject(reading, split, subject)
    rows = []
    for name, runs in timelines.items():
        groups: list[tuple[str, list[Event]]] = []
        for run, events in runs.items():
            part = _part(split, run)
            repeat = _group(groups, events) if part == "test" else None
            rows.append({"timeline": name, "run": run, "split": part, "repeat": repeat})
    return pd.DataFrame(rows, columns=list(SPLITS))


def _part(split: Split, run: str) -> str:
    if split.scheme == "leave-one-run-out":
        return "each"
    return "test" if split.is_test(run) else "train"


def _group(groups: list[tuple[str, list[Event]]], events: list[Event]) -> str:
    for name, known in groups:
        if first_difference(known, events) is None:
            return name
    groups.append((f"test{len(groups) + 1}", events))
    return groups[-1][0]


def _check_subject(reading: EventReading, split: Split, subject: str) -> None:
    runs = reading.runs_of(subject)
    where = f"{reading.dataset}: split: sub-{subject}"
    if split.scheme == "leave-one-run-out":
        if len(runs) < FEWEST_RUNS:
            raise UserError(
                f"{where} has {len(runs)} runs; leave-one-run-out needs {FEWEST_RUNS}: leave the "
                "subject out in config.yaml"
            )
        return
    tests = sum(split.is_test(run) for run in runs)
    if tests in (0, len(runs)):
        lacks = "test" if tests == 0 else "training"
        raise UserError(
            f"{where} has no {lacks} run; fix split.test or missing in the descriptor, or leave "
            "the subject out in config.yaml"
        )
