"""Linear kernels of standardised, delayed and projected features, without the delayed features.

A kernel here is between *volumes*; each volume belongs to a run and has a position in it. Delays
and projections act inside runs, so a matrix over several runs is handled block by block.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

# Columns of features at a time.
BLOCK = 256


@dataclass(frozen=True)
class Scaler:
    """Column statistics of the training volumes, and which columns vary there.

    Attributes
    ----------
    mean, scale : ndarray of shape (p,)
        Mean and standard deviation of each column.
    varies : ndarray of bool of shape (p,)
        Columns that vary over the training volumes; the others are left out.
    """

    mean: np.ndarray
    scale: np.ndarray
    varies: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray) -> "Scaler":
        """Statistics of the rows of `x`, of shape (volumes, p), in float64.

        A column whose spread is below 1e-6 of its root mean square is constant: float32 can't
        tell the rest from rounding.
        """
        mean, scale = np.empty(x.shape[1]), np.empty(x.shape[1])
        for start in range(0, x.shape[1], BLOCK):
            part = slice(start, start + BLOCK)
            mean[part] = x[:, part].mean(0, dtype=np.float64)
            scale[part] = x[:, part].std(0, dtype=np.float64)
        varies = scale > 1e-6 * np.sqrt(mean**2 + scale**2)
        return cls(mean, scale, varies)


def linear_kernel(x: np.ndarray, columns: int, scaler: Scaler, device: str = "cpu") -> torch.Tensor:
    """Inner products of standardised feature rows with the first `columns` of them.

    Parameters
    ----------
    x : ndarray of shape (m, p)
    columns : int
        The kernel is taken against the first `columns` rows of `x`.
    scaler : Scaler
        Statistics to standardise with.
    device : str
        Where the products are taken and the result lies.

    Returns
    -------
    Tensor of shape (m, columns), float64
    """
    varies = np.flatnonzero(scaler.varies)
    out = torch.zeros(len(x), columns, dtype=torch.float64, device=device)
    z = np.empty((len(x), BLOCK))
    for start in range(0, len(varies), BLOCK):
        index = varies[start : start + BLOCK]
        own = z[:, : len(index)]
        np.subtract(x[:, index], scaler.mean[index], out=own)
        own /= scaler.scale[index]
        block = torch.from_numpy(own).to(device)
        out.addmm_(block, block[:columns].T)
    return out


def principal_kernel(kernel: torch.Tensor, fitted_on: torch.Tensor, number: int) -> torch.Tensor:
    """Kernel of the first principal components, from the kernel of the features.

    With the training kernel's eigenvectors U and eigenvalues s, the components of any row x are
    k(x, train) U s^(-1/2), so their kernel needs no features.

    Parameters
    ----------
    kernel : Tensor of shape (m, n)
        Of columns whose mean over the training rows is zero; the first n rows are the volumes
        of the columns.
    fitted_on : Tensor of bool of shape (n,)
        Training rows.
    number : int
        Components kept (fewer if the rank is lower).
    """
    n = kernel.shape[1]
    values, vectors = torch.linalg.eigh(kernel[:n][fitted_on][:, fitted_on])
    kept = values > 1e-10 * values[-1]
    kept[: max(0, len(values) - number)] = False
    scores = kernel[:, fitted_on] @ (vectors[:, kept] * values[kept].rsqrt())
    return scores @ scores[:n].T


def delayed_kernel(
    kernel: torch.Tensor,
    row_position: torch.Tensor,
    column_position: torch.Tensor,
    delays: Sequence[int],
) -> torch.Tensor:
    """Kernel of finite-impulse-response features: shifted copies of the kernel, summed.

    K'[i, j] = sum over d of K[i - d, j - d], where i - d lies in the same run as i; before the
    start of a run the standardised features are zero.

    Parameters
    ----------
    kernel : Tensor of shape (m, n)
        Undelayed.
    row_position, column_position : Tensor of int of shape (m,) and (n,)
        Each volume's place in its run: 0, 1, 2 … in every one.
    delays : sequence of int
        In volumes, not negative.
    """
    out = torch.zeros_like(kernel)
    columns = _runs(column_position)
    for rows in _runs(row_position):
        for delay in delays:
            for run in columns:
                height, width = rows.stop - rows.start - delay, run.stop - run.start - delay
                if height > 0 and width > 0:
                    own = kernel[rows.start :, run.start :][:height, :width]
                    out[rows.start + delay :, run.start + delay :][:height, :width] += own
    return out


def _runs(position: torch.Tensor) -> list[slice]:
    """Where each run lies, from every volume's place in it."""
    starts = torch.nonzero(position == 0)[:, 0].tolist()
    ends = [*starts[1:], len(position)]
    return [slice(start, end) for start, end in zip(starts, ends, strict=True)]


def project_rows(kernel: torch.Tensor, bases: Sequence[torch.Tensor]) -> torch.Tensor:
    """Remove from each run's rows what each run's orthonormal basis spans: (I - Q Q') K.

    Parameters
    ----------
    kernel : Tensor of shape (m, n)
    bases : sequence of Tensor of shape (volumes of the run, q)
        In the order of the rows; their volumes add up to m.
    """
    lengths = [len(q) for q in bases]
    blocks = [k - q @ (q.T @ k) for k, q in zip(kernel.split(lengths), bases, strict=True)]
    return torch.cat(blocks)


def centre(kernel: torch.Tensor, train: torch.Tensor) -> torch.Tensor:
    """Kernel of features from which the training mean has been taken.

    Parameters
    ----------
    kernel : Tensor of shape (m, n)
        Rows: any volumes; columns: the training volumes.
    train : Tensor of shape (n, n)
        The training kernel, uncentred.
    """
    own = kernel - kernel.mean(1, keepdim=True)
    return own.sub_(train.mean(0)).add_(train.mean())
