"""Which run trains, which tests, and which test runs repeat each other."""

from collections.abc import Mapping, Sequence

import pandas as pd

from tristream.config.dataset import Dataset
from tristream.errors import UserError
from tristream.stimuli.tables import SPLITS
from tristream.stimuli.timelines import Event, Timeline, first_difference

# Fewer runs leave none to choose hyperparameters on.
FEWEST_RUNS = 3


def split_table(
    dataset: Dataset, subjects: Sequence[str], timelines: Mapping[str, Timeline]
) -> pd.DataFrame:
    """One row a run of each timeline; columns `tables.SPLITS`.

    Raises
    ------
    UserError
        If a subject's runs leave nothing to train or to test on.
    """
    for subject in subjects:
        _check_subject(dataset, subject)
    rows = []
    for name, runs in timelines.items():
        groups: list[tuple[str, list[Event]]] = []
        for run, events in runs.items():
            split = _split(dataset, run)
            repeat = _group(groups, events) if split == "test" else None
            rows.append({"timeline": name, "run": run, "split": split, "repeat": repeat})
    return pd.DataFrame(rows, columns=list(SPLITS))


def _split(dataset: Dataset, run: str) -> str:
    if dataset.split.scheme == "leave-one-run-out":
        return "each"
    return "test" if dataset.split.is_test(run) else "train"


def _group(groups: list[tuple[str, list[Event]]], events: list[Event]) -> str:
    for name, known in groups:
        if first_difference(known, events) is None:
            return name
    groups.append((f"test{len(groups) + 1}", events))
    return groups[-1][0]


def _check_subject(dataset: Dataset, subject: str) -> None:
    runs = dataset.runs_of(subject)
    where = f"{dataset.id}: split: sub-{subject}"
    if dataset.split.scheme == "leave-one-run-out":
        if len(runs) < FEWEST_RUNS:
            raise UserError(
                f"{where} has {len(runs)} runs; leave-one-run-out needs {FEWEST_RUNS}: leave the "
                "subject out in config.yaml"
            )
        return
    tests = sum(dataset.split.is_test(run) for run in runs)
    if tests in (0, len(runs)):
        lacks = "test" if tests == 0 else "training"
        raise UserError(
            f"{where} has no {lacks} run; mend split.test or missing in the descriptor, or leave "
            "the subject out in config.yaml"
        )
