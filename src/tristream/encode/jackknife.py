"""How sure a test score is: it is computed again without each exchange unit of the test.

A unit is what the tests of significance move as a whole: an item with all its showings, a block,
a block of time. The interval holds for other stimuli of the kind, with the fitted model as it is.

- The standard error is the jackknife's (Efron & Tibshirani 1993, chapter 11), in each test run of
  its own where units belong to one run.
- Units that touch in time share noise. Their covariance at the next one and the next but one enters
  the variance, as in the jackknife for stationary series (Künsch 1989, Ann Stat 17:1217), free of
  the bias that the mean of few units gives. One voxel's own would be too uncertain to use, so all
  voxels are widened alike, and never made narrower.
- Of heavy-tailed units (products of two single samples have a kurtosis of 9) the standard error
  itself is uncertain, so Student's t has the degrees of freedom that match its variance,
  2 / (2 / (n - 1) + kurtosis / n) with n units (Satterthwaite 1946, Biometrics Bull 2:110).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from tristream.align.exchange import Unit, run_units
from tristream.encode.disk_arrays import forget
from tristream.encode.prediction_scores import fisher_z

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]
FEWEST_UNITS = 6
"""With fewer there is no interval: 95 % can't be held."""
# More are joined to groups of neighbours: a 40th of the data is little enough to leave out.
MOST_GROUPS = 40
FEWEST_OF_RUN = 4
LAGS = 2


@dataclass(frozen=True)
class Groups:
    """What is left out together.

    Attributes
    ----------
    codes : tuple of ndarray of int of shape (samples,), one a test
        Group of each sample; -1: never left out.
    stratum : ndarray of int of shape (groups,)
        Groups of one number are compared with one another: those of one test, or of the same tests.
    touching : bool
        Whether groups of one stratum follow each other in time, in the order of their numbers.
    """

    codes: tuple[Ints, ...]
    stratum: Ints
    touching: bool

    def __len__(self) -> int:
        return len(self.stratum)

    @property
    def degrees(self) -> int:
        """Degrees of freedom of a variance between groups."""
        return len(self) - len(np.unique(self.stratum))

    @property
    def enough(self) -> bool:
        """Whether there can be an interval."""
        several = len(self) > 0 and np.unique(self.stratum, return_counts=True)[1].min() > 1
        return bool(several and self.degrees >= FEWEST_UNITS - 1)


def groups_of(
    kind: Unit, showings: Sequence[Ints], items: Sequence[Ints], most: int = MOST_GROUPS
) -> Groups:
    """What is left out together, of tests with these exchange units.

    Parameters
    ----------
    kind : {'block', 'round', 'item', 'time'}
        What is exchangeable.
    showings, items : sequence of ndarray of int of shape (samples,), one a test
        Presentation, and what is shown (the same number in all tests); -1 where there is none.
    most : int
        Groups, if four a test are not more.
    """
    units = [run_units(kind, s, i) for s, i in zip(showings, items, strict=True)]
    if kind != "item":
        units = [np.where(u >= 0, u * len(units) + k, -1) for k, u in enumerate(units)]
    order = _in_order(np.concatenate(units))
    inside = [frozenset(k for k, u in enumerate(units) if one in u) for one in order]
    strata = _strata(inside)
    share = max(most, FEWEST_OF_RUN * len(set(strata.tolist())))
    span = -(-len(order) // share)
    group = np.empty(len(order), np.int64)
    joined: list[int] = []
    for stratum in np.unique(strata):
        own = np.flatnonzero(strata == stratum)
        # A last group that is shorter than half joins the one before.
        number = np.arange(len(own)) // span
        if len(own) % span and len(own) % span < span / 2 and number[-1]:
            number[number == number[-1]] -= 1
        group[own] = len(joined) + number
        joined += [stratum] * (int(number[-1]) + 1)
    place = dict(zip(order.tolist(), group.tolist(), strict=True)) | {-1: -1}
    codes = tuple(np.array([place[one] for one in u.tolist()], np.int64) for u in units)
    return Groups(codes, np.array(joined, np.int64), _touch(codes))


def _in_order(units: Ints) -> Ints:
    """The units as they first appear, those of no unit left out."""
    found, first = np.unique(units, return_index=True)
    found = found[np.argsort(first)]
    return found[found >= 0]


def _strata(inside: Sequence[frozenset[int]]) -> Ints:
    """A number for each set of tests that has units of its own; one for all, if any has one unit.

    Units that have showings in sets of tests that differ all the time are one population.
    """
    patterns = list(dict.fromkeys(inside))
    strata = np.array([patterns.index(one) for one in inside], np.int64)
    if any(len(one) > 1 for one in inside) and np.bincount(strata).min() < FEWEST_OF_RUN:
        return np.zeros_like(strata)
    return strata


def _touch(codes: Sequence[Ints]) -> bool:
    """Whether most steps from one group to another lead to the next one."""
    steps = np.concatenate([np.diff(own[own >= 0]) for own in codes])
    return bool((steps == 1).sum() * 2 > (steps != 0).sum())


@dataclass(frozen=True)
class Interval:
    """Estimates with their standard error and 95 % interval, all of one shape.

    `se`, `low` and `high` are NaN with too few units.
    """

    value: Floats
    se: Floats
    low: Floats
    high: Floats

    @classmethod
    def unknown(cls, value: Floats) -> Self:
        """Without an interval."""
        return cls(value, *np.full((3, *np.shape(value)), np.nan))

    def tanh(self) -> "Interval":
        """Of Fisher z, as correlations; the standard error by the slope."""
        r = np.tanh(self.value)
        return Interval(r, self.se * (1 - r**2), np.tanh(self.low), np.tanh(self.high))

    @classmethod
    def joined(cls, parts: Sequence[Self], axis: int | None) -> Self:
        """Several along an axis that they have, or a new first one."""
        columns = [[getattr(part, one.name) for part in parts] for one in fields(cls)]
        if axis is None:
            return cls(*(np.stack(values) for values in columns))
        return cls(*(np.concatenate(values, axis) for values in columns))


@dataclass(frozen=True)
class Spread:
    """What leaving out shows.

    Attributes
    ----------
    se : ndarray
        Standard error of each column.
    degrees : float
        Of Student's t.
    widening : float
        How many times the variance of groups that are independent.
    """

    se: Doubles
    degrees: float
    widening: float


def interval(
    value: Floats | np.float64, left_out: Floats, groups: Groups, level: float = 0.95
) -> Interval:
    """Estimate with its interval.

    Parameters
    ----------
    value : ndarray of shape (…)
        The statistic.
    left_out : ndarray of shape (groups, …)
        The statistic without each group in turn.
    groups : Groups
    level : float
        Coverage.
    """
    value = np.asarray(value, np.float64)
    if not groups.enough:
        return Interval.unknown(value)
    found = spread(left_out, groups)
    half = stdtrit(found.degrees, 0.5 + level / 2) * found.se
    return Interval(value, found.se, value - half, value + half)


def bias(value: Floats, left_out: Floats, groups: Groups) -> Doubles:
    """How much too large the statistic is on average, as far as that falls with one over n.

    Parameters
    ----------
    value, left_out
        As in :func:`interval`.
    groups : Groups
    """
    out = np.zeros(np.shape(value))
    for stratum in np.unique(groups.stratum):
        own = left_out[groups.stratum == stratum]
        out += (len(own) - 1) * (own.mean(0) - value)
    return out


def spread(left_out: Floats, groups: Groups) -> Spread:
    """Standard error, degrees of freedom, widening; see the module.

    Parameters
    ----------
    left_out : ndarray of shape (groups, …)
        The statistic without each group in turn.
    groups : Groups
        Enough of them.
    """
    variance = np.zeros(left_out.shape[1:])
    widened, fourth = 0.0, 0.0
    for stratum in np.unique(groups.stratum):
        own = left_out[groups.stratum == stratum].astype(np.float64)
        count = len(own)
        own = (own - own.mean(0)) * (count - 1)
        square = (own**2).mean(0)
        variance += square / (count - 1)
        widened += _dependent(own, square, groups.touching)
        scaled = np.divide(own, np.sqrt(square), out=np.zeros_like(own), where=square > 0)
        excess = float((scaled**4).mean()) - 3 * (count - 1) / (count + 1)
        fourth += max(0.0, excess) * count / len(groups)
    mean = float(variance.mean())
    factor = max(1.0, widened / mean) if mean > 0 else 1.0
    degrees = 2 / (2 / groups.degrees + fourth / len(groups))
    return Spread(np.sqrt(factor * variance), degrees, factor)


def _dependent(own: Doubles, square: Doubles, touching: bool) -> float:
    """Variance of the mean of a series whose neighbours depend on each other, mean over columns.

    With Γ_k the covariance at lag k, V = (Γ_0 + 2 Σ κ_k Γ_k) / n, κ_k = (n - k) / n; about the mean
    of the n values each Γ_k is measured smaller by V.
    """
    count = len(own)
    lags = min(LAGS, (count - 2) // 2) if touching else 0
    kappa = [(count - lag) / count for lag in range(1, lags + 1)]
    total = float(square.mean())
    for lag, weight in enumerate(kappa, start=1):
        total += 2 * weight * float((own[lag:] * own[:-lag]).mean())
    return total / (count - 1 - 2 * sum(kappa))


def block_sums(x: Floats, blocks: Ints) -> Doubles:
    """Sum over the samples of each block: (time, …) to (blocks, …), blocks in rising order."""
    found = np.unique(blocks)
    return np.tensordot((blocks == found[:, None]).astype(float), x, 1)


def sums_by_group(codes: Ints, count: int, *series: Floats) -> list[Doubles]:
    """Sums of series over the samples of each group, those of no group last.

    Parameters
    ----------
    codes : ndarray of int of shape (samples,)
        Of one test.
    count : int
        Groups of all tests.
    *series : ndarray of shape (samples, …)

    Returns
    -------
    list of ndarray of shape (groups + 1, …)
    """
    member = (np.where(codes < 0, count, codes) == np.arange(count + 1)[:, None]).astype(float)
    return [np.tensordot(member, one, 1) for one in series]


def z_left_out(
    tests: Sequence[tuple[Floats, Floats]], groups: Groups, chunk: int = 2048
) -> tuple[Doubles, Doubles]:
    """Fisher z of prediction and data, mean over tests: whole, and without each group.

    Parameters
    ----------
    tests : sequence of (data, prediction)
        Each (samples, voxels).
    groups : Groups
    chunk : int
        Voxels at a time.

    Returns
    -------
    ndarray of shape (voxels,), (groups, voxels)
    """
    voxels = tests[0][0].shape[1]
    whole, left_out = np.zeros(voxels), np.zeros((len(groups), voxels))
    for codes, (y, prediction) in zip(groups.codes, tests, strict=True):
        for start in range(0, voxels, chunk):
            part = slice(start, start + chunk)
            z, without = _z(y[:, part], prediction[:, part], codes, len(groups))
            whole[part] += z / len(tests)
            left_out[:, part] += without / len(tests)
            forget(y, prediction)
    return whole, left_out


def _z(y: Floats, prediction: Floats, codes: Ints, count: int) -> tuple[Doubles, Doubles]:
    y, p = (x - x.mean(0, dtype=np.float64) for x in (y, prediction))
    sums = sums_by_group(codes, count, np.ones((len(y), 1)), y, p, y * y, p * p, y * p)
    totals = [one.sum(0) for one in sums]
    rest = [total - one[:-1] for total, one in zip(totals, sums, strict=True)]
    return _fisher(*totals), _fisher(*rest)


def _fisher(n: Floats, y: Floats, p: Floats, yy: Floats, pp: Floats, yp: Floats) -> Doubles:
    """Fisher z of a correlation from sums."""
    norm = np.sqrt(np.maximum((yy - y**2 / n) * (pp - p**2 / n), 0))
    return fisher_z(np.divide(yp - y * p / n, norm, out=np.zeros_like(norm), where=norm > 0))
