"""Banded (multiple-kernel) ridge regression by random search, exact, in dual form.

A candidate is a weighting `gamma` of the bands' kernels and a ridge penalty `alpha`; each voxel
takes the candidate with the best leave-one-group-out R² (Dupré la Tour, Eickenberg, Nunez-Elizalde
& Gallant 2022, NeuroImage 264:119728). All groups of one candidate come from one inverse: with
C = (K + alpha I)^-1, corrected for an unpenalised intercept, the residuals of group f, when the
model is fitted without it, are (C_ff)^-1 C_f y (An, Liu & Venkatesh 2007, Pattern Recognition
40:2154). Matrices of n by n are handled in float64, products with voxels in the voxels' own type.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch

# Relative to the kernel's trace; a smaller penalty can't be told from zero in float64.
SMALLEST_PENALTY = 1e-12


@dataclass(frozen=True)
class Choice:
    """The candidate of each voxel.

    Attributes
    ----------
    gamma, alpha : Tensor of int of shape (voxels,)
        Indices into the candidates.
    score : Tensor of shape (voxels,)
        Cross-validated R² of the choice, mean over groups.
    """

    gamma: torch.Tensor
    alpha: torch.Tensor
    score: torch.Tensor


def dirichlet_candidates(number: int, bands: int, seed: int = 0) -> np.ndarray:
    """Band weightings to try: all bands alike, each band alone, then random ones.

    Parameters
    ----------
    number : int
        How many in all; a single band has one.
    bands : int
        How many bands.
    seed : int
        Of the random ones, which are Dirichlet with concentration 0.1 and 1 in turn: sparse
        and dense mixtures.

    Returns
    -------
    ndarray of shape (number, bands), rows adding up to one
    """
    fixed = np.vstack([np.full((1, bands), 1 / bands), np.eye(bands)]) if bands > 1 else np.eye(1)
    if bands == 1 or number <= len(fixed):
        return fixed[:number]
    rng = np.random.default_rng(seed)
    concentration = np.resize([0.1, 1.0], number - len(fixed))
    drawn = [rng.dirichlet(np.full(bands, c)) for c in concentration]
    return np.vstack([fixed, *drawn])


def search(
    kernels: torch.Tensor,
    targets: torch.Tensor,
    groups: np.ndarray,
    gammas: np.ndarray,
    alphas: np.ndarray,
    chunk: int = 1024,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Choice:
    """Choose band weights and penalty for every voxel by leave-one-group-out R².

    The model has an intercept that is not penalised and is fitted anew without each group. A
    group in which a voxel does not vary counts zero. Equal scores go to the larger penalty.

    Parameters
    ----------
    kernels : Tensor of shape (bands, n, n), float64
    targets : Tensor of shape (n, voxels), float32 or float64
        On the kernels' device.
    groups : ndarray of shape (n,)
        Runs; at least two.
    gammas : ndarray of shape (candidates, bands)
    alphas : ndarray of shape (penalties,)
        Positive.
    chunk : int
        Voxels scored at a time, so that their residuals stay in cache.
    progress : callable, optional
        Wraps the loop over `gammas`.

    Raises
    ------
    ValueError
        If there are fewer than two groups, or a penalty is not positive.
    """
    order, folds = _folds(groups)
    if len(folds) < 2:
        raise ValueError("cross-validation needs at least two groups")
    if min(alphas) <= 0:
        raise ValueError("penalties must be positive")
    order = order.to(kernels.device)
    kernels = kernels[:, order][:, :, order]
    y = targets[order].T.contiguous()
    y = y - y.mean(1, keepdim=True)
    weight = _inverse_variance(y, folds)
    voxels = len(y)
    best = torch.full((voxels,), -torch.inf, dtype=y.dtype, device=y.device)
    gamma = torch.zeros(voxels, dtype=torch.long, device=y.device)
    alpha = torch.zeros_like(gamma)
    penalties = torch.as_tensor(np.asarray(alphas, float), device=y.device)
    for g in progress(range(len(gammas))):
        kernel = mix(kernels, gammas[g])
        for a in range(len(alphas)):
            operator = _left_out_operator(kernel, float(alphas[a]), folds).to(y.dtype)
            score = _score(y, operator, folds, weight, chunk)
            tie = (score == best) & (penalties[a] > penalties[alpha])
            better = (score > best) | tie
            best = torch.where(better, score, best)
            gamma[better], alpha[better] = g, a
    return Choice(gamma, alpha, best)


def _folds(groups: np.ndarray) -> tuple[torch.Tensor, list[slice]]:
    """An order in which groups are contiguous, and their slices."""
    _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    folds = [slice(int(e - c), int(e)) for e, c in zip(ends, counts, strict=True)]
    return torch.from_numpy(np.argsort(index, kind="stable")), folds


def _inverse_variance(y: torch.Tensor, folds: list[slice]) -> torch.Tensor:
    """1 / (total sum of squares) of each voxel in each fold, (voxels, folds); 0 if constant."""
    spread = torch.stack(
        [(y[:, f] - y[:, f].mean(1, keepdim=True)).square().sum(1) for f in folds], dim=1
    )
    return torch.where(spread > 0, 1 / spread, 0.0)


def mix(kernels: torch.Tensor, gamma: np.ndarray) -> torch.Tensor:
    """Kernels (bands, m, n) under weights (bands,), added up."""
    weights = torch.as_tensor(np.asarray(gamma, float), device=kernels.device)
    return torch.einsum("b,bij->ij", weights, kernels)


def _factor(kernel: torch.Tensor, alpha: float) -> torch.Tensor:
    """Cholesky factor of the penalised kernel."""
    penalised = kernel.clone()
    penalised.diagonal().add_(max(alpha, SMALLEST_PENALTY * float(kernel.trace())))
    return torch.linalg.cholesky(penalised)


def dual_operator(kernel: torch.Tensor, alpha: float) -> torch.Tensor:
    """The matrix that turns targets into dual weights, intercept taken care of.

    Parameters
    ----------
    kernel : Tensor of shape (n, n), float64
        The bands' kernels under their weights.
    alpha : float
        Penalty.
    """
    inverse = torch.cholesky_inverse(_factor(kernel, alpha))
    ones = inverse.sum(1)
    return inverse - torch.outer(ones, ones) / ones.sum()


def _left_out_operator(kernel: torch.Tensor, alpha: float, folds: list[slice]) -> torch.Tensor:
    """M such that y' M holds each group's residuals under the model fitted without it."""
    inverse = dual_operator(kernel, alpha)
    operator = torch.empty_like(inverse)
    for f in folds:
        own = torch.cholesky_inverse(torch.linalg.cholesky(inverse[f, f]))
        torch.mm(inverse[:, f], own, out=operator[:, f])
    return operator


def _score(
    y: torch.Tensor, operator: torch.Tensor, folds: list[slice], weight: torch.Tensor, chunk: int
) -> torch.Tensor:
    """Mean R² over groups, (voxels,)."""
    out = torch.empty(len(y), dtype=y.dtype, device=y.device)
    for start in range(0, len(y), chunk):
        part = slice(start, start + chunk)
        residual = y[part] @ operator
        norms = torch.stack([torch.linalg.vector_norm(residual[:, f], dim=1) for f in folds], 1)
        varies = (weight[part] > 0).to(y.dtype)
        out[part] = (varies - norms.square() * weight[part]).sum(1) / len(folds)
    return out


def refit(
    kernels: torch.Tensor,
    targets: torch.Tensor,
    gammas: np.ndarray,
    alphas: np.ndarray,
    choice: Choice,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Dual weights and intercept of every voxel under its own candidate.

    Parameters
    ----------
    kernels, targets, gammas, alphas
        As for :func:`search`.
    choice : Choice
        Candidate of each voxel.

    Returns
    -------
    duals : Tensor of shape (n, voxels)
        Adding up to zero over n.
    intercept : Tensor of shape (voxels,)
    """
    duals = torch.empty_like(targets)
    intercept = torch.empty_like(targets[0])
    candidate = choice.gamma * len(alphas) + choice.alpha
    order = torch.argsort(candidate, stable=True)
    values, counts = torch.unique_consecutive(candidate[order], return_counts=True)
    for value, voxels in zip(values.tolist(), order.split(counts.tolist()), strict=True):
        g, a = divmod(value, len(alphas))
        factor = _factor(mix(kernels, gammas[g]), float(alphas[a]))
        y = targets[:, voxels].double()
        one = torch.ones_like(y[:, :1])
        solved = torch.cholesky_solve(torch.cat([y, one], 1), factor)
        w, u = solved[:, :-1], solved[:, -1:]
        b = w.sum(0) / u.sum()
        duals[:, voxels] = (w - u * b).to(targets.dtype)
        intercept[voxels] = b.to(targets.dtype)
    return duals, intercept


def predict(kernels: torch.Tensor, duals: torch.Tensor, gamma: torch.Tensor) -> torch.Tensor:
    """Each band's prediction, without the intercept; they add up to the model's.

    Parameters
    ----------
    kernels : Tensor of shape (bands, m, n)
        Between new and training volumes.
    duals : Tensor of shape (n, voxels)
    gamma : Tensor of shape (bands, voxels)
        Band weights of each voxel.

    Returns
    -------
    Tensor of shape (bands, m, voxels), in the type of `duals`
    """
    kernels = kernels.to(duals.dtype)
    return torch.stack([k @ duals * g for k, g in zip(kernels, gamma, strict=True)])
