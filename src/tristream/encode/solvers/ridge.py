"""Ridge and banded ridge in primal form, for fewer features than samples.

With p features in all, X'X and X'Y stand for the samples: those of a fold's training data are the
whole's less the fold's, so no pass over training rows is needed for each fold. One
eigendecomposition serves all penalties. A fold of more rows than features is replaced by the
triangle of its QR decomposition, which leaves inner products of predictions as they are. Band
weights (:mod:`tristream.encode.solvers.banded_ridge`) scale the features by their root.

Matrices of p by p are float64. Products with targets are taken in the targets' own type, with an
orthonormal basis of the features: however small a penalty is, rounding stays that of the data.
Under float32 all penalties are looked at in bfloat16 where that is quicker, and from few operators;
those that may be a voxel's best are then scored in float32. With float64 all are scored in full.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from tristream.encode.solvers.nodes import fast_type
from tristream.encode.solvers.problem import in_chunks

Score = Literal["r2", "correlation"]
# Share of the largest singular value below which two penalties predict the same, by the type of
# the first sight. Only float64 has no second.
SAME = {torch.bfloat16: 1e-3, torch.float32: 1e-4, torch.float64: 1e-13}
# A penalty whose score is below the best by more than this, over the root of the samples, at first
# sight is not the best. With 1,000 samples the slack is 1.3e-3, and bfloat16 was wrong by 1e-4
# (standard deviation) and 5e-4 (largest of 4,000 voxels).
SLACK = 0.04
# A product of two matrices of some ten rows costs so many times that of large ones.
SMALL_PRODUCT = 6
# Numbers held by one block of predictions, 8 MB in float32: near the cache.
BLOCK = 2_000_000
# Voxels whose coordinates are held.
VOXELS = 2048


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
    own : Tensor of shape (rows + 1, r)
        The group's rows of the features' basis; the training mean counts as one more, as often as
        there are training samples.
    train : int
        Number of these.
    """

    gram: torch.Tensor
    rows: slice
    root: torch.Tensor
    basis: torch.Tensor | None
    own: torch.Tensor
    train: int


@dataclass(frozen=True)
class _Scorer:
    """A held-out group under one band weighting.

    Attributes
    ----------
    whiten : Tensor of shape (r, k)
        From products with the features' basis to coordinates along the training eigenvectors. These
        are bounded by the data: what remains is a filter between 0 and 1.
    held : Tensor of shape (q, k)
        From filtered coordinates to predictions.
    filters : Tensor of shape (penalties, k)
    operators : Tensor of shape (m, q, k)
        What stands for all penalties at first sight.
    mixing : Tensor of shape (m, penalties) or None
        None if each penalty has its own.
    """

    whiten: torch.Tensor
    held: torch.Tensor
    filters: torch.Tensor
    operators: torch.Tensor
    mixing: torch.Tensor | None


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
        One a band; where they lie is where is computed.
    targets : Tensor of shape (n, voxels), float32 or float64
        May lie elsewhere, or on disk (a tensor over a memory map); chunks are moved.
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
    device, dtype = features[0].device, targets.dtype
    x = torch.cat([f.to(torch.float64) for f in features], 1)[order.to(device)]
    voxels = targets.shape[1]
    # Any constant may be taken away when there is an intercept; float32 keeps more digits then.
    level = torch.zeros(voxels, dtype=dtype, device=device)
    centre = x.mean(0) if intercept else torch.zeros_like(x[0])
    x = x - centre
    gram = x.T @ x
    basis, triangle = torch.linalg.qr(x)
    cross = torch.empty(basis.shape[1], voxels, dtype=dtype, device=device)

    def rows_of(part: slice) -> torch.Tensor:
        return targets[order.to(targets.device), part].to(device) - level[part]

    def multiply(part: slice) -> None:
        if intercept:
            level[part] = rows_of(part).mean(0)
        cross[:, part] = basis.T.to(dtype) @ rows_of(part)

    chunk = in_chunks(voxels, VOXELS, multiply)
    penalties = torch.as_tensor(np.asarray(alphas, float), device=device)
    folds = [_fold(x, basis, gram, f, intercept, score, dtype) for f in rows]
    best = torch.full((voxels,), -torch.inf, dtype=dtype, device=device)
    gamma = torch.zeros(voxels, dtype=torch.long, device=device)
    alpha = torch.zeros_like(gamma)
    for g in progress(range(len(gammas))):
        root = _roots(gammas[g], widths, device)
        scorers = [_scorer(fold, triangle, root, penalties, dtype, score) for fold in folds]

        def choose(part: slice, g: int = g, scorers: list[_Scorer] = scorers) -> None:
            found = _score(rows_of(part), cross[:, part], folds, scorers, best[part], score)
            for a, own in enumerate(found):
                tie = (own == best[part]) & (penalties[a] > penalties[alpha[part]])
                better = (own > best[part]) | tie
                best[part][better] = own[better]
                gamma[part][better], alpha[part][better] = g, a

        chunk = in_chunks(voxels, chunk, choose)
    weights = _refit(gram, triangle, cross, gammas, penalties, gamma, alpha, widths)
    offset = level.double() - centre @ weights
    return PrimalFit(gamma, alpha, best, weights.to(dtype), offset.to(dtype))


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


def _fold(
    x: torch.Tensor,
    basis: torch.Tensor,
    gram: torch.Tensor,
    rows: slice,
    intercept: bool,
    score: Score,
    dtype: torch.dtype,
) -> _Fold:
    own = x[rows]
    train = len(x) - len(own)
    mean = -own.sum(0) / train if intercept else torch.zeros_like(own[0])
    left = gram - own.T @ own - train * torch.outer(mean, mean)
    level = basis[rows].sum(0) / -(train**0.5) if intercept else torch.zeros_like(basis[0])
    along = torch.cat([basis[rows], level[None]]).to(dtype)
    # R² asks how far predictions are from data, correlation only how they vary in the group.
    held = own - (own.mean(0) if score == "correlation" else mean)
    if len(held) <= held.shape[1]:
        return _Fold(left, rows, held, None, along, train)
    turn, root = torch.linalg.qr(held)
    return _Fold(left, rows, root, turn.to(dtype), along, train)


def _scorer(
    fold: _Fold,
    triangle: torch.Tensor,
    root: torch.Tensor,
    penalties: torch.Tensor,
    dtype: torch.dtype,
    score: Score,
) -> _Scorer:
    used = root > 0
    scale = root[used]
    values, vectors = _eigen(fold.gram[used][:, used] * torch.outer(scale, scale))
    whiten = triangle[:, used] @ (scale[:, None] * vectors * values.rsqrt())
    held = (fold.root[:, used] * scale) @ vectors
    filters = values.sqrt() / (values + penalties[:, None])
    if score == "correlation" and len(values):
        # Only their direction matters, and large penalties must not vanish beside small ones.
        filters /= filters.amax(1, keepdim=True)
    quick = fast_type(root.device, dtype)
    operators, mixing = _operators(held, filters, quick)
    mixing = None if mixing is None else mixing.to(dtype)
    return _Scorer(whiten.to(dtype), held.to(dtype), filters.to(dtype), operators, mixing)


def _score(
    y: torch.Tensor,
    cross: torch.Tensor,
    folds: Sequence[_Fold],
    scorers: Sequence[_Scorer],
    best: torch.Tensor,
    score: Score,
) -> torch.Tensor:
    """Mean score over groups of every penalty and voxel, (penalties, voxels).

    -inf for those that are not the best of a voxel, nor better than `best`.
    """
    held = [_held(y, cross, *pair, score) for pair in zip(folds, scorers, strict=True)]
    first = torch.stack(
        [_first_sight(*pair, score) for pair in zip(scorers, held, strict=True)]
    ).mean(0)
    if y.dtype == torch.float64:
        return first
    likely = first >= torch.maximum(first.amax(0), best) - SLACK / len(y) ** 0.5
    out = torch.full_like(first, -torch.inf)
    for a in range(len(first)):
        voxels = torch.nonzero(likely[a])[:, 0]
        if len(voxels):
            exact = [_exact(*pair, a, voxels, score) for pair in zip(scorers, held, strict=True)]
            out[a, voxels] = torch.stack(exact).mean(0)
    return out


@dataclass(frozen=True)
class _Held:
    """Voxels in one held-out group.

    Attributes
    ----------
    coordinates : Tensor of shape (voxels, k)
        Training data along the training eigenvectors.
    inside : Tensor of shape (voxels, q)
        The group's data in the basis of the predictions.
    power, spread : Tensor of shape (voxels,)
        Sum of squares of the group's data, and about their mean.
    """

    coordinates: torch.Tensor
    inside: torch.Tensor
    power: torch.Tensor
    spread: torch.Tensor

    def part(self, voxels: slice | torch.Tensor) -> "_Held":
        """The same for some voxels."""
        return _Held(
            self.coordinates[voxels], self.inside[voxels], self.power[voxels], self.spread[voxels]
        )


def _held(
    y: torch.Tensor, cross: torch.Tensor, fold: _Fold, scorer: _Scorer, score: Score
) -> _Held:
    theirs = y[fold.rows]
    # Without an intercept the last row of `own` is zero, and so is this.
    level = -theirs.sum(0) / fold.train * bool(fold.own[-1].any())
    augmented = torch.cat([theirs, fold.train**0.5 * level[None]])
    known = torch.addmm(cross, fold.own.T, augmented, alpha=-1)
    target = theirs - (theirs.mean(0) if score == "correlation" else level)
    inside = target if fold.basis is None else fold.basis.T @ target
    spread = (target - target.mean(0)).square().sum(0)
    return _Held(known.T @ scorer.whiten, inside.T.contiguous(), target.square().sum(0), spread)


def _first_sight(scorer: _Scorer, held: _Held, score: Score) -> torch.Tensor:
    """Score of every penalty and voxel in one group, (penalties, voxels)."""
    flat = scorer.operators.flatten(0, 1)
    shape = scorer.operators.shape[:2]
    out = []
    step = max(1, BLOCK // max(len(flat), 1))
    for start in range(0, len(held.inside), step):
        own = slice(start, start + step)
        product = held.coordinates[own].to(flat.dtype) @ flat.T
        predicted = product.to(held.inside.dtype).view(len(product), *shape)
        out.append(_scores(predicted, held.part(own), scorer.mixing, score))
    return torch.cat(out, 1)


def _exact(
    scorer: _Scorer, held: _Held, penalty: int, voxels: torch.Tensor, score: Score
) -> torch.Tensor:
    """Score of some voxels under one penalty in one group, (voxels,)."""
    few = held.part(voxels)
    predicted = (few.coordinates * scorer.filters[penalty]) @ scorer.held.T
    return _scores(predicted[:, None], few, None, score)[0]


def _operators(
    held: torch.Tensor, filters: torch.Tensor, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What turns coordinates into predictions: (k, q, p), and how to mix them, (k, penalties).

    The former are of type `dtype`, the latter of the filters'.

    Penalties close to each other, or beyond the spectrum, predict nearly the same: as functions
    of the penalty, predictions have a low rank k, found here by singular values. Where that
    saves little, k is the number of penalties, and there is no mixing.
    """
    size = torch.linalg.vector_norm(held, dim=0)
    left, values, right = torch.linalg.svd((filters * size).T, full_matrices=False)
    kept = values > SAME[dtype] * values[:1]
    rank, penalties = int(kept.sum()), len(filters)
    if (penalties - rank) * held.shape[1] < SMALL_PRODUCT * rank**2:
        return (held * filters[:, None]).to(dtype), None
    direction = held / torch.where(size > 0, size, 1.0)
    return (direction * (left * values).T[kept][:, None]).to(dtype), right[kept]


def _scores(
    predicted: torch.Tensor, held: _Held, mixing: torch.Tensor | None, score: Score
) -> torch.Tensor:
    """R² or correlation, (penalties, voxels); 0 where the data do not vary.

    Parameters
    ----------
    predicted : Tensor of shape (voxels, m, q)
        Overwritten.
    held : _Held
        The same voxels.
    mixing : Tensor of shape (m, penalties) or None
    score : {'r2', 'correlation'}
    """
    inside, spread = held.inside, held.spread
    if score == "r2" and mixing is None:
        outside = held.power - inside.square().sum(1)
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
    return torch.where(spread > 0, 1 - (held.power - 2 * common + power) / spread, 0.0)


def _eigen(gram: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues and vectors of what the data determine; directions lost in rounding go."""
    values, vectors = torch.linalg.eigh((gram + gram.T) / 2)
    if not len(values):
        return values, vectors
    kept = values > values[-1].clamp_min(0) * len(values) * torch.finfo(values.dtype).eps
    return values[kept], vectors[:, kept]


def _refit(
    gram: torch.Tensor,
    triangle: torch.Tensor,
    cross: torch.Tensor,
    gammas: np.ndarray,
    penalties: torch.Tensor,
    gamma: torch.Tensor,
    alpha: torch.Tensor,
    widths: Sequence[int],
) -> torch.Tensor:
    """Weights (p, voxels) of every voxel under its own candidate, on all samples."""
    shape = len(gram), cross.shape[1]
    weights = torch.zeros(shape, dtype=torch.float64, device=cross.device)
    for g in torch.unique(gamma).tolist():
        voxels = torch.nonzero(gamma == g)[:, 0]
        root = _roots(gammas[g], widths, cross.device)
        values, vectors = _eigen(gram * torch.outer(root, root))
        turned = root[:, None] * vectors
        along = (triangle @ (turned * values.rsqrt())).to(cross.dtype).T @ cross[:, voxels]
        filters = values.sqrt()[:, None] / (values[:, None] + penalties[alpha[voxels]])
        weights[:, voxels] = (turned.to(cross.dtype) @ along.mul_(filters)).double()
    return weights
