"""Block permutation of test predictions against test data.

The permuted unit is the exchangeable unit of the dataset: stretches of at least 20 s of a film, a
block of one label, a presentation of one item. Blocks of the *prediction* change places within
their run, all voxels alike, so that what neighbouring volumes and neighbouring voxels share stays
as it is. In a design of events the prediction of a block goes where another block was: what all
blocks have in common (their rise and fall) stays, and the test asks whether it matters which item
was shown, not whether anything was. The model is not refitted: the null is conditional on weights
that never saw the test run. Leave-one-run-out needs :mod:`tristream.inference.refit`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tristream.encode.scores import centred, fisher_mean

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
# Counts as reached: permutations that are the identity in other words differ by rounding.
TOLERANCE = 1e-10


@dataclass(frozen=True)
class PredictedRun:
    """One test run: `y` and `prediction` (time, voxels), exchange unit of each sample (time,)."""

    y: Floats
    prediction: Floats
    unit: Ints


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


def movable_rows(unit: Ints) -> npt.NDArray[np.intp]:
    """Rows of the blocks that can change places, (blocks, length).

    Blocks may differ in length (the last of a run, or after censoring). The common length is the
    one that moves the most samples; of longer blocks the first samples move and the rest stay,
    shorter blocks stay, and so do samples without a unit (-1). What stays in place makes the
    test conservative, never liberal.

    Parameters
    ----------
    unit : ndarray of int of shape (time,)
        Exchange unit of each sample.
    """
    rows = [np.flatnonzero(unit == u) for u in np.unique(unit[unit >= 0])]
    lengths = np.array([len(r) for r in rows], dtype=np.intp)
    if not len(lengths):
        return np.empty((0, 0), np.intp)
    candidates = np.unique(lengths)
    moved = [
        int(n) * int((lengths >= n).sum()) * bool((lengths >= n).sum() > 1) for n in candidates
    ]
    length = candidates[int(np.argmax(moved))]
    return np.stack([r[:length] for r in rows if len(r) >= length])


def distinct_permutations(runs: Sequence[PredictedRun]) -> int:
    """How many different arrangements there are, the observed one included."""
    return math.prod(math.factorial(len(movable_rows(run.unit))) for run in runs)


def draw(runs: Sequence[PredictedRun], permutations: int, seed: int) -> list[npt.NDArray[np.intp]]:
    """Random orders of each run's blocks, (permutations, blocks) a run."""
    rng = np.random.default_rng(seed)
    orders = [np.arange(len(movable_rows(run.unit))) for run in runs]
    return [rng.permuted(np.tile(order, (permutations, 1)), axis=1) for order in orders]


def permuted_sums(
    y: Floats, prediction: Floats, rows: Ints, orders: Ints
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Inner products over time, as observed and with the prediction's blocks in other orders.

    Parameters
    ----------
    y, prediction : ndarray of shape (time, voxels)
    rows : ndarray of int of shape (blocks, length)
        From :func:`movable_rows`.
    orders : ndarray of int of shape (permutations, blocks)
        The block of the prediction that goes to each place.

    Returns
    -------
    observed : ndarray of shape (voxels,)
    permuted : ndarray of shape (permutations, voxels)
    """
    total = np.einsum("tv,tv->v", y, prediction)
    if not rows.size:
        return total, np.tile(total, (len(orders), 1))
    # Products of every block of the data with every block of the prediction: one look-up a block
    # and permutation, instead of moving time series.
    table = np.einsum("alv,blv->abv", y[rows], prediction[rows], optimize=True)
    places = np.arange(len(rows))
    stays = total - table[places, places].sum(0)
    permuted = np.tile(stays, (len(orders), 1))
    for place in places:
        permuted += table[place, orders[:, place]]
    return total, permuted


def permutation_test(
    runs: Sequence[PredictedRun], permutations: int, seed: int = 0, chunk: int = 512
) -> Permuted:
    """Test every voxel's correlation by permuting blocks of the prediction within runs.

    Parameters
    ----------
    runs : sequence of PredictedRun
        Test runs; the statistic is averaged over them in Fisher z.
    permutations : int
        How many to draw.
    seed : int
        Of the draw.
    chunk : int
        Voxels at a time.
    """
    orders = draw(runs, permutations, seed)
    voxels = runs[0].y.shape[1]
    observed, p = np.empty(voxels), np.empty(voxels)
    null_max = np.full(permutations, -np.inf)
    for start in range(0, voxels, chunk):
        part = slice(start, start + chunk)
        seen, null = null_correlations(runs, orders, part)
        observed[part] = seen
        p[part] = (1 + (null >= seen - TOLERANCE).sum(0)) / (1 + permutations)
        null_max = np.maximum(null_max, null.max(1))
    return Permuted(observed, p, null_max)


def null_correlations(
    runs: Sequence[PredictedRun], orders: Sequence[Ints], voxels: slice = slice(None)
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Correlations as observed (voxels,) and permuted (permutations, voxels)."""
    seen, null = [], []
    for run, order in zip(runs, orders, strict=True):
        y, prediction = _unit_length(run.y[:, voxels]), _unit_length(run.prediction[:, voxels])
        one, many = permuted_sums(y, prediction, movable_rows(run.unit), order)
        seen.append(one)
        null.append(many)
    return fisher_mean(np.stack(seen)), fisher_mean(np.stack(null))


def _unit_length(x: Floats) -> npt.NDArray[np.float64]:
    x = centred(x)
    norm = np.sqrt((x**2).sum(0))
    return np.divide(x, norm, out=np.zeros_like(x), where=norm > 0)
