"""Scores of one test from sums over its blocks of time, and how sure they are.

Volumes next to each other, and voxels next to each other, are not independent; blocks of 20 s and
more nearly are. So intervals come from leaving out one block of the test after the other, for all
voxels at once (:mod:`tristream.encode.jackknife`): a mean over thousands of voxels is as uncertain
as its few blocks say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tristream.encode.encoding_file import HeldOut
from tristream.encode.jackknife import groups_of, interval, sums_by_group
from tristream.encode.prediction_scores import centred

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class BlockSums:
    """Sums over time from which test scores follow, each (…, voxels).

    Attributes
    ----------
    n : ndarray
        Samples.
    y, p, yy, pp, yp : ndarray of shape (voxels,)
        Sums of data, prediction and their products.
    band, y_band, p_band : ndarray of shape (bands, voxels)
        Sums of the bands' predictions, and their products with data and whole prediction.
    """

    n: Floats
    y: Floats
    p: Floats
    yy: Floats
    pp: Floats
    yp: Floats
    band: Floats
    y_band: Floats
    p_band: Floats

    @property
    def correlation(self) -> npt.NDArray[np.float64]:
        """Pearson correlation of prediction and data, (voxels,)."""
        covariance = self.yp - self.y * self.p / self.n
        norm = np.sqrt((self.yy - self.y**2 / self.n) * (self.pp - self.p**2 / self.n))
        return np.divide(covariance, norm, out=np.zeros_like(norm), where=norm > 0)

    @property
    def split_r2(self) -> npt.NDArray[np.float64]:
        """Product measure of each band, (bands, voxels)."""
        spread = self.yy - self.y**2 / self.n
        with_y = self.y_band - self.y * self.band / self.n
        with_p = self.p_band - self.p * self.band / self.n
        share = 2 * with_y - with_p
        return np.divide(share, spread, out=np.zeros_like(share), where=spread > 0)


class Blocks:
    """The sums of each block of one or more test runs, each less its own mean over time."""

    def __init__(self, tests: Sequence[HeldOut]) -> None:
        units = [test.unit for test in tests]
        every = sum(len(np.unique(unit)) for unit in units)
        self.groups = groups_of("time", units, units, most=every)
        parts: list[list[Floats]] = []
        for codes, test in zip(self.groups.codes, tests, strict=True):
            y, p = centred(test.y), centred(test.prediction)
            band = centred(test.band_prediction, axis=1).transpose(1, 0, 2)
            terms = [np.ones((len(y), 1)), y, p, y * y, p * p, y * p]
            terms += [band, y[:, None] * band, p[:, None] * band]
            parts.append(list(sums_by_group(codes, len(self.groups), *terms)))
        self._sums = [np.sum(pieces, axis=0) for pieces in zip(*parts, strict=True)]

    @property
    def whole(self) -> BlockSums:
        """Over all blocks."""
        return BlockSums(*(term.sum(0) for term in self._sums))

    def without(self, block: int) -> BlockSums:
        """Over all blocks but one."""
        return BlockSums(*(term.sum(0) - term[block] for term in self._sums))


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval and standard error, NaN with too few blocks."""

    value: float
    low: float
    high: float
    se: float


def estimate(statistic: Callable[..., float], *models: Blocks) -> Estimate:
    """Evaluate a statistic of one or more models on the same test, with its interval.

    Parameters
    ----------
    statistic : callable
        Takes the :class:`BlockSums` of each model.
    *models : Blocks
        With the same blocks; each is left out of all models at once.
    """
    value = float(statistic(*(m.whole for m in models)))
    groups = models[0].groups
    if not groups.enough:
        return Estimate(value, np.nan, np.nan, np.nan)
    left_out = np.array([statistic(*(m.without(b) for m in models)) for b in range(len(groups))])
    found = interval(np.float64(value), left_out, groups)
    return Estimate(value, float(found.low), float(found.high), float(found.se))
