"""Parents of different sampling rates on one grid of times.

The grid is that of the coarsest parent. Every other parent is averaged around each of its times,
so that nothing faster than the grid aliases: a feature is taken to be linear between its samples,
and its value at t is the exact integral of this curve under a triangle that reaches one step d of
the grid to either side,

    x(t) = ∫ f(m) (1 - |m - t| / d) / d dm,

the kernel with which features are brought to volumes, too. It passes a constant and a slope as they
are, attenuates a frequency f by sinc²(f d), and removes 1/d altogether. Where the curve ends inside
of the triangle, the average is over what there is.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from tristream.errors import UserError

Array = npt.NDArray[np.float64]
# Times and steps that differ by less than this share of a step are the same.
SAME = 1e-3


def step(times: Array) -> float:
    """Seconds between samples; 0 for a single one."""
    return float(np.median(np.diff(times))) if len(times) > 1 else 0.0


def common_times(all_times: Sequence[Array], where: str) -> tuple[Array, float]:
    """Times of the coarsest parent within what all parents cover, and its step.

    Parameters
    ----------
    all_times : sequence of ndarray
        Centres of each parent's samples of one stimulus, seconds, rising.
    where : str
        Named in messages.

    Returns
    -------
    times : ndarray
        Seconds of media time.
    step : float
        Seconds between them.

    Raises
    ------
    UserError
        If the parents have no time in common.
    """
    coarsest = all_times[int(np.argmax([step(times) for times in all_times]))]
    margin = step(coarsest) / 2
    first = max(times[0] - margin for times in all_times)
    last = min(times[-1] + margin for times in all_times)
    grid = coarsest[(coarsest >= first) & (coarsest <= last)]
    if not len(grid):
        raise UserError(f"{where}: the parents have no time in common")
    return grid, step(coarsest)


def is_on_grid(times: Array, grid: Array, reach: float) -> bool:
    """Whether samples at `times` stand at the times of `grid`, and are as far apart (`reach`)."""
    if reach == 0:
        return True
    at = _at(times, grid, reach)
    aligned = np.abs(times[at] - grid) <= SAME * reach
    return bool(aligned.all()) and step(times) >= reach * (1 - SAME)


def to_grid(times: Array, grid: Array, reach: float) -> csr_array:
    """Weights (len(grid), len(times)) that bring samples at `times` to `grid`; rows add up to 1.

    `reach` is the step of the grid. Samples that are on the grid are left as they are.
    """
    if is_on_grid(times, grid, reach):
        place = (np.arange(len(grid)), _at(times, grid, reach))
        return csr_array((np.ones(len(grid)), place), shape=(len(grid), len(times)))
    weights = [_under_triangle(times, centre, reach) for centre in grid]
    indptr = np.concatenate([[0], np.cumsum([len(w) for _, w in weights])])
    indices = np.concatenate([first + np.arange(len(w)) for first, w in weights])
    data = np.concatenate([w for _, w in weights])
    return csr_array((data, indices, indptr), shape=(len(grid), len(times)))


def _at(times: Array, grid: Array, reach: float) -> npt.NDArray[np.intp]:
    """Sample that stands at each time of the grid, if there is one."""
    return np.minimum(np.searchsorted(times, grid - SAME * reach), len(times) - 1)


def _under_triangle(times: Array, centre: float, reach: float) -> tuple[int, Array]:
    """Weights of the samples under the triangle at `centre`, and the first that has one.

    Integration by parts turns the integral of a piecewise linear curve into second differences of
    the triangle's second antiderivative.
    """
    start = max(int(np.searchsorted(times, centre - reach, "right")) - 1, 0)
    stop = min(int(np.searchsorted(times, centre + reach, "left")) + 1, len(times))
    x = (times[start:stop] - centre) / reach
    if len(x) == 1:
        return start, np.ones(1)
    slopes = np.diff(_twice(x)) / np.diff(x)
    weights = np.diff(np.concatenate([_once(x[:1]), slopes, _once(x[-1:])]))
    covered = weights.sum()
    if covered <= 0:
        nearest = int(np.argmin(np.abs(x)))
        return start + nearest, np.ones(1)
    return start, weights / covered


def _once(x: Array) -> Array:
    """Antiderivative of the triangle of area 1 from -1 to 1; odd."""
    x = np.clip(x, -1, 1)
    return x - x * np.abs(x) / 2


def _twice(x: Array) -> Array:
    """Antiderivative of `_once`; even."""
    near = 1 / 6 + x**2 / 2 - np.abs(x) ** 3 / 6
    return np.where(np.abs(x) <= 1, near, np.abs(x) / 2)
