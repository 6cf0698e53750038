"""Which of some candidates was seen: the one whose features are most like those predicted.

The same serves features decoded from the brain (Horikawa & Kamitani 2017, Nat Commun 8:15037) and
responses that an encoder predicts for each candidate (Kay et al. 2008, Nature 452:352): then rows
are patterns over voxels, `predicted` the measured ones and `true` those that the encoder predicts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln
from scipy.stats import rankdata

from tristream.align.exchange import Exchange
from tristream.decode.item_exchange import PERMUTATIONS, Matched, all_exchange, matched

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.integer]
WAYS = (2, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True)
class Identification:
    """How often the right candidate was most similar.

    Attributes
    ----------
    pairwise : Matched
        Share of wrong candidates that are less similar than the right one (ties count half), mean
        over items.
    top5 : Matched
        Share of items whose right candidate is among the five most similar; the mean over the
        orders of ties.
    ways : dict of int to Matched
        Number of candidates to the share of items whose right one, among that many minus one
        drawn at random, is the most similar; the mean over all draws, in closed form.
    score : ndarray of shape (items,)
        Pairwise, of each item.
    rank : ndarray of shape (items,)
        Of the right candidate, from 1; of ties the mean.
    candidates : int
        Items that were tested, and others; the fewest, where items have unequal numbers of them.
    """

    pairwise: Matched
    top5: Matched
    ways: Mapping[int, Matched]
    score: Floats
    rank: Floats
    candidates: int


def similarity(predicted: Floats, candidates: Floats) -> Floats:
    """Pearson's r over columns of each prediction with each candidate.

    Parameters
    ----------
    predicted : ndarray of shape (items, units)
    candidates : ndarray of shape (candidates, units)

    Returns
    -------
    ndarray of shape (items, candidates)
        0 where a row doesn't vary.
    """
    return _unit_rows(predicted) @ _unit_rows(candidates).T


def identify(
    predicted: Floats,
    true: Floats,
    others: Floats | None = None,
    ways: Sequence[int] = WAYS,
    exchange: Exchange | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    in_turn: bool = False,
    among: Bools | None = None,
) -> Identification:
    """Identify each item among all items and others.

    With `predicted` and `true` in each other's place, the prediction (and so the response) that
    belongs to each item is found among those of all items.

    Units of different variance should be scaled alike before (by the training set's mean and
    standard deviation): correlations over units are otherwise those of a few.

    Parameters
    ----------
    predicted, true : ndarray of shape (items, units)
        Row i of both is of item i.
    others : ndarray of shape (others, units), optional
        Candidates that were never shown.
    ways : sequence of int
        Sizes of candidate sets; those above the number of candidates are left out, and all
        candidates are added.
    exchange : Exchange, optional
        Which items may change identity, from
        :func:`tristream.decode.item_exchange.item_exchange`; all, by default.
    permutations, seed : int
        Of the null.
    in_turn : bool
        Whether runs were left out in turn, so that items that are tested in one fold trained the
        decoder of another. Permuted identity without fitting again then rejects too often: there
        is no p value and no interval, and `refusal` says why.
    among : ndarray of bool of shape (items, items + others), optional
        Which candidates an item has, itself among them, where these differ: of runs that are left
        out in turn the items of its run, as the others trained its decoder. All, by default.

    Raises
    ------
    ValueError
        If arrays don't fit each other, are not finite, hold fewer than two items or units, or an
        item has no candidate but itself.
    """
    check_alike(predicted, true)
    if np.shape(true)[1] < 2:
        raise ValueError("features have one unit; a correlation over units needs two at least")
    candidates = true if others is None else np.concatenate([true, _fitting(others, true)])
    similar = similarity(predicted, candidates)
    return identified(similar, ways, exchange, permutations, seed, in_turn, among)


def identified(
    similar: Floats,
    ways: Sequence[int] = WAYS,
    exchange: Exchange | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    in_turn: bool = False,
    among: Bools | None = None,
) -> Identification:
    """The same from similarities (items, candidates), item i being candidate i."""
    items = len(similar)
    among = np.ones(similar.shape, bool) if among is None else among
    count = among.sum(1, keepdims=True)
    if count.min() < 2:
        raise ValueError("an item has no candidate but itself: two are needed at least")
    rank, lowest, highest = (_ranks(similar, among, ties) for ties in ("average", "min", "max"))
    pairwise = (rank - 1) / (count - 1)
    # Of ties those at the top share the places that are left.
    among_five = (highest - (count - np.minimum(5, count))) / (highest - lowest + 1)
    fewest = int(count.min())
    null = (exchange or all_exchange(items), permutations, seed, in_turn)
    return Identification(
        pairwise=matched(pairwise, *null),
        top5=matched(among_five.clip(0, 1), *null),
        ways={
            n: matched(_best_of(n, count, lowest.astype(int), highest.astype(int)), *null)
            for n in sorted({n for n in ways if 1 < n < fewest} | {fewest})
        },
        score=np.diagonal(pairwise).copy(),
        rank=count[:, 0] + 1 - np.diagonal(rank),
        candidates=fewest,
    )


def _ranks(similar: Floats, among: Bools, ties: str) -> Floats:
    """Rank of each item among the candidates in its row, from 1, the least similar.

    Of items that are not among them it means nothing.
    """
    ranks = rankdata(np.where(among, similar, -np.inf), ties, axis=1)[:, : len(similar)]
    return np.maximum(ranks - (~among).sum(1, keepdims=True), 1)


def _best_of(n: int, count: Ints, lowest: Ints, highest: Ints) -> Floats:
    """Probability that a candidate is the best of n, the others drawn without replacement.

    With L worse candidates it is C(L, n - 1) / C(count - 1, n - 1). Of ties one comes first at
    random; the mean over their places is a sum along a diagonal of Pascal's triangle.
    """
    worse = np.arange(n, count.max() + 1)
    below = np.zeros((len(count), count.max() + 1))
    below[:, n:] = np.exp(_log_choose(worse, n) - _log_choose(count - 1, n - 1))
    upper, lower = (np.take_along_axis(below, one, 1) for one in (highest, lowest - 1))
    return np.asarray((upper - lower) / (highest - lowest + 1))


def _log_choose(n: Ints, k: int) -> Floats:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def profile_correlation(
    predicted: Floats,
    true: Floats,
    exchange: Exchange | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    in_turn: bool = False,
) -> tuple[Floats, Matched]:
    """Correlation over items of each unit's predicted with its true values.

    Parameters
    ----------
    predicted, true : ndarray of shape (items, units)
    exchange, permutations, seed, in_turn
        As of :func:`identify`.

    Returns
    -------
    units : ndarray of shape (units,)
        NaN where a unit doesn't vary.
    mean : Matched
        Over units that vary.
    """
    check_alike(predicted, true)
    a, b = _unit_rows(predicted.T), _unit_rows(true.T)
    vary = a.any(1) & b.any(1)
    units = np.where(vary, (a * b).sum(1), np.nan)
    if not vary.any():
        raise ValueError("no unit varies in both predicted and true features")
    # Element (i, j) is the part of the mean correlation, times items, that i adds if it is j.
    table = a[vary].T @ b[vary] * (len(true) / vary.sum())
    exchange = exchange or all_exchange(len(true))
    return units, matched(table, exchange, permutations, seed, in_turn)


def check_alike(predicted: Floats, true: Floats) -> None:
    """Check that rows and columns of predictions are those of true features, and finite.

    Raises
    ------
    ValueError
        If they are not.
    """
    if np.shape(predicted) != np.shape(true) or np.ndim(true) != 2:
        raise ValueError(
            f"predicted {np.shape(predicted)} and true {np.shape(true)} features have different "
            "items or units"
        )
    if len(true) < 2:
        raise ValueError("one item can't be identified: two are needed at least")
    if not (np.isfinite(predicted).all() and np.isfinite(true).all()):
        raise ValueError("features hold values that are not finite")


def _fitting(others: Floats, true: Floats) -> Floats:
    others = np.asarray(others)
    if others.ndim != 2 or others.shape[1] != true.shape[1]:
        raise ValueError(
            f"other candidates have shape {others.shape}, but features have {true.shape[1]} units"
        )
    if not np.isfinite(others).all():
        raise ValueError("other candidates hold values that are not finite")
    return others


def _unit_rows(values: Floats) -> Floats:
    values = np.asarray(values, np.float64)
    centred = values - values.mean(1, keepdims=True)
    size = np.sqrt((centred**2).sum(1, keepdims=True))
    floor = 1e-12 * np.maximum(1, np.abs(values).max(1, keepdims=True))
    return np.where(size > floor, centred / np.where(size > floor, size, 1), 0)
