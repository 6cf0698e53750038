"""Fractional ridge: penalties by how much they shorten the weights (Rokem & Kay 2020).

With the singular values s of the design and the least-squares weights c in the basis of its right
singular vectors, ridge under a penalty α has weights c s² / (s² + α). The penalty for a fraction f
is the one at which their length is f times that of c.
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Penalties of the grid: from this share of the smallest s² to this multiple of the largest, so many
# a decade. Between them log α is interpolated over the fraction.
LOWEST, HIGHEST, A_DECADE = 1e-4, 1e6, 16


def shrunk(squares: Array, penalties: Array) -> Array:
    """Factors s² / (s² + α), zero where s is; of the shapes' broadcast."""
    below = squares + penalties
    return np.asarray(np.divide(squares, below, out=np.zeros_like(below), where=below > 0))


def penalties_of(fractions: Array, squares: Array, weights: Array) -> Array:
    """The penalty of each fraction and target.

    Parameters
    ----------
    fractions : ndarray of shape (fractions,)
        Lengths relative to least squares, in (0, 1].
    squares : ndarray of shape (weights,)
        s²: squared singular values of the design; zero where a direction can't be estimated.
    weights : ndarray of shape (weights, targets)
        Least-squares weights c in the basis of right singular vectors.

    Returns
    -------
    ndarray of shape (fractions, targets)
        Zero for a fraction of 1, and for targets whose weights are all zero.
    """
    found = np.zeros((len(fractions), weights.shape[1]))
    known = squares[squares > 0]
    if not len(known):
        return found
    lowest, highest = np.log10(known.min() * LOWEST), np.log10(known.max() * HIGHEST)
    grid = np.linspace(lowest, highest, int(A_DECADE * (highest - lowest)) + 1)
    lengths = np.sqrt(shrunk(squares, 10 ** grid[:, None]) ** 2 @ weights**2)
    whole = np.linalg.norm(weights, axis=0)
    less = fractions < 1
    for target in np.flatnonzero(whole):
        share = lengths[::-1, target] / whole[target]
        found[less, target] = 10 ** np.interp(fractions[less], share, grid[::-1])
    return found
