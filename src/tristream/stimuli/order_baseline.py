"""Does the order of a run give its labels away?

When labels come in the same order in each run, time alone predicts them, and so does everything in
the data that drifts with time (the scanner, breathing, fatigue). A classifier that is given
nothing but the time in the run and the place in the order says how far that goes.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Half-width of the weights, in places of the order: wide enough to see that some labels tend to
# come early, narrow enough for an order in which each label has its place.
WIDTH = 2.0
PERMUTATIONS = 1000
FEWEST_DISTINCT = 1000
ALPHA = 0.01


@dataclass(frozen=True)
class Unit:
    """An exchangeable unit: its run, label, onset (s), and whether it trains and tests."""

    run: str
    label: str
    onset: float
    train: bool = True
    test: bool = True


@dataclass(frozen=True)
class OrderBaseline:
    """What time alone predicts of the labels.

    Attributes
    ----------
    accuracy : float
        Share of test units whose label a kernel classifier of time finds.
    chance : float
        Mean accuracy when labels are moved within runs.
    high : float
        Accuracy that such a design exceeds by chance in 1 % of the permutations.
    p : float or None
        Permutation p; None where fewer than 1,000 distinct permutations exist.
    flagged : bool
        Whether order gives the label away: p <= 0.01; where no p is to be had, accuracy of twice
        chance or more.
    units, classes, n_permutations : int
    n_distinct : float
        Distinct permutations of the labels within runs (may be infinite as a float).
    """

    accuracy: float
    chance: float
    high: float
    p: float | None
    flagged: bool
    units: int
    classes: int
    n_permutations: int
    n_distinct: float


def order_baseline(units: Sequence[Unit], seed: int = 0) -> OrderBaseline | None:
    """Predict the labels of each test run from the times and places of the training runs' labels.

    Parameters
    ----------
    units : list of Unit
        All units of one timeline. A unit that both trains and tests is held out with its run.
    seed : int
        Of the permutations.

    Returns
    -------
    OrderBaseline or None
        None if there is nothing to ask: fewer than two labels, or none that both trains and tests.
    """
    names = sorted({u.label for u in units})
    shared = {u.label for u in units if u.train} & {u.label for u in units if u.test}
    if len(names) < 2 or not shared:
        return None
    labels = np.array([names.index(u.label) for u in units])
    runs = np.array([u.run for u in units])
    weights, tested = _weights(units, runs)
    if not len(tested):
        return None
    rng = np.random.default_rng(seed)
    accuracy = _accuracy(labels, weights, tested, len(names))
    null = np.array(
        [
            _accuracy(_moved(labels, runs, rng), weights, tested, len(names))
            for _ in range(PERMUTATIONS)
        ]
    )
    distinct = _distinct(labels, runs)
    p = (1 + np.sum(null >= accuracy - 1e-12)) / (1 + PERMUTATIONS)
    testable = distinct >= FEWEST_DISTINCT
    chance = float(null.mean())
    return OrderBaseline(
        accuracy=accuracy,
        chance=chance,
        high=float(np.quantile(null, 1 - ALPHA)),
        p=float(p) if testable else None,
        flagged=bool(p <= ALPHA) if testable else accuracy >= 2 * chance,
        units=len(tested),
        classes=len(names),
        n_permutations=PERMUTATIONS,
        n_distinct=distinct,
    )


def _weights(
    units: Sequence[Unit], runs: NDArray[np.str_]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Votes of all units for each tested unit, (tested, units), and the tested units' indices.

    A training unit of another run votes with a Cauchy weight of its distance in time and place
    (a Parzen-window classifier). Labels play no part, so a permutation need not weigh again.
    """
    onset, place = np.array([u.onset for u in units]), np.zeros(len(units))
    steps = []
    for run in np.unique(runs):
        where = np.flatnonzero(runs == run)
        where = where[np.argsort(onset[where], kind="stable")]
        place[where] = np.arange(len(where))
        steps.append(np.diff(onset[where]))
    step = np.concatenate(steps)
    spacing = float(np.median(step)) if len(step) and np.median(step) > 0 else 1.0
    trains = np.array([u.train for u in units])
    votes = trains & (runs[:, None] != runs)
    tested = np.flatnonzero(np.array([u.test for u in units]) & votes.any(axis=1))
    square = ((onset[tested, None] - onset) / spacing) ** 2 + (place[tested, None] - place) ** 2
    return (votes[tested] / (square / 2 + WIDTH**2)).astype(np.float32), tested


def _accuracy(
    labels: NDArray[np.int64],
    weights: NDArray[np.float32],
    tested: NDArray[np.int64],
    classes: int,
) -> float:
    votes = weights @ np.eye(classes, dtype=np.float32)[labels]
    return float((votes.argmax(axis=1) == labels[tested]).mean())


def _moved(
    labels: NDArray[np.int64], runs: NDArray[np.str_], rng: np.random.Generator
) -> NDArray[np.int64]:
    moved = labels.copy()
    for run in np.unique(runs):
        where = np.flatnonzero(runs == run)
        moved[where] = labels[rng.permutation(where)]
    return moved


def _distinct(labels: NDArray[np.int64], runs: NDArray[np.str_]) -> float:
    log = 0.0
    for run in np.unique(runs):
        counts = Counter(labels[runs == run].tolist())
        log += math.lgamma(sum(counts.values()) + 1)
        log -= sum(math.lgamma(n + 1) for n in counts.values())
    return round(math.exp(log)) if log < 40 else math.exp(min(log, 700))
