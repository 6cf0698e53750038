"""Weights of samples: rows of data times the root of these, and the constant with them.

Σ_i w_i (y_i − f_i − c)² is a plain sum of squares of rows that are multiplied by the root of their
weight. So kernels (n, n) and features are multiplied once, and what else is solved stays as it is,
but for the constant: what an intercept multiplies is no longer one for every sample, but the root.
Means of rows, in every fold, become what is along it; by it, scores are those of weighted samples.
"""

import torch


def root_of(root: torch.Tensor | None, rows: slice | torch.Tensor) -> torch.Tensor | None:
    """The root of some samples' weights; None: all are one."""
    return None if root is None else root[rows]


def level(x: torch.Tensor, root: torch.Tensor | None, dim: int = -1) -> torch.Tensor:
    """What multiplies the constant in samples along an axis, which is kept with a length of one.

    Parameters
    ----------
    x : Tensor
    root : Tensor of shape (samples,) or None
        Root of each weight; None: all are one, and this is the mean.
    dim : int
        The axis.
    """
    if root is None:
        return x.mean(dim, keepdim=True)
    own = _along(root, x, dim)
    return (x * own).sum(dim, keepdim=True) / own.square().sum()


def less_constant(x: torch.Tensor, root: torch.Tensor | None, dim: int = -1) -> torch.Tensor:
    """Samples without what is along the constant: their deviation from the (weighted) mean."""
    own = level(x, root, dim)
    return x - (own if root is None else own * _along(root, x, dim))


def spanned(values: torch.Tensor, root: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
    """Values (..., 1) as the same constant for all samples (..., n), times the root of weights."""
    return values if root is None else values * _along(root, like, -1)


def _along(root: torch.Tensor, x: torch.Tensor, dim: int) -> torch.Tensor:
    shape = [1] * x.ndim
    shape[dim] = -1
    return root.to(x.dtype).view(shape)
