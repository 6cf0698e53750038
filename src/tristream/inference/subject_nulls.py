"""A subject's test correlations under rearrangements that are those of all subjects."""

import numpy as np
import numpy.typing as npt

from tristream.encode.prediction_scores import fisher_z
from tristream.inference.moved_predictions import LIMIT
from tristream.inference.resolution import Null

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


class InFisherZ:
    """Fisher z of correlations.

    Parameters
    ----------
    null : Null
        Correlations under the subject's part of the shared rearrangements.
    """

    available = None

    def __init__(self, null: Null) -> None:
        self._null = null

    @property
    def observed(self) -> Floats:
        """Mean over runs, (voxels,)."""
        return fisher_z(self._null.observed)

    def values(self, start: int, stop: int, voxels: Ints) -> Floats:
        """Mean over runs."""
        return np.arctanh(np.clip(self._null.values(start, stop, voxels), -LIMIT, LIMIT))
