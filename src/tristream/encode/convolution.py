"""Kernels of features under a haemodynamic basis, from the kernel of the features alone.

A basis function h turns features x(t) into Σ_d h(d) x(t − d), a linear combination of delayed
features. With K the kernel of undelayed features, the kernel of what a basis {h_k} makes of them is

    K'[i, j] = Σ_k Σ_d Σ_e h_k(d) h_k(e) K[i − d, j − e],

where a volume and its lags lie in the same run. No delayed feature is built.
"""

import numpy as np
import numpy.typing as npt
import torch


def convolved_kernel(
    kernel: torch.Tensor,
    row_position: torch.Tensor,
    column_position: torch.Tensor,
    basis: npt.NDArray[np.floating],
) -> torch.Tensor:
    """Kernel of features convolved with each function of a basis, added up.

    Parameters
    ----------
    kernel : Tensor of shape (m, n)
        Of undelayed features.
    row_position, column_position : Tensor of int of shape (m,), (n,)
        Each volume's place in its run, 0 for the first.
    basis : ndarray of shape (k, lags)
        Weight of each lag in volumes.
    """
    out = torch.zeros_like(kernel)
    for response in np.asarray(basis, float):
        columns = convolved(kernel.T.contiguous(), column_position, response).T.contiguous()
        out += convolved(columns, row_position, response)
    return out


def convolved(
    values: torch.Tensor, position: torch.Tensor, response: npt.NDArray[np.floating]
) -> torch.Tensor:
    """Each run's rows convolved with a response.

    Parameters
    ----------
    values : Tensor of shape (m, n)
    position : Tensor of int of shape (m,)
        Each row's place in its run, 0 for the first.
    response : ndarray of shape (lags,)
    """
    out = torch.zeros_like(values)
    for lag, weight in enumerate(response.tolist()):
        rows = torch.nonzero(position >= lag)[:, 0]
        out.index_add_(0, rows, values[rows - lag], alpha=weight)
    return out
