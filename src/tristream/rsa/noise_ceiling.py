"""How well distances in features could agree with those of patterns, as noisy as these are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from tristream.rsa.agreement import Comparison, agreement, standardised

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Ceiling:
    """Bounds of the agreement that the true distances would reach.

    Attributes
    ----------
    low, high : ndarray of shape (regions,)
        NaN where `refusal` says why.
    refusal : str
    """

    low: Floats
    high: Floats
    refusal: str = ""


def over_subjects(distances: Sequence[Floats], comparison: Comparison) -> Ceiling:
    """The ceiling of Nili et al. (2014, PLoS Comput Biol 10:e1003553), over subjects.

    High: mean agreement of each subject with the mean of all, itself included, which fits the
    noise. Low: with the mean of all others. Distances are ranked (of the cosine: scaled to length
    1) before they are averaged.

    Parameters
    ----------
    distances : sequence of ndarray of shape (regions, pairs), one a subject
    comparison : {'spearman', 'kendall', 'cosine'}
    """
    # Ranks as they are: their sums have exact ties, which scaled ones would break at random.
    scaled = np.stack(
        [
            standardised(one, comparison) if comparison == "cosine" else rankdata(one, axis=1)
            for one in distances
        ]
    )
    total = scaled.sum(0)
    high, low = (
        np.mean(
            [
                [
                    agreement(own[r : r + 1], mean[r : r + 1], comparison)[0, 0]
                    for r in range(len(own))
                ]
                for own, mean in zip(distances, means, strict=True)
            ],
            axis=0,
        )
        for means in ([total] * len(scaled), list(total - scaled))
    )
    return Ceiling(np.asarray(low), np.asarray(high))


def within_subject(halves: Floats, comparison: Comparison) -> Ceiling:
    """The ceiling of one subject, from halves of its runs.

    Low: mean agreement r of one half with the other, what half of the data as a model would reach
    with the other half. High: √(2 r / (1 + r)), the agreement of true distances with those of all
    runs, if their errors are independent and r is the reliability of a half (Spearman-Brown, and
    the correction for attenuation).

    Parameters
    ----------
    halves : ndarray of shape (2, splits, regions, pairs)
    comparison : {'spearman', 'kendall', 'cosine'}
    """
    splits, regions = halves.shape[1:3]
    if not splits:
        nothing = np.full(regions, np.nan)
        return Ceiling(nothing, nothing, "halves of the runs do not both show all items")
    low = np.array(
        [
            np.mean(
                [
                    agreement(halves[0, s, r : r + 1], halves[1, s, r : r + 1], comparison)[0, 0]
                    for s in range(splits)
                ]
            )
            for r in range(regions)
        ]
    )
    reliable = np.maximum(low, 0)
    return Ceiling(low, np.where(np.isnan(low), np.nan, np.sqrt(2 * reliable / (1 + reliable))))
