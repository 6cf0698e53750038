"""Whether patterns of imagined items are the same from run to run, before anything is identified.

A decoder that was fitted to seen items can identify imagined ones only if these have patterns at
all. Runs are split into halves, each item's pattern is averaged over a half, and the two averages
of the same item are correlated over voxels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, factorial
from typing import Any

import numpy as np
import numpy.typing as npt

from tristream.align.exchange import FEWEST_DISTINCT
from tristream.decode.item_exchange import p_value

Floats = npt.NDArray[np.floating]
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
        Correlation of an item's patterns in two halves of the runs, mean over items and splits.
    threshold : float
        What is exceeded by 5 % of permutations of the items within each run.
    p : float or None
        None where `refusal` says why.
    refusal : str
    items, runs, splits : int
        How many went into it.
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
    one run has nothing to do with the same item in another.

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
    items, runs = place.max() + 1, number.max() + 1
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
    distinct = int(np.prod([float(factorial(int(n))) for n in there.sum(1)[1:]]))
    refusal = ""
    if distinct < FEWEST_DISTINCT:
        refusal = f"only {distinct} distinct rearrangements of items within runs exist"
    null = np.empty(0)
    if not refusal and permutations:
        orders = _orders(there, permutations, np.random.default_rng((seed, 1)))
        null = np.concatenate([_reliability(products, order, halves) for order in orders])
    return Reliability(
        value=value,
        threshold=float(np.quantile(null, 1 - ALPHA)) if len(null) else float("nan"),
        p=p_value(value, null) if len(null) else None,
        refusal=refusal,
        items=int(items),
        runs=int(runs),
        splits=len(halves),
        null=null,
    )


def _by_run(
    patterns: Floats,
    place: npt.NDArray[np.integer],
    number: npt.NDArray[np.integer],
    items: int,
    runs: int,
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Mean of each item in each run, less that of the run; zero where it was not shown."""
    total = np.zeros((runs, items, patterns.shape[1]))
    np.add.at(total, (number, place), patterns)
    count = np.zeros((runs, items))
    np.add.at(count, (number, place), 1)
    there = count > 0
    means = total / np.maximum(count, 1)[:, :, None]
    means -= means.sum(1, keepdims=True) / there.sum(1)[:, None, None]
    means[~there] = 0
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
    there: npt.NDArray[np.bool_], permutations: int, rng: np.random.Generator
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
    """Mean correlation of halves for each order of the items.

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
    together = np.divide(cross, np.sqrt(size), out=np.full_like(cross, np.nan), where=size > 0)
    return np.asarray(np.nanmean(together, axis=(1, 2)))
