"""Which detection is which track: looks and distance, weighed together, assigned all at once.

References
----------
Wojke N, Bewley A, Paulus D (2017). Simple online and realtime tracking with a deep association
metric. ICIP.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2

from tristream.features.spaces.tracked_objects.kalman import Expected


@dataclass(frozen=True)
class Weights:
    """How looks and distance are weighed.

    Attributes
    ----------
    distance : bool
        Whether the distance from where a track is expected counts.
    appearance : float
        Log-likelihood that a unit of cosine distance costs; 0: looks don't count.
    gate : float
        Detections outside this share of the expected ones are not candidates.
    unlike : float
        Nor are those of a greater cosine distance.
    """

    distance: bool = True
    appearance: float = 40.0
    gate: float = 0.999
    unlike: float = 0.5


def costs(
    expected: Sequence[Expected],
    known: np.ndarray,
    boxes: np.ndarray,
    embeddings: np.ndarray,
    weights: Weights,
) -> np.ndarray:
    """Negative log-likelihood of each pair of a track and a detection.

    The squared Mahalanobis distance of the detection from where the track is expected, and the
    logarithm of the determinant of its covariance, in box heights, are a Gaussian's: the nearer,
    the likelier, and a track that is lost for long claims little.

    Parameters
    ----------
    expected : sequence of Expected
        One a track.
    known : ndarray (tracks, d)
        What the tracks look like, unit vectors.
    boxes : ndarray (detections, 4)
        Centre x, centre y, width, height.
    embeddings : ndarray (detections, d)
        What the detections look like, unit vectors.
    weights : Weights
        How the two are weighed.

    Returns
    -------
    ndarray (tracks, detections)
        Infinite where a gate forbids the pair.
    """
    total = np.zeros((len(expected), len(boxes)))
    if weights.distance:
        limit = chi2.ppf(weights.gate, 4)
        for row, one in zip(total, expected, strict=True):
            error = boxes - one.mean
            squared = np.einsum("ij,ij->i", error, np.linalg.solve(one.covariance, error.T).T)
            spread = np.linalg.slogdet(one.covariance / one.height**2)[1]
            row[:] = np.where(squared <= limit, (squared + spread) / 2, np.inf)
    if weights.appearance:
        unlikeness = 1 - known @ embeddings.T
        total += np.where(unlikeness <= weights.unlike, weights.appearance * unlikeness, np.inf)
    return total


def assign(cost: np.ndarray) -> list[tuple[int, int]]:
    """The pairs of least cost in sum, as many as possible, none forbidden (Hungarian method)."""
    allowed = np.isfinite(cost)
    if not allowed.any():
        return []
    span = cost[allowed].max() - cost[allowed].min() + 1
    forbidden = cost[allowed].max() + span * min(cost.shape)
    rows, columns = linear_sum_assignment(np.where(allowed, cost, forbidden))
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if allowed[i, j]]
