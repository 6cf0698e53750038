"""As many permutations as the voxels need, and what their number leaves undecided.

A voxel among 40,000 has to reach p = 1.25e-6 if it alone is to pass a false discovery rate of .05.
A thousand permutations cannot say so, and a million for every voxel are not needed:

1. A first stage permutes all voxels. The largest voxel of each of its permutations is the null of
   the family-wise error.
2. Then the number grows fourfold, and only voxels that fewer than :data:`ENOUGH` of their
   permutations reach go on (Besag & Clifford 1991, Biometrika 78:301). A voxel that stops has the
   p of the permutations so far. This p is valid: for every level it is below that level only if
   the p of one number of permutations, fixed beforehand, is.
3. It ends when all voxels are decided: none goes on, or the procedure of the false discovery rate
   rejects all that would, whatever their p under the bound of those that have stopped. At the
   latest it ends where one voxel could pass alone, where a limit is met, or where there are no
   further rearrangements.
4. Where the end came too early, a generalised Pareto tail (:mod:`tristream.inference.tail_fit`)
   takes the place of what was not drawn.

What is rearranged, and which statistic follows, is the caller's: a :class:`Null`.
"""

import math
from dataclasses import dataclass
from itertools import product
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from tristream.inference.tail_fit import tail_p

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
# Counts as reached: statistics are computed in float32.
TOLERANCE = 1e-6
# Reached so often, a p is known to an eighth of its size. Of 1,000 permutations and their fourfolds
# it makes stopped p values lie away from .05, .01 and .001: just above the smallest p of those that
# stopped, a level is not used up.
ENOUGH = 70
GROWTH = 4
# Reached this often or less, a p is taken from the tail where there can be no more permutations
# (Knijnenburg et al. 2009).
SELDOM = 10
# Permutations that a tail is fitted to.
TAIL = 100_000
# Permutations and voxels at a time.
ROWS, COLUMNS = 16_384, 128


class Null(Protocol):
    """What is rearranged, and the statistic that follows; signal makes it large.

    For a two-sided test it is an absolute value. It is of the size of a correlation: values that
    differ by less than :data:`TOLERANCE` count as equal.
    """

    @property
    def observed(self) -> Floats:
        """Statistic of the data as they are, (voxels,)."""

    @property
    def distinct(self) -> int:
        """Distinct rearrangements, the observed one included."""

    @property
    def available(self) -> int | None:
        """How many can be numbered; None where they are drawn at random without end.

        Where each distinct one has a number, the observed one left out, the test is exact. They
        are numbered in random order: voxels stop after the first ones.
        """

    def values(self, start: int, stop: int, voxels: Ints) -> Floats:
        """Statistics of the permutations numbered from `start` to `stop`, (stop - start, voxels).

        The same permutation always has the same number.
        """


@dataclass(frozen=True)
class StoredNull:
    """Statistics that are dear to compute, and were computed for all voxels at once.

    Attributes
    ----------
    observed : ndarray of shape (voxels,)
    every : ndarray of shape (permutations, voxels)
    distinct : int
        Distinct rearrangements, the observed one included.
    """

    observed: Floats
    every: Floats
    distinct: int

    @classmethod
    def of(cls, values: Floats, distinct: int) -> "StoredNull":
        """From values of shape (1 + permutations, voxels), the observed ones first."""
        return cls(values[0].astype(np.float64), values[1:], distinct)

    @property
    def available(self) -> int:
        """Those that were computed."""
        return len(self.every)

    def values(self, start: int, stop: int, voxels: Ints) -> Floats:
        """Statistics of some permutations and voxels."""
        return self.every[start:stop, voxels]


class Planned(Protocol):
    """Settings that say how many permutations there are."""

    @property
    def permutations(self) -> int: ...

    @property
    def most_permutations(self) -> int: ...

    @property
    def fdr(self) -> float: ...

    @property
    def procedure(self) -> Literal["bh", "by"]: ...


@dataclass(frozen=True)
class Resolution:
    """How many permutations, for which correction.

    Attributes
    ----------
    first : int
        Permutations of all voxels.
    most : int
        More than these no voxel gets.
    fdr : float
        False discovery rate.
    procedure : {'bh', 'by'}
        Of Benjamini and Hochberg, or Benjamini and Yekutieli.
    """

    first: int = 1000
    most: int = 5_000_000
    fdr: float = 0.05
    procedure: Literal["bh", "by"] = "bh"

    @classmethod
    def of(cls, settings: "Planned") -> "Resolution":
        """As configured."""
        return cls(
            settings.permutations, settings.most_permutations, settings.fdr, settings.procedure
        )

    def threshold(self, rejected: int, voxels: int) -> float:
        """The largest p that is significant if so many voxels are."""
        harmonic = (1 / np.arange(1, voxels + 1)).sum() if self.procedure == "by" else 1.0
        return self.fdr * rejected / (voxels * float(harmonic))

    def needed(self, voxels: int) -> int:
        """Permutations with which one voxel can pass alone."""
        return math.ceil(1 / self.threshold(1, voxels) - 1e-9) - 1


@dataclass(frozen=True)
class Resolved:
    """What a test found, and how finely.

    Attributes
    ----------
    observed, p : ndarray of shape (voxels,)
        Statistic, and the share of permutations that reach it, the observed one counted.
    null_max : ndarray of shape (first,)
        Largest statistic over voxels in each permutation of the first stage.
    permutations : ndarray of int of shape (voxels,)
        How many each voxel got.
    tail : ndarray of bool of shape (voxels,)
        Where p comes from a fitted tail.
    no_tail : int
        Voxels whose tail should have been fitted, and was not, as it has another shape.
    needed : int
        Permutations with which one voxel could pass the false discovery rate alone.
    fewest : int
        How many voxels must be significant together, at least, to be so at all: one, unless
        permutations ran out and there are no fitted tails.
    """

    observed: npt.NDArray[np.float64]
    p: npt.NDArray[np.float64]
    null_max: npt.NDArray[np.float64]
    permutations: npt.NDArray[np.int64]
    tail: npt.NDArray[np.bool_]
    no_tail: int
    needed: int
    fewest: int

    @property
    def p_fwe(self) -> npt.NDArray[np.float64]:
        """P of each voxel against the largest voxel of each permutation (voxels,).

        This controls the family-wise error over voxels (Nichols & Holmes 2002, Hum Brain Mapp
        15:1).
        """
        return against_largest(self.observed, self.null_max)

    @property
    def most(self) -> int:
        """The largest number of permutations that a voxel got."""
        return int(self.permutations.max(initial=len(self.null_max)))

    @property
    def stopped(self) -> int:
        """How many voxels stopped before that."""
        return int((self.permutations < self.most).sum())


def against_largest(observed: Floats, null_max: Floats) -> npt.NDArray[np.float64]:
    """Family-wise p of each statistic against the largest of each permutation, (n,)."""
    below = np.searchsorted(np.sort(null_max), observed - TOLERANCE)
    # What is not a number is larger than nothing.
    below = np.where(np.isnan(observed), 0, below)
    return (1 + len(null_max) - below) / (1 + len(null_max))


def resolve(null: Null, plan: Resolution, of: int | None = None) -> Resolved:
    """Test every voxel, with more permutations where they decide something.

    Parameters
    ----------
    null : Null
        What is rearranged.
    plan : Resolution
        How many permutations are allowed, and for which correction.
    of : int, optional
        The voxels are a sample of so many, and p values are wanted as fine as those of all. What
        the others decide is not known, so none goes on for less.
    """
    observed = np.asarray(null.observed, np.float64)
    voxels = len(observed)
    needed = plan.needed(of or voxels)
    limit = _limit(null, plan, needed)
    done = min(plan.first, limit) if null.available is not None else plan.first
    null_max = np.full(done, -np.inf)
    reached = count_reached(null, 0, done, observed, np.arange(voxels), null_max)
    permutations = np.full(voxels, done)
    going = np.flatnonzero(reached < ENOUGH)
    while done < limit and len(going) and (of or not _decided(plan, len(going), voxels, done)):
        stop = min(GROWTH * done, limit)
        reached[going] += count_reached(null, done, stop, observed, going)
        permutations[going] = done = stop
        going = going[reached[going] < ENOUGH]
    p = (1 + reached) / (1 + permutations)
    tail, no_tail = np.zeros(voxels, bool), 0
    if limit < needed and len(going) and (of or not _decided(plan, len(going), voxels, done)):
        seldom = going[reached[going] < SELDOM]
        fitted = _tails(null, min(done, TAIL), observed, seldom)
        known = np.isfinite(fitted)
        tail[seldom[known]], no_tail = True, int((~known).sum())
        p[tail] = fitted[known]
    fewest = 1
    if limit < needed and not tail.any():
        fewest = math.ceil(1 / (1 + limit) / plan.threshold(1, of or voxels) - 1e-9)
    return Resolved(observed, p, null_max, permutations, tail, no_tail, needed, fewest)


def _limit(null: Null, plan: Resolution, needed: int) -> int:
    """How many permutations a voxel gets at most."""
    limit = max(plan.first, min(plan.most, needed))
    # Drawn with replacement, more than there are tell nothing new.
    limit = min(limit, max(null.distinct - 1, plan.first))
    return limit if null.available is None else min(limit, null.available)


def _decided(plan: Resolution, going: int, voxels: int, done: int) -> bool:
    """Whether further permutations cannot change which voxels are significant.

    Those that go on have been reached less than :data:`ENOUGH` times each.
    """
    return not going or ENOUGH / (1 + done) <= plan.threshold(going, voxels)


def count_reached(
    null: Null,
    start: int,
    stop: int,
    observed: Floats,
    voxels: Ints,
    null_max: Floats | None = None,
) -> npt.NDArray[np.int64]:
    """How many permutations reach the observed statistic of some voxels, (len(voxels),).

    Parameters
    ----------
    null : Null
    start, stop : int
        Numbers of the permutations.
    observed : ndarray of shape (all voxels,)
    voxels : ndarray of int
    null_max : ndarray of shape (at least stop,), optional
        Is raised to the largest statistic of each permutation.
    """
    counts = np.zeros(len(voxels), np.int64)
    # Rows one after the other: what was drawn serves all voxels.
    blocks = product(range(start, stop, ROWS), range(0, len(voxels), COLUMNS))
    number = math.ceil((stop - start) / ROWS) * math.ceil(len(voxels) / COLUMNS)
    told = f"permutations {start + 1} to {stop}"
    for low, first in tqdm(blocks, told, number, unit="block", mininterval=5, delay=5):
        high, part = min(low + ROWS, stop), voxels[first : first + COLUMNS]
        values = null.values(low, high, part)
        limit = (observed[part] - TOLERANCE).astype(values.dtype)
        # What is not a number, observed or not, counts as reached: no p gains from it.
        counts[first : first + COLUMNS] += np.count_nonzero(~(values < limit), axis=0)
        if null_max is not None:
            # A voxel without a statistic is none of those that are tested.
            tested = values if (known := ~np.isnan(limit)).all() else values[:, known]
            largest = tested.max(1, initial=-np.inf)
            np.maximum(null_max[low:high], largest, out=null_max[low:high])
    return counts


def _tails(null: Null, number: int, observed: Floats, voxels: Ints) -> npt.NDArray[np.float64]:
    """P of some voxels from fitted tails, NaN where none fits."""
    out = np.full(len(voxels), np.nan)
    for first in range(0, len(voxels), COLUMNS):
        part = voxels[first : first + COLUMNS]
        starts = range(0, number, ROWS)
        values = [null.values(low, min(low + ROWS, number), part) for low in starts]
        out[first : first + COLUMNS] = tail_p(np.concatenate(values), observed[part])
    return out
