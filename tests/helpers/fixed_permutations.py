"""The same number of permutations for every voxel, in float64: a reference for `resolve`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tristream.inference.permutation import TOLERANCE, Moves, PredictedRun, null_correlations


@dataclass(frozen=True)
class Permuted:
    """Observed statistic and its null.

    Attributes
    ----------
    observed : ndarray of shape (voxels,)
        Correlation of each voxel, averaged over runs in Fisher z.
    p : ndarray of shape (voxels,)
        One-sided, (1 + permutations that reach the observed) / (1 + permutations).
    null_max : ndarray of shape (permutations,)
        Largest correlation over voxels in each permutation.
    """

    observed: npt.NDArray[np.float64]
    p: npt.NDArray[np.float64]
    null_max: npt.NDArray[np.float64]

    @property
    def p_fwe(self) -> npt.NDArray[np.float64]:
        """P of each voxel against the largest voxel of each permutation (voxels,).

        This controls the family-wise error over voxels (Nichols & Holmes 2002, Hum Brain Mapp
        15:1).
        """
        below = np.searchsorted(np.sort(self.null_max), self.observed - TOLERANCE)
        return (1 + len(self.null_max) - below) / (1 + len(self.null_max))


def permutation_test(
    runs: Sequence[PredictedRun],
    moves: Moves,
    permutations: int,
    seed: int = 0,
    chunk: int = 512,
) -> Permuted:
    """Test every voxel's correlation by permuting the prediction within runs.

    Parameters
    ----------
    runs : sequence of PredictedRun
        Test runs; the statistic is averaged over them in Fisher z.
    moves : Exchange or Shifts
        What changes places, of these runs.
    permutations : int
        How many to draw; of the shifts of a single run, each is taken once at most.
    seed : int
        Of the draw.
    chunk : int
        Voxels at a time.
    """
    orders = moves.draw(0, permutations, seed)
    voxels = runs[0].y.shape[1]
    observed, p = np.empty(voxels), np.empty(voxels)
    null_max = np.full(len(orders[0]), -np.inf)
    for start in range(0, voxels, chunk):
        part = slice(start, start + chunk)
        seen, many = null_correlations(runs, moves, orders, part)
        observed[part] = seen
        p[part] = (1 + (many >= seen - TOLERANCE).sum(0)) / (1 + len(many))
        null_max = np.maximum(null_max, many.max(1))
    return Permuted(observed, p, null_max)
