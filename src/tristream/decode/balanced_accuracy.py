"""Balanced accuracy: the mean of the classes' recalls, and how far another test set may differ.

The interval comes from resampling what is exchangeable, items with all their showings or blocks,
each left out in turn (Quenouille 1956, Biometrika 43:353): showings of one item are not
independent. Two corrections follow. Fits of leave-one-run-out share training data, and neighbours
share noise, which no resampling of the test set sees; permuted labels have both, so the variance is
multiplied by what the null's variance is over the mean of its resampled variances. And a share has
limits: the interval is Wilson's (1927), of as many independent units as have that variance, with
the quantile of Student's t for the number of units (Dean & Pagano 2015, J Surv Stat Methodol
3:484).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.floating]
CONFIDENCE = 0.95
FEWEST_UNITS = 5
"""Of each class; fewer don't show how much units differ."""


@dataclass(frozen=True)
class Balanced:
    """Balanced accuracy.

    Attributes
    ----------
    value : float
        Mean recall of the classes that were tested.
    recall : ndarray of shape (classes,)
        Share of each class's samples that were named right; NaN where none was tested.
    null : ndarray of shape (permutations,)
        Balanced accuracies under permuted labels.
    low, high : float
        Ends of the 95 % interval; NaN where there is none.
    units : int
        What was resampled.
    omitted : str
        Why there is no interval; empty if there is.
    """

    value: float
    recall: Floats
    null: Floats
    low: float = float("nan")
    high: float = float("nan")
    units: int = 0
    omitted: str = ""


def balanced_accuracy(
    hits: Floats,
    shown: npt.NDArray[np.integer],
    labels: npt.NDArray[np.integer],
    classes: Sequence[str],
) -> Balanced:
    """Balanced accuracy with its interval.

    Parameters
    ----------
    hits : ndarray of shape (labellings, things)
        How many samples of each exchangeable thing were named right: under the true labels, then
        under permuted ones.
    shown : ndarray of int of shape (things,)
        How many samples of each were tested.
    labels : ndarray of int of shape (labellings, things)
    classes : sequence of str
    """
    recall, variance = _recalls(hits, shown, labels, len(classes))
    tested = np.isfinite(recall[0])
    recall, variance = recall[:, tested], variance[:, tested]
    value = recall.mean(1)
    every = np.full(len(classes), np.nan)
    every[tested] = recall[0]
    units = np.bincount(labels[0][shown > 0], minlength=len(classes))
    out = Balanced(float(value[0]), every, value[1:], units=int(units.sum()))
    rare = int(np.where(tested, units, units.max()).argmin())
    if units[rare] < FEWEST_UNITS:
        return _without(
            out,
            f"{units[rare]} tested units show {classes[rare]}, fewer than {FEWEST_UNITS}: how "
            "much units of a class differ is not known",
        )
    if len(value) < 2:
        return _without(out, "without permutations the dependence of its folds is not known")
    low, high = _interval(value, variance / tested.sum() ** 2, units[tested])
    return Balanced(out.value, every, out.null, low, high, out.units)


def _without(balanced: Balanced, why: str) -> Balanced:
    return Balanced(balanced.value, balanced.recall, balanced.null, omitted=why)


def _recalls(
    hits: Floats, shown: npt.NDArray[np.integer], labels: npt.NDArray[np.integer], classes: int
) -> tuple[Floats, Floats]:
    """Recall of each class, and its variance with a thing left out in turn, (labellings, classes).

    For a ratio of sums the jackknife is n / (n - 1) times the sum of squared residuals over the
    square of the denominator, but for terms of higher order.
    """
    recall, variance = np.full((2, len(hits), classes), np.nan)
    for number in range(classes):
        own = (labels == number) & (shown > 0)
        size = own @ shown
        units = own.sum(1)
        there = size > 0
        right = (hits * own).sum(1)
        share = np.divide(right, size, out=np.full(len(hits), np.nan), where=there)
        residual = np.where(own, hits - share[:, None] * shown, 0)
        recall[:, number] = share
        enough = units > 1
        variance[enough, number] = (
            units[enough] / (units[enough] - 1) * (residual[enough] ** 2).sum(1) / size[enough] ** 2
        )
    return recall, variance


def _interval(
    value: Floats, variance: Floats, units: npt.NDArray[np.integer]
) -> tuple[float, float]:
    """Ends of the interval of the first of some values.

    Parameters
    ----------
    value : ndarray of shape (labellings,)
    variance : ndarray of shape (labellings, classes)
        What each class adds to the variance of the value.
    units : ndarray of int of shape (classes,)
    """
    total = variance.sum(1)
    dependence = max(1.0, float(value[1:].var() / total[1:].mean())) if total[1:].any() else 1.0
    share = float(value[0])
    independent = float(units.sum()) / dependence
    if total[0] > 0:
        independent = share * (1 - share) / (float(total[0]) * dependence)
    t = float(stats.t.ppf((1 + CONFIDENCE) / 2, units.sum() - len(units)))
    centre = (share + t**2 / (2 * independent)) / (1 + t**2 / independent)
    half = t / (1 + t**2 / independent)
    half *= np.sqrt(share * (1 - share) / independent + t**2 / (4 * independent**2))
    return float(centre - half), float(centre + half)
