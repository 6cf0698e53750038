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

# Voxels whose coordinates are held.
VOXELS = 2048
# Targets between one over this and this are left as they are.
SIZE = 1e4
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
    x -= centre
    products = gram(x)
    penalties = torch.as_tensor(np.asarray(alphas, float), device=device)
    level = torch.zeros(voxels, dtype=dtype, device=device)
    unit = torch.zeros_like(level)
    best = torch.full_like(level, -torch.inf)
    gamma = torch.zeros(voxels, dtype=torch.long, device=device)
    alpha = torch.zeros_like(gamma)
    weights = torch.zeros(voxels, x.shape[1], dtype=dtype, device=device)
    chunk = VOXELS

    def take(part: slice | torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Some targets (n, some) in units of their own, and what was taken from each."""
        y = targets[:, part][order.to(targets.device)].to(device)
        # Any constant may be taken away with an intercept; float32 keeps more digits.
        mean = y.mean(0) if intercept else torch.zeros_like(y[0])
        y.sub_(mean)
        own = unit[part]
        if not bool(own.all()):
            own = unit[part] = _units(y)
        return (y if bool((own == 1).all()) else y.div_(own)), mean

    averaging, margin = None, 0.0
    shares = level.new_zeros(voxels, len(features))
    sums = torch.zeros_like(weights if select == "average" else shares)
    if select == "average":
        some = take(torch.arange(0, voxels, -(-voxels // MEASURED_ON)))[0]
        # A few weightings tell; of a few voxels, perhaps more. The first ones, all bands alike and
        # each alone, serve few voxels, and differ from each other more than near-best ones do.
        drawn = gammas[np.random.default_rng(0).permutation(len(gammas))]
        by_fold: list[torch.Tensor] = []
        temperature = LEAST
        while temperature == LEAST and len(by_fold) < len(gammas):
            for g in drawn[len(by_fold) : max(MEASURED, 2 * len(by_fold))]:
                spectrum = Spectrum.of(x, products, _roots(g, widths, device))
                own = Search.of(spectrum, rows, penalties, voxels, intercept, score, dtype, None)
                by_fold.append(by_group(some, own))
            temperature = standard_error(torch.cat(by_fold))
        averaging = Weights(temperature, level, [shares, sums])
        margin = -temperature * math.log(SMALLEST)
    sample = None
    if dtype != torch.float64 and voxels > SAMPLE:
        sample = take(torch.arange(0, voxels, voxels // SAMPLE)[:SAMPLE])[0]
    for g in progress(range(len(gammas))):
        spectrum = Spectrum.of(x, products, _roots(gammas[g], widths, device))
        search = Search.of(spectrum, rows, penalties, voxels, intercept, score, dtype, sample)
        values, vectors = spectrum.values, spectrum.vectors.to(dtype)
        filters = (values.sqrt() / (values + penalties[:, None])).to(dtype)

        def choose(
            part: slice,
            g: int = g,
            search: Search = search,
            vectors: torch.Tensor = vectors,
            filters: torch.Tensor = filters,
        ) -> None:
            y, level[part] = take(part)
            held, whole = held_out_data(y, search)
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
            weights[part].index_copy_(0, new, along @ vectors.T)
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
    for found in (weights, *([] if averaging is None else [sums])):
        if bool((unit != 1).any()):
            found.mul_(unit[:, None])
    offset = level.double() - weights.double() @ centre
    average = None
    if averaging is not None:
        total = averaging.total
        mean = sums.div_(total[:, None])
        average = PrimalAverage(
            (shares / total[:, None]).T,
            mean.T,
            (level.double() - mean.double() @ centre).to(dtype),
            total.square() / averaging.squares,
            averaging.temperature,
        )
    return PrimalFit(gamma, alpha, best, weights.T, offset.to(dtype), average)


def _units(y: torch.Tensor) -> torch.Tensor:
    """Powers of two that make targets (n, some) of a size whose fourth power float32 can hold.

    Signals in tesla, say; one where a target has such a size.
    """
    largest = torch.maximum(y.amax(0), -y.amin(0))
    powers = torch.ldexp(torch.ones_like(largest), torch.frexp(largest).exponent - 1)
    fits = (largest == 0) | ((largest > 1 / SIZE) & (largest < SIZE))
    return torch.where(fits, 1.0, powers)


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
