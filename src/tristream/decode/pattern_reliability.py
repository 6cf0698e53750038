"""Whether patterns of imagined items are the same from run to run, before anything is identified.

A decoder that was fitted to seen items can identify imagined ones only if these have patterns at
all. Runs are split into halves, each item's pattern is averaged over a half, and the two averages
of the same item are correlated over voxels.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb, factorial, prod
from typing import Any

import numpy as np
import numpy.typing as npt

from tristream.align.exchange import FEWEST_DISTINCT
from tristream.decode.item_exchange import p_value

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]
SPLITS = 50
PERMUTATIONS = 2_000
ALPHA = 0.05
DRAWN = 100


@dataclass(frozen=True)
class Reliability:
    """Split-run reliability of item patterns.

    Attributes
    ----------
    value : float
        Correlation of an item's patterns in two halves of the runs, mean over items and splits;
        NaN where none is defined.
    threshold : float
        What is exceeded by 5 % of permutations of the items within each run; NaN without p.
    p : float or None
        None where `refusal` says why.
    refusal : str
    items, runs, splits : int
        How many went into it; of items, those of two runs or more.
    null : ndarray of shape (permutations,)
    """

    value: float
    threshold: float
    p: float | None
    refusal: str
    items: int
    runs: int
    splits: int
    null: Floats

    @property
    def passed(self) -> bool:
        """Whether patterns are reliable enough for identification to mean anything."""
        return self.p is not None and self.p <= ALPHA


def pattern_reliability(
    patterns: Floats,
    item: Sequence[Any],
    run: Sequence[Any],
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Reliability:
    """Split-run reliability, against items that change places in each run by itself.

    In each run an item's showings are averaged, and the mean over items is taken out of each
    voxel: what all items share is not reliability of items. Under the null hypothesis an item in
    one run has nothing to do with the same item in another. An item of one run only counts for the
    mean of its run, and changes places with none.

    Parameters
    ----------
    patterns : ndarray of shape (n, voxels)
        Responses.
    item, run : sequence of length n
        What each row shows, and its run.
    permutations, seed : int
        Of the null.

    Raises
    ------
    ValueError
        If there is one run or one item only, or values are not finite.
    """
    _, place = np.unique(np.asarray(item), return_inverse=True)
    _, number = np.unique(np.asarray(run), return_inverse=True)
    items, runs = int(place.max()) + 1, int(number.max()) + 1
    if runs < 2:
        raise ValueError("patterns of one run only: reliability needs two runs at least")
    if items < 2:
        raise ValueError("patterns of one item only: reliability of items needs two at least")
    if not np.isfinite(patterns).all():
        raise ValueError("patterns hold values that are not finite")
    means, there = _by_run(patterns, place, number, items, runs)
    flat = means.reshape(runs * items, -1)
    products = (flat @ flat.T).reshape(runs, items, runs, items)
    halves = run_halves(runs, np.random.default_rng(seed))
    own = np.tile(np.arange(items), (1, runs, 1))
    value = float(_reliability(products, own, halves)[0])
    repeated = there & (there.sum(0) > 1)
    refusal = _refusal(repeated, value, permutations)
    null = np.empty(0)
    if not refusal:
        orders = _orders(repeated, permutations, np.random.default_rng((seed, 1)))
        null = np.concatenate([_reliability(products, order, halves) for order in orders])
    return Reliability(
        value=value,
        threshold=float("nan") if refusal else float(np.quantile(null, 1 - ALPHA)),
        p=None if refusal else p_value(value, null),
        refusal=refusal,
        items=int(repeated.any(0).sum()),
        runs=runs,
        splits=len(halves),
        null=null,
    )


def corrected_over_regions(found: Mapping[str, Reliability]) -> dict[str, Reliability]:
    """The same, p and threshold by the largest of all regions in each permutation.

    Parameters
    ----------
    found : mapping of str to Reliability
        Region to what :func:`pattern_reliability` gave for the same items, runs and seed, so that
        the same permutation goes through all regions. Those without p stay as they are.
    """
    nulls = [one.null for one in found.values() if not one.refusal]
    if not nulls:
        return dict(found)
    largest = np.max(nulls, axis=0)
    threshold = float(np.quantile(largest, 1 - ALPHA))
    return {
        region: one
        if one.refusal
        else replace(one, threshold=threshold, p=p_value(one.value, largest))
        for region, one in found.items()
    }


def _refusal(repeated: Bools, value: float, permutations: int) -> str:
    """Why there is no p value; empty if there is one.

    Parameters
    ----------
    repeated : ndarray of bool of shape (runs, items)
        Which items each run shows, of those that two runs show or more.
    value : float
    permutations : int
    """
    if not permutations:
        return "no permutations were asked for"
    if not repeated.any():
        return "no item occurs in two runs, so that no pattern can repeat"
    if not np.isfinite(value):
        return "no item has a pattern unlike the mean of its run in both halves of the runs"
    distinct = _distinct(repeated)
    if distinct < FEWEST_DISTINCT:
        return f"only {distinct} distinct rearrangements of items within runs exist"
    return ""


def _distinct(repeated: Bools) -> int:
    """Rearrangements that differ in more than the names of items that occur in the same runs."""
    names = Counter(map(tuple, repeated.T[repeated.any(0)].tolist()))
    orders = prod(factorial(count) for count in repeated.sum(1).tolist())
    return orders // prod(factorial(count) for count in names.values())


def _by_run(
    patterns: Floats,
    place: npt.NDArray[np.integer],
    number: npt.NDArray[np.integer],
    items: int,
    runs: int,
) -> tuple[Floats, Bools]:
    """Mean of each item in each run, less that of the run; zero where it was not shown."""
    total = np.zeros((runs, items, patterns.shape[1]))
    np.add.at(total, (number, place), patterns)
    count = np.zeros((runs, items))
    np.add.at(count, (number, place), 1)
    there = count > 0
    means = total / np.maximum(count, 1)[:, :, None]
    centre = means.sum(1, keepdims=True) / there.sum(1)[:, None, None]
    means -= centre
    means[~there] = 0
    # What rounding leaves of equal patterns repeats from run to run.
    means[np.abs(means) <= 1e-12 * np.abs(centre)] = 0
    return means, there


def run_halves(runs: int, rng: np.random.Generator) -> Floats:
    """Signs of the runs (splits, runs): 1 for one half, -1 for the other, 0 for a run too many."""
    half = runs // 2
    if comb(runs, half) <= 2 * SPLITS and runs % 2 == 0:
        # Each split once: the first run is always in the first half.
        chosen = [(0, *rest) for rest in combinations(range(1, runs), half - 1)]
        signs = -np.ones((len(chosen), runs))
        for row, own in zip(signs, chosen, strict=True):
            row[list(own)] = 1
        return signs
    base = np.r_[np.ones(half), -np.ones(half), np.zeros(runs % 2)]
    return rng.permuted(np.tile(base, (SPLITS, 1)), axis=1)


def _orders(
    there: Bools, permutations: int, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.integer]]:
    """Items of each run in random order, (permutations, runs, items), in batches."""
    runs, items = there.shape
    for start in range(0, permutations, DRAWN):
        count = min(DRAWN, permutations - start)
        out = np.tile(np.arange(items), (count, runs, 1))
        for run in range(runs):
            shown = np.flatnonzero(there[run])
            out[:, run, shown] = rng.permuted(np.tile(shown, (count, 1)), axis=1)
        yield out


def _reliability(products: Floats, order: npt.NDArray[np.integer], halves: Floats) -> Floats:
    """Mean correlation of halves for each order of the items; NaN where none is defined.

    Parameters
    ----------
    products : ndarray of shape (runs, items, runs, items)
        Of patterns with one another.
    order : ndarray of int of shape (orders, runs, items)
        Which of a run's items stands for each item.
    halves : ndarray of shape (splits, runs)
    """
    run = np.arange(len(products))
    own = order.transpose(0, 2, 1)
    blocks = products[run[:, None], own[..., :, None], run[None, :], own[..., None, :]]
    first, second = (halves > 0).astype(float), (halves < 0).astype(float)
    ahead, behind = blocks @ first.T, blocks @ second.T
    cross = np.einsum("sr,oirs->ois", first, behind)
    size = np.einsum("sr,oirs->ois", first, ahead) * np.einsum("sr,oirs->ois", second, behind)
    known = size > 0
    total = np.divide(cross, np.sqrt(size), out=np.zeros_like(cross), where=known).sum((1, 2))
    count = known.sum((1, 2))
    return np.divide(total, count, out=np.full(len(order), np.nan), where=count > 0)
