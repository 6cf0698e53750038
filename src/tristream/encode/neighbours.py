"""What exchangeable units of one run share: noise, and what a filter took out of it."""

import numpy as np
import numpy.typing as npt

from tristream.encode.jackknife import block_sums

Ints = npt.NDArray[np.integer]
# Noise reaches the next presentation and the next but one, as in the intervals' jackknife.
LAGS = 2
# So much of a product's variance at most is given back, which subtracting the mean takes.
MOST_TAKEN = 0.25


def products_of_distant(
    y: npt.NDArray[np.floating], difference: npt.NDArray[np.floating], showing: Ints, unit: Ints
) -> npt.NDArray[np.float64]:
    """Twice the products of presentations further apart, added up over pairs, (n,).

    A high-pass filter leaves data and predictions that are unlike half a minute later, and what is
    unlike in both adds to the variance of the sum of their products. It is small between any two
    presentations, and there are many: it is expected from the autocovariances of the run (Bartlett
    1935, J R Stat Soc Suppl 8:27), where products themselves would be noise.

    Parameters
    ----------
    y, difference : ndarray of shape (time, n)
        Data, and what they are multiplied with: one run.
    showing, unit : ndarray of int of shape (time,)
        As in :func:`products_of_neighbours`.
    """
    _, place = _presentations(showing)
    length = len(place)
    pairs = np.array(
        [
            np.sum((place[k:] - place[: length - k] > LAGS) & (unit[k:] != unit[: length - k]))
            for k in range(length)
        ]
    )
    expected = autocovariance(y, length) * autocovariance(difference, length)
    return 2 * (pairs / (length - np.arange(length)) ** 2) @ expected


def autocovariance(x: npt.NDArray[np.floating], lags: int) -> npt.NDArray[np.float64]:
    """Sums of products of a series (time, n) with itself `lags` later, (lags, n)."""
    spectrum = np.abs(np.fft.rfft(x, 2 * len(x), axis=0)) ** 2
    return np.fft.irfft(spectrum, 2 * len(x), axis=0)[:lags]


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
    starts, place = _presentations(showing)
    if len(starts) < 2:
        return np.zeros(values.shape[1])
    sums = block_sums(values, place)
    sums -= sums.mean(0)
    total, pairs = np.zeros(values.shape[1]), 0
    for lag in range(1, min(LAGS, len(starts) - 1) + 1):
        apart = unit[starts[lag:]] != unit[starts[:-lag]]
        total += 2 * (sums[lag:] * sums[:-lag])[apart].sum(0)
        pairs += 2 * int(apart.sum())
    # Subtracting the mean takes its variance from each product: that of independent sums, and what
    # is counted here. Of few presentations too much is taken for the latter to be given back.
    share = pairs / (len(sums) * (len(sums) - 1))
    return (total + share * (sums**2).sum(0)) / (1 - min(share, MOST_TAKEN))


def _presentations(showing: Ints) -> tuple[Ints, Ints]:
    """Where presentations begin, as they follow each other, and to which each sample belongs.

    What lies before the first belongs to it.
    """
    shown = np.flatnonzero(showing >= 0)
    _, first = np.unique(showing[shown], return_index=True)
    starts = np.sort(shown[first])
    place = np.searchsorted(starts, np.arange(len(showing)), side="right") - 1
    return starts, np.maximum(place, 0)
