"""Cleaning one run: one orthogonal projection, then z-scores by the run itself.

Everything that is removed spans one subspace: mean, linear trend, confounds (cosines of a high-pass
filter among them) and one indicator for each censored volume. Its orthonormal basis Q is kept, so
that the same projection I − QQᵀ can be applied to delayed features: by the theorem of Frisch,
Waugh and Lovell, regressing the projected BOLD on the projected features gives the weights of the
full model with all confounds in it, and indicators of censored volumes have the effect of deleting
these volumes after the delays were made.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tristream.errors import UserError

Array = npt.NDArray[np.float64]

# Columns whose part outside the others is smaller than this, relative to their length, are
# dependent on them.
RANK_TOLERANCE = 1e-8
# A voxel whose standard deviation shrinks below this share of its mean square was fully explained
# by confounds; what is left is rounding.
RESIDUAL_TOLERANCE = 1e-6
# Volumes that must remain after confounds and censoring, or a z-score means nothing.
FEWEST_LEFT = 8
# Length of a projected direction on the used volumes, and square of the cosine between two runs',
# from which on it counts as gone from the used volumes, and as shared.
WHOLE, ALIKE = 0.9, 0.98
# Voxels that are cleaned at a time in double precision.
BLOCK = 4096


def projection_basis(
    volumes: int, confounds: Array | None = None, censor: npt.NDArray[np.bool_] | None = None
) -> Array:
    """Orthonormal basis of mean, linear trend, confounds and censored volumes.

    Parameters
    ----------
    volumes : int
        Volumes in the run.
    confounds : ndarray of shape (volumes, k), optional
        Confounds; their scale does not matter, and dependent columns are allowed.
    censor : ndarray of bool, shape (volumes,), optional
        Volumes to remove.

    Returns
    -------
    ndarray of shape (volumes, q)
        Orthonormal columns.

    Raises
    ------
    UserError
        If so much is removed that fewer than `FEWEST_LEFT` degrees of freedom remain.
    """
    censor = np.zeros(volumes, bool) if censor is None else censor
    smooth = [np.ones(volumes), np.linspace(-1, 1, volumes)]
    if confounds is not None:
        smooth += list(np.asarray(confounds, np.float64).T)
    # With the censored volumes set apart, the other columns live on the remaining volumes.
    columns = np.stack(smooth, axis=1)
    columns[censor] = 0
    q = np.concatenate([np.eye(volumes)[:, censor], _orthonormal(columns)], axis=1)
    left = volumes - q.shape[1]
    if left < FEWEST_LEFT:
        raise UserError(
            f"mean, trend, {len(smooth) - 2} confounds and {censor.sum()} censored volumes leave "
            f"{max(left, 0)} degrees of freedom of {volumes} volumes, fewer than {FEWEST_LEFT}; "
            "take fewer confounds in layout.confounds, or leave the run out (missing)"
        )
    return q


def shared_projection(
    bases: Sequence[npt.NDArray[np.floating]], rows: npt.NDArray[np.integer]
) -> Array:
    """Orthonormal basis, on some volumes, of what was projected out of every run.

    Parameters
    ----------
    bases : sequence of ndarray of shape (volumes, q)
        Orthonormal, one a run of a repeat group.
    rows : ndarray of int
        Volumes that are used. Directions that owe much to other volumes are left out: the used
        ones still hold some of them.

    Returns
    -------
    ndarray of shape (rows, k)
    """
    own = [_leading(basis[rows].astype(np.float64), WHOLE) for basis in bases]
    return _leading(np.hstack(own), (len(own) * ALIKE) ** 0.5)


def _leading(columns: Array, least: float) -> Array:
    left, values, _ = np.linalg.svd(columns, full_matrices=False)
    return left[:, values > least]


def _orthonormal(columns: Array) -> Array:
    """Orthonormal basis of the columns' span; constants first, so that the rest is centred."""
    first = columns[:, :1] / np.linalg.norm(columns[:, 0]) if columns[:, 0].any() else None
    if first is None:
        return columns[:, :0]
    rest = columns[:, 1:] - first @ (first.T @ columns[:, 1:])
    size = np.linalg.norm(rest, axis=0)
    known = size > RANK_TOLERANCE * np.linalg.norm(columns[:, 1:], axis=0)
    u, s, _ = np.linalg.svd(rest[:, known] / size[known], full_matrices=False)
    return np.concatenate([first, u[:, s > RANK_TOLERANCE * s.max(initial=0.0)]], axis=1)


def project_out(signals: Array, basis: Array) -> Array:
    """Signals without their part in the span of `basis`.

    Parameters
    ----------
    signals : ndarray of shape (volumes, n)
        BOLD or delayed features of one run.
    basis : ndarray of shape (volumes, q)
        From :func:`projection_basis`.
    """
    return signals - basis @ (basis.T @ signals)


def clean(
    bold: npt.NDArray[np.float32],
    basis: Array,
    censor: npt.NDArray[np.bool_],
    percent_of: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float32]:
    """Project out `basis`, then z-score each voxel by its own uncensored volumes, in place.

    Parameters
    ----------
    bold : ndarray of float32, shape (volumes, voxels)
        Raw BOLD; overwritten block by block, so that memory holds one copy.
    basis : ndarray of shape (volumes, q)
        From :func:`projection_basis`.
    censor : ndarray of bool, shape (volumes,)
        Censored volumes; they become exactly zero.
    percent_of : ndarray of shape (voxels,), optional
        Each voxel's mean signal: what is left is given in percent of it instead of as z-scores, as
        estimates of single trials want it. Voxels of no positive mean become zero.

    Returns
    -------
    ndarray of float32, shape (volumes, voxels)
        `bold` itself. Standard deviations have n − 1 in the denominator. Voxels that the
        projection explains fully are zero.
    """
    for start in range(0, bold.shape[1], BLOCK):
        raw = bold[:, start : start + BLOCK].astype(np.float64)
        scale = np.sqrt(np.mean(raw**2, axis=0))
        raw -= raw[~censor].mean(axis=0)
        left = project_out(raw, basis)
        left[censor] = 0
        deviation = np.sqrt(np.sum(left**2, axis=0) / max((~censor).sum() - 1, 1))
        varies = deviation > RESIDUAL_TOLERANCE * scale
        if percent_of is not None:
            deviation = percent_of[start : start + BLOCK].astype(np.float64) / 100
            varies &= deviation > 0
        bold[:, start : start + BLOCK] = np.where(varies, left, 0) / np.where(varies, deviation, 1)
    return bold
