"""Scores of test predictions: correlation, R², and R² split over the bands."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


# Of a mean: more than rounding takes from it, less than what is measured differs from it.
ROUNDED = 1e-9


def centred(x: Floats, axis: int = 0, weight: Floats | None = None) -> npt.NDArray[np.float64]:
    """`x` less its mean over time, in float64; exactly zero where it does not vary.

    The mean may have a positive `weight` for each sample, (time,).
    """
    x = np.asarray(x, dtype=np.float64)
    mean = np.average(x, axis, weights=weight, keepdims=True)
    out = x - mean
    # Rounding of the mean must not look like variance.
    first = (slice(None),) * (axis % x.ndim) + (slice(0, 1),)
    off = np.abs(out[first])
    if ((off > 0) & (off <= ROUNDED * np.abs(mean))).any():
        out[np.broadcast_to((x == x[first]).all(axis, keepdims=True), x.shape)] = 0
    return out


def _weighed(x: Floats, axis: int, weight: Floats | None) -> npt.NDArray[np.float64]:
    """Deviations from the mean over time, times the root of weights: squares add up weighted."""
    out = centred(x, axis, weight)
    return out if weight is None else out * np.sqrt(weight)[:, None]


def correlation(
    y: Floats, prediction: Floats, weight: Floats | None = None
) -> npt.NDArray[np.float64]:
    """Pearson correlation over time; 0 where either does not vary.

    Parameters
    ----------
    y, prediction : ndarray of shape (time, voxels)
    weight : ndarray of shape (time,), optional
        Positive, of each sample.

    Returns
    -------
    ndarray of shape (voxels,)
    """
    y, prediction = _weighed(y, 0, weight), _weighed(prediction, 0, weight)
    norm = np.sqrt((y**2).sum(0) * (prediction**2).sum(0))
    return np.divide((y * prediction).sum(0), norm, out=np.zeros(y.shape[1]), where=norm > 0)


def r2(y: Floats, prediction: Floats, weight: Floats | None = None) -> npt.NDArray[np.float64]:
    """R² over time, 1 - error / variance; 0 where `y` does not vary.

    Parameters
    ----------
    y, prediction : ndarray of shape (time, voxels)
    weight : ndarray of shape (time,), optional
        Positive, of each sample's squared error and variance.

    Returns
    -------
    ndarray of shape (voxels,)
    """
    spread = (_weighed(y, 0, weight) ** 2).sum(0)
    squares = (y - prediction) ** 2
    error = squares.sum(0) if weight is None else weight @ squares
    return np.where(spread > 0, 1 - error / np.where(spread > 0, spread, 1), 0.0)


def split_r2(y: Floats, bands: Floats, weight: Floats | None = None) -> npt.NDArray[np.float64]:
    """R² of the summed prediction, split over the bands by the product measure.

    R²_b = sum over time of p_b (2 y - p) / y², where p is the sum of the p_b; the shares add up
    to R² (Dupré la Tour et al. 2022, NeuroImage 264:119728). Means over time are taken from data
    and predictions: the mean of a run of BOLD is arbitrary.

    Parameters
    ----------
    y : ndarray of shape (time, voxels)
    bands : ndarray of shape (bands, time, voxels)
    weight : ndarray of shape (time,), optional
        Positive, of each sample.

    Returns
    -------
    ndarray of shape (bands, voxels); 0 where `y` does not vary
    """
    y, parts = _weighed(y, 0, weight), _weighed(bands, 1, weight)
    total = parts.sum(0)
    spread = (y**2).sum(0)
    share = (parts * (2 * y - total)).sum(1)
    return np.divide(share, spread, out=np.zeros_like(share), where=spread > 0)


def fisher_z(r: Floats) -> npt.NDArray[np.float64]:
    """Fisher z of correlations; finite also where they are perfect."""
    limit = 1 - 1e-12
    return np.arctanh(np.clip(np.asarray(r, np.float64), -limit, limit))


def fisher_mean(r: Floats, axis: int = 0) -> npt.NDArray[np.float64]:
    """Mean of correlations in Fisher z, as a correlation."""
    return np.tanh(fisher_z(r).mean(axis))
