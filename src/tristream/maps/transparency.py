"""Opacity by significance: what is less sure is drawn fainter, not left out.

A threshold hides how near to it a voxel is (Allen, Erhardt & Calhoun 2012, Neuron 74:603; Taylor
et al. 2023, NeuroImage 274:120138).
"""

import numpy as np
import numpy.typing as npt

# Of what has no evidence at all.
FAINT = 0.3
SENTENCE = (
    "Figures of maps are transparent by significance instead of cut at a threshold "
    "[@allen2012; @taylor2023]."
)


def by_rate(
    q: npt.NDArray[np.floating], significant: npt.NDArray[np.bool_], rate: float
) -> npt.NDArray[np.float32]:
    """Opacity by a false discovery rate: full where significant, then falling with log q.

    Parameters
    ----------
    q : ndarray of shape (n,)
        NaN where nothing was tested.
    significant : ndarray of bool of shape (n,)
    rate : float
        The rate that was chosen, below 1.

    Returns
    -------
    ndarray of shape (n,)
        1 where significant, :data:`FAINT` where q is 1 or not known.
    """
    share = np.log(np.clip(np.nan_to_num(q, nan=1.0), rate, 1)) / np.log(rate)
    return np.where(significant, 1.0, FAINT + (1 - FAINT) * share).astype(np.float32)


def by_size(t: npt.NDArray[np.floating], threshold: float) -> npt.NDArray[np.float32]:
    """Opacity by the size of a statistic: full from `threshold` on, :data:`FAINT` at 0, (n,)."""
    share = np.clip(np.abs(np.nan_to_num(t)) / threshold, 0, 1)
    return (FAINT + (1 - FAINT) * share).astype(np.float32)


def rate_words(rate: float, what: str = "r") -> str:
    """What :func:`by_rate` did, for a caption."""
    return (
        f"Where {what} is not significant (false discovery rate {rate:g}) colours are the fainter "
        f"the larger q is, by its logarithm: {100 * FAINT:.0f} % of their opacity at q = 1."
    )


def size_words(threshold: float) -> str:
    """What :func:`by_size` did, for a caption."""
    return (
        f"Below |t| = {threshold:g} colours are the fainter the smaller |t| is: "
        f"{100 * FAINT:.0f} % at 0."
    )
