"""Agreement of every layer with every region, against items that change places.

The one exchange model (:mod:`tristream.align.exchange`): an item takes all its showings along, and
changes places with items that the same runs show as often. Pairs of items
are not independent (an item may be far from all others), and items of different runs differ by
what is the runs' own: neither pairs nor items over runs may change places.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tristream.align.exchange import Exchange
from tristream.decode.item_exchange import (
    DRAWN,
    INTERVAL,
    PERMUTATIONS,
    drawn,
    item_exchange,
    refused,
)
from tristream.rsa.agreement import Comparison, agreement, rearranged
from tristream.rsa.dissimilarity import FEWEST_ITEMS, Dissimilarities
from tristream.rsa.noise_ceiling import Ceiling, over_subjects, within_subject

Floats = npt.NDArray[np.floating]
TOLERANCE = 1e-12


@dataclass(frozen=True)
class Similarity:
    """Layers × regions, of one subject or as a mean over several.

    Attributes
    ----------
    items : int
    value : ndarray of shape (layers, regions)
        NaN where distances of a layer or region don't vary.
    chance, low, high : ndarray of shape (layers, regions)
        Mean and central 95 % under items that change places; NaN where nothing can.
    p, p_corrected : ndarray of shape (layers, regions)
        (1 + permutations at least as large) / (1 + permutations), for each by itself, and against
        the largest of all layers and regions in each permutation. NaN where `refusal` says why.
    refusal : str
    permutations : int
    distinct : int
        Rearrangements, the observed one among them.
    ceiling : Ceiling
    """

    items: int
    value: Floats
    chance: Floats
    low: Floats
    high: Floats
    p: Floats
    p_corrected: Floats
    refusal: str
    permutations: int
    distinct: int
    ceiling: Ceiling


def compare(
    subjects: Sequence[Dissimilarities],
    comparison: Comparison = "spearman",
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Similarity:
    """Compare the distances of one subject, or of several on the items that all have met.

    Of several, values are means over subjects, and one rearrangement of the items goes through all
    of them: would other stimuli do the same in these subjects? It says nothing of other people.

    Parameters
    ----------
    subjects : sequence of Dissimilarities
        From :func:`tristream.rsa.dissimilarity.measure`; layers and regions in one order.
    comparison : {'spearman', 'kendall', 'cosine'}
    permutations, seed : int

    Raises
    ------
    ValueError
        If layers or regions differ, or subjects share fewer than three items.
    """
    first = subjects[0]
    if any((s.layers, s.regions) != (first.layers, first.regions) for s in subjects):
        raise ValueError("subjects have different layers or regions")
    if len(subjects) > 1:
        items = sorted(set.intersection(*(set(one.items) for one in subjects)))
        if len(items) < FEWEST_ITEMS:
            raise ValueError(f"subjects share {len(items)} items, fewer than {FEWEST_ITEMS}")
        subjects = [one.of(items) for one in subjects]
    exchange = exchange_of(subjects)
    value = np.mean([agreement(s.layer, s.region, comparison) for s in subjects], axis=0)
    if len(subjects) > 1:
        ceiling = over_subjects([one.region for one in subjects], comparison)
    else:
        ceiling = within_subject(first.halves, comparison)
    refusal = refused(exchange, permutations)
    nothing = np.full_like(value, np.nan)
    numbers = dict.fromkeys(("chance", "low", "high", "p", "p_corrected"), nothing)
    if permutations and exchange.sets:
        null = np.concatenate(list(_null(subjects, exchange, comparison, permutations, seed)))
        low, high = np.percentile(null, INTERVAL, axis=0)
        numbers |= {"chance": null.mean(0), "low": low, "high": high}
        if not refusal:
            numbers |= _tested(value, null)
    return Similarity(
        items=len(subjects[0].items),
        value=value,
        **numbers,
        refusal=refusal,
        permutations=permutations if permutations and exchange.sets else 0,
        distinct=exchange.distinct,
        ceiling=ceiling,
    )


def exchange_of(subjects: Sequence[Dissimilarities]) -> Exchange:
    """Items that the same runs of all subjects show as often."""
    return item_exchange(
        [np.repeat(np.arange(len(run)), run) for one in subjects for run in one.shown]
    )


def _null(
    subjects: Sequence[Dissimilarities],
    exchange: Exchange,
    comparison: Comparison,
    permutations: int,
    seed: int,
) -> Iterator[Floats]:
    items = len(subjects[0].items)
    for start in range(0, permutations, DRAWN):
        order = drawn(exchange, items, start, min(start + DRAWN, permutations), seed)
        yield np.mean([rearranged(s.layer, s.region, order, comparison) for s in subjects], axis=0)


def _tested(value: Floats, null: Floats) -> dict[str, Floats]:
    """p of each, and against the largest; NaN where there is no value."""
    known = np.isfinite(value)
    count = len(null) + 1
    p = np.where(known, (1 + (null >= value - TOLERANCE).sum(0)) / count, np.nan)
    if not known.any():
        return {"p": p, "p_corrected": p}
    largest = np.sort(null[:, known].max(1))
    above = len(null) - np.searchsorted(largest, value - TOLERANCE)
    return {"p": p, "p_corrected": np.where(known, (1 + above) / count, np.nan)}
