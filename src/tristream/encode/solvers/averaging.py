"""Average predictions over near-best candidates, in place of the best one's alone.

The best of many noisy scores is partly the luckiest. Candidates whose scores differ by less than
the noise of such a difference predict equally well as far as anyone can tell, and the mean of their
predictions is better than that of one of them (Breiman 1996, Ann Stat 24:2350). So a
candidate of cross-validated score s has the weight exp(s / T) in each voxel's mean, and T is the
noise: the standard error, over folds, of the difference between near-best candidates and the best.
It is measured on training folds alone. Nothing but a voxel's shortlist takes part.

A mean of ridge models is linear in the data like each of them. With dual weights a of candidates c,
of weights w and band weights g, a band's prediction is K_b Σ_c w_c g_cb a_c.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tristream.encode.solvers.operators import Operators
from tristream.encode.solvers.problem import Problem
from tristream.encode.solvers.scores import Score

# Candidates of each voxel that take part, and below which share of the best one's weight not.
NUMBER = 16
SMALLEST = 0.02
# The noise is measured for so many of the candidates that serve most voxels, on so many voxels, or
# regions.
MEASURED, MEASURED_ON = 12, 300
# So many at a time.
CHUNK = 512
# Candidates within this of a voxel's best are near it.
NEAR = 0.01
# Of voxels without noise, so that weights stay finite.
LEAST = 1e-6
# Log of a weight above which all are made relative to another score.
FARTHEST = 30.0
# Shares below this are not told; the others make up for them.
TOLD = 1e-4


@dataclass(frozen=True)
class Averaged:
    """The mean model of every voxel.

    Attributes
    ----------
    gamma : Tensor of shape (bands, voxels)
        Mean band weights.
    duals : Tensor of shape (bands, n, voxels)
        Dual weights of each band: kernel times duals times `gamma` is its part of a prediction.
    intercept : Tensor of shape (voxels,)
    number : Tensor of shape (voxels,)
        Candidates that the mean amounts to, one over the sum of their squared shares.
    candidates : Tensor of int of shape (k, voxels)
        Of which candidates it is the mean, the largest share first; band weights times penalties.
    shares : Tensor of shape (k, voxels)
        Of each in the mean, adding up to one; 0 where a voxel has fewer.
    temperature : float
        Difference in score that divides a candidate's weight by e.
    """

    gamma: torch.Tensor
    duals: torch.Tensor
    intercept: torch.Tensor
    number: torch.Tensor
    candidates: torch.Tensor
    shares: torch.Tensor
    temperature: float

    def split(self, sizes: Sequence[int]) -> list["Averaged"]:
        """The models of voxels that were put side by side."""
        each = (self.gamma, self.duals, self.intercept, self.number, self.candidates, self.shares)
        parts = zip(*(x.split(list(sizes), -1) for x in each), strict=True)
        return [Averaged(g, d, i, n, c, s, self.temperature) for g, d, i, n, c, s in parts]


class Weights:
    """Weights of candidates, a few at a time, relative to the best score so far.

    Parameters
    ----------
    temperature : float
        See :func:`noise`.
    like : Tensor of shape (voxels,)
        Of the type and device that are wanted.
    sums : sequence of Tensor of shape (voxels, ...)
        What the caller adds up under the weights; rescaled here.

    Attributes
    ----------
    reference : Tensor of shape (voxels,)
        Score of which the weight is one.
    total, squares : Tensor of shape (voxels,)
        Sums of the weights.
    """

    def __init__(
        self, temperature: float, like: torch.Tensor, sums: Sequence[torch.Tensor]
    ) -> None:
        self.temperature = temperature
        self.reference = torch.full_like(like, -torch.inf)
        self.total, self.squares = torch.zeros_like(like), torch.zeros_like(like)
        self.sums = sums

    def of(self, voxels: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Weights of candidates (k, v) of some voxels, which count from now on.

        Parameters
        ----------
        voxels : Tensor of int of shape (v,)
        scores : Tensor of shape (k, v)
            -inf for candidates that do not take part.
        """
        scores = scores.to(self.reference.dtype)
        most = scores.amax(0)
        rise = (most - self.reference[voxels]) / self.temperature
        far = rise > FARTHEST
        if bool(far.any()):
            self._refer(voxels[far], most[far], rise[far])
        reference = self.reference[voxels]
        known = torch.isfinite(reference)
        weights = ((scores - torch.where(known, reference, 0.0)) / self.temperature).exp()
        self.total[voxels] += weights.sum(0)
        self.squares[voxels] += weights.square().sum(0)
        return weights

    def _refer(self, voxels: torch.Tensor, score: torch.Tensor, rise: torch.Tensor) -> None:
        """Make weights of some voxels relative to a better score."""
        shrunk = (-rise).exp()
        self.reference[voxels] = score
        self.total[voxels] *= shrunk
        self.squares[voxels] *= shrunk.square()
        for own in self.sums:
            own[voxels] *= shrunk.view(-1, *[1] * (own.ndim - 1))


class Average:
    """Adds up candidates' models in dual form.

    Parameters
    ----------
    problem : Problem
    temperature : float

    Attributes
    ----------
    duals : Tensor of shape (bands, voxels, n)
        Of standardised targets, samples in the folds' order; under the band weights, not yet
        divided by the sum of the weights, as are the others.
    gamma : Tensor of shape (voxels, bands)
    offset : Tensor of shape (voxels,)
    weights : Weights
    added : list of tuple of int, Tensor, Tensor
        Candidates, of which voxels, and their scores.
    """

    def __init__(self, problem: Problem, temperature: float) -> None:
        self.problem = problem
        self.added: list[tuple[int, torch.Tensor, torch.Tensor]] = []
        voxels, bands = problem.targets.voxels, len(problem.kernels)
        self.offset = torch.zeros(voxels, dtype=problem.targets.dtype, device=problem.device)
        self.gamma = self.offset.new_zeros(voxels, bands)
        self.duals = problem.zeros(bands, voxels, problem.samples)
        sums = [self.offset, self.gamma, *self.duals]
        self.weights = Weights(temperature, self.offset, sums)

    def add(
        self,
        candidate: int,
        voxels: torch.Tensor,
        score: torch.Tensor,
        duals: torch.Tensor,
        offset: torch.Tensor,
    ) -> None:
        """Add one candidate's models of some voxels.

        Parameters
        ----------
        candidate : int
        voxels : Tensor of int of shape (v,)
        score, offset : Tensor of shape (v,)
            Exact score, and intercept of standardised targets.
        duals : Tensor of shape (v, n)
        """
        weight = self.weights.of(voxels, score[None])[0]
        duals = duals.to(weight.dtype) * weight[:, None]
        gamma = self.problem.gammas[candidate // len(self.problem.alphas)]
        row = torch.as_tensor(gamma, dtype=weight.dtype, device=weight.device)
        self.gamma.index_add_(0, voxels, weight[:, None] * row)
        self.offset.index_add_(0, voxels, offset.to(weight.dtype) * weight)
        for own, share in zip(self.duals, self.problem.weighting(candidate).tolist(), strict=True):
            if share:
                own.index_add_(0, voxels, duals, alpha=share)
        self.added.append((candidate, voxels, score.to(weight.dtype)))

    def members(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Candidates that are in each voxel's mean, and their shares, (k, voxels)."""
        voxel = torch.cat([voxels for _, voxels, _ in self.added])
        candidate = torch.cat([torch.full_like(voxels, c) for c, voxels, _ in self.added])
        rise = torch.cat([score for _, _, score in self.added]) - self.weights.reference[voxel]
        share = (rise / self.weights.temperature).exp() / self.weights.total[voxel]
        told = share >= TOLD
        voxel, candidate, share = voxel[told], candidate[told], share[told]
        order = share.argsort(descending=True, stable=True)
        order = order[voxel[order].argsort(stable=True)]
        voxel, count = voxel[order], torch.bincount(voxel, minlength=len(self.offset))
        first = count.cumsum(0) - count
        place = torch.arange(len(voxel), device=voxel.device) - first[voxel]
        shares = share.new_zeros(int(count.max()), len(count))
        candidates = torch.zeros(shares.shape, dtype=torch.long, device=voxel.device)
        shares[place, voxel], candidates[place, voxel] = share[order], candidate[order]
        return candidates, shares / shares.sum(0)


def noise(problem: Problem, operators: Operators, score: Score, shortlist: torch.Tensor) -> float:
    """Standard error of the difference in score between near-best candidates and the best.

    Of a voxel the mean over the candidates near its best one, of these the median over voxels.
    Where regions share a candidate, scores are means over a region in place of a voxel's.

    Parameters
    ----------
    problem, operators, score
        What is solved.
    shortlist : Tensor of int of shape (voxels, k), or (regions, k)
        Candidates of each voxel.
    """
    regions = problem.regions
    values, count = torch.unique(shortlist, return_counts=True)
    used = values[count.argsort(descending=True, stable=True)[:MEASURED]].sort().values
    varying = torch.nonzero((problem.targets.weight > 0).any(1))[:, 0]
    if not len(varying):
        return LEAST
    units = varying if regions is None else regions.index[varying].unique()
    units = units[:: -(-len(units) // MEASURED_ON)]
    voxels = units
    if regions is not None:
        voxels = varying[torch.isin(regions.index[varying], units)]
    by_fold = []
    for candidate in used.tolist():
        operator = operators.get(candidate)
        parts = []
        for own in voxels.split(CHUNK):
            y = problem.targets.rows(own).to(operator.dtype)
            parts.append(score.by_fold(operator, y, operator.solve(y), own).double())
        found = torch.cat(parts)
        if regions is not None:
            found = regions.means(regions.sums(found.T, voxels))[:, units].T
        by_fold.append(found)
    return standard_error(torch.stack(by_fold))


def standard_error(scores: torch.Tensor) -> float:
    """Of differences between near-best candidates and the best, by scores (k, voxels, folds)."""
    if not scores.shape[1]:
        return LEAST
    mean = scores.mean(2)
    best = mean.argmax(0)
    difference = scores - scores[best, torch.arange(len(best), device=best.device)]
    error = (difference.var(2) / scores.shape[2]).sqrt()
    near = (mean >= mean.amax(0) - NEAR) & (difference != 0).any(2)
    # Where all near ones are the best one but for rounding, they tell nothing.
    some = (near & (error > LEAST)).any(0)
    found = (error * near).sum(0)[some] / near.sum(0)[some]
    return max(float(found.quantile(0.5)), LEAST) if len(found) else LEAST


def begin(
    problem: Problem,
    operators: Operators,
    score: Score,
    candidates: torch.Tensor,
    scores: torch.Tensor,
    kept: int,
) -> tuple[Average, torch.Tensor]:
    """An average that is still empty, and the candidates that are worth adding.

    Parameters
    ----------
    problem, operators, score
        What is solved.
    candidates, scores : Tensor of shape (voxels, k), or (regions, k)
        Shortlists, the best first; scores may be interpolated.
    kept : int
        Candidates of every voxel that stay, whatever their weight.

    Returns
    -------
    average : Average
    candidates : Tensor of int of shape (voxels, k)
        In which those of little weight gave way to the first.
    """
    # The best of a few voxels are too few to tell.
    telling = kept
    while telling < candidates.shape[1] and len(candidates[:, :telling].unique()) < MEASURED:
        telling += 1
    temperature = noise(problem, operators, score, candidates[:, :telling])
    small = scores < scores[:, :1] + temperature * math.log(SMALLEST)
    small[:, :kept] = False
    return Average(problem, temperature), torch.where(small, candidates[:, :1], candidates)
