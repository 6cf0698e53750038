"""Permutation of test predictions against test data: whole blocks, or circular shifts.

The permuted unit is the exchangeable unit of the dataset: blocks of at least 20 s of a film, a
block of one label, a presentation of one item. Blocks of the *prediction* change places within
their run, all voxels alike, so that what neighbouring volumes and neighbouring voxels share stays
as it is. In a design of events the prediction of a block goes where another block was: what all
blocks have in common (their rise and fall) stays, and the test asks whether it matters which item
was shown, not whether anything was. Blocks of a film are cut at arbitrary moments, a circle is
closed where nothing joins, and the null is widened by what that loses
(:mod:`tristream.inference.widening`). The model is not refitted: the null is conditional on
weights that never saw the test run. Leave-one-run-out needs :mod:`tristream.inference.refit`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from tristream.encode.prediction_scores import centred, fisher_mean

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Null = Literal["blocks", "shift"]
# Counts as reached: permutations that are the identity in other words differ by rounding.
TOLERANCE = 1e-10


@dataclass(frozen=True)
class PredictedRun:
    """One test run.

    Attributes
    ----------
    y, prediction : ndarray of shape (time, voxels)
        Data and prediction.
    unit : ndarray of int of shape (time,)
        Exchange unit of each sample.
    widening : float
        How many times wider the null is than that of permuted blocks or of shifts.
    projection : ndarray of shape (time, q), optional
        Orthonormal basis of what was projected out of the data.
    """

    y: Floats
    prediction: Floats
    unit: Ints
    widening: float = 1.0
    projection: Floats | None = None

    def part(self, voxels: slice | Ints) -> "PredictedRun":
        """The same for some voxels."""
        return replace(self, y=self.y[:, voxels], prediction=self.prediction[:, voxels])


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


def distinct_permutations(runs: Sequence[PredictedRun], null: Null = "blocks") -> int:
    """How many different arrangements there are, the observed one included."""
    if null == "shift":
        return math.prod(len(run.unit) for run in runs)
    return math.prod(math.factorial(len(movable_rows(run.unit))) for run in runs)


def draw(
    runs: Sequence[PredictedRun], permutations: int, seed: int, null: Null = "blocks"
) -> list[npt.NDArray[np.intp]]:
    """Random arrangements of each run.

    Returns
    -------
    list of ndarray, one a run
        Orders of the blocks (permutations, blocks), or shifts in samples (permutations,). A single
        run that has fewer shifts than were asked for gets each of them once.
    """
    rng = np.random.default_rng(seed)
    if null == "shift":
        lengths = [len(run.unit) for run in runs]
        if len(runs) == 1 and lengths[0] - 1 <= permutations:
            return [np.arange(1, lengths[0])]
        return [rng.integers(0, n, permutations) for n in lengths]
    orders = [np.arange(len(movable_rows(run.unit))) for run in runs]
    return [rng.permuted(np.tile(order, (permutations, 1)), axis=1) for order in orders]


def block_table(y: Floats, prediction: Floats, rows: Ints) -> npt.NDArray[np.float64]:
    """Products of every block of the data with every block of the prediction.

    Parameters
    ----------
    y, prediction : ndarray of shape (time, voxels)
    rows : ndarray of int of shape (blocks, length)

    Returns
    -------
    ndarray of shape (blocks, blocks, voxels)
        First the place, that is the block of the data, then the block of the prediction.
    """
    table = np.empty((len(rows), len(rows), y.shape[1]))
    moved = prediction[rows]
    for place, own in enumerate(rows):
        table[place] = np.einsum("lv,blv->bv", y[own], moved)
    return table


def permuted_sums(
    y: Floats, prediction: Floats, rows: Ints, orders: Ints, widening: float = 1.0
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Inner products over time, as observed and with the prediction's blocks in other orders.

    Parameters
    ----------
    y, prediction : ndarray of shape (time, voxels)
    rows : ndarray of int of shape (blocks, length)
        From :func:`movable_rows`.
    orders : ndarray of int of shape (permutations, blocks)
        The block of the prediction that goes to each place.
    widening : float
        Widens the distribution of the permuted values about their mean over all orders.

    Returns
    -------
    observed : ndarray of shape (voxels,)
    permuted : ndarray of shape (permutations, voxels)
    """
    total = np.einsum("tv,tv->v", y, prediction)
    if not rows.size:
        return total, np.tile(total, (len(orders), 1))
    # One look-up a block and permutation, instead of moving time series.
    table = block_table(y, prediction, rows)
    places = np.arange(len(rows))
    stays = total - table[places, places].sum(0)
    mean = table.sum((0, 1)) / len(rows)
    permuted = np.tile(stays + (1 - widening) * mean, (len(orders), 1))
    table *= widening
    for place in places:
        permuted += table[place, orders[:, place]]
    return total, permuted


def shifted_sums(
    y: Floats, prediction: Floats, shifts: Ints, widening: float = 1.0
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Inner products over time, as observed and with the prediction moved in a circle.

    Parameters
    ----------
    y, prediction : ndarray of shape (time, voxels)
    shifts : ndarray of int of shape (permutations,)
        By how many samples the prediction moves on.
    widening : float
        Widens the distribution of the shifted values about zero, their mean over all shifts.

    Returns
    -------
    observed : ndarray of shape (voxels,)
    permuted : ndarray of shape (permutations, voxels)
    """
    every = circular_products(y, prediction)
    return every[0], widening * every[shifts]


def circular_products(y: Floats, prediction: Floats) -> npt.NDArray[np.float64]:
    """Inner products of the data with the prediction at every circular shift, (time, voxels)."""
    spectrum = np.fft.rfft(y, axis=0) * np.fft.rfft(prediction, axis=0).conj()
    return np.fft.irfft(spectrum, len(y), axis=0)


def permutation_test(
    runs: Sequence[PredictedRun],
    permutations: int,
    seed: int = 0,
    chunk: int = 512,
    null: Null = "blocks",
) -> Permuted:
    """Test every voxel's correlation by permuting the prediction within runs.

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
    null : {'blocks', 'shift'}
        Blocks change places, or the whole prediction moves in a circle.
    """
    orders = draw(runs, permutations, seed, null)
    voxels = runs[0].y.shape[1]
    observed, p = np.empty(voxels), np.empty(voxels)
    null_max = np.full(len(orders[0]), -np.inf)
    for start in range(0, voxels, chunk):
        part = slice(start, start + chunk)
        seen, many = null_correlations(runs, orders, part)
        observed[part] = seen
        p[part] = (1 + (many >= seen - TOLERANCE).sum(0)) / (1 + len(many))
        null_max = np.maximum(null_max, many.max(1))
    return Permuted(observed, p, null_max)


def null_correlations(
    runs: Sequence[PredictedRun], orders: Sequence[Ints], voxels: slice | Ints = slice(None)
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Correlations as observed (voxels,) and permuted (permutations, voxels).

    `orders` are those of :func:`draw`: orders of blocks, or shifts.
    """
    seen, null = [], []
    for run, order in zip(runs, orders, strict=True):
        y, prediction = unit_length(run.y[:, voxels]), unit_length(run.prediction[:, voxels])
        if order.ndim == 1:
            one, many = shifted_sums(y, prediction, order, run.widening)
        else:
            rows = movable_rows(run.unit)
            one, many = permuted_sums(y, prediction, rows, order, run.widening)
        seen.append(one)
        null.append(many)
    if len(runs) == 1:
        return seen[0], null[0]
    return fisher_mean(np.stack(seen)), fisher_mean(np.stack(null))


def unit_length(x: Floats) -> npt.NDArray[np.float64]:
    """Each voxel less its mean over time, of length one; 0 where it does not vary."""
    x = centred(x)
    norm = np.sqrt((x**2).sum(0))
    return np.divide(x, norm, out=np.zeros_like(x), where=norm > 0)
