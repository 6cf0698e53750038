"""Noise that exchangeable units share with the ones they touch."""

import numpy as np
import numpy.typing as npt

from tristream.encode.jackknife import block_sums

Ints = npt.NDArray[np.integer]
# Noise reaches the next presentation and the next but one, as in the intervals' jackknife.
LAGS = 2


def products_of_neighbours(
    values: npt.NDArray[np.float64], showing: Ints, unit: Ints
) -> npt.NDArray[np.float64]:
    """Twice the products of neighbouring presentations' sums, added up over pairs, (n,).

    It is what the variance of a sum over all units has beyond the squares of the units, but for
    their mean. Presentations of one unit are together anyway.

    Parameters
    ----------
    values : ndarray of shape (time, n)
        One run.
    showing, unit : ndarray of int of shape (time,)
        Presentation, -1 outside of any; and what changes its sign as a whole.
    """
    shown = np.flatnonzero(showing >= 0)
    _, first = np.unique(showing[shown], return_index=True)
    starts = np.sort(shown[first])
    if len(starts) < 2:
        return np.zeros(values.shape[1])
    place = np.maximum(np.searchsorted(starts, np.arange(len(showing)), side="right") - 1, 0)
    sums = block_sums(values, place)
    sums -= sums.mean(0)
    # What subtracting the mean takes from each product.
    taken = (sums**2).sum(0) / (len(sums) * (len(sums) - 1))
    total = np.zeros(values.shape[1])
    for lag in range(1, min(LAGS, len(starts) - 1) + 1):
        apart = unit[starts[lag:]] != unit[starts[:-lag]]
        total += (sums[lag:] * sums[:-lag])[apart].sum(0) + apart.sum() * taken
    return 2 * total
