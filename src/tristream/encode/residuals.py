"""What a fit leaves of the training data, in two numbers a voxel."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Residuals:
    """Residuals of the training samples; both of shape (voxels,).

    Attributes
    ----------
    variance : ndarray
        Mean square.
    samples : ndarray
        How many independent ones they are worth, see :func:`effective_samples`.
    """

    variance: Floats
    samples: Floats

    @classmethod
    def of(cls, residuals: Floats, runs: Ints) -> "Residuals":
        """From residuals (n, voxels) and the run of each sample (n,)."""
        variance = (np.asarray(residuals, np.float64) ** 2).mean(0)
        return cls(variance, effective_samples(residuals, runs))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Of voxels that were taken a few at a time."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))


def effective_samples(residuals: Floats, runs: Ints) -> npt.NDArray[np.float64]:
    """n (1 − ρ) / (1 + ρ), ρ the correlation of successive residuals within runs.

    How many independent samples n of first order are worth (Bayley & Hammersley 1946, Supplement to
    JRSS 8:184).

    Parameters
    ----------
    residuals : ndarray of shape (n, voxels)
        Samples of a run in order.
    runs : ndarray of int of shape (n,)

    Returns
    -------
    ndarray of shape (voxels,); n at most: negative autocorrelation is not rewarded
    """
    n = len(residuals)
    product, power = np.zeros(residuals.shape[1]), np.zeros(residuals.shape[1])
    for run in np.unique(runs):
        own = residuals[runs == run].astype(np.float64)
        own = own - own.mean(0)
        product += (own[1:] * own[:-1]).sum(0)
        power += ((own[1:] ** 2).sum(0) + (own[:-1] ** 2).sum(0)) / 2
    rho = np.clip(np.divide(product, power, out=np.zeros_like(power), where=power > 0), 0, 0.99)
    return n * (1 - rho) / (1 + rho)
