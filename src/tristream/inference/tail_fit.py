"""P values beyond what permutations resolve, from a tail that is fitted to the largest of them.

The largest values of a permutation distribution follow a generalised Pareto distribution above a
high threshold (Knijnenburg, Wessels, Reinders & Shmulevich 2009, Bioinformatics 25:i161; Winkler,
Ridgway, Douaud, Nichols & Smith 2016, NeuroImage 141:502). It is fitted by moments, and must pass
the goodness-of-fit test of Anderson and Darling; if it does not, the threshold is raised.

The shape is kept from being negative. A distribution with a negative one ends somewhere, and would
give p = 0 beyond; estimated from a few hundred values the end is uncertain, and the p values were
too small. With a shape of zero or more they are too large, if anything.
"""

import numpy as np
import numpy.typing as npt
from scipy.stats import genpareto

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
# How many of the largest values make the tail; the next where the one before does not fit.
COUNTS = (250, 200, 150, 100, 50)
# Fewer permutations have no tail to speak of.
FEWEST = 500
# Anderson-Darling statistic that 5 % of fits to true tails exceed, by simulation of moments' fits
# to exponential tails of 50 to 250 values (tests/inference/test_tail_fit.py).
CRITICAL = 1.2


def tail_p(null: Floats, observed: Floats) -> Doubles:
    """One-sided p of each column's observed value; NaN where no tail fits.

    Parameters
    ----------
    null : ndarray of shape (permutations, columns)
    observed : ndarray of shape (columns,)
    """
    p = np.full(null.shape[1], np.nan)
    if len(null) < FEWEST:
        return p
    largest = np.partition(null, -COUNTS[0] - 1, axis=0)[-COUNTS[0] - 1 :]
    largest = np.sort(largest, axis=0)[::-1].astype(np.float64)
    for count in COUNTS:
        left = np.flatnonzero(np.isnan(p))
        if not len(left):
            break
        # Half-way to the largest value that is left out.
        threshold = (largest[count - 1, left] + largest[count, left]) / 2
        excess = largest[:count, left] - threshold
        shape, scale = fit(excess)
        fits = (excess.max(0) > 0) & (anderson_darling(excess, shape, scale) <= CRITICAL)
        beyond = genpareto.sf(observed[left] - threshold, shape, scale=scale)
        p[left[fits]] = ((1 + count) / (1 + len(null)) * beyond)[fits]
    return p


def fit(excess: Doubles) -> tuple[Doubles, Doubles]:
    """Shape and scale of each column by moments (Hosking & Wallis 1987, Technometrics 29:339).

    Parameters
    ----------
    excess : ndarray of shape (values, columns)
        Over the threshold.
    """
    mean, variance = excess.mean(0), excess.var(0)
    ratio = np.divide(mean**2, variance, out=np.ones_like(mean), where=variance > 0)
    # From one on the shape would be negative: an exponential tail, whose scale is the mean.
    ratio = np.minimum(ratio, 1.0)
    return (1 - ratio) / 2, np.maximum(mean * (1 + ratio) / 2, np.finfo(float).tiny)


def anderson_darling(excess: Doubles, shape: Doubles, scale: Doubles) -> Doubles:
    """How far values are from a tail, (columns,); weighs both ends of the distribution.

    Parameters
    ----------
    excess : ndarray of shape (values, columns)
        Sorted, largest first.
    shape, scale : ndarray of shape (columns,)
    """
    n = len(excess)
    upper = genpareto.logsf(excess, shape, scale=scale)
    lower = genpareto.logcdf(np.maximum(excess, np.finfo(float).tiny), shape, scale=scale)
    weight = (2 * np.arange(n, 0, -1) - 1)[:, None]
    return np.asarray(-n - (weight * (lower + upper[::-1])).sum(0) / n)
