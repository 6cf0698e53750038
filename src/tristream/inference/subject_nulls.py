"""A subject's test correlations under rearrangements that are those of all subjects."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tristream.align.exchange import Exchange
from tristream.encode.prediction_scores import fisher_z
from tristream.inference.moved_predictions import LIMIT, MovedPredictions
from tristream.inference.permutation import PredictedRun

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


class PermutedPredictions:
    """Fisher z of correlations under moved predictions.

    Parameters
    ----------
    runs : sequence of PredictedRun
        Test runs, their widening known.
    moves : Exchange
        The subject's part of the shared one.
    seed : int
        Of the draw.
    """

    available = None

    def __init__(self, runs: Sequence[PredictedRun], moves: Exchange, seed: int) -> None:
        self._null = MovedPredictions(runs, moves, seed)

    @property
    def observed(self) -> Floats:
        """Mean over runs, (voxels,)."""
        return fisher_z(self._null.observed)

    def values(self, start: int, stop: int, voxels: Ints) -> Floats:
        """Mean over runs."""
        return np.arctanh(np.clip(self._null.values(start, stop, voxels), -LIMIT, LIMIT))
