"""Factorisation of ridge models whose hyperparameters are known."""

import torch

# Relative to the kernel's trace; in float64 a smaller penalty is zero.
SMALLEST_PENALTY = 1e-12


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
