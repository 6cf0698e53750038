"""Ridge models with hyperparameters that are known: whose they are, and their factorisation."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.floating]
# Relative to the kernel's trace; in float64 a smaller penalty is zero.
SMALLEST_PENALTY = 1e-12


def alike(gamma: Floats, alpha: Floats) -> Iterator[tuple[npt.NDArray[np.intp], Floats, float]]:
    """Voxels of equal hyperparameters, and these.

    Parameters
    ----------
    gamma, alpha : ndarray of shape (bands, voxels), (voxels,)
    """
    chosen = np.vstack([gamma, alpha]).astype(np.float64)
    values, group = np.unique(chosen, axis=1, return_inverse=True)
    for index, column in enumerate(values.T):
        yield np.flatnonzero(group.ravel() == index), column[:-1], float(column[-1])


def penalised_factor(kernel: torch.Tensor, alpha: float) -> torch.Tensor:
    """Cholesky factor of a kernel with a penalty on its diagonal, (n, n).

    Parameters
    ----------
    kernel : Tensor of shape (n, n), float64
        The bands' kernels under their weights.
    alpha : float

    Raises
    ------
    ValueError
        If the kernel is not positive semidefinite.
    """
    penalised = kernel.clone()
    penalised.diagonal().add_(max(alpha, SMALLEST_PENALTY * float(kernel.trace())))
    factor, failed = torch.linalg.cholesky_ex(penalised)
    if int(failed):
        raise ValueError("the kernel is not positive semidefinite")
    return factor
