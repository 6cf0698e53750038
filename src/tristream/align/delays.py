"""Delays and haemodynamic bases; delayed features for small designs, as encoders build kernels."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
# Samples a second from which a response is read at whole volumes.
FINE = 100


def delay(features: npt.NDArray, delays: Sequence[int], before: npt.NDArray | None = None) -> Array:
    """Copies of one run's features, each shifted by a number of volumes.

    Parameters
    ----------
    features : ndarray of shape (volumes, p)
        Features of one run.
    delays : list of int
        Delays in volumes, not negative.
    before : ndarray of shape (p,), optional
        Features of volumes before the run's start; zero by default, the mean if they are centred.

    Returns
    -------
    ndarray of shape (volumes, len(delays) * p)
        Delay by delay: the first p columns have the first delay.
    """
    volumes, width = features.shape
    out = np.tile(np.zeros(width) if before is None else before, (volumes, len(delays)))
    for index, shift in enumerate(delays):
        if shift < 0:
            raise ValueError(f"delay {shift} looks into the future")
        kept = max(volumes - shift, 0)
        out[volumes - kept :, index * width : (index + 1) * width] = features[:kept]
    return out


def spm_basis(tr: float, length: float = 32.0) -> Array:
    """SPM's canonical haemodynamic response with its time and dispersion derivatives.

    Sampled at whole volumes, which is what features resampled under a triangle want (see
    :mod:`tristream.align.resample`). The derivatives keep their units: a weight of 1 moves the
    response by one second, or widens its dispersion by 1 (Friston et al. 1998, NeuroImage 7:30),
    so that under one penalty small shifts come cheaper than large ones.

    Parameters
    ----------
    tr : float
        Seconds between volumes.
    length : float
        Seconds of the response.

    Returns
    -------
    ndarray of shape (3, lags)
        Weight of each lag, 0 the volume itself; the canonical response has length one.
    """
    from nilearn.glm.first_level import hemodynamic_models

    curves = [
        make(1.0, FINE, length)
        for make in (
            hemodynamic_models.spm_hrf,
            hemodynamic_models.spm_time_derivative,
            hemodynamic_models.spm_dispersion_derivative,
        )
    ]
    # nilearn spreads the samples over the whole length, ends included.
    seconds = np.linspace(0, length, len(curves[0]))
    lags = np.arange(0, length, tr)
    basis = np.stack([np.interp(lags, seconds, curve) for curve in curves])
    return basis / np.linalg.norm(basis[0])
