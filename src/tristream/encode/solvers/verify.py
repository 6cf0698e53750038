"""Score the likely winners exactly, and keep the best with its dual weights: one pass does both."""

from dataclasses import dataclass

import torch

from tristream.encode.solvers.nodes import Progress
from tristream.encode.solvers.operators import Operators
from tristream.encode.solvers.problem import Problem, in_chunks
from tristream.encode.solvers.scores import Score

CHUNK = 8192


@dataclass
class Winners:
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
    """

    candidate: torch.Tensor
    score: torch.Tensor
    duals: torch.Tensor
    offset: torch.Tensor

    @classmethod
    def none(cls, problem: Problem) -> "Winners":
        """Before anything is verified."""
        voxels, device, dtype = problem.targets.voxels, problem.device, problem.targets.dtype
        return cls(
            torch.zeros(voxels, dtype=torch.long, device=device),
            torch.full((voxels,), -torch.inf, dtype=dtype, device=device),
            torch.zeros(voxels, problem.samples, dtype=dtype, device=device),
            torch.zeros(voxels, dtype=dtype, device=device),
        )


def verify(
    problem: Problem,
    operators: Operators,
    score: Score,
    likely: torch.Tensor,
    winners: Winners,
    progress: Progress = iter,
) -> torch.Tensor:
    """Score each voxel's likely candidates exactly; `winners` takes what is better.

    Equal scores go to the larger penalty.

    Parameters
    ----------
    problem, operators, score
        What is solved.
    likely : Tensor of int of shape (voxels, k)
        Candidates, the best guess first.
    winners : Winners
        Changed in place.
    progress : callable
        Wraps the loop over candidates.

    Returns
    -------
    Tensor of shape (voxels,): the exact score of each voxel's first guess
    """
    k = likely.shape[1]
    first = torch.zeros_like(winners.score)
    flat = likely.flatten()
    order = torch.argsort(flat, stable=True)
    values, counts = torch.unique_consecutive(flat[order], return_counts=True)
    alphas = torch.as_tensor(problem.alphas, device=problem.device)
    pairs = zip(values.tolist(), order.split(counts.tolist()), strict=True)
    for candidate, places in progress(list(pairs)):
        operator = operators.get(candidate)

        def step(part: slice, operator=operator, places=places, candidate=candidate) -> None:
            own = places[part]
            voxels = own // k
            y = problem.targets.rows(voxels).to(operator.inverse.dtype)
            solved = operator.solve(y)
            exact = score.exact(operator, y, solved, voxels).to(winners.score.dtype)
            guessed = own % k == 0
            first[voxels[guessed]] = exact[guessed]
            held = alphas[winners.candidate[voxels] % len(alphas)]
            tie = (exact == winners.score[voxels]) & (problem.penalty(candidate) > held)
            better = (exact > winners.score[voxels]) | tie
            voxels = voxels[better]
            winners.candidate[voxels] = candidate
            winners.score[voxels] = exact[better]
            duals = solved[better] / operator.scale
            winners.duals[voxels] = duals.to(winners.duals.dtype)
            winners.offset[voxels] = (y[better] @ operator.mean).to(winners.offset.dtype)

        in_chunks(len(places), CHUNK, step)
    return first
