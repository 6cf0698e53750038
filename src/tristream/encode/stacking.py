"""Stacked regression: one model a feature space, combined per voxel with convex weights.

Each space's ridge model predicts every training sample when its run is left out. The weights, not
negative and adding up to one, minimise the squared error of the weighted sum of these predictions
(Breiman 1996, Machine Learning 24:49; Lin, Naselaris, Kay & Wehbe 2023, "Stacked regressions and
structured variance partitioning for interpretable brain maps").
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import nnls

Floats = npt.NDArray[np.floating]
# Of the products' mean diagonal: keeps predictions that are equal from making the weights jump.
JITTER = 1e-8
# Below this share of the kernel's trace, a penalty asks for float64.
NARROW = 1e-5


def convex_weights(products: Floats) -> npt.NDArray[np.float64]:
    """Weights w ≥ 0, Σ w = 1, that minimise w' P w for each voxel.

    With v = argmin over v ≥ 0 of v' P v − 2 Σ v, a problem of non-negative least squares, the
    weights are v / Σ v: scaling a solution does not change which constraints bind.

    Parameters
    ----------
    products : ndarray of shape (voxels, spaces, spaces)
        Inner products of the residuals of the spaces' predictions.

    Returns
    -------
    ndarray of shape (voxels, spaces); equal weights where no prediction errs
    """
    products = np.asarray(products, np.float64)
    voxels, spaces = products.shape[:2]
    out = np.full((voxels, spaces), 1 / spaces)
    scale = np.trace(products, axis1=1, axis2=2) / spaces
    for v in np.flatnonzero(scale > 0):
        root = np.linalg.cholesky(products[v] / scale[v] + JITTER * np.eye(spaces))
        found, _ = nnls(root.T, np.linalg.solve(root, np.ones(spaces)))
        out[v] = found / found.sum()
    return out


def left_out_residuals(
    kernel: torch.Tensor, targets: torch.Tensor, groups: npt.NDArray[Any], alphas: torch.Tensor
) -> torch.Tensor:
    """What each voxel's model, fitted without a sample's run, misses of the sample.

    Parameters
    ----------
    kernel : Tensor of shape (n, n)
    targets : Tensor of shape (n, voxels)
    groups : ndarray of shape (n,)
        Runs.
    alphas : Tensor of shape (voxels,)
        Penalty of each voxel.

    Returns
    -------
    Tensor of shape (n, voxels)
    """
    out = torch.empty_like(targets)
    for run in np.unique(groups):
        test = torch.from_numpy(np.flatnonzero(groups == run)).to(kernel.device)
        train = torch.from_numpy(np.flatnonzero(groups != run)).to(kernel.device)
        own = kernel[train][:, train].double()
        across = kernel[test][:, train].double()
        mean = own.mean(0)
        across = across - mean - across.mean(1, keepdim=True) + mean.mean()
        own = own - mean - mean[:, None] + mean.mean()
        values, vectors = torch.linalg.eigh(own)
        values = values.clamp_min(0)
        narrow = float(alphas.min()) > NARROW * float(values.sum())
        dtype = targets.dtype if narrow else torch.float64
        level = targets[train].mean(0)
        along = vectors.T.to(dtype) @ (targets[train] - level).to(dtype)
        along /= values.to(dtype)[:, None] + alphas.to(dtype)
        predicted = (across @ vectors).to(dtype) @ along
        out[test] = targets[test] - level - predicted.to(targets.dtype)
    return out


def residual_products(residuals: torch.Tensor) -> npt.NDArray[np.float64]:
    """Inner products over samples, (voxels, spaces, spaces), of residuals (spaces, n, voxels)."""
    spaces = len(residuals)
    out = torch.empty(residuals.shape[2], spaces, spaces, dtype=torch.float64)
    for i in range(spaces):
        for j in range(i + 1):
            product = (residuals[i].double() * residuals[j].double()).sum(0).cpu()
            out[:, i, j] = out[:, j, i] = product
    return out.numpy()
