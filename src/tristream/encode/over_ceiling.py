"""r over its noise ceiling, pooled over voxels that were not chosen by either.

A voxel's ratio needs a ceiling that noise has not raised. Voxels picked for a high ceiling have one
that is too high, and where little variance is explainable that is most of it: of a perfect model at
an explainable variance of .05, voxels picked by their own lower bound show .48. So the ratio is of
sums: r² over all voxels of a region, less what noise adds to it, over their explainable variance.
Neither sum has a voxel left out for what was measured, and each is free of bias. The root of their
ratio is r over ceiling, each voxel weighted by its explainable variance. A voxel that is predicted
with the wrong sign counts as if the sign were right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tristream.encode.encoding_file import LeftOut
from tristream.encode.jackknife import Groups, Interval, bias, interval, spread

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Regional:
    """Means over the voxels of regions, each an interval of shape (regions,).

    Attributes
    ----------
    r : Interval
        Mean test r.
    over_ceiling : Interval or None
        r over its ceiling, 0 where r² is no more than what noise makes; NaN where the region's
        explainable variance is not above 0 with confidence. None without ceiling.
    """

    r: Interval
    over_ceiling: Interval | None


def over_regions(
    r: Floats, left_out: LeftOut, regions: Sequence[npt.NDArray[np.bool_]]
) -> Regional:
    """Means over regions, chosen by anatomy, with their intervals.

    Parameters
    ----------
    r : ndarray of shape (voxels,)
        Test r.
    left_out : LeftOut
        The same without each group.
    regions : sequence of ndarray of bool of shape (voxels,)
        Each of one voxel or more.
    """
    groups = left_out.groups
    without = np.tanh(left_out.z.astype(np.float64))
    mean = interval(_means(r[None], regions)[0], _means(without, regions), groups)
    if left_out.power is None:
        return Regional(mean, None)
    # Noise of neighbours in time adds as many times more to r² as it widens the interval of r.
    widening = spread(left_out.z, groups).widening
    square = _means(r[None].astype(np.float64) ** 2, regions)[0]
    square_out = _means(without**2, regions)
    noise = widening * bias(square, square_out, groups)
    explained = _means(left_out.power.share[None], regions)[0]
    explained_out = _means(left_out.power.share_left_out, regions)
    lost = bias(explained, explained_out, groups)
    known = interval(explained - lost, explained_out, groups).low > 0
    ratio = _divided(square - noise, explained - lost, known)
    ratio_out = _divided(square_out - noise, explained_out - lost, known)
    return Regional(mean, _root(ratio, ratio_out, known, groups))


def _means(values: Floats, regions: Sequence[npt.NDArray[np.bool_]]) -> Doubles:
    """Means over the voxels of each region: (…, voxels) to (…, regions)."""
    return np.stack([values[..., inside].mean(-1, dtype=np.float64) for inside in regions], -1)


def _divided(a: Doubles, b: Doubles, where: npt.NDArray[np.bool_]) -> Doubles:
    return np.divide(a, b, out=np.full(a.shape, np.nan), where=where & (b > 0))


def _root(
    ratio: Doubles, left_out: Doubles, known: npt.NDArray[np.bool_], groups: Groups
) -> Interval:
    """Root of a ratio and of its bounds, those below 0 as 0; NaN where it is not known."""
    out = Interval.unknown(np.full(len(ratio), np.nan))
    if not known.any():
        return out
    found = interval(ratio[known], left_out[:, known], groups)
    roots = [np.sqrt(np.maximum(x, 0)) for x in (found.value, found.low, found.high)]
    columns = {"value": roots[0], "low": roots[1], "high": roots[2]}
    columns["se"] = np.divide(found.se, 2 * roots[0], out=out.se[known], where=roots[0] > 0)
    for key, values in columns.items():
        getattr(out, key)[known] = values
    return out
