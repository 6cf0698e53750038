"""Score each voxel's shortlist exactly, and keep the best candidate with its dual weights: in one
pass."""

from dataclasses import dataclass

import torch

from tristream.encode.solvers.averaging import Average
from tristream.encode.solvers.nodes import Progress
from tristream.encode.solvers.operators import Operators
from tristream.encode.solvers.problem import Problem, in_chunks
from tristream.encode.solvers.scores import Score

# Voxels at a time.
CHUNK = {"cpu": 512, "cuda": 8192}


@dataclass
class BestCandidates:
    """The best verified candidate of every voxel so far.

    Attributes
    ----------
    candidate : Tensor of int of shape (voxels,)
    score : Tensor of shape (voxels,)
        Exact.
    duals : Tensor of shape (voxels, n)
        Of the standardised targets, samples in the folds' order.
    offset : Tensor of shape (voxels,)
        Intercept of the standardised targets.
    tried, tried_score : Tensor of shape (voxels, tries)
        Candidates verified so far, and what they scored.
    """

    candidate: torch.Tensor
    score: torch.Tensor
    duals: torch.Tensor
    offset: torch.Tensor
    tried: torch.Tensor
    tried_score: torch.Tensor

    @classmethod
    def none(cls, problem: Problem) -> "BestCandidates":
        """Before anything is verified."""
        voxels, device, dtype = problem.targets.voxels, problem.device, problem.targets.dtype
        return cls(
            torch.zeros(voxels, dtype=torch.long, device=device),
            torch.full((voxels,), -torch.inf, dtype=dtype, device=device),
            problem.zeros(voxels, problem.samples),
            torch.zeros(voxels, dtype=dtype, device=device),
            torch.zeros(voxels, 0, dtype=torch.long, device=device),
            torch.zeros(voxels, 0, dtype=dtype, device=device),
        )


def verify(
    problem: Problem,
    operators: Operators,
    score: Score,
    shortlist: torch.Tensor,
    best: BestCandidates,
    progress: Progress = iter,
    average: Average | None = None,
) -> torch.Tensor:
    """Score each voxel's shortlisted candidates exactly; `best` takes what is better.

    Equal scores go to the larger penalty.

    Parameters
    ----------
    problem, operators, score
        What is solved.
    shortlist : Tensor of int of shape (voxels, k)
        Candidates, the best by interpolated scores first; where a voxel has fewer, its first again.
    best : BestCandidates
        Changed in place.
    progress : callable
        Wraps the loop over candidates.
    average : Average, optional
        Takes every candidate that was not tried before.

    Returns
    -------
    Tensor of shape (voxels,): the exact score of the first of each voxel's shortlist
    """
    k = shortlist.shape[1]
    scores = torch.zeros(shortlist.shape, dtype=best.score.dtype, device=shortlist.device)
    same = shortlist[:, :, None] == best.tried[:, None]
    known = same.any(2)
    if best.tried.shape[1]:
        scores = torch.where(known, best.tried_score.gather(1, same.int().argmax(2)), scores)
    known[:, 1:] |= shortlist[:, 1:] == shortlist[:, :1]
    flat, exact_scores = shortlist.flatten(), scores.flatten()
    new = torch.nonzero(~known.flatten())[:, 0]
    order = new[torch.argsort(flat[new], stable=True)]
    values, counts = torch.unique_consecutive(flat[order], return_counts=True)
    alphas = torch.as_tensor(problem.alphas, device=problem.device)
    pairs = zip(values.tolist(), order.split(counts.tolist()), strict=True)
    chunk = CHUNK.get(problem.device.type, CHUNK["cuda"])

    def try_on(places: torch.Tensor, candidate: int) -> None:
        """One operator at a time: it is gone when the next is built."""
        operator = operators.get(candidate)

        def step(part: slice) -> None:
            own = places[part]
            voxels = own // k
            y = problem.targets.rows(voxels).to(operator.dtype)
            solved = operator.solve(y)
            exact = score.exact(operator, y, solved, voxels).to(best.score.dtype)
            exact_scores[own] = exact
            known_penalty = alphas[best.candidate[voxels] % len(alphas)]
            tie = (exact == best.score[voxels]) & (problem.penalty(candidate) > known_penalty)
            better = (exact > best.score[voxels]) | tie
            solved, level = solved / operator.scale, y @ operator.mean
            every, voxels = voxels, voxels[better]
            best.candidate[voxels] = candidate
            best.score[voxels] = exact[better]
            best.duals[voxels] = solved[better].to(best.duals.dtype)
            best.offset[voxels] = level[better].to(best.offset.dtype)
            # Last, so that a part that ran out of memory can be begun anew.
            if average is not None:
                average.add(candidate, every, exact, solved, level)

        in_chunks(len(places), chunk, step)

    for candidate, places in progress(list(pairs)):
        try_on(places, candidate)
        problem.forget()
    scores = exact_scores.view(shortlist.shape)
    again = shortlist == shortlist[:, :1]
    scores = torch.where(again, scores[:, :1], scores)
    best.tried = torch.cat([best.tried, shortlist], 1)
    best.tried_score = torch.cat([best.tried_score, scores], 1)
    return scores[:, 0]
