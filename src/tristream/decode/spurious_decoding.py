"""What identification would score without the brain, and whether predictions have collapsed.

Predictions of a decoder lie in the span of what it was trained on. Where test items share
categories with training items, or predictions have few dimensions, a figure far above chance can be
had from the design alone (Shirakawa et al. 2024, arXiv:2405.10078). So these stand beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tristream.decode.identification import check_alike, identified, similarity

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]
DRAWS = 200


@dataclass(frozen=True)
class WithoutBrain:
    """Scores of a retriever that is not shown the brain.

    Attributes
    ----------
    pairwise, best : float
        Pairwise identification, and the share of items named right among all candidates.
    low, high : float
        Of pairwise, the central 95 % over random draws; NaN where nothing is drawn.
    """

    pairwise: float
    best: float
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True)
class SpuriousAudit:
    """What must be known of a figure of identification.

    Attributes
    ----------
    shared_categories : float
        Share of test items whose category is in the training set; NaN where categories are not
        known.
    dimensions_predicted, dimensions_true : float
        Participation ratio of the covariance over items: (sum of eigenvalues)² / sum of squares.
    items : int
        How many it was taken from; their number less one is the most that it can be.
    mean : WithoutBrain
        The mean training item is the prediction for all.
    drawn : WithoutBrain
        A training item drawn at random is the prediction.
    category : WithoutBrain or None
        The mean of the training items of the right category is the prediction (of all, where none
        has it): what knowing the category and nothing else gives; None where no category is shared.
    """

    shared_categories: float
    dimensions_predicted: float
    dimensions_true: float
    items: int
    mean: WithoutBrain
    drawn: WithoutBrain
    category: WithoutBrain | None


def audit(
    predicted: Floats,
    true: Floats,
    training: Floats,
    others: Floats | None = None,
    categories: Sequence[str] | None = None,
    training_categories: Sequence[str] | None = None,
    allowed: Bools | None = None,
    seed: int = 0,
    among: Bools | None = None,
) -> SpuriousAudit:
    """Audit an identification; arrays as :func:`tristream.decode.identification.identify` got them.

    Parameters
    ----------
    predicted, true : ndarray of shape (items, units)
    training : ndarray of shape (training items, units)
        True features of the items that the decoder was fitted to.
    others : ndarray of shape (others, units), optional
        Candidates that were never shown.
    categories, training_categories : sequence of str, optional
        Category of each test and training item.
    allowed : ndarray of bool of shape (items, training items), optional
        Which training items the decoder of each test item was fitted to, where these differ
        (leave-one-run-out); all, by default.
    seed : int
        Of the random draws.
    among : ndarray of bool of shape (items, items + others), optional
        Which candidates an item has.

    Raises
    ------
    ValueError
        If arrays don't fit each other or are not finite, or `allowed` leaves a test item none.
    """
    check_alike(predicted, true)
    candidates = true if others is None else np.concatenate([true, others])
    if not np.isfinite(training).all():
        raise ValueError("training holds NaN or infinite features")
    if allowed is None:
        allowed = np.ones((len(true), len(training)), bool)
    if not allowed.any(1).all():
        item = int((~allowed.any(1)).argmax())
        raise ValueError(f"allowed: the decoder of test item {item} was fitted to none")
    # Similarities of all training items: a draw is then a choice of rows.
    of_training = similarity(training, candidates)
    rng = np.random.default_rng(seed)
    orders = (np.where(allowed, rng.random(allowed.shape), -1).argmax(1) for _ in range(DRAWS))
    draws = [_score(of_training[order], among) for order in orders]
    pairwise, best = np.array([(one.pairwise, one.best) for one in draws]).T
    low, high = np.percentile(pairwise, (2.5, 97.5))
    shared, by_category = float("nan"), None
    if categories is not None and training_categories is not None:
        same = np.asarray(categories)[:, None] == np.asarray(training_categories)
        known = (allowed & same).any(1)
        shared = float(known.mean())
        if known.any():
            means = _means(np.where(known[:, None], allowed & same, allowed), training)
            by_category = _score(similarity(means, candidates), among)
    return SpuriousAudit(
        shared_categories=shared,
        dimensions_predicted=dimensions(predicted),
        dimensions_true=dimensions(true),
        items=len(true),
        mean=_score(similarity(_means(allowed, training), candidates), among),
        drawn=WithoutBrain(float(pairwise.mean()), float(best.mean()), float(low), float(high)),
        category=by_category,
    )


def dimensions(values: Floats) -> float:
    """Participation ratio of the covariance of rows; 0 where rows don't differ."""
    centred = values - values.mean(0)
    gram = centred @ centred.T
    squares = float((gram**2).sum())
    return float(np.trace(gram)) ** 2 / squares if squares > 0 else 0.0


def _means(chosen: Bools, training: Floats) -> Floats:
    return (chosen / chosen.sum(1, keepdims=True)) @ training


def _score(similar: Floats, among: Bools | None) -> WithoutBrain:
    found = identified(similar, ways=(), permutations=0, among=among)
    return WithoutBrain(found.pairwise.value, found.ways[found.candidates].value)
