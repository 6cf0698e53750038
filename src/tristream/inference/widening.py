"""How much too narrow the null of permuted or shifted predictions of a film is.

The variance of a correlation between two series that each depend on their own past is the sum over
lags of the product of their autocovariances (Bartlett 1935; Afyouni, Smith & Nichols 2019,
NeuroImage 199:609). Moving the prediction loses a part of it in three ways:

- Cutting both into blocks of L samples and moving the blocks keeps the lag k only in a share
  1 - k/L of the pairs: a triangular lag window, whose bias is known from the block bootstrap
  (Künsch 1989, Ann Stat 17:1217; Politis & Romano 1995, J Time Ser Anal 16:67). A circular shift of
  the whole prediction keeps more, so blocks are compared with all circular shifts.
- A circle of T samples has a seam, where end and beginning meet that have nothing to do with each
  other: it takes 2k of the T pairs at lag k, the end of a run only k.
- A high-pass filter leaves data and prediction nothing at the lowest frequencies; moving the
  prediction puts a part of it back there, where the data have nothing. What the filter would take
  out of the shifted prediction makes the correlation that much smaller than it should be.

With blocks of 20 s and resting-state noise, 10 % of voxels without signal were called significant
at .05; with circular shifts 6 %. So the null is widened until its variance is what it should be.
All variances are means over the run's voxels: one voxel's own ratio would be too uncertain to use.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tristream.encode.disk_arrays import forget
from tristream.encode.neighbours import autocovariance
from tristream.inference.permutation import (
    Placed,
    PredictedRun,
    block_table,
    circular_products,
    unit_length,
)

Ints = npt.NDArray[np.integer]
Doubles = npt.NDArray[np.float64]


def widening(run: PredictedRun, units: Placed | None, chunk: int = 512) -> float:
    """Standard deviation of a correlation without signal over that of the null; at least one.

    Parameters
    ----------
    run : PredictedRun
        A test run of a film: its units are blocks of time.
    units : sequence of (int, ndarray of int of shape (units, samples)), or None
        What moves: one set of blocks; None where the whole prediction moves in a circle.
    chunk : int
        Voxels at a time.

    Returns
    -------
    float
        One if blocks move and there are fewer than two.
    """
    share = lost_by_shifts(run, chunk)
    if units is None:
        return float(np.sqrt(max(1.0, share)))
    if not units:
        return 1.0
    ((_, rows),) = units
    shifted = permuted = 0.0
    for start in range(0, run.y.shape[1], chunk):
        part = run.part(slice(start, start + chunk))
        y, prediction = unit_length(part.y), unit_length(part.prediction)
        shifted += float((_about_the_mean(y, prediction, rows) ** 2).mean(0).sum())
        permuted += float(_variance(block_table(y, prediction, rows)).sum())
        forget(run.y, run.prediction)
    return float(np.sqrt(max(1.0, share * shifted / permuted))) if permuted > 0 else 1.0


def lost_by_shifts(run: PredictedRun, chunk: int = 512) -> float:
    """Variance of a correlation without signal over that over all circular shifts.

    Lags up to half of the run count.

    Parameters
    ----------
    run : PredictedRun
        Without `projection`, nothing is known to be projected out.
    chunk : int
        Voxels at a time.
    """
    length = len(run.y)
    lags = np.arange(-(-length // 2))
    # Of T - k pairs the sample covariance is a T-th of the sum, for either series: the variance
    # has each of these pairs once. Lags count in both directions.
    weight = np.where(lags > 0, 2.0, 1.0) / (length - lags)
    shifted = cleaned = bartlett = 0.0
    for start in range(0, run.y.shape[1], chunk):
        part = run.part(slice(start, start + chunk))
        y, prediction = unit_length(part.y), unit_length(part.prediction)
        square = circular_products(y, prediction) ** 2
        shifted += float(square.mean(0).sum())
        cleaned += float((square / _kept(prediction, run.projection)).mean(0).sum())
        products = autocovariance(y, len(lags)) * autocovariance(prediction, len(lags))
        bartlett += float(weight @ products.sum(1))
        forget(run.y, run.prediction)
    return bartlett / shifted * cleaned / shifted if shifted > 0 else 1.0


def _kept(prediction: Doubles, projection: npt.NDArray[np.floating] | None) -> Doubles:
    """Share of a shifted prediction's power outside of what was projected out, (time, voxels).

    As many times as of the one that was not shifted.
    """
    kept = np.ones_like(prediction)
    if projection is not None:
        for basis in np.asarray(projection, np.float64).T:
            kept -= circular_products(basis[:, None], prediction) ** 2
    # Half as a limit: a prediction within the projection predicts nothing.
    return np.maximum(kept / np.maximum(kept[0], 0.5), 0.5)


def _about_the_mean(y: Doubles, prediction: Doubles, rows: Ints) -> Doubles:
    """Products at every shift, less their mean over all orders of the blocks, (time, voxels).

    Only samples that permutations move take part. The mean is the product of the two series folded
    to the length of a block, over the number of blocks; a shift of a series shifts what it folds
    to.
    """
    every = circular_products(y[rows.ravel()], prediction[rows.ravel()])
    folded = circular_products(y[rows].sum(0), prediction[rows].sum(0)) / len(rows)
    return every - folded[np.arange(len(every)) % len(folded)]


def _variance(table: Doubles) -> Doubles:
    """Variance over all orders of sums of one entry a row and column (Hoeffding 1951), (voxels,).

    Parameters
    ----------
    table : ndarray of shape (blocks, blocks, voxels)
    """
    centre = table - table.mean(0) - table.mean(1)[:, None] + table.mean((0, 1))
    return (centre**2).sum((0, 1)) / (len(table) - 1)


def widened(run: PredictedRun, units: Placed | None) -> PredictedRun:
    """The same run with its null as wide as it should be."""
    return replace(run, widening=widening(run, units))
