"""Decisions on left-out training runs: they choose a hyperparameter, and scale decision values."""

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
TEMPERATURES = np.logspace(-2, 3, 51)


def held_out_score(decision: Floats, y: Ints) -> Floats:
    """Balanced accuracy of decision values.

    Parameters
    ----------
    decision : ndarray of shape (..., samples, classes)
    y : ndarray of int of shape (..., samples)

    Returns
    -------
    ndarray of shape (...)
    """
    right = decision.argmax(-1) == y
    member = y[..., None] == np.arange(decision.shape[-1])
    shown = member.sum(-2)
    recall = (right[..., None] & member).sum(-2) / np.maximum(shown, 1)
    return np.asarray(recall.sum(-1) / (shown > 0).sum(-1))


def temperature(decision: Floats, y: Ints) -> Floats:
    """By what decision values are multiplied before a softmax makes probabilities of them.

    The value with the least cross-entropy on held-out samples (temperature scaling: Guo et al.
    2017, ICML, eq. 9), out of :data:`TEMPERATURES` over the standard deviation of the decision
    values. The class that is named does not change.

    Parameters
    ----------
    decision : ndarray of shape (labellings, samples, classes)
        On samples that the fit has not seen.
    y : ndarray of int of shape (labellings, samples)

    Returns
    -------
    ndarray of shape (labellings,)
    """
    spread = np.maximum(decision.std((1, 2)), 1e-12)
    scaled = decision / spread[:, None, None]
    loss = [
        -np.take_along_axis(log_softmax(t * scaled, axis=-1), y[..., None], -1).mean((1, 2))
        for t in TEMPERATURES
    ]
    return np.asarray(TEMPERATURES[np.argmin(loss, axis=0)] / spread)
