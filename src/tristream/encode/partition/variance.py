"""Unique and shared variance of the bands, from nested models (commonality analysis).

A model is fitted anew for every subset of the bands, hyperparameters and all, and tested on the
same data. What the full model explains beyond the one without a band is that band's unique
variance; what two bands explain alike is shared (Mood 1971, Am Educ Res J 8:191; Nimon & Oswald
2013, Organ Res Methods 16:650; de Heer et al. 2017, J Neurosci 37:6539). Unlike the product
measure, which splits one model's R², this asks what a band adds. The values are test scores: they
are not bounded below, and a shared value below 0 is suppression, or noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tristream.encode.ceiling import FEWEST_BLOCKS, block_sums
from tristream.encode.prediction_scores import centred

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class NestedRun:
    """One test run under all nested models.

    Attributes
    ----------
    y : ndarray of shape (time, voxels)
    predictions : ndarray of shape (2^B, time, voxels)
        By subset: bit b of the index says that band b takes part.
    unit : ndarray of int of shape (time,)
        Block of each sample, -1 where there is none.
    """

    y: Floats
    predictions: Floats
    unit: Ints


@dataclass(frozen=True)
class Interval:
    """Estimates with their bootstrap standard error and 95 % interval, all of one shape.

    `se`, `low` and `high` are NaN with fewer than four blocks.
    """

    value: Floats
    se: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Partition:
    """Variance partition of some voxels.

    Attributes
    ----------
    r2 : ndarray of shape (2^B, voxels)
        Test R² of each subset.
    parts : Interval of shape (2^B - 1, voxels)
        Commonality coefficients: index m - 1 holds what exactly the bands of subset m share.
        They add up to R² of all bands less R² of none.
    means : Interval of shape (groups, 2^B - 1)
        Their means over groups of voxels.
    blocks : int
        Blocks that the bootstrap draws from.
    """

    r2: npt.NDArray[np.float64]
    parts: Interval
    means: Interval
    blocks: int


def set_names(bands: Sequence[str]) -> list[str]:
    """Names of all subsets but the empty one, by their index: ``a``, ``b``, ``a+b``, …"""
    return [
        "+".join(band for place, band in enumerate(bands) if subset >> place & 1)
        for subset in range(1, 2 ** len(bands))
    ]


def commonality(r2: Floats) -> npt.NDArray[np.float64]:
    """Commonality coefficients of all subsets.

    With h(X) = R²(all) - R²(all without X), which is the sum of the coefficients of the subsets
    of X, the coefficient of S is the sum over X in S of (-1)^(|S| - |X|) h(X).

    Parameters
    ----------
    r2 : ndarray of shape (2^B, …)
        R² of each subset; bit b of the index says that band b takes part.

    Returns
    -------
    ndarray of shape (2^B - 1, …)
        Of the subsets 1 to 2^B - 1.

    Raises
    ------
    ValueError
        If the number of subsets is not a power of two.
    """
    count = len(r2)
    if count < 2 or count & (count - 1):
        raise ValueError(f"{count} subsets: there must be one for each combination of the bands")
    lost = r2[-1] - r2[::-1].astype(np.float64)
    for bit in range(count.bit_length() - 1):
        held = np.flatnonzero(np.arange(count) >> bit & 1)
        lost[held] -= lost[held ^ (1 << bit)]
    return lost[1:]


def partition(
    tests: Sequence[NestedRun],
    groups: Mapping[str, npt.NDArray[np.bool_]],
    resamples: int = 1000,
    seed: int = 0,
    chunk: int = 256,
) -> Partition:
    """Partition the test R² of every voxel.

    R² is averaged over test runs, as in the scores of the model. Intervals are percentiles of a
    bootstrap over the blocks of each run (Efron & Tibshirani 1993): volumes next to each other
    are not independent, blocks of 20 s and more nearly are. All voxels take the same resamples, so
    that means over voxels are as uncertain as their few blocks say.

    Parameters
    ----------
    tests : sequence of NestedRun
    groups : mapping
        Name to voxels whose mean is wanted.
    resamples : int
        Of the bootstrap.
    seed : int
        Of the bootstrap.
    chunk : int
        Voxels at a time.
    """
    rng = np.random.default_rng(seed)
    counts = [len(np.unique(test.unit)) for test in tests]
    weights = [rng.multinomial(n, np.full(n, 1 / n), resamples) for n in counts]
    enough = min(counts) >= FEWEST_BLOCKS
    voxels = tests[0].y.shape[1]
    r2, parts = [], []
    resampled = {name: np.zeros((resamples, len(tests[0].predictions) - 1)) for name in groups}
    for start in range(0, voxels, chunk):
        part = slice(start, min(start + chunk, voxels))
        sums = [_BlockSums.of(test, part) for test in tests]
        r2.append(np.mean([s.r2(np.ones((1, s.blocks)))[0] for s in sums], axis=0))
        drawn = np.mean([s.r2(w) for s, w in zip(sums, weights, strict=True)], axis=0)
        coefficients = commonality(drawn.swapaxes(0, 1)).swapaxes(0, 1)
        for name, chosen in groups.items():
            resampled[name] += coefficients[:, :, chosen[part]].sum(2)
        parts.append(_interval(commonality(r2[-1]), coefficients, enough))
    value = commonality(np.concatenate(r2, axis=1))
    means = [
        _interval(value[:, g].mean(1), resampled[name] / max(1, g.sum()), enough)
        if g.any()
        else _nothing(len(value))
        for name, g in groups.items()
    ]
    return Partition(
        np.concatenate(r2, axis=1), _joined(parts, 1), _joined(means, None), sum(counts)
    )


@dataclass(frozen=True)
class _BlockSums:
    """Sums over each block of a run, (blocks, …, voxels), from which R² follows."""

    n: Floats
    y: Floats
    yy: Floats
    p: Floats
    pp: Floats
    yp: Floats

    @property
    def blocks(self) -> int:
        return len(self.n)

    @classmethod
    def of(cls, test: NestedRun, part: slice) -> "_BlockSums":
        y = centred(test.y[:, part])
        p = centred(test.predictions[:, :, part], axis=1).transpose(1, 0, 2)
        terms = (np.ones(len(y)), y, y * y, p, p * p, y[:, None] * p)
        return cls(*(block_sums(term, test.unit) for term in terms))

    def r2(self, weights: npt.NDArray) -> npt.NDArray[np.float64]:
        """R² with each block counted so often: (draws, blocks) to (draws, subsets, voxels)."""
        n, y, yy, p, pp, yp = (
            np.tensordot(weights.astype(float), term, 1)
            for term in (self.n, self.y, self.yy, self.p, self.pp, self.yp)
        )
        n = n[:, None]
        spread = (yy - y * y / n)[:, None]
        explained = 2 * (yp - y[:, None] * p / n[..., None]) - (pp - p * p / n[..., None])
        return np.divide(explained, spread, out=np.zeros_like(explained), where=spread > 0)


def _interval(value: Floats, draws: Floats, enough: bool) -> Interval:
    if not enough:
        unknown = np.full(value.shape, np.nan)
        return Interval(value, unknown, unknown, unknown)
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return Interval(value, draws.std(0, ddof=1), low, high)


def _nothing(size: int) -> Interval:
    unknown = np.full(size, np.nan)
    return Interval(unknown, unknown, unknown, unknown)


def _joined(intervals: Sequence[Interval], axis: int | None) -> Interval:
    """Along an axis that they have, or a new first one."""
    keys = ("value", "se", "low", "high")
    columns = {key: [getattr(one, key) for one in intervals] for key in keys}
    if axis is None:
        return Interval(**{key: np.stack(values) for key, values in columns.items()})
    return Interval(**{key: np.concatenate(values, axis) for key, values in columns.items()})
