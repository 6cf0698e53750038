"""Permutation of test predictions against test data: whole units, or circular shifts.

What may change places follows from :mod:`tristream.align.exchange`: blocks of 20 s and more of a
film, blocks of one label, items with all their showings. Units of the *prediction* change places
within their run, all voxels alike, so that what neighbouring volumes and neighbouring voxels share
stays as it is; an item that was shown in several runs moves alike in all of them. In a design of
events the prediction of a unit goes where another unit was: what all units have in common (their
rise and fall) stays, and the test asks whether it matters which item was shown, not whether
anything was. Blocks of a film are cut at arbitrary moments, a circle is closed where nothing joins,
and the null is widened by what that loses (:mod:`tristream.inference.widening`). The model is not
refitted: the null is conditional on weights that never saw the test run. Leave-one-run-out needs
:mod:`tristream.inference.refit`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from tristream.align.exchange import BATCH, Exchange, Unit, exchange
from tristream.encode.prediction_scores import centred, fisher_mean

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Null = Literal["blocks", "shift"]
Placed = Sequence[tuple[int, Ints]]
"""Sets of units in one run: the place of each set, and its rows (units, samples)."""
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
        Presentation, block or block of time, -1 where there is none.
    widening : float
        How many times wider the null is than that of permuted units or of shifts.
    projection : ndarray of shape (time, q), optional
        Orthonormal basis of what was projected out of the data.
    item : ndarray of int of shape (time,), optional
        What is shown; the same number in other runs is the same item. Without it, no unit comes
        twice.
    shows : ndarray of int of shape (time,), optional
        What its features are of, which events of one label share. Without it, each item's are its
        own.
    """

    y: Floats
    prediction: Floats
    unit: Ints
    widening: float = 1.0
    projection: Floats | None = None
    item: Ints | None = None
    shows: Ints | None = None

    def part(self, voxels: slice | Ints) -> "PredictedRun":
        """The same for some voxels."""
        return replace(self, y=self.y[:, voxels], prediction=self.prediction[:, voxels])


@dataclass(frozen=True)
class Shifts:
    """The predictions of whole runs move in circles.

    Attributes
    ----------
    lengths : tuple of int
        Samples of each run.
    """

    lengths: tuple[int, ...]

    @property
    def distinct(self) -> int:
        """How many there are, the observed one included."""
        return math.prod(self.lengths)

    @property
    def available(self) -> int | None:
        """Those of a single run are taken once each; None where they are drawn."""
        return self.lengths[0] - 1 if len(self.lengths) == 1 else None

    def draw(self, start: int, stop: int, seed: int) -> list[Ints]:
        """Shifts number `start` to `stop`, (permutations,) for each run, in samples."""
        if self.available is not None:
            every = np.random.default_rng(seed).permutation(np.arange(1, self.lengths[0]))
            return [every[start:stop]]
        first, last = start // BATCH, -(-stop // BATCH)
        shape = (BATCH, len(self.lengths))
        drawn = [
            np.random.default_rng((seed, number)).integers(0, self.lengths, shape)
            for number in range(first, last)
        ]
        return list(np.concatenate(drawn)[start - first * BATCH : stop - first * BATCH].T)


Moves = Exchange | Shifts


def moves_of(runs: Sequence[PredictedRun], unit: Unit, null: Null = "blocks") -> Moves:
    """What changes places in some test runs."""
    if null == "shift":
        return Shifts(tuple(len(run.unit) for run in runs))
    return exchange_of_runs(runs, unit)


def exchange_of_runs(runs: Sequence[PredictedRun], unit: Unit) -> Exchange:
    """The units of some test runs that may change places."""
    showings = [run.unit for run in runs]
    if any(run.item is None for run in runs):
        return exchange("block", showings, showings)
    shows = [run.shows for run in runs if run.shows is not None]
    known = shows if len(shows) == len(runs) else None
    return exchange(unit, showings, [run.item for run in runs if run.item is not None], known)


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
    y: Floats,
    prediction: Floats,
    units: Placed,
    orders: Sequence[Ints],
    widening: float = 1.0,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Inner products over time, as observed and with the prediction's units in other orders.

    Parameters
    ----------
    y, prediction : ndarray of shape (time, voxels)
    units : sequence of (int, ndarray of int of shape (units, samples))
        What moves in this run, from :meth:`tristream.align.exchange.Exchange.of_run`.
    orders : sequence of ndarray of int of shape (permutations, units)
        For each set of all runs, the unit of the prediction that goes to each place.
    widening : float
        Widens the distribution of the permuted values about their mean over all orders.

    Returns
    -------
    observed : ndarray of shape (voxels,)
    permuted : ndarray of shape (permutations, voxels)
    """
    total = np.einsum("tv,tv->v", y, prediction)
    permuted = np.tile(total, (len(orders[0]) if orders else 0, 1))
    for place, rows in units:
        # One look-up a unit and permutation, instead of moving time series.
        table = block_table(y, prediction, rows)
        places = np.arange(len(rows))
        mean = table.sum((0, 1)) / len(rows)
        permuted += (1 - widening) * mean - table[places, places].sum(0)
        table *= widening
        for own in places:
            permuted += table[own, orders[place][:, own]]
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


def null_correlations(
    runs: Sequence[PredictedRun],
    moves: Moves,
    orders: Sequence[Ints],
    voxels: slice | Ints = slice(None),
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Correlations as observed (voxels,) and permuted (permutations, voxels).

    `orders` are drawn from `moves`.
    """
    seen, null = [], []
    for number, run in enumerate(runs):
        y, prediction = unit_length(run.y[:, voxels]), unit_length(run.prediction[:, voxels])
        if isinstance(moves, Shifts):
            one, many = shifted_sums(y, prediction, orders[number], run.widening)
        else:
            one, many = permuted_sums(y, prediction, moves.of_run(number), orders, run.widening)
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
