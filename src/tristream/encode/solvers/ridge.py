"""Ridge and banded ridge in primal form, for fewer features than samples.

Band weights (:mod:`tristream.encode.solvers.banded_ridge`) scale the features by their root. Under
each weighting one eigendecomposition of the features' products, p by p, gives an orthonormal basis
of the samples; from the targets' products with that, voxels are fitted and every held-out group is
predicted (:mod:`tristream.encode.solvers.held_out`). A group of more rows than features is replaced
by the triangle of its QR decomposition, which leaves inner products of predictions as they are.

What is of features alone is float64, and rounded where that is safe. Products with targets are
taken in the targets' own type: with an orthonormal basis, rounding stays that of the data, however
small a penalty is. How penalties are scored: :mod:`tristream.encode.solvers.penalties`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from tristream.encode.solvers.averaging import (
    LEAST,
    MEASURED,
    MEASURED_ON,
    SMALLEST,
    Weights,
    standard_error,
)
from tristream.encode.solvers.held_out import Spectrum, gram
from tristream.encode.solvers.penalties import Score, Search, by_group, held_out_data, scores
from tristream.encode.solvers.problem import in_chunks
from tristream.encode.solvers.ridge_regions import fit_regions, sampled_scores
from tristream.encode.solvers.shared_choice import Regions
from tristream.encode.solvers.target_columns import Columns

# Voxels whose coordinates are held.
VOXELS = 2048
# Voxels that tell which penalties matter; of so few, all are scored in full.
SAMPLE = 64


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
    average : PrimalAverage or None
        The mean of near-best candidates, with ``select="average"``.
    """

    gamma: torch.Tensor
    alpha: torch.Tensor
    score: torch.Tensor
    weights: torch.Tensor
    intercept: torch.Tensor
    average: "PrimalAverage | None" = None


@dataclass(frozen=True)
class PrimalAverage:
    """The mean model of every voxel: see :class:`tristream.encode.solvers.averaging.Averaged`.

    Attributes
    ----------
    gamma : Tensor of shape (bands, voxels)
        Mean band weights.
    weights : Tensor of shape (p, voxels)
    intercept, number : Tensor of shape (voxels,)
    temperature : float
    """

    gamma: torch.Tensor
    weights: torch.Tensor
    intercept: torch.Tensor
    number: torch.Tensor
    temperature: float


def fit(
    features: Sequence[torch.Tensor],
    targets: torch.Tensor,
    groups: np.ndarray,
    gammas: np.ndarray,
    alphas: np.ndarray,
    *,
    intercept: bool = True,
    score: Score = "r2",
    select: str = "best",
    regions: npt.NDArray[np.generic] | None = None,
    sample_weight: npt.NDArray[np.floating] | None = None,
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
    select : {'best', 'average'}
        ``average`` makes the mean of near-best candidates' models, too, see
        :mod:`tristream.encode.solvers.averaging`.
    regions : ndarray of shape (voxels,), optional
        A label for every voxel: those of one label take the same candidate, the one with the best
        mean score over them, or the same mean of candidates. Voxels that vary in no group do not
        count. Everything is then scored in full, which takes longer.
    sample_weight : ndarray of shape (n,), optional
        Positive; what multiplies each sample's squared error, in fits and in scores.
    progress : callable, optional
        Wraps the loop over `gammas`.

    Raises
    ------
    ValueError
        If there are fewer than two groups, a penalty or a weight is not positive, or there are not
        as many regions as voxels.
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
    weights = None
    if sample_weight is not None:
        if sample_weight.shape != (len(x),) or not (sample_weight > 0).all():
            raise ValueError(f"sample_weight must be {len(x)} positive numbers")
        weights = torch.as_tensor(sample_weight, dtype=x.dtype)[order].to(device)
    centre = torch.zeros_like(x[0])
    if intercept:
        centre = x.mean(0) if weights is None else weights @ x / weights.sum()
    x -= centre
    if weights is not None:
        x *= weights.sqrt()[:, None]
    products = gram(x)
    penalties = torch.as_tensor(np.asarray(alphas, float), device=device)
    columns = Columns(targets, order, intercept, device, weights)

    def searched(g: int, sample: torch.Tensor | None = None) -> tuple[Spectrum, Search]:
        spectrum = Spectrum.of(x, products, _roots(gammas[g], widths, device))
        return spectrum, Search.of(
            spectrum, rows, penalties, voxels, intercept, score, dtype, sample, weights
        )

    if regions is not None:
        shared = Regions.of(regions, columns.vary(rows, VOXELS))
        temperature = None
        if select == "average":
            temperature = _noise(
                len(gammas), lambda g: sampled_scores(columns, shared, searched(g)[1])
            )
        found = fit_regions(
            columns, shared, searched, gammas, alphas, temperature, x.shape[1], VOXELS, progress
        )
        average = None
        if temperature is not None:
            average = _average(
                columns, centre, found.shares, found.sums, found.total, found.squares, temperature
            )
        restored = columns.restored(found.weights, centre)
        return PrimalFit(found.gamma, found.alpha, found.score, *restored, average)
    level = columns.level
    best = torch.full_like(level, -torch.inf)
    gamma = torch.zeros(voxels, dtype=torch.long, device=device)
    alpha = torch.zeros_like(gamma)
    models = torch.zeros(voxels, x.shape[1], dtype=dtype, device=device)
    chunk = VOXELS
    averaging, margin = None, 0.0
    shares = level.new_zeros(voxels, len(features))
    sums = torch.zeros_like(models if select == "average" else shares)
    if select == "average":
        some = columns.take(torch.arange(0, voxels, -(-voxels // MEASURED_ON)))
        temperature = _noise(len(gammas), lambda g: by_group(some, searched(g)[1]))
        averaging = Weights(temperature, level, [shares, sums])
        margin = -temperature * math.log(SMALLEST)
    sample = None
    if dtype != torch.float64 and voxels > SAMPLE:
        sample = columns.take(torch.arange(0, voxels, voxels // SAMPLE)[:SAMPLE])
    for g in progress(range(len(gammas))):
        spectrum, search = searched(g, sample)
        values, vectors = spectrum.values, spectrum.vectors.to(dtype)
        filters = (values.sqrt() / (values + penalties[:, None])).to(dtype)

        def choose(
            part: slice,
            g: int = g,
            search: Search = search,
            vectors: torch.Tensor = vectors,
            filters: torch.Tensor = filters,
        ) -> None:
            held, whole = held_out_data(columns.take(part), search)
            top, chosen = best[part].clone(), alpha[part].clone()
            better = torch.zeros_like(top, dtype=torch.bool)
            found = scores(held, search, top, margin)
            for a, own in enumerate(found):
                tie = (own == top) & (penalties[a] > penalties[chosen])
                now = (own > top) | tie
                top[now], chosen[now] = own[now], a
                better |= now
            new = torch.nonzero(better)[:, 0]
            along = whole.index_select(0, new).mul_(filters[chosen[new]])
            models[part].index_copy_(0, new, along @ vectors.T)
            # Last, so that a part that ran out of memory can be begun anew.
            best[part], alpha[part] = top, chosen
            gamma[part][better] = g
            if averaging is not None:
                found[found < top - margin] = -torch.inf
                near = torch.nonzero(torch.isfinite(found).any(0))[:, 0]
                own, places = whole[near], near + part.start
                share = averaging.of(places, found[:, near]).T
                row = torch.as_tensor(gammas[g], dtype=dtype, device=device)
                shares.index_add_(0, places, share.sum(1, keepdim=True) * row)
                sums.index_add_(0, places, (own * (share @ filters)) @ vectors.T)

        chunk = in_chunks(voxels, chunk, choose)
    average = None
    if averaging is not None:
        total, squares = averaging.total, averaging.squares
        average = _average(columns, centre, shares, sums, total, squares, averaging.temperature)
    return PrimalFit(gamma, alpha, best, *columns.restored(models, centre), average)


def _noise(weightings: int, by_fold: Callable[[int], torch.Tensor]) -> float:
    """Standard error of differences between near-best scores.

    `by_fold` gives scores (penalties, voxels, groups) under a band weighting. A few weightings
    tell; of a few voxels, perhaps more. The first ones, all bands alike and each alone, serve few
    voxels, and differ from each other more than near-best ones do.
    """
    drawn = np.random.default_rng(0).permutation(weightings).tolist()
    seen: list[torch.Tensor] = []
    temperature = LEAST
    while temperature == LEAST and len(seen) < weightings:
        seen += [by_fold(g) for g in drawn[len(seen) : max(MEASURED, 2 * len(seen))]]
        temperature = standard_error(torch.cat(seen))
    return temperature


def _average(
    columns: Columns,
    centre: torch.Tensor,
    shares: torch.Tensor,
    sums: torch.Tensor,
    total: torch.Tensor,
    squares: torch.Tensor,
    temperature: float,
) -> PrimalAverage:
    """The mean model, from sums (voxels, bands or p) under weights of a `total`."""
    mean, offset = columns.restored(sums.div_(total[:, None]), centre)
    gamma = (shares / total[:, None]).T
    return PrimalAverage(gamma, mean, offset, total.square() / squares, temperature)


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
