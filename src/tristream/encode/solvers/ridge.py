"""Ridge and banded ridge in primal form, for fewer features than samples.

With p features in all, X'X and X'Y stand for the samples: those of a fold's training data are the
whole's less the fold's, so no pass over training rows is needed for each fold. One
eigendecomposition serves all penalties. A fold of more rows than features is replaced by the
triangle of its QR decomposition, which leaves inner products of predictions as they are. What is
scored is exact; band weights (:mod:`tristream.encode.solvers.banded_ridge`) scale the features by
their root.

Matrices of p by p are float64. Products with targets are taken in the targets' own type; under
float32, penalties that are small against the features' spectrum make them float64.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

Score = Literal["r2", "correlation"]
# Below this share of the largest eigenvalue, a penalty lets float32's rounding of X'Y through.
NARROW = 1e-5
# Share of the largest singular value below which two penalties predict the same.
SAME = {torch.float32: 1e-5, torch.float64: 1e-13}
# A product of two matrices of some ten rows costs so many times that of large ones.
SMALL_PRODUCT = 6
# Numbers held by one block of predictions, 8 MB in float32: near the cache.
BLOCK = 2_000_000


@dataclass(frozen=True)
class PrimalFit:
    """Each voxel's candidate, and its weights.

    Attributes
    ----------
    gamma, alpha : Tensor of int of shape (voxels,)
        Indices into the candidates.
    score : Tensor of shape (voxels,)
        Cross-validated score of the choice, mean over groups.
    weights : Tensor of shape (p, voxels)
        For the features as they were given, bands one after the other: the root of the band
        weights is in them.
    intercept : Tensor of shape (voxels,)
    """

    gamma: torch.Tensor
    alpha: torch.Tensor
    score: torch.Tensor
    weights: torch.Tensor
    intercept: torch.Tensor


@dataclass(frozen=True)
class _Fold:
    """What a held-out group needs whatever the candidate.

    Attributes
    ----------
    gram : Tensor of shape (p, p)
        Of the training features.
    rows : slice
        The group's samples.
    root : Tensor of shape (q, p)
        The group's features; or, if it has more rows than features, the R of their QR.
    basis : Tensor of shape (rows, q) or None
        The Q.
    mean : Tensor of shape (p,)
        Training mean; zero without intercept.
    """

    gram: torch.Tensor
    rows: slice
    root: torch.Tensor
    basis: torch.Tensor | None
    mean: torch.Tensor


def fit(
    features: Sequence[torch.Tensor],
    targets: torch.Tensor,
    groups: np.ndarray,
    gammas: np.ndarray,
    alphas: np.ndarray,
    *,
    intercept: bool = True,
    score: Score = "r2",
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> PrimalFit:
    """Choose band weights and penalty of every voxel by leave-one-group-out, and fit.

    The model minimises ||y − Σ_b X_b w_b − c||² + alpha Σ_b ||w_b||² / gamma_b. With an intercept
    c, unpenalised, it is fitted anew without each group. A group in which a voxel does not vary
    counts zero. Equal scores go to the larger penalty.

    Parameters
    ----------
    features : sequence of Tensor of shape (n, p_b)
        One a band, of the same device as the targets.
    targets : Tensor of shape (n, voxels), float32 or float64
    groups : ndarray of shape (n,)
        Runs; at least two.
    gammas : ndarray of shape (candidates, bands)
        Not negative.
    alphas : ndarray of shape (penalties,)
        Positive.
    intercept : bool
    score : {'r2', 'correlation'}
        R² = 1 − SSE / SST of each group, or Pearson correlation.
    progress : callable, optional
        Wraps the loop over `gammas`.

    Raises
    ------
    ValueError
        If there are fewer than two groups, or a penalty is not positive.
    """
    widths = [x.shape[1] for x in features]
    order, rows = _groups(groups)
    if len(rows) < 2:
        raise ValueError("cross-validation needs at least two groups")
    if min(alphas) <= 0:
        raise ValueError("penalties must be positive")
    order = order.to(targets.device)
    x = torch.cat([f.to(torch.float64) for f in features], 1)[order]
    y = targets[order]
    # Any constant may be taken away when there is an intercept; float32 keeps more digits then.
    centre = (x.mean(0), y.mean(0)) if intercept else (torch.zeros_like(x[0]), y.new_zeros(()))
    x, y = x - centre[0], y - centre[1]
    gram = x.T @ x
    largest = float(torch.linalg.matrix_norm(gram)) * float(np.max(gammas))
    wide = y.dtype == torch.float64 or float(min(alphas)) < NARROW * largest
    cross = (x.T @ y.double()) if wide else (x.T.to(y.dtype) @ y)
    penalties = torch.as_tensor(np.asarray(alphas, float), device=y.device)
    folds = [_fold(x, gram, f, intercept, score) for f in rows]
    best = torch.full((y.shape[1],), -torch.inf, dtype=y.dtype, device=y.device)
    gamma = torch.zeros(len(best), dtype=torch.long, device=y.device)
    alpha = torch.zeros_like(gamma)
    for g in progress(range(len(gammas))):
        root = _roots(gammas[g], widths, y.device)
        found = torch.zeros(len(penalties), len(best), dtype=y.dtype, device=y.device)
        for fold in folds:
            found += _score_fold(x, y, cross, fold, root, penalties, score)
        found /= len(folds)
        for a in range(len(penalties)):
            tie = (found[a] == best) & (penalties[a] > penalties[alpha])
            better = (found[a] > best) | tie
            best = torch.where(better, found[a], best)
            gamma[better], alpha[better] = g, a
    weights = _refit(gram, cross, gammas, penalties, gamma, alpha, widths)
    offset = centre[1].double() - centre[0] @ weights
    return PrimalFit(gamma, alpha, best, weights.to(y.dtype), offset.to(y.dtype))


def _groups(groups: np.ndarray) -> tuple[torch.Tensor, list[slice]]:
    """An order in which groups are contiguous, and their slices."""
    _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    rows = [slice(int(e - c), int(e)) for e, c in zip(ends, counts, strict=True)]
    return torch.from_numpy(np.argsort(index, kind="stable")), rows


def _roots(gamma: np.ndarray, widths: Sequence[int], device: torch.device) -> torch.Tensor:
    """Root of each feature's band weight, (p,)."""
    root = np.repeat(np.sqrt(np.asarray(gamma, float)), widths)
    return torch.as_tensor(root, device=device)


def _fold(x: torch.Tensor, gram: torch.Tensor, rows: slice, intercept: bool, score: Score) -> _Fold:
    own = x[rows]
    train = len(x) - len(own)
    mean = -own.sum(0) / train if intercept else torch.zeros_like(own[0])
    left = gram - own.T @ own - train * torch.outer(mean, mean)
    # R² asks how far predictions are from data, correlation only how they vary in the group.
    held = own - (own.mean(0) if score == "correlation" else mean)
    if len(held) <= held.shape[1]:
        return _Fold(left, rows, held, None, mean)
    basis, root = torch.linalg.qr(held)
    return _Fold(left, rows, root, basis, mean)


def _score_fold(
    x: torch.Tensor,
    y: torch.Tensor,
    cross: torch.Tensor,
    fold: _Fold,
    root: torch.Tensor,
    penalties: torch.Tensor,
    score: Score,
) -> torch.Tensor:
    """Score of every penalty and voxel in one group, (penalties, voxels)."""
    used = root > 0
    scale = root[used]
    values, vectors = _eigen(fold.gram[used][:, used] * torch.outer(scale, scale))
    # The training data's coordinates along each eigenvector are bounded by the data themselves:
    # what remains is a filter between 0 and 1, and float32 suffices from here on.
    whiten = torch.zeros(len(root), len(values), dtype=root.dtype, device=root.device)
    whiten[used] = scale[:, None] * vectors * values.rsqrt()
    operators, mixing = _operators(
        (fold.root[:, used] * scale) @ vectors,
        values.sqrt() / (values + penalties[:, None]),
        y.dtype,
    )
    flat = operators.flatten(0, 1).to(y.dtype)
    # The training mean counts as one more row, as often as there are training samples.
    train = len(x) - (fold.rows.stop - fold.rows.start)
    own = torch.cat([x[fold.rows], train**0.5 * fold.mean[None]]).to(cross.dtype)
    whiten = whiten.to(cross.dtype)
    basis = None if fold.basis is None else fold.basis.to(y.dtype)
    centred = bool(fold.mean.any())
    out = torch.empty(len(penalties), y.shape[1], dtype=y.dtype, device=y.device)
    for part in _slices(y.shape[1], max(1, BLOCK // max(len(flat), 1))):
        theirs = y[fold.rows, part]
        level = -theirs.sum(0) / train if centred else torch.zeros_like(theirs[0])
        augmented = torch.cat([theirs, train**0.5 * level[None]]).to(cross.dtype)
        known = torch.addmm(cross[:, part], own.T, augmented, alpha=-1)
        coordinates = (known.T @ whiten).to(y.dtype)
        target = theirs - (theirs.mean(0) if score == "correlation" else level)
        predicted = (coordinates @ flat.T).view(len(coordinates), *operators.shape[:2])
        inside = (target if basis is None else basis.T @ target).T.contiguous()
        out[:, part] = _scores(predicted, target, inside, mixing, score)
    return out


def _operators(
    held: torch.Tensor, filters: torch.Tensor, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What turns coordinates into predictions: (k, q, p), and how to mix them, (k, penalties).

    Penalties close to each other, or beyond the spectrum, predict nearly the same: as functions
    of the penalty, predictions have a low rank k, found here by singular values. Where that
    saves little, k is the number of penalties, and there is no mixing.
    """
    size = torch.linalg.vector_norm(held, dim=0)
    left, values, right = torch.linalg.svd((filters * size).T, full_matrices=False)
    kept = values > SAME[dtype] * values[:1]
    rank, penalties = int(kept.sum()), len(filters)
    if (penalties - rank) * held.shape[1] < SMALL_PRODUCT * rank**2:
        return held * filters[:, None], None
    direction = held / torch.where(size > 0, size, 1.0)
    return direction * (left * values).T[kept][:, None], right[kept].to(dtype)


def _scores(
    predicted: torch.Tensor,
    target: torch.Tensor,
    inside: torch.Tensor,
    mixing: torch.Tensor | None,
    score: Score,
) -> torch.Tensor:
    """R² or correlation, (penalties, voxels); 0 where the data do not vary.

    Parameters
    ----------
    predicted : Tensor of shape (voxels, k, q)
        Overwritten.
    target : Tensor of shape (rows, voxels)
    inside : Tensor of shape (voxels, q)
        The data in the basis of the predictions.
    mixing : Tensor of shape (k, penalties) or None
    score : {'r2', 'correlation'}
    """
    spread = (target - target.mean(0)).square().sum(0)
    if score == "r2" and mixing is None:
        outside = target.square().sum(0) - inside.square().sum(1)
        left = torch.linalg.vector_norm(predicted.neg_().add_(inside[:, None]), dim=2)
        return torch.where(spread > 0, 1 - (left.square().T + outside) / spread, 0.0)
    common = (predicted @ inside[:, :, None])[:, :, 0].T
    if mixing is None:
        power = torch.linalg.vector_norm(predicted, dim=2).square().T
    else:
        pairs = (mixing[:, None] * mixing).flatten(0, 1)
        power = ((predicted @ predicted.mT).flatten(1) @ pairs).T.clamp_min(0)
        common = mixing.T @ common
    if score == "correlation":
        norm = (power * spread).sqrt()
        return torch.where(norm > 0, common / norm, 0.0)
    error = target.square().sum(0) - 2 * common + power
    return torch.where(spread > 0, 1 - error / spread, 0.0)


def _slices(number: int, step: int) -> Iterator[slice]:
    for start in range(0, number, step):
        yield slice(start, start + step)


def _eigen(gram: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues and vectors of what the data determine; directions lost in rounding go."""
    values, vectors = torch.linalg.eigh((gram + gram.T) / 2)
    if not len(values):
        return values, vectors
    kept = values > values[-1].clamp_min(0) * len(values) * torch.finfo(values.dtype).eps
    return values[kept], vectors[:, kept]


def _refit(
    gram: torch.Tensor,
    cross: torch.Tensor,
    gammas: np.ndarray,
    penalties: torch.Tensor,
    gamma: torch.Tensor,
    alpha: torch.Tensor,
    widths: Sequence[int],
) -> torch.Tensor:
    """Weights (p, voxels) of every voxel under its own candidate, on all samples."""
    weights = torch.zeros(cross.shape, dtype=torch.float64, device=cross.device)
    for g in torch.unique(gamma).tolist():
        voxels = torch.nonzero(gamma == g)[:, 0]
        root = _roots(gammas[g], widths, cross.device)
        values, vectors = _eigen(gram * torch.outer(root, root))
        turned = (root[:, None] * vectors).to(cross.dtype)
        along = turned.T @ cross[:, voxels]
        along /= (values[:, None] + penalties[alpha[voxels]]).to(cross.dtype)
        weights[:, voxels] = (turned @ along).double()
    return weights
