"""How good the signal of a run is, before cleaning."""

import numpy as np
import numpy.typing as npt

from tristream.bold.cleaning import BLOCK, project_out, projection_basis


def mean_and_tsnr(
    bold: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Temporal mean, and temporal signal-to-noise ratio.

    tSNR is the mean over the standard deviation about a linear trend (n − 1 in the denominator),
    as a slow drift does not harm an analysis that removes it.

    Parameters
    ----------
    bold : ndarray of shape (volumes, voxels)
        BOLD as fetched.

    Returns
    -------
    mean, tsnr : ndarray of float32, shape (voxels,)
        tSNR is 0 where the voxel does not vary.
    """
    trend = projection_basis(len(bold))
    mean = np.empty(bold.shape[1], np.float32)
    tsnr = np.zeros(bold.shape[1], np.float32)
    for start in range(0, bold.shape[1], BLOCK):
        here = slice(start, start + BLOCK)
        raw = bold[:, here].astype(np.float64)
        mean[here] = level = raw.mean(axis=0)
        deviation = project_out(raw - level, trend).std(axis=0, ddof=1)
        varies = deviation > 1e-9 * np.abs(level)
        tsnr[here][varies] = level[varies] / deviation[varies]
    return mean, tsnr
