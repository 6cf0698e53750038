"""A few simulated voxels stand for a whole brain: significance after correction for all.

How strict a false discovery rate is follows from how many voxels there are and how few of them are
driven: 50 of 200 driven voxels pass at p values that are 25 times as large as those of 200 of
20,000. So the driven voxels that were simulated are counted as often as there are driven ones, and
joined by as many p values of voxels without signal as there are. These are uniform, on the steps of
the permutations, as those of a test are that keeps its level; whether it does is seen in simulated
voxels, apart from this.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import false_discovery_control

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Corrected:
    """What is significant.

    Attributes
    ----------
    power : float
        Share of driven voxels.
    false : float
        Share of the simulated voxels without signal whose p is as small as a significant one.
    discoveries : float
        Share of voxels without signal in what is significant; 0 where nothing is.
    any : bool
        Whether anything is.
    """

    power: float
    false: float
    discoveries: float
    any: bool


@dataclass(frozen=True)
class ManyVoxels:
    """The correction of a whole subject.

    Attributes
    ----------
    voxels, driven : int
        How many there are, and how many of them are driven.
    fdr : float
        False discovery rate.
    procedure : {'bh', 'by'}
        Of Benjamini and Hochberg, or Benjamini and Yekutieli.
    seed : int
        Of the voxels that are not simulated.
    """

    voxels: int
    driven: int
    fdr: float
    procedure: Literal["bh", "by"]
    seed: int

    def correct(
        self, silent: Floats, driven: Floats, smallest: float, key: Sequence[int]
    ) -> Corrected:
        """Correct simulated voxels as a part of all.

        Parameters
        ----------
        silent, driven : ndarray
            P values of simulated voxels without and with signal; where all were simulated, these
            are taken.
        smallest : float
            The smallest p that can be attained; 0 where there are no steps.
        key : sequence of int
            Of the point and the realisation: other keys draw other voxels.
        """
        number = self.voxels - self.driven
        others = silent
        if len(silent) < number:
            others = np.random.default_rng([self.seed, 4, *key]).random(number)
            if smallest:
                others = np.minimum(np.ceil(others / smallest) * smallest, 1)
        known = np.resize(driven, self.driven)
        q = false_discovery_control(np.concatenate([others, known]), method=self.procedure)
        significant = q <= self.fdr
        if not significant.any():
            return Corrected(0.0, 0.0, 0.0, any=False)
        limit = np.concatenate([others, known])[significant].max()
        wrong = significant[:number].sum() / significant.sum()
        power, false = (driven <= limit).mean(), (silent <= limit).mean()
        return Corrected(float(power), float(false), float(wrong), any=True)
