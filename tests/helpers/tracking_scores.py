"""How well tracks keep the identities of true objects, by motmetrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import motmetrics
import numpy as np

Frame = Mapping[int, np.ndarray]
"""Boxes (left, top, width, height) by identity."""


@dataclass(frozen=True)
class Scores:
    """Attributes
    ----------
    idf1 : float
        Share of boxes with the right identity (Ristani et al. 2016).
    switches : int
        How often a true object's identity changes.
    recall, precision : float
        Of the boxes, whatever their identity.
    """

    idf1: float
    switches: int
    recall: float
    precision: float


def overlap(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (n, 4) and (m, 4): (n, m)."""
    low = np.maximum(ours[:, None, :2], theirs[None, :, :2])
    high = np.minimum((ours[:, :2] + ours[:, 2:])[:, None], (theirs[:, :2] + theirs[:, 2:])[None])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas = np.prod(ours[:, 2:], axis=1)[:, None] + np.prod(theirs[:, 2:], axis=1)
    return shared / (areas - shared)


def scores(truth: Sequence[Frame], found: Sequence[Frame]) -> Scores:
    """Compare frame by frame; boxes match if they overlap by half."""
    # motmetrics 1.4's own distance calls what numpy 2 has no more.
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for true, ours in zip(truth, found, strict=True):
        distance = 1 - overlap(_stacked(true), _stacked(ours))
        distance[distance > 0.5] = np.nan
        accumulator.update(list(true), list(ours), distance)
    names = ["idf1", "num_switches", "recall", "precision"]
    row = motmetrics.metrics.create().compute(accumulator, metrics=names).iloc[0]
    return Scores(
        float(row["idf1"]), int(row["num_switches"]), float(row["recall"]), float(row["precision"])
    )


def _stacked(frame: Frame) -> np.ndarray:
    return np.array(list(frame.values()), float).reshape(-1, 4)
