"""Ridge and banded ridge in primal form, for fewer features than samples.

Band weights (:mod:`tristream.encode.solvers.banded_ridge`) scale the features by their root. Under
each weighting one eigendecomposition of the features' products, p by p, gives an orthonormal basis
of the samples; from the targets' products with that, voxels are fitted and every held-out group is
predicted (:mod:`tristream.encode.solvers.held_out`). A group of more rows than features is replaced
by the triangle of its QR decomposition, which leaves inner products of predictions as they are.

What is of features alone is float64, and rounded where that is safe. Products with targets are
taken in the targets' own type: with an orthonormal basis, rounding stays that of the data, however
small a penalty is. Under float32 all penalties are looked at in bfloat16 where that is quicker,
mixed from the predictions of a few; those that may be a voxel's best are then scored in float32.
With float64 all are scored in full.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from tristream.encode.solvers.held_out import Group, Predictor, Spectrum, condense
from tristream.encode.solvers.nodes import fast_type
from tristream.encode.solvers.problem import in_chunks

Score = Literal["r2", "correlation"]
# Share of the largest singular value below which operators are left out at first sight.
SAME = 4e-3
# A penalty whose score is below the best by more than this, over the root of the samples, at first
# sight is not the best. With 1,000 samples the slack is 1.3e-3, and bfloat16 was wrong by 1e-4
# (standard deviation) and 1.3e-3 (largest of 4,000 voxels), but by 3e-4 at most in how far it put
# the best below another. Where rounding grows, so does the slack, with the square.
SLACK = 0.04
# Numbers held by one block of predictions, 2 MB in float32: near the cache.
BLOCK = 500_000
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
    centre = x.mean(0) if intercept else torch.zeros_like(x[0])
    x = x - centre
    gram = x.T @ x
    penalties = torch.as_tensor(np.asarray(alphas, float), device=device)
    level = torch.zeros(voxels, dtype=dtype, device=device)
    best = torch.full_like(level, -torch.inf)
    gamma = torch.zeros(voxels, dtype=torch.long, device=device)
    alpha = torch.zeros_like(gamma)
    weights = torch.zeros(voxels, x.shape[1], dtype=dtype, device=device)
    chunk = VOXELS
    for g in progress(range(len(gammas))):
        spectrum = Spectrum.of(x, gram, _roots(gammas[g], widths, device))
        search = _search(spectrum, rows, penalties, voxels, intercept, score, dtype)
        values, vectors = spectrum.values, spectrum.vectors.to(dtype)
        filters = (values.sqrt() / (values + penalties[:, None])).to(dtype)

        def choose(
            part: slice,
            g: int = g,
            search: _Search = search,
            vectors: torch.Tensor = vectors,
            filters: torch.Tensor = filters,
        ) -> None:
            y = targets[order.to(targets.device), part].to(device)
            if intercept:
                # Any constant may be taken away then; float32 keeps more digits.
                level[part] = y.mean(0)
                y -= level[part]
            products = [y[group.rows].T @ group.own for group in search.groups]
            whole = functools.reduce(torch.add, products)
            top, chosen = best[part].clone(), alpha[part].clone()
            better = torch.zeros_like(top, dtype=torch.bool)
            for a, own in enumerate(_score(y, products, whole, search, top)):
                tie = (own == top) & (penalties[a] > penalties[chosen])
                now = (own > top) | tie
                top[now], chosen[now] = own[now], a
                better |= now
            new = torch.nonzero(better)[:, 0]
            along = whole.index_select(0, new).mul_(filters[chosen[new]])
            weights[part].index_copy_(0, new, along @ vectors.T)
            # Last, so that a part that ran out of memory can be begun anew.
            best[part], alpha[part] = top, chosen
            gamma[part][better] = g

        chunk = in_chunks(voxels, chunk, choose)
    offset = level.double() - weights.double() @ centre
    return PrimalFit(gamma, alpha, best, weights.T, offset.to(dtype))


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


@dataclass(frozen=True)
class _Search:
    """What one band weighting asks of voxels.

    Attributes
    ----------
    groups, predictors
        One a held-out group.
    sights : list of tuple of Tensor
        What stands for all penalties at first sight: operators (m, q, l), of its type, and the
        mixing (m, penalties) of what they predict.
    slack : Tensor of shape (penalties,)
        How far below the best at first sight a penalty may yet be the best.
    score : {'r2', 'correlation'}
    intercept : bool
    """

    groups: list[Group]
    predictors: list[Predictor]
    sights: list[tuple[torch.Tensor, torch.Tensor]]
    slack: torch.Tensor
    score: Score
    intercept: bool


def _search(
    spectrum: Spectrum,
    rows: Sequence[slice],
    penalties: torch.Tensor,
    voxels: int,
    intercept: bool,
    score: Score,
    dtype: torch.dtype,
) -> _Search:
    centred = score == "correlation"
    quick = fast_type(penalties.device, dtype)
    groups = [Group.of(spectrum.basis, r, intercept, centred, dtype) for r in rows]
    predictors, sights = [], []
    for group in groups:
        predictor = Predictor(group, spectrum.values, penalties, voxels, centred)
        operators, mixing = predictor.operators(), torch.eye(len(penalties), dtype=dtype)
        if dtype != torch.float64:
            operators, mixing = condense(operators, predictor.growth**-2, SAME)
        predictors.append(predictor)
        sights.append((operators.to(quick), mixing.to(operators.device)))
    growth = torch.stack([p.growth for p in predictors]).amax(0)
    slack = (growth**2 * SLACK / len(spectrum.basis) ** 0.5).to(dtype)
    return _Search(groups, predictors, sights, slack, score, intercept)


@dataclass(frozen=True)
class _Held:
    """Voxels in one held-out group.

    Attributes
    ----------
    coordinates : Tensor of shape (voxels, l)
        Training data, as predictors want them.
    inside : Tensor of shape (voxels, q)
        The group's data along the axes of predictions.
    outside, spread : Tensor of shape (voxels,)
        Sum of squares of the group's data beyond these axes, and about their mean.
    """

    coordinates: torch.Tensor
    inside: torch.Tensor
    outside: torch.Tensor
    spread: torch.Tensor

    def part(self, voxels: torch.Tensor) -> "_Held":
        """The same for some voxels."""
        every = (self.coordinates, self.inside, self.outside, self.spread)
        return _Held(*(values.index_select(0, voxels) for values in every))


def _held(
    y: torch.Tensor,
    product: torch.Tensor,
    whole: torch.Tensor,
    group: Group,
    predictor: Predictor,
    search: _Search,
) -> _Held:
    theirs = y[group.rows]
    known = product.neg_().add_(whole)
    target = theirs
    if search.intercept:
        level = theirs.sum(0) / -group.train
        known.addr_(level, group.own.sum(0))
        target = theirs - level
    if search.score == "correlation":
        target = theirs - theirs.mean(0)
    if predictor.whiten is not None:
        known = known @ predictor.whiten
    inside = target if group.axes is None else group.axes.T @ target
    outside = target.square().sum(0) - inside.square().sum(0)
    spread = (target - target.mean(0)).square().sum(0)
    return _Held(known, inside.T.contiguous(), outside, spread)


def _score(
    y: torch.Tensor,
    products: Sequence[torch.Tensor],
    whole: torch.Tensor,
    search: _Search,
    best: torch.Tensor,
) -> torch.Tensor:
    """Mean score over groups of every penalty and voxel, (penalties, voxels).

    -inf for those that are not the best of a voxel, nor better than `best`.

    Parameters
    ----------
    y : Tensor of shape (n, voxels)
    products : sequence of Tensor of shape (voxels, k)
        Of each group's data with its rows of the basis; overwritten.
    whole : Tensor of shape (voxels, k)
        Their sum.
    search : _Search
    best : Tensor of shape (voxels,)
    """
    pairs = list(zip(search.groups, search.predictors, strict=True))
    held = [
        _held(y, product, whole, *pair, search)
        for product, pair in zip(products, pairs, strict=True)
    ]
    first = torch.stack(
        [
            _first_sight(*sight, h, search.score)
            for sight, h in zip(search.sights, held, strict=True)
        ]
    ).mean(0)
    if y.dtype == torch.float64:
        return first
    wrong = search.slack[:, None] / 2
    likely = first + wrong >= torch.maximum((first - wrong).amax(0), best)
    out = torch.full_like(first, -torch.inf)
    for a in range(len(first)):
        voxels = torch.nonzero(likely[a])[:, 0]
        if len(voxels):
            parts = [h.part(voxels) for h in held]
            exact = [
                _exact(predictor.predict(part.coordinates, a), part, search.score)
                for predictor, part in zip(search.predictors, parts, strict=True)
            ]
            out[a, voxels] = torch.stack(exact).mean(0)
    return out


def _first_sight(
    operators: torch.Tensor, mixing: torch.Tensor, held: _Held, score: Score
) -> torch.Tensor:
    """Score of every penalty and voxel in one group, (penalties, voxels).

    By inner products of what the operators predict and the data, in which all scores are quadratic.
    """
    flat = operators.flatten(0, 1)
    count, axes = operators.shape[:2]
    data = mixing.new_full((1, mixing.shape[1]), -1.0 if score == "r2" else 0.0)
    signs = torch.cat([mixing, data])
    both = (signs[:, None] * signs).flatten(0, 1)
    common = held.inside.new_empty(len(held.inside), count)
    left = held.inside.new_empty(len(held.inside), mixing.shape[1])
    step = max(1, BLOCK // max(len(flat), 1))
    for start in range(0, len(held.inside), step):
        few = slice(start, start + step)
        inside = held.inside[few]
        rows = inside.new_empty(len(inside), count + 1, axes)
        product = held.coordinates[few].to(flat.dtype) @ flat.T
        rows[:, :count] = product.view(len(inside), count, axes)
        rows[:, count] = inside
        inner = rows @ rows.mT
        common[few] = inner[:, -1, :-1]
        left[few] = inner.flatten(1) @ both
    if score == "correlation":
        return _ratio(common @ mixing, left, held.spread[:, None]).T
    return _explained(left + held.outside[:, None], held.spread[:, None]).T


def _exact(predicted: torch.Tensor, held: _Held, score: Score) -> torch.Tensor:
    """Score of predictions (voxels, q), (voxels,)."""
    if score == "correlation":
        common = (predicted * held.inside).sum(1)
        return _ratio(common, predicted.square().sum(1), held.spread)
    left = torch.linalg.vector_norm(held.inside - predicted, dim=1).square()
    return _explained(left + held.outside, held.spread)


def _explained(left: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """R², 0 where the data do not vary."""
    return torch.where(spread > 0, 1 - left / spread, 0.0)


def _ratio(common: torch.Tensor, power: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """Correlation, 0 where the data or predictions do not vary."""
    norm = (power.clamp_min(0) * spread).sqrt()
    return torch.where(norm > 0, common / norm, 0.0)
