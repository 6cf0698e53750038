"""Scores of one test from sums over its blocks of time, and how sure they are.

Volumes next to each other, and voxels next to each other, are not independent; blocks of 20 s and
more nearly are. So intervals come from leaving out one block of the test after the other, for all
voxels at once (a jackknife): a mean over thousands of voxels is as uncertain as its few blocks say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tristream.encode.ceiling import FEWEST_BLOCKS, block_sums, half_width, standard_error
from tristream.encode.encoding_file import HeldOut
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
        parts: list[list[Floats]] = []
        for test in tests:
            y, p = centred(test.y), centred(test.prediction)
            band = centred(test.band_prediction, axis=1).transpose(1, 0, 2)
            terms = [np.ones((len(y), 1)), y, p, y * y, p * p, y * p]
            terms += [band, y[:, None] * band, p[:, None] * band]
            parts.append([block_sums(term, test.unit) for term in terms])
        self._sums = [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]

    def __len__(self) -> int:
        return len(self._sums[0])

    @property
    def whole(self) -> BlockSums:
        """Over all blocks."""
        return BlockSums(*(term.sum(0) for term in self._sums))

    def without(self, block: int) -> BlockSums:
        """Over all blocks but one."""
        return BlockSums(*(term.sum(0) - term[block] for term in self._sums))


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval and standard error, NaN with fewer than four blocks."""

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
    number = len(models[0])
    if number < FEWEST_BLOCKS:
        return Estimate(value, np.nan, np.nan, np.nan)
    left_out = np.array([statistic(*(m.without(b) for m in models)) for b in range(number)])
    half = float(half_width(left_out))
    return Estimate(value, value - half, value + half, float(standard_error(left_out)))
