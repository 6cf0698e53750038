"""Score every candidate on every voxel, operators in float64: slow, and right by construction."""

from collections.abc import Iterator

import torch

from tristream.encode.solvers.averaging import NUMBER, Average, begin
from tristream.encode.solvers.nodes import Progress, score_nodes
from tristream.encode.solvers.operators import Operators
from tristream.encode.solvers.problem import Problem, in_chunks
from tristream.encode.solvers.scores import Score
from tristream.encode.solvers.shared_choice import Regions, ranked
from tristream.encode.solvers.verify import CHUNK, BestCandidates, verify


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
    if problem.regions is not None:
        return _search_regions(problem, problem.regions, operators, score, progress, averaged)
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
    for candidates, found in _scored(problem, operators, score, progress):
        for candidate, own in zip(candidates, found, strict=True):
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
    for candidates, found in _scored(problem, operators, score, progress):
        own = torch.as_tensor(candidates, device=chosen.device)[:, None]
        scores = torch.cat([scores.to(found.dtype), found])
        chosen = torch.cat([chosen, own.expand(-1, chosen.shape[1])])
        top = scores.topk(min(few, len(scores)), dim=0)
        scores, chosen = top.values, chosen.gather(0, top.indices)
    return chosen.T, scores.T


def _scored(
    problem: Problem, operators: Operators, score: Score, progress: Progress
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """All candidates, a few at a time, and their scores (candidates, voxels)."""
    every, dtype = range(problem.candidates), problem.targets.dtype
    for candidates, planes in score_nodes(
        problem, operators, score, every, dtype, progress=progress
    ):
        yield candidates, score.combine(planes, slice(None))


def _search_regions(
    problem: Problem,
    regions: Regions,
    operators: Operators,
    score: Score,
    progress: Progress,
    averaged: bool,
) -> tuple[BestCandidates, Average | None]:
    """The same, every region's targets under its candidates."""
    found = _scored(problem, operators, score, progress)
    table = torch.cat([regions.means(regions.sums(own)) for _, own in found])
    chosen, scores = ranked(table, problem.alphas, NUMBER if averaged else 1)
    best = refit(problem, operators, score, chosen[regions.index, 0])
    if not averaged:
        return best, None
    average, shortlist = begin(problem, operators, score, chosen, scores, 1)
    # What gave way to the first is added with it, once.
    shortlist[:, 1:][shortlist[:, 1:] == shortlist[:, :1]] = -1
    chunk = CHUNK.get(problem.device.type, CHUNK["cuda"])
    for candidate in progress(shortlist[shortlist >= 0].unique().tolist()):
        member = shortlist == candidate
        value = torch.where(member, scores, 0.0).sum(1)[regions.index]
        voxels = torch.nonzero(member.any(1)[regions.index])[:, 0]
        _add(problem, operators, average, candidate, voxels, value[voxels], chunk)
    return best, average


def _add(
    problem: Problem,
    operators: Operators,
    average: Average,
    candidate: int,
    voxels: torch.Tensor,
    value: torch.Tensor,
    chunk: int,
) -> None:
    """Add one candidate's models of some voxels to an average, under scores that are given."""
    operator = operators.get(candidate)

    def step(part: slice) -> None:
        own = voxels[part]
        y = problem.targets.rows(own).to(operator.dtype)
        solved = operator.solve(y) / operator.scale
        average.add(candidate, own, value[part], solved, y @ operator.mean)

    in_chunks(len(voxels), chunk, step)
    problem.forget()


def refit(
    problem: Problem, operators: Operators, score: Score, chosen: torch.Tensor
) -> BestCandidates:
    """Fit every voxel under its candidate."""
    best = BestCandidates.none(problem)
    verify(problem, operators, score, chosen[:, None], best)
    return best
