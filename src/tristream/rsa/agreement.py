"""Agreement of two sets of distances, as they are and when items change places."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau, rankdata

from tristream.rsa.dissimilarity import square_of

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Comparison = Literal["spearman", "kendall", "cosine"]
ELEMENTS = 4_000_000
"""Distances that are held rearranged at once."""


def standardised(distances: Floats, comparison: Comparison) -> Floats:
    """Rows whose products are the agreement; NaN where a row doesn't vary or isn't finite.

    Parameters
    ----------
    distances : ndarray of shape (n, pairs)
    comparison : {'spearman', 'kendall', 'cosine'}
        Kendall's is not a product: rows are ranks, from which its signs follow.
    """
    rows = np.asarray(distances, np.float64)
    good = np.asarray(np.isfinite(rows).all(axis=1))
    if comparison != "cosine":
        rows = np.stack([rankdata(row) if ok else row for row, ok in zip(rows, good, strict=True)])
        rows = rows - rows.mean(1, keepdims=True)
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled = np.divide(rows, size, out=np.full_like(rows, np.nan), where=size > 1e-12)
    return np.where(good[:, None], scaled, np.nan)


def agreement(first: Floats, second: Floats, comparison: Comparison) -> Floats:
    """Spearman's r, Kendall's tau-a or the cosine of distances.

    Parameters
    ----------
    first : ndarray of shape (n, pairs)
    second : ndarray of shape (m, pairs)
    comparison : {'spearman', 'kendall', 'cosine'}

    Returns
    -------
    ndarray of shape (n, m)
        NaN where distances don't vary.
    """
    a, b = standardised(first, comparison), standardised(second, comparison)
    return _taus(a, b) if comparison == "kendall" else a @ b.T


def rearranged(first: Floats, second: Floats, order: Ints, comparison: Comparison) -> Floats:
    """The same where each item of the first is taken for another.

    Parameters
    ----------
    first, second, comparison
        As of :func:`agreement`.
    order : ndarray of int of shape (orders, items)

    Returns
    -------
    ndarray of shape (orders, n, m)
    """
    a, b = standardised(first, comparison), standardised(second, comparison)
    squares = [square_of(row) for row in a]
    i, j = np.triu_indices(order.shape[1], 1)
    step = max(1, ELEMENTS // len(i))
    found = np.empty((len(order), len(a), len(b)))
    for start in range(0, len(order), step):
        own = order[start : start + step]
        source = (own[:, i], own[:, j])
        for k, square in enumerate(squares):
            moved = square[source]
            found[start : start + step, k] = (
                _taus(moved, b) if comparison == "kendall" else moved @ b.T
            )
    return found


def _taus(first: Floats, second: Floats) -> Floats:
    """Kendall's tau-a: concordant less discordant pairs of all pairs, ties among them.

    It is preferred to tau-b for models that predict ties (Nili et al. 2014).
    """
    found = np.full((len(first), len(second)), np.nan)
    untied = [_untied(row) for row in second]
    for i, a in enumerate(first):
        if np.isnan(a).any():
            continue
        own = _untied(a)
        for j, b in enumerate(second):
            if not np.isnan(b).any():
                # scipy's is tau-b, which leaves pairs that are tied out of its denominator.
                found[i, j] = kendalltau(a, b, method="asymptotic").statistic * np.sqrt(
                    own * untied[j]
                )
    return found


def _untied(row: Floats) -> float:
    """Share of pairs of values that differ."""
    count = np.unique(row, return_counts=True)[1].astype(float)
    n = float(len(row))
    return float(1 - (count * (count - 1)).sum() / (n * (n - 1)))
