"""Cosines of a high-pass filter."""

import numpy as np
import numpy.typing as npt


def high_pass_cosines(time: npt.NDArray[np.float64], period: float) -> npt.NDArray[np.float64]:
    """Cosines of nilearn's high-pass filter, as SPM has it.

    Parameters
    ----------
    time : ndarray of shape (volumes,)
        Equally spaced seconds.
    period : float
        Longest period that is kept (s).

    Returns
    -------
    ndarray of shape (volumes, k)
        No columns if the run is too short for one.
    """
    # Not above: nilearn's models take half a second to import.
    from nilearn.glm.first_level import make_first_level_design_matrix

    design = make_first_level_design_matrix(
        time - time[0], drift_model="cosine", high_pass=1 / period
    )
    drifts = [name for name in design.columns if name.startswith("drift")]
    return design[drifts].to_numpy(np.float64)
