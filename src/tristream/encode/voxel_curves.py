"""What a model tells of the voxels that training data predict best: responses over delays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
MOST_VOXELS = 2000
OMITTED = "responses over delays"


@dataclass(frozen=True)
class VoxelCurves:
    """Weights over delays, as of :func:`tristream.encode.band_responses.response_curves`.

    Attributes
    ----------
    places : ndarray of int of shape (voxels,)
        Which of the analysed voxels, rising.
    seconds : ndarray of shape (delays,)
        The delays.
    length : ndarray of shape (bands, voxels)
        Length of a band's weights over all features and delays.
    curve : ndarray of shape (bands, delays, voxels)
        Response along a voxel's strongest pattern of features, of length one, its sum positive;
        NaN where a band has no weight.
    """

    places: Ints
    seconds: Floats
    length: Floats
    curve: Floats


def best_voxels(cv: Floats, most: int = MOST_VOXELS) -> Ints:
    """Voxels with the largest cross-validated scores, rising; those without a score are left out.

    Parameters
    ----------
    cv : ndarray of shape (voxels,)
    most : int
        How many.
    """
    number = min(most, MOST_VOXELS, int(np.isfinite(cv).sum()))
    order = np.argsort(np.where(np.isfinite(cv), -cv, np.inf), kind="stable")
    return np.sort(order[:number])
