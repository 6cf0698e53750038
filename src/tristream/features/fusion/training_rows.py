"""Which parts of the stimuli train: shown in a training run, and in no test run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.errors import UserError
from tristream.stimuli.tables import read_inventory, read_splits
from tristream.stimuli.timelines import TIMED

Intervals = Mapping[str, list[tuple[float, float]]]


@dataclass(frozen=True)
class TrainingSet:
    """What was shown in training runs, and what in test runs.

    Attributes
    ----------
    train, test : dict of stimulus to list of (float, float)
        Intervals of media time in seconds.
    train_items, test_items : set of str
        Labels and images.
    simulated : bool
        Whether the timeline belongs to simulated data.
    """

    train: Intervals
    test: Intervals
    train_items: frozenset[str] = field(default_factory=frozenset)
    test_items: frozenset[str] = field(default_factory=frozenset)
    simulated: bool = False

    def rows(
        self, stimulus: str, times: npt.NDArray[np.float64], reach: float
    ) -> npt.NDArray[np.bool_]:
        """Samples of a film or sound that may be fitted.

        Parameters
        ----------
        stimulus : str
            Name in the stimulus table.
        times : ndarray of shape (n,)
            Centres of the samples in seconds of media time.
        reach : float
            Seconds to either side of a sample that went into it. None of them may belong to a
            test interval.
        """
        shown = _within(times, self.train.get(stimulus, []), 0.0)
        return shown & ~_within(times, self.test.get(stimulus, []), reach)

    def item_rows(self, items: list[str]) -> npt.NDArray[np.bool_]:
        """Labels or images that may be fitted."""
        wanted = self.train_items - self.test_items
        return np.array([item in wanted for item in items], bool)


def _within(
    times: npt.NDArray[np.float64], intervals: list[tuple[float, float]], margin: float
) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(times), bool)
    for first, last in intervals:
        inside |= (times > first - margin) & (times < last + margin)
    return inside


def read_training(inventory: Path, splits: Path, space: str) -> TrainingSet:
    """Read what trains from the tables of the stimuli stage.

    A stimulus that any timeline shows in a test run is a test stimulus for all.

    Parameters
    ----------
    inventory, splits : Path
        ``inventory.tsv`` and ``splits.tsv``.
    space : str
        Named in messages.

    Raises
    ------
    UserError
        If the dataset has no fixed training set (leave-one-run-out), or no training stimulus.
    """
    runs = read_splits(splits).table
    split_of = {
        (str(row["timeline"]), str(row["run"])): str(row["split"])
        for row in runs.to_dict("records")
    }
    if "each" in split_of.values():
        raise UserError(
            f"{splits}: fusion.{space} is fitted on training stimuli, but with leave-one-run-out "
            "every run is a test run once, so that no stimulus is for training alone; use a "
            "holdout split, or `method: concatenate` with `scale: none`, which fits nothing"
        )
    listed = read_inventory(inventory)
    media: dict[str, dict[str, list[tuple[float, float]]]] = {"train": {}, "test": {}}
    items: dict[str, set[str]] = {"train": set(), "test": set()}
    for event in listed.table.to_dict("records"):
        split = split_of.get((str(event["timeline"]), str(event["run"])))
        if split is None:
            raise UserError(f"{splits}: has no {event['run']}, which {inventory} shows; redo both")
        if event["kind"] in TIMED:
            start = float(event["media_start"])
            interval = (start, start + float(event["duration"]))
            media[split].setdefault(str(event["stimulus"]), []).append(interval)
        elif not (isinstance(event["item"], float) and math.isnan(event["item"])):
            items[split].add(str(event["item"]))
    return TrainingSet(
        media["train"],
        media["test"],
        frozenset(items["train"]),
        frozenset(items["test"]),
        listed.provenance.simulated,
    )
