"""Unique and shared variance of the bands, from nested models (commonality analysis).

A model is fitted anew for every subset of the bands, hyperparameters and all, and tested on the
same data. What the full model explains beyond the one without a band is that band's unique
variance; what two bands explain alike is shared (Mood 1971, Am Educ Res J 8:191; Nimon & Oswald
2013, Organ Res Methods 16:650; de Heer et al. 2017, J Neurosci 37:6539). Unlike the product
measure, which splits one model's R², this asks what a band adds. The values are test scores: they
are not bounded below, and a shared value below 0 is suppression, or noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from tristream.encode.jackknife import Groups, Interval, interval, sums_by_group
from tristream.encode.mixture import Mixture
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
    models : sequence of Mixture or None
        Hyperparameters of each subset; None without bands, or of other kinds than banded ridge.
    """

    y: Floats
    predictions: Floats
    models: Sequence[Mixture | None] = ()


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
        Groups of test data that were left out in turn.
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
    groups: Groups,
    over: Mapping[str, npt.NDArray[np.bool_]],
    chunk: int = 256,
) -> Partition:
    """Partition the test R² of every voxel.

    R² is averaged over test runs, as in the scores of the model. Intervals are those of
    :mod:`tristream.encode.jackknife`. The same groups of samples are left out for all voxels, so
    that means over voxels are as uncertain as their few groups say.

    Parameters
    ----------
    tests : sequence of NestedRun
    groups : Groups
        What is left out together.
    over : mapping
        Name to voxels whose mean is wanted.
    chunk : int
        Voxels at a time.
    """
    voxels = tests[0].y.shape[1]
    count = len(tests[0].predictions) - 1
    r2, parts = [], []
    total = {name: np.zeros((len(groups), count)) for name in over}
    for start in range(0, voxels, chunk):
        part = slice(start, min(start + chunk, voxels))
        whole, without = _left_out(tests, groups, part)
        r2.append(whole)
        coefficients = commonality(without.swapaxes(0, 1)).swapaxes(0, 1)
        for name, chosen in over.items():
            total[name] += coefficients[:, :, chosen[part]].sum(2)
        parts.append(_each_set(commonality(whole), coefficients, groups))
    value = commonality(np.concatenate(r2, axis=1))
    means = [
        _each_set(value[:, g].mean(1), total[name] / g.sum(), groups)
        if g.any()
        else Interval.unknown(np.full(count, np.nan))
        for name, g in over.items()
    ]
    return Partition(
        np.concatenate(r2, axis=1),
        Interval.joined(parts, 1),
        Interval.joined(means, None),
        len(groups),
    )


def _left_out(
    tests: Sequence[NestedRun], groups: Groups, part: slice
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """R² of each subset, mean over tests: (subsets, voxels), and (groups, subsets, voxels)."""
    whole, without = [], []
    for codes, test in zip(groups.codes, tests, strict=True):
        sums = _Sums.of(test, part, codes, len(groups))
        whole.append(sums.total.r2)
        without.append(sums.without.r2)
    return np.mean(whole, axis=0), np.mean(without, axis=0)


def _each_set(value: Floats, left_out: Floats, groups: Groups) -> Interval:
    """Intervals of each set of bands, whose parts differ in how they depend on time.

    Parameters
    ----------
    value : ndarray of shape (sets, …)
    left_out : ndarray of shape (groups, sets, …)
    groups : Groups
    """
    return Interval.joined(
        [interval(value[k], left_out[:, k], groups) for k in range(len(value))], None
    )


@dataclass(frozen=True)
class _Sums:
    """Sums over samples, (…, voxels), from which R² follows; of groups, those of none last."""

    n: Floats
    y: Floats
    yy: Floats
    p: Floats
    pp: Floats
    yp: Floats

    @classmethod
    def of(cls, test: NestedRun, part: slice, codes: Ints, count: int) -> "_Sums":
        y = centred(test.y[:, part])
        p = centred(test.predictions[:, :, part], axis=1).transpose(1, 0, 2)
        terms = (np.ones((len(y), 1)), y, y * y, p, p * p, y[:, None] * p)
        return cls(*sums_by_group(codes, count, *terms))

    @property
    def total(self) -> "_Sums":
        """Of all groups."""
        return _Sums(*(getattr(self, one.name).sum(0) for one in fields(self)))

    @property
    def without(self) -> "_Sums":
        """Of all groups but each in turn."""
        terms = (getattr(self, one.name) for one in fields(self))
        return _Sums(*(term.sum(0) - term[:-1] for term in terms))

    @property
    def r2(self) -> npt.NDArray[np.float64]:
        """R² of each subset, (…, subsets, voxels)."""
        spread = (self.yy - self.y**2 / self.n)[..., None, :]
        n, y = self.n[..., None, :], self.y[..., None, :]
        explained = 2 * (self.yp - y * self.p / n) - (self.pp - self.p**2 / n)
        return np.divide(explained, spread, out=np.zeros_like(explained), where=spread > 0)
