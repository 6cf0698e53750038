"""A mean over items of how well each was matched, against items that change identity.

All tests of identification are of one form: a table says what each item would score if item j were
the right answer, the figure is the mean of its diagonal, and under the null hypothesis, that
predictions know nothing of which item was shown, the diagonal is no better than the elements at
(i, order(i)). Nothing is fitted again: what was learned came from training samples, which stay.
Where runs are left out in turn they don't stay: what is tested in one fold trained the decoders of
the others, so that the scores of folds are correlated, and without fitting again the null is too
narrow (12 items a run, noise: p <= .05 in 9 to 12 % of data sets). Then there is no test.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tristream.align.exchange import FEWEST_DISTINCT, Exchange, ExchangeSet

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
PERMUTATIONS = 10_000
DRAWN = 1024
INTERVAL = (2.5, 97.5)
IN_TURN = (
    "what is tested in one run trains for another: hold test runs out for good to have a p value"
)
"""Why runs that are left out in turn have neither p value nor interval."""


@dataclass(frozen=True)
class Matched:
    """A mean over items, beside the same under permuted item identity.

    Attributes
    ----------
    value : float
    chance : float
        Mean under permuted identity.
    low, high : float
        Central 95 % of what permuted identity gives; NaN where runs were left out in turn.
    p : float or None
        (1 + permutations at least as large) / (1 + permutations); None where `refusal` says why.
    refusal : str
    null : ndarray of shape (permutations,)
        Empty where there is none.
    """

    value: float
    chance: float
    low: float
    high: float
    p: float | None
    refusal: str
    null: Floats


def item_exchange(shown: Sequence[Ints]) -> Exchange:
    """Which items may change identity: those shown in the same runs, as often.

    Parameters
    ----------
    shown : sequence of ndarray of int, one a run
        Numbers of the items that the run shows, from 0, an item as often as it is shown.

    Returns
    -------
    Exchange
        Its sets' rows are item numbers (of one run, 0).
    """
    counts = [Counter(np.asarray(items).tolist()) for items in shown]
    patterns: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for item in sorted(set().union(*counts)):
        pattern = tuple((run, own[item]) for run, own in enumerate(counts) if item in own)
        patterns.setdefault(pattern, []).append(item)
    sets = [np.array(items)[:, None] for items in patterns.values() if len(items) > 1]
    return Exchange(tuple(ExchangeSet({0: rows}, {0: 1}, key) for key, rows in enumerate(sets)), 1)


def all_exchange(items: int) -> Exchange:
    """Every item may change identity with every other: all were shown in the same runs."""
    return item_exchange([np.arange(items)])


def matched(
    table: Floats,
    exchange: Exchange,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    in_turn: bool = False,
) -> Matched:
    """The mean of a table's diagonal, and its null.

    Too few rearrangements for a p value still say what chance is.

    Parameters
    ----------
    table : ndarray of shape (items, items)
        What item i scores if item j is the right answer.
    exchange : Exchange
        From :func:`item_exchange`.
    permutations : int
        Random rearrangements.
    seed : int
        Of these.
    in_turn : bool
        Whether runs were left out in turn, so that what is tested in one also trained for another:
        chance is measured, but there is no test.
    """
    value = float(np.diagonal(table).mean())
    refusal = refused(exchange, permutations, in_turn)
    if not refusal and not np.isfinite(value):
        refusal = "the mean over items is not finite"
    nan = float("nan")
    if not permutations or not exchange.sets:
        return Matched(value, nan, nan, nan, None, refusal, np.empty(0))
    null = []
    for start in range(0, permutations, DRAWN):
        order = drawn(exchange, len(table), start, min(start + DRAWN, permutations), seed)
        null.append(table[np.arange(len(table)), order].mean(1))
    drawn_values = np.concatenate(null)
    if in_turn:
        return Matched(value, float(drawn_values.mean()), nan, nan, None, refusal, np.empty(0))
    low, high = np.percentile(drawn_values, INTERVAL)
    return Matched(
        value=value,
        chance=float(drawn_values.mean()),
        low=float(low),
        high=float(high),
        p=None if refusal else p_value(value, drawn_values),
        refusal=refusal,
        null=drawn_values,
    )


def drawn(exchange: Exchange, items: int, start: int, stop: int, seed: int) -> Ints:
    """Which item each is taken for under rearrangements number `start` to `stop`."""
    return exchange.sources(exchange.draw(start, stop, seed), 0, items)


def p_value(value: float, null: Floats) -> float:
    """(1 + null values at least as large) / (1 + null values); rounding is not a difference.

    NaN where `value` is not finite. A null value that is NaN counts as large: it is not known to
    be smaller, and a p value must not gain from what is not known.
    """
    if not np.isfinite(value):
        return float("nan")
    return float((1 + (~(null < value - 1e-12)).sum()) / (1 + len(null)))


def refused(exchange: Exchange, permutations: int, in_turn: bool = False) -> str:
    """Why there is no p value; empty if there is one."""
    if not permutations:
        return "no permutations were asked for"
    if not exchange.sets:
        return "no two items were shown in the same runs, so that none can change places"
    if in_turn:
        return IN_TURN
    if exchange.distinct < FEWEST_DISTINCT:
        return (
            f"only {exchange.distinct} distinct rearrangements of items exist, fewer than "
            f"{FEWEST_DISTINCT:,}"
        )
    return ""
