"""Score every candidate on every voxel, operators in float64: slow, and right by construction."""

import torch

from tristream.encode.solvers.averaging import NUMBER, Average, begin
from tristream.encode.solvers.nodes import Progress, score_nodes
from tristream.encode.solvers.operators import Operators
from tristream.encode.solvers.problem import Problem
from tristream.encode.solvers.scores import Score
from tristream.encode.solvers.verify import BestCandidates, verify


def search(
    problem: Problem,
    operators: Operators,
    score: Score,
    progress: Progress = iter,
    averaged: bool = False,
) -> tuple[BestCandidates, Average | None]:
    """Choose every voxel's candidate and fit it; equal scores go to the larger penalty.

    With `averaged` the mean of near-best candidates, too.
    """
    if not averaged:
        return refit(problem, operators, score, choose(problem, operators, score, progress)), None
    found, scores = choose_few(problem, operators, score, progress)
    average, shortlist = begin(problem, operators, score, found, scores, 1)
    best = BestCandidates.none(problem)
    verify(problem, operators, score, shortlist, best, progress, average)
    return best, average


def choose(
    problem: Problem, operators: Operators, score: Score, progress: Progress = iter
) -> torch.Tensor:
    """Each voxel's best candidate, (voxels,)."""
    voxels, dtype = problem.targets.voxels, problem.targets.dtype
    best = torch.full((voxels,), -torch.inf, dtype=dtype, device=problem.device)
    chosen = torch.zeros(voxels, dtype=torch.long, device=problem.device)
    alphas = torch.as_tensor(problem.alphas, device=problem.device)
    found = score_nodes(
        problem, operators, score, range(problem.candidates), dtype, progress=progress
    )
    for candidates, planes in found:
        for candidate, own in zip(candidates, score.combine(planes, slice(None)), strict=True):
            tie = (own == best) & (problem.penalty(candidate) > alphas[chosen % len(alphas)])
            better = (own > best) | tie
            best = torch.where(better, own, best)
            chosen[better] = candidate
    return chosen


def choose_few(
    problem: Problem, operators: Operators, score: Score, progress: Progress = iter
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each voxel's best candidates and their scores, the best first, (voxels, number)."""
    few = min(NUMBER, problem.candidates)
    scores = torch.empty(0, problem.targets.voxels, device=problem.device)
    chosen = torch.empty(0, problem.targets.voxels, dtype=torch.long, device=problem.device)
    found = score_nodes(
        problem,
        operators,
        score,
        range(problem.candidates),
        problem.targets.dtype,
        progress=progress,
    )
    for candidates, planes in found:
        own = torch.as_tensor(candidates, device=chosen.device)[:, None]
        scores = torch.cat([scores.to(planes.dtype), score.combine(planes, slice(None))])
        chosen = torch.cat([chosen, own.expand(-1, chosen.shape[1])])
        top = scores.topk(min(few, len(scores)), dim=0)
        scores, chosen = top.values, chosen.gather(0, top.indices)
    return chosen.T, scores.T


def refit(
    problem: Problem, operators: Operators, score: Score, chosen: torch.Tensor
) -> BestCandidates:
    """Fit every voxel under its candidate."""
    best = BestCandidates.none(problem)
    verify(problem, operators, score, chosen[:, None], best)
    return best
