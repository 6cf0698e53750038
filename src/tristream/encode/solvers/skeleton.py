"""Find each voxel's candidate from the exact scores of a few: the skeleton.

The table of cross-validated scores (candidates x voxels) is numerically of low rank. So a few
candidates, the nodes, are scored on all voxels, the others follow as linear combinations whose
coefficients are learnt on probes, and each voxel's shortlist is then scored exactly. What that
last step gains over the interpolated best tells how good interpolation is; with what candidates
that were not tried seem to be better, it is the estimated loss: about what is lost at most. While
it is large, the skeleton grows, and candidates are tried that now seem to be better than what was
verified. The gain is then that of the last round, and what others seem to be better counts as far
as such promises came true in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import torch

from tristream.encode.solvers.averaging import NUMBER, Average, begin
from tristream.encode.solvers.folds import Folds
from tristream.encode.solvers.interpolation import cover, pivots
from tristream.encode.solvers.nodes import Progress, score_nodes
from tristream.encode.solvers.operators import Operators
from tristream.encode.solvers.probe import Probe, probe
from tristream.encode.solvers.problem import Problem
from tristream.encode.solvers.scores import Score
from tristream.encode.solvers.shortlist import (
    BLIND,
    NEAR,
    VERIFIED,
    blind_error,
    lengths,
    make_shortlist,
    scaled,
)
from tristream.encode.solvers.verify import BestCandidates, verify

# Nodes to begin with, by the number of bands; correlation, of two kinds of planes, wants more.
RANKS = {1: 40, 2: 60, 3: 80, 4: 140}
MANY_BANDS = 200
MORE = {"r2": 1.0, "correlation": 1.3}
# Candidates this far below the best of every probe voxel are left out: overfitted ones are large
# and wild, and would take all pivots. Closer to the best, this takes the candidates of voxels that
# are like no probe: at .05, one to five voxels in a thousand lost .02 to .08 where bands are many.
PRUNED = 0.2
# Candidates near the best of a probe voxel do for it; half of the nodes at most are such anchors,
# for correlation none: its rows are scaled, and anchors make their fit to each other unstable.
ANCHORS = {"r2": 0.5, "correlation": 0.0}
# Above this error of interpolation at probes that it was not learnt from, begin with more nodes;
# the main cause is little noise, then more candidates are near the best.
POOR = {"r2": 1.4e-4, "correlation": 3e-4}
# While the estimated loss is larger, the skeleton grows: twice the mean loss that is allowed, as a
# third to three quarters of it were measured to be lost.
MOST_LOSS = 6e-5
GROWTH = 1.5
# Up to so many times that, the first estimate is mostly above what is lost: of 20,000 voxels 1e-5
# was, at an estimate of 6e-5 to 8e-5.
BARELY = 1.5
ROUNDS = 5


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes
    ----------
    best : BestCandidates
    estimated_loss : float
        About the mean score that is lost at most.
    rank : int
        Nodes.
    average : Average or None
        If it was asked for.
    """

    best: BestCandidates
    estimated_loss: float
    rank: int
    average: Average | None


def start_rank(problem: Problem) -> int:
    """Nodes to begin with."""
    return int(MORE[problem.score] * RANKS.get(problem.gammas.shape[1], MANY_BANDS))


def search(
    problem: Problem,
    folds: Folds,
    operators: Operators,
    score: Score,
    dtype: torch.dtype,
    progress: Progress = iter,
    averaged: bool = False,
) -> Search:
    """Choose every voxel's candidate and fit it.

    Parameters
    ----------
    problem : Problem
    folds : Folds
        Its folds.
    operators, score
        Of the problem.
    dtype : torch.dtype
        In which nodes are scored.
    progress : callable
        Wraps the loops over nodes and over candidates to verify.
    averaged : bool
        Average near-best candidates, too.
    """
    probed = None
    if problem.candidates > start_rank(problem):
        probed = probe(problem, folds, operators.span)
        active = _active(probed.score)
        probed = probed.only(active)
    else:
        active = torch.arange(problem.candidates)
    best = BestCandidates.none(problem)
    average: Average | None = None
    nodes: list[int] = []
    added = _first_nodes(problem, probed, len(active))
    planes: torch.Tensor | None = None
    estimated_loss = 0.0
    for _ in range(ROUNDS):
        if planes is None or added:
            found = score_nodes(
                problem,
                operators,
                score,
                active[added].tolist(),
                dtype,
                hold=True,
                progress=progress,
            )
            planes = _extended(planes, len(added), (new for _, new in found))
            nodes = nodes + added
        before = best.score.clone() if best.tried.shape[1] else None
        number = NUMBER if averaged and average is None else VERIFIED
        shortlist = make_shortlist(problem, probed, score, nodes, planes, active, best, number)
        candidates = shortlist.candidates
        if not candidates.shape[1]:
            break
        if averaged and average is None:
            average, candidates = begin(
                problem, operators, score, candidates, shortlist.scores, VERIFIED
            )
        first = verify(problem, operators, score, candidates, best, progress, average)
        if before is None:
            estimated_loss = float((best.score - first).mean()) + shortlist.left
        else:
            gain = float((best.score - before).mean())
            kept = gain / shortlist.promised if shortlist.promised else 1.0
            estimated_loss = gain + kept * shortlist.left
        if estimated_loss <= MOST_LOSS:
            break
        # Where no further node tells anything new, more of each voxel's candidates are verified;
        # once, too, where little is missing: that costs a third of what more nodes do.
        barely = before is None and estimated_loss <= BARELY * MOST_LOSS
        more = len(nodes) if barely else int(GROWTH * len(nodes))
        added = _nodes(problem, probed, more, nodes, len(active))
    return Search(best, estimated_loss, len(nodes), average)


def _extended(
    planes: torch.Tensor | None, more: int, blocks: Iterator[torch.Tensor]
) -> torch.Tensor:
    """Planes of the nodes so far, and of so many more as they come."""
    first = next(blocks)
    blocks = chain([first] if planes is None else [planes, first], blocks)
    nodes = more if planes is None else planes.shape[1] + more
    out = first.new_empty(len(first), nodes, first.shape[2])
    at = 0
    for block in blocks:
        out[:, at : at + block.shape[1]] = block
        at += block.shape[1]
    return out


def _active(score: torch.Tensor) -> torch.Tensor:
    """Candidates that are near the best for some probe voxel."""
    return torch.nonzero((score >= score.amax(0) - PRUNED).any(1))[:, 0].cpu()


def _first_nodes(problem: Problem, probed: Probe | None, active: int) -> list[int]:
    """Nodes to begin with: more than usual, where probes tell that interpolation would be poor."""
    rank = start_rank(problem)
    nodes = _nodes(problem, probed, rank, [], active)
    if probed is None:
        return nodes
    most = min(probed.surfaces[0].shape[1] * (BLIND - 1) // BLIND, active)
    while GROWTH * rank <= most and blind_error(probed, nodes) > POOR[problem.score]:
        rank = int(GROWTH * rank)
        nodes = _nodes(problem, probed, rank, [], active)
    return nodes


def _nodes(
    problem: Problem, probed: Probe | None, rank: int, known: list[int], active: int
) -> list[int]:
    """Nodes to add to those known, ascending."""
    if probed is None or rank >= active:
        return sorted(set(range(active)) - set(known))
    first = known or cover(probed.score, NEAR, int(ANCHORS[problem.score] * rank))
    surfaces = [
        scaled(s, length) for s, length in zip(probed.surfaces, lengths(probed), strict=True)
    ]
    return sorted(set(pivots(surfaces, rank, first)) - set(known))
