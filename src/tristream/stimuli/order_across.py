"""Did all subjects meet the same labels in the same order?

Then label and time are one over subjects, and so are labels and everything else that runs of equal
structure share: a decoder that is trained on some subjects and tested on another would be right by
time alone, and an item that is shown once is confounded with its place. A classifier that knows
nothing but run and place, trained on all other subjects, says how far that goes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tristream.stimuli.order_baseline import ALPHA

PERMUTATIONS = 200
NOTHING = -1


@dataclass(frozen=True)
class OrderAcross:
    """What run and place predict of the labels of another subject.

    Attributes
    ----------
    agreement : float
        Share of units whose label is the commonest of the other subjects at that place of that
        run.
    chance : float
        Its mean when each subject's labels are moved within runs.
    p : float
        Of the permutations.
    flagged : bool
        Whether time in the run names the labels over subjects: p <= 0.01, and an agreement nearer
        to 1 than to chance.
    identical : float
        Share of subjects and runs whose order is wholly that of the first subject.
    subjects, units : int
        How many were compared.
    note : str
        In words.
    """

    agreement: float
    chance: float
    p: float
    flagged: bool
    identical: float
    subjects: int
    units: int
    note: str


def order_across(
    events: pd.DataFrame, subjects: Mapping[str, int], seed: int = 0
) -> OrderAcross | None:
    """Predict each subject's labels from the labels of all others at the same run and place.

    Parameters
    ----------
    events : DataFrame
        The inventory, of all timelines. Samples with a label count; those of one exchangeable
        unit, as a block, count once.
    subjects : mapping of str to int
        Timeline to how many subjects saw it.
    seed : int
        Of the permutations.

    Returns
    -------
    OrderAcross or None
        None if there is one subject, or fewer than two labels.
    """
    rows = events[events["keep"].astype(bool) & events["label"].notna()]
    named = rows["unit"].fillna("") != ""
    rows = rows[~(named & rows.duplicated(["timeline", "run", "unit"]))]
    labels = sorted(rows["label"].unique())
    if sum(subjects.get(str(name), 0) for name in rows["timeline"].unique()) < 2:
        return None
    if len(labels) < 2:
        return None
    orders = [_orders(part, labels, subjects) for _, part in rows.groupby("run", sort=False)]
    orders = [order for order in orders if len(order) > 1]
    if not orders:
        return None
    rng = np.random.default_rng(seed)
    agreement = _agreement(orders, len(labels))
    null = np.array(
        [_agreement([_moved(o, rng) for o in orders], len(labels)) for _ in range(PERMUTATIONS)]
    )
    p = float((1 + np.sum(null >= agreement - 1e-12)) / (1 + PERMUTATIONS))
    same = np.concatenate([(order[1:] == order[0]).all(axis=1) for order in orders])
    chance = float(null.mean())
    flagged = p <= ALPHA and agreement >= (1 + chance) / 2
    if flagged:
        meaning = (
            "no decoder over subjects is safe, nor one of items that are shown once: time in the "
            "run names the label"
        )
    elif p <= ALPHA:
        meaning = "a decoder over subjects has to beat this, not chance"
    else:
        meaning = "time in the run does not predict one subject's labels from the others'"
    number = max(map(len, orders))
    note = (
        f"order of {len(labels)} labels over {number} subjects: {agreement:.1%} of a subject's "
        f"labels stand where they stand for the others (chance {chance:.1%}): {meaning}"
    )
    return OrderAcross(
        agreement=agreement,
        chance=chance,
        p=p,
        flagged=flagged,
        identical=float(same.mean()),
        subjects=number,
        units=int(sum((order != NOTHING).sum() for order in orders)),
        note=note,
    )


def _orders(
    part: pd.DataFrame, labels: Sequence[str], subjects: Mapping[str, int]
) -> NDArray[np.int64]:
    """Labels of one run by place, (subjects, places); `NOTHING` where a subject's run has ended."""
    sequences = [
        [labels.index(label) for label in own.sort_values("onset", kind="stable")["label"]]
        for name, own in part.groupby("timeline", sort=False)
        for _ in range(subjects.get(str(name), 0))
    ]
    longest = max(map(len, sequences), default=0)
    return np.array([s + [NOTHING] * (longest - len(s)) for s in sequences], np.int64)


def _agreement(orders: Sequence[NDArray[np.int64]], labels: int) -> float:
    """Share of labels that the commonest label of the others at the same place names."""
    right = total = 0
    for order in orders:
        shown = np.eye(labels + 1, dtype=np.int32)[order]  # the last one-hot is `NOTHING`
        others = (shown.sum(axis=0) - shown)[..., :labels]
        counted = (order != NOTHING) & (others.sum(axis=2) > 0)
        right += int(((others.argmax(axis=2) == order) & counted).sum())
        total += int(counted.sum())
    return right / total if total else 0.0


def _moved(order: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Each subject's labels in an order of its own; places without a label stay at the end."""
    keys = rng.random(order.shape) + (order == NOTHING)
    return np.take_along_axis(order, keys.argsort(axis=1), axis=1)
