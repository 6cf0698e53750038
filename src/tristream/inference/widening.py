"""How much too narrow the null of permuted stretches of a film is, and what it should be.

The variance of a correlation between two series that each depend on their own past is the sum over
lags of the product of their autocovariances (Bartlett 1935; Afyouni, Smith & Nichols 2019,
NeuroImage 199:609). Cutting both into blocks of L samples and moving the blocks keeps the lag k
only in a share 1 - k/L of the pairs: a triangular lag window, whose bias is known from the block
bootstrap (Künsch 1989, Ann Stat 17:1217; Politis & Romano 1995, J Time Ser Anal 16:67). A
high-pass filter adds to it: it leaves data and prediction nothing at the lowest frequencies, and
moving blocks of the prediction puts a part of it back there, where the data have nothing. With
blocks of 20 s and resting-state noise, 10 % of voxels without signal were called significant at
.05.

A circular shift of the whole prediction keeps all lags. So the null of permuted blocks is
stretched until its variance is that over all circular shifts. Both variances are means over the
run's voxels: one voxel's own ratio would be too uncertain to use.
"""

import numpy as np
import numpy.typing as npt

from tristream.inference.permutation import (
    PredictedRun,
    block_table,
    circular_products,
    movable_rows,
    unit_length,
)


def widening(run: PredictedRun, chunk: int = 512) -> float:
    """Standard deviation over circular shifts over that of permuted blocks; at least one.

    Parameters
    ----------
    run : PredictedRun
        A test run of a film: its blocks are stretches of time.
    chunk : int
        Voxels at a time.

    Returns
    -------
    float
        One with fewer than two blocks.
    """
    rows = movable_rows(run.unit)
    if len(rows) < 2:
        return 1.0
    shifted = permuted = 0.0
    for start in range(0, run.y.shape[1], chunk):
        part = run.part(slice(start, start + chunk))
        y, prediction = unit_length(part.y), unit_length(part.prediction)
        shifted += float((_about_the_mean(y, prediction, rows) ** 2).mean(0).sum())
        permuted += float(_variance(block_table(y, prediction, rows)).sum())
    return float(np.sqrt(max(1.0, shifted / permuted))) if permuted > 0 else 1.0


def _about_the_mean(
    y: npt.NDArray[np.float64], prediction: npt.NDArray[np.float64], rows: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """Products at every shift, less their mean over all orders of the blocks, (time, voxels).

    Only samples that permutations move take part. The mean is the product of the two series folded
    to the length of a block, over the number of blocks; a shift of a series shifts what it folds
    to.
    """
    every = circular_products(y[rows.ravel()], prediction[rows.ravel()])
    folded = circular_products(y[rows].sum(0), prediction[rows].sum(0)) / len(rows)
    return every - folded[np.arange(len(every)) % len(folded)]


def _variance(table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Variance over all orders of sums of one entry a row and column (Hoeffding 1951), (voxels,).

    Parameters
    ----------
    table : ndarray of shape (blocks, blocks, voxels)
    """
    centre = table - table.mean(0) - table.mean(1)[:, None] + table.mean((0, 1))
    return (centre**2).sum((0, 1)) / (len(table) - 1)


def widened(run: PredictedRun) -> PredictedRun:
    """The same run with its null as wide as it should be."""
    return PredictedRun(run.y, run.prediction, run.unit, widening(run))
