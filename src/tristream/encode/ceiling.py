"""Noise ceiling of the averaged test run, from its repeats.

One quantity, the explainable variance of the average of R repeats: signal variance over signal
variance plus a R-th of the noise variance. It is estimated twice, from the power of the average
against that of single repeats (:func:`noise_ceiling`, which everything uses) and from the
correlation of halves, stepped up to all repeats by the formula of Spearman and Brown
(:func:`split_half`, a second opinion). The ceiling of a correlation is its root. All of it asks
for noise that is independent between repeats: a stimulus shown twice *within* a run is not a repeat
(:func:`within_run_repeats` finds those), since slow noise and drifts span both showings.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy import stats

from tristream.encode.prediction_scores import correlation

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
FEWEST_BLOCKS = 4
MOST_SPLITS = 100
# Up to so many repeats all splits are used (at most 70).
FEW_REPEATS = 8


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
    halves : ndarray of shape (voxels,)
        The same share by :func:`split_half`, for comparison.
    """

    r: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    explainable: npt.NDArray[np.float64]
    halves: npt.NDArray[np.float64]


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
        r=np.sqrt(np.clip(full, 0, 1)),
        low=np.sqrt(np.clip(low, 0, 1)),
        explainable=full,
        halves=split_half(repeats),
    )


def split_half(repeats: Floats, seed: int = 0) -> npt.NDArray[np.float64]:
    """Explainable variance of the average, by split-half reliability.

    The repeats are split into two halves of h each, the halves' averages correlated, and with
    k = R / h the reliability of all R is k r / (1 + (k - 1) r) (Spearman 1910; Brown 1910, Br J
    Psychol 3:271 and 296). r is the mean over all splits, from nine repeats on over
    100 random ones; with an odd number of repeats each split leaves one out.

    Parameters
    ----------
    repeats : ndarray of shape (R, time, voxels)
        At least two.
    seed : int
        Of the random splits.

    Returns
    -------
    ndarray of shape (voxels,), unclipped; -inf where the halves are opposite
    """
    count = len(repeats)
    half = count // 2
    y = repeats - repeats.mean(1, keepdims=True, dtype=np.float64)
    splits = _splits(count, half, np.random.default_rng(seed))
    r = np.mean([correlation(y[list(a)].mean(0), y[list(b)].mean(0)) for a, b in splits], axis=0)
    step = count / half
    below = 1 + (step - 1) * r
    return np.divide(step * r, below, out=np.full_like(r, -np.inf), where=below > 0)


def _splits(
    count: int, half: int, rng: np.random.Generator
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Pairs of disjoint halves."""
    found: set[tuple[tuple[int, ...], tuple[int, ...]]] = set()
    if count <= FEW_REPEATS:
        for a in combinations(range(count), half):
            others = [i for i in range(count) if i not in a]
            found |= {(a, b) for b in combinations(others, half) if a < b}
    while count > FEW_REPEATS and len(found) < MOST_SPLITS:
        order = rng.permutation(count)[: 2 * half].tolist()
        a, b = sorted((tuple(sorted(order[:half])), tuple(sorted(order[half:]))))
        found.add((a, b))
    return sorted(found)


def within_run_repeats(shown: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """What is shown more than once in one run.

    Parameters
    ----------
    shown : iterable of (run, item)
        One pair an event; the item of a film names its part (``film@70``).

    Returns
    -------
    dict
        Run to the items that it repeats; runs without any are left out.
    """
    found: dict[str, list[str]] = {}
    for (run, item), times in Counter(shown).items():
        if times > 1:
            found.setdefault(run, []).append(item)
    return found


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
