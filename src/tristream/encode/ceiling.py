"""Noise ceiling of the averaged test run, from its repeats."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
FEWEST_BLOCKS = 4


@dataclass(frozen=True)
class Ceiling:
    """What a perfect model of the stimulus could reach on the averaged test run.

    Attributes
    ----------
    r : ndarray of shape (voxels,)
        Largest expected correlation: the root of `explainable`, 0 where that is negative.
    low : ndarray of shape (voxels,)
        Lower end of the 95 % interval of `r`; NaN with fewer than four blocks.
    explainable : ndarray of shape (voxels,)
        Share of the average's variance that is signal, unclipped.
    """

    r: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    explainable: npt.NDArray[np.float64]


def noise_ceiling(repeats: Floats, blocks: Ints) -> Ceiling:
    """Signal power over the power of the average (Sahani & Linden 2003; Hsu et al. 2004).

    With P(.) the variance over time, R repeats y_r and their average ȳ, the signal power is
    SP = (R P(ȳ) - mean P(y_r)) / (R - 1), free of bias when noise is independent between
    repeats, and the explainable variance of the average is SP / P(ȳ). The interval is a
    jackknife over blocks of time, with Student's t for the number of blocks: samples next to
    each other are not independent, blocks of 20 s and more nearly are. It also takes away the
    ratio's bias towards less signal (not with fewer than four blocks).

    Parameters
    ----------
    repeats : ndarray of shape (R, time, voxels)
        At least two.
    blocks : ndarray of int of shape (time,)
        Block of each sample.
    """
    count = len(repeats)
    y = repeats - repeats.mean(1, keepdims=True, dtype=np.float64)
    average = block_sums((y.mean(0)) ** 2, blocks)
    single = block_sums((y**2).mean(0), blocks)

    def explainable(of_average: Floats, of_single: Floats) -> npt.NDArray[np.float64]:
        signal = (count * of_average - of_single) / (count - 1)
        return np.divide(signal, of_average, out=np.zeros_like(signal), where=of_average > 0)

    full = explainable(average.sum(0), single.sum(0))
    left_out = explainable(average.sum(0) - average, single.sum(0) - single)
    number = len(left_out)
    if number >= FEWEST_BLOCKS:
        full = number * full - (number - 1) * left_out.mean(0)
    low = full - half_width(left_out)
    return Ceiling(
        r=np.sqrt(np.clip(full, 0, 1)), low=np.sqrt(np.clip(low, 0, 1)), explainable=full
    )


def block_sums(x: Floats, blocks: Ints) -> npt.NDArray[np.float64]:
    """Sum over the samples of each block: (time, …) to (blocks, …)."""
    _, index = np.unique(blocks, return_inverse=True)
    out = np.zeros((index.max() + 1, *x.shape[1:]))
    np.add.at(out, index, x)
    return out


def half_width(left_out: Floats, level: float = 0.95) -> npt.NDArray[np.float64]:
    """Half of a jackknife interval, from the estimates without each block.

    Parameters
    ----------
    left_out : ndarray of shape (blocks, …)
        The statistic without each block in turn.
    level : float
        Coverage, by Student's t with blocks - 1 degrees of freedom.

    Returns
    -------
    ndarray of shape (…); NaN with fewer than four blocks
    """
    t = stats.t.ppf(0.5 + level / 2, len(left_out) - 1)
    return t * standard_error(left_out)


def standard_error(left_out: Floats) -> npt.NDArray[np.float64]:
    """Jackknife standard error (Efron & Tibshirani 1993, chapter 11); NaN below four blocks."""
    number = len(left_out)
    if number < FEWEST_BLOCKS:
        return np.full(left_out.shape[1:], np.nan)
    return np.sqrt((number - 1) * left_out.var(0))
