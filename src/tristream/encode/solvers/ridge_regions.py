"""Ridge in primal form where targets of a region take one candidate together.

First every candidate is scored on every target, and scores are averaged over regions; then each
target is fitted under its region's candidates. That is the order, not one pass as in
:mod:`tristream.encode.solvers.ridge`, because no target knows its candidate before all are scored.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from tristream.encode.solvers.averaging import MEASURED_ON, SMALLEST
from tristream.encode.solvers.held_out import Spectrum
from tristream.encode.solvers.penalties import Search, by_group, held_out_data, scores
from tristream.encode.solvers.problem import in_chunks
from tristream.encode.solvers.shared_choice import Regions, ranked
from tristream.encode.solvers.target_columns import Columns

Searched = Callable[[int], tuple[Spectrum, Search]]


@dataclass(frozen=True)
class RegionFit:
    """Each target's model under its region's candidate.

    Attributes
    ----------
    gamma, alpha : Tensor of int of shape (voxels,)
        Indices into the candidates, equal within a region.
    score : Tensor of shape (voxels,)
        A target's own cross-validated score.
    weights : Tensor of shape (voxels, p)
        In units of the targets.
    shares, total, squares : Tensor of shape (voxels, bands), (voxels,), (voxels,)
        Of the mean of near-best candidates: sums of band weights, of weights, of their squares.
    sums : Tensor of shape (voxels, p)
        Sum of the models under these weights; empty without an average.
    """

    gamma: torch.Tensor
    alpha: torch.Tensor
    score: torch.Tensor
    weights: torch.Tensor
    shares: torch.Tensor
    total: torch.Tensor
    squares: torch.Tensor
    sums: torch.Tensor


def sampled_scores(columns: Columns, regions: Regions, search: Search) -> torch.Tensor:
    """Scores (penalties, some regions, groups) under one band weighting, to tell their noise."""
    index = regions.index
    units = index[regions.steers].unique()
    units = units[:: -(-len(units) // MEASURED_ON) or 1]
    some = torch.nonzero(regions.steers & torch.isin(index, units))[:, 0]
    sums = [
        regions.sums(by_group(columns.take(own), search).mT, own) for own in some.split(MEASURED_ON)
    ]
    return regions.means(torch.stack(sums).sum(0))[..., units].mT


def fit_regions(
    columns: Columns,
    regions: Regions,
    searched: Searched,
    gammas: npt.NDArray[np.floating],
    alphas: npt.NDArray[np.floating],
    temperature: float | None,
    features: int,
    chunk: int,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> RegionFit:
    """Choose every region's candidate, and fit its targets.

    Parameters
    ----------
    columns : Columns
    regions : Regions
    searched : callable
        From the number of a band weighting to what it makes of samples and of held-out groups.
    gammas : ndarray of shape (weightings, bands)
    alphas : ndarray of shape (penalties,)
    temperature : float or None
        Of the mean of near-best candidates; None without it.
    features : int
        p.
    chunk : int
        Targets at a time.
    progress : callable
        Wraps the loop over band weightings.
    """
    penalties, voxels = len(alphas), len(regions.index)
    table = torch.zeros(
        len(gammas), penalties, regions.number, dtype=torch.float64, device=columns.device
    )
    for g in progress(range(len(gammas))):
        search = searched(g)[1]

        def look(part: slice, g: int = g, search: Search = search) -> None:
            held = held_out_data(columns.take(part), search)[0]
            found = scores(held, search, columns.level.new_full((), -torch.inf))
            table[g] += regions.sums(found, part)

        chunk = in_chunks(voxels, chunk, look)
    table = regions.means(table).flatten(0, 1)
    chosen, best = (x[:, 0] for x in ranked(table, alphas, 1))
    shares = torch.zeros_like(table)
    shares[chosen, torch.arange(len(chosen), device=chosen.device)] = 1
    averaged = temperature is not None
    if temperature is not None:
        rise = (table - best) / temperature
        shares = torch.where(rise >= math.log(SMALLEST), rise.exp(), 0.0)
    shares = shares.view(len(gammas), penalties, -1)
    index = regions.index
    gamma, alpha = (chosen // penalties)[index], (chosen % penalties)[index]
    models = _Models(columns, regions, gamma, alpha, averaged, features)
    for g in torch.nonzero(shares.flatten(1).any(1))[:, 0].tolist():
        models.add(g, *searched(g), alphas, shares[g], chunk)
    rows = torch.as_tensor(np.asarray(gammas, float), device=columns.device)
    total, squares = shares.sum((0, 1)), shares.square().sum((0, 1))
    mixed = shares.sum(1).T @ rows
    mixed, total, squares = (own[index].to(models.score.dtype) for own in (mixed, total, squares))
    return RegionFit(gamma, alpha, models.score, models.weights, mixed, total, squares, models.sums)


class _Models:
    """Targets' models, one band weighting after the other."""

    def __init__(
        self,
        columns: Columns,
        regions: Regions,
        gamma: torch.Tensor,
        alpha: torch.Tensor,
        averaged: bool,
        features: int,
    ) -> None:
        self.columns, self.regions, self.gamma, self.alpha = columns, regions, gamma, alpha
        self.score = torch.zeros_like(columns.level)
        self.weights = self.score.new_zeros(len(gamma), features)
        self.sums = torch.zeros_like(self.weights) if averaged else self.weights[:, :0]

    def add(
        self,
        g: int,
        spectrum: Spectrum,
        search: Search,
        alphas: npt.NDArray[np.floating],
        shares: torch.Tensor,
        chunk: int,
    ) -> None:
        """Fit under one band weighting, penalties having `shares` (penalties, regions)."""
        dtype, index = self.weights.dtype, self.regions.index
        vectors, values = spectrum.vectors.to(dtype), spectrum.values
        penalties = torch.as_tensor(alphas, device=values.device)
        filters = values.sqrt() / (values + penalties[:, None])
        shared, filters = (shares.T @ filters).to(dtype), filters.to(dtype)
        members = torch.nonzero(shares.any(0)[index])[:, 0]

        def step(part: slice) -> None:
            own = members[part]
            held, whole = held_out_data(self.columns.take(own), search)
            here = torch.nonzero(self.gamma[own] == g)[:, 0]
            best = own[here]
            penalty = self.alpha[best]
            none = self.score.new_full((), -torch.inf)
            found = scores([h.part(here) for h in held], search, none)
            self.score[best] = found.gather(0, penalty[None])[0].to(dtype)
            self.weights[best] = (whole[here] * filters[penalty]) @ vectors.T
            if self.sums.shape[1]:
                # Last, so that a part that ran out of memory can be begun anew.
                self.sums[own] += (whole * shared[index[own]]) @ vectors.T

        in_chunks(len(members), chunk, step)
