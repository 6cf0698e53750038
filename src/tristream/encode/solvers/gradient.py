"""Band weights of every voxel by steps along how left-out predictions fit, not by random search.

From equal weights under each voxel's best penalty, log weights (the penalty is within them: it is
one) take a few Newton-like steps towards weights under which left-out residuals are orthogonal to
every band's left-out prediction (:mod:`calibration`). An operator of samples x samples for each
voxel would take most of the time, so voxels that want similar weights share them
(:mod:`shared_weights`). Scores are exact, and a voxel whose score did not rise keeps its start.

The maximum of the score itself, which is the obvious aim, predicts worse: it follows the noise of
the left-out data further.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from tristream.encode.solvers import exact
from tristream.encode.solvers.calibration import LeftOut, Parts
from tristream.encode.solvers.folds import Folds
from tristream.encode.solvers.nodes import Progress
from tristream.encode.solvers.operators import BlockOperator, Operators
from tristream.encode.solvers.problem import Problem
from tristream.encode.solvers.scores import Score
from tristream.encode.solvers.shared_weights import shared_weights
from tristream.encode.solvers.verify import BestCandidates

# What voxels that share weights lose of R² at most, in the mean, step by step; times the number of
# samples, since the noise of R² is about two over it. Only the last step need be a voxel's own.
MOST_LOSS = (12.0, 12.0, 6.0, 6.0, 0.2)
STEPS = len(MOST_LOSS)
# Steps take a band's duals as given, which adapt and undo a part; so they are made longer.
LONGER = 1.6
# Of the largest eigenvalue: what keeps steps short where the data say little.
DAMPING = 0.02
# Largest change of a log weight in a step.
FARTHEST = 1.5
# Voxels whose products are taken together.
CHUNK = {"cpu": 256, "cuda": 8192}


@dataclass(frozen=True)
class Steps:
    """Where the steps led.

    Attributes
    ----------
    problem : Problem
        Of all weightings that were met, penalty one.
    best : BestCandidates
        Of this problem.
    start : Tensor of shape (voxels,)
        Score of equal weights.
    """

    problem: Problem
    best: BestCandidates
    start: torch.Tensor


def search(
    problem: Problem, folds: Folds, score: Score, memory: int = 0, progress: Progress = iter
) -> Steps:
    """Weights, score and fit of every voxel.

    Parameters
    ----------
    problem : Problem
        Of one weighting, all bands alike, and the penalties to start from.
    folds : Folds
        Its folds.
    score : Score
        Of the problem.
    memory : int
        Bytes for operators that are held.
    progress : callable
        Wraps the loops over operators.
    """
    operators = Operators(problem, accurate=False, memory=memory)
    penalty = exact.choose(problem, operators, score, progress) % len(problem.alphas)
    log_weights = torch.as_tensor(problem.gammas, device=problem.device).clamp_min(1e-30).log()
    alphas = torch.as_tensor(problem.alphas, device=problem.device)
    weightings = [log_weights - alphas.log()[:, None]]
    owner = penalty
    best = BestCandidates.none(problem)
    left_out = LeftOut(problem, folds)
    at = _at(problem, weightings[0])
    parts, start = _visit(at, score, left_out, owner, best, 0, progress)
    best.score.copy_(start)
    for most_loss in MOST_LOSS:
        wanted, metric = _step(weightings[-1][owner], parts)
        met = sum(len(w) for w in weightings)
        wanted = _within(wanted, alphas)
        weights, owner = shared_weights(wanted, metric, most_loss / problem.samples)
        weights = _within(weights, alphas)
        weightings.append(weights)
        at = _at(problem, weights)
        parts, _ = _visit(at, score, left_out, owner, best, met, progress, start)
    return Steps(_at(problem, torch.cat(weightings)), best, start)


def _at(problem: Problem, log_weights: torch.Tensor) -> Problem:
    """The problem at other weights, penalty one."""
    gammas = log_weights.double().exp().cpu().numpy()
    return replace(problem, gammas=gammas, alphas=problem.alphas[:1] * 0 + 1)


def _within(log_weights: torch.Tensor, alphas: torch.Tensor) -> torch.Tensor:
    """Log weights whose penalty, were their sum one, lies within the grid."""
    penalty = -torch.logsumexp(log_weights, 1, keepdim=True)
    return log_weights + penalty - penalty.clamp(alphas.min().log(), alphas.max().log())


def _step(log_weights: torch.Tensor, parts: Parts) -> tuple[torch.Tensor, torch.Tensor]:
    """Log weights that voxels want, and what a difference from these costs.

    Under duals as they are, a band's prediction is proportional to its weight, so the residual is
    orthogonal to all of them after the step of ordinary least squares.
    """
    weight = log_weights.exp()
    slope = parts.slope.double() * weight
    square = parts.square.double() * weight[:, :, None] * weight[:, None]
    largest = torch.linalg.matrix_norm(square)[:, None].clamp_min(1e-12)
    square.diagonal(dim1=1, dim2=2).add_(DAMPING * largest)
    change = LONGER * torch.linalg.solve(square, slope)
    change /= (change.abs().amax(1, keepdim=True) / FARTHEST).clamp_min(1)
    return log_weights + change, square


def _visit(
    problem: Problem,
    score: Score,
    left_out: LeftOut,
    owner: torch.Tensor,
    best: BestCandidates,
    first: int,
    progress: Progress,
    start: torch.Tensor | None = None,
) -> tuple[Parts, torch.Tensor]:
    """Parts and exact score of every voxel under its weighting; `best` takes what beats `start`.

    Parameters
    ----------
    problem : Problem
        Of these weightings.
    score, left_out
        Of the problem.
    owner : Tensor of int of shape (voxels,)
        Each voxel's weighting.
    best : BestCandidates
        Changed in place.
    first : int
        Number of the first weighting in `best`.
    progress : callable
    start : Tensor of shape (voxels,), optional
        Score to beat; without, all take their weighting.
    """
    operators = Operators(problem, accurate=False, memory=0)
    voxels, bands = len(owner), len(problem.kernels)
    slope = best.score.new_zeros(voxels, bands)
    square = best.score.new_zeros(voxels, bands, bands)
    scores = torch.empty_like(best.score)
    chunk = CHUNK.get(problem.device.type, CHUNK["cuda"])
    held: list[tuple[torch.Tensor, Sequence[torch.Tensor], torch.Tensor]] = []

    def flush() -> None:
        own = torch.cat([v for v, _, _ in held])
        residuals = [torch.cat(r) for r in zip(*(r for _, r, _ in held), strict=True)]
        found = left_out.parts(torch.cat([d for _, _, d in held], 1), residuals, own)
        slope[own], square[own] = found.slope, found.square
        held.clear()

    order = torch.argsort(owner, stable=True)
    used, counts = torch.unique_consecutive(owner[order], return_counts=True)
    groups: Iterable[tuple[int, torch.Tensor]] = list(
        zip(used.tolist(), order.split(counts.tolist()), strict=True)
    )
    for weighting, members in progress(groups):
        operator = operators.get(weighting)
        for own in members.split(chunk):
            y = problem.targets.rows(own).to(operator.dtype)
            solved = operator.solve(y)
            found = score.exact(operator, y, solved, own).to(scores.dtype)
            scores[own] = found
            keep = torch.ones_like(own, dtype=torch.bool) if start is None else found > start[own]
            kept = own[keep]
            best.candidate[kept] = first + weighting
            best.score[kept] = found[keep]
            best.duals[kept] = (solved[keep] / operator.scale).to(best.duals.dtype)
            problem.forget()
            best.offset[kept] = (y[keep] @ operator.mean).to(best.offset.dtype)
            if isinstance(operator, BlockOperator):
                residuals = operator.residuals(y, solved)
                duals = left_out.duals(operator, solved, residuals)
                kind = slope.dtype
                held.append((own, [r.to(kind) for r in residuals], duals.to(kind)))
        if sum(len(v) for v, _, _ in held) >= chunk:
            flush()
    if held:
        flush()
    return Parts(slope, square), scores
