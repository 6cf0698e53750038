"""Noise that exchangeable units share with the ones they touch."""

import numpy as np
import numpy.typing as npt

from tristream.encode.jackknife import block_sums

Ints = npt.NDArray[np.integer]


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
    apart = unit[starts[1:]] != unit[starts[:-1]]
    products = (sums[1:] * sums[:-1])[apart].sum(0)
    # What subtracting the mean takes from each product.
    taken = apart.sum() * (sums**2).sum(0) / (len(sums) * (len(sums) - 1))
    return 2 * (products + taken)
