"""Find each voxel's candidate from the exact scores of a few: the skeleton.

The table of cross-validated scores (candidates x voxels) is numerically of low rank. So a few
candidates, the nodes, are scored on all voxels, the others follow as linear combinations whose
coefficients are learnt on probes, and each voxel's likely winners are then scored exactly. What
that last step gains over the first guess, `improve`, tells how good the guesses are. While it is
large, the skeleton grows, and candidates are tried that now seem to be better than what was
verified; `improve` is then what the last such round has gained.
"""

from dataclasses import dataclass

import torch

from tristream.encode.solvers.folds import Folds
from tristream.encode.solvers.interpolation import coefficients, cover, facilities, pivots
from tristream.encode.solvers.nodes import Progress, score_nodes
from tristream.encode.solvers.operators import Operators
from tristream.encode.solvers.probe import Probe, probe
from tristream.encode.solvers.problem import Problem
from tristream.encode.solvers.scores import Score
from tristream.encode.solvers.verify import Winners, verify

# Nodes to begin with, by the number of bands; correlation, of two kinds of planes, wants more.
RANKS = {1: 40, 2: 60, 3: 80, 4: 140}
MANY_BANDS = 200
MORE = {"r2": 1.0, "correlation": 1.5}
# Candidates this far below the best of every probe voxel are left out: overfitted ones are large
# and wild, and would take all pivots.
HOPELESS = 0.05
# Probe winners within this of a voxel's best do for it; half of the nodes at most are such anchors,
# for correlation none: its rows are scaled, and anchors make their fit to each other unstable.
NEAR = 2e-3
ANCHORS = {"r2": 0.5, "correlation": 0.0}
# A candidate joins the pool if it raises the mean score by this; a node, whose operator is there
# already, by a tenth.
RISE = {"r2": 2.5e-7, "correlation": 1.2e-7}
NODE_COST = 0.1
VERIFIED = 4
# Entries of the table from which the pool is chosen.
TABLE = 2**24
# Above this mean gain of verifying over the first guess, the skeleton grows; and again while a
# round gains more than this over the one before, the loss that is allowed.
IMPROVE = 1e-4
PROMISE = 3e-5
GROWTH = 1.5
ROUNDS = 5
VOXELS = 4096


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes
    ----------
    winners : Winners
    improve : float
        Mean score gained by verifying: in a single round over the interpolated first guess, else
        in the last round over those before.
    rank : int
        Nodes.
    """

    winners: Winners
    improve: float
    rank: int


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
    """
    rank = start_rank(problem)
    probed = None
    if problem.candidates > rank:
        probed = probe(problem, folds)
        live = _live(probed.score)
        probed = Probe([s[live] for s in probed.surfaces], probed.score[live])
    else:
        live = torch.arange(problem.candidates)
    winners = Winners.none(problem)
    nodes: list[int] = []
    planes = torch.empty(0)
    for _ in range(ROUNDS):
        added = _nodes(problem, probed, rank, nodes, len(live))
        found = score_nodes(
            problem, operators, score, live[added].tolist(), dtype, hold=True, progress=progress
        )
        new = torch.cat([p for _, p in found], dim=1)
        planes = torch.cat([planes, new], dim=1) if nodes else new
        nodes = nodes + added
        before = winners.score.clone() if winners.tried.shape[1] else None
        likely = _likely(problem, probed, score, nodes, planes, live, winners)
        if not likely.shape[1]:
            improve = 0.0
            break
        first = verify(problem, operators, score, likely, winners, progress)
        improve = float((winners.score - (first if before is None else before)).mean())
        if improve <= (IMPROVE if before is None else PROMISE) or len(nodes) == len(live):
            break
        rank = min(int(GROWTH * rank), len(live))
    return Search(winners, improve, len(nodes))


def _live(score: torch.Tensor) -> torch.Tensor:
    """Candidates that are near the best for some probe voxel."""
    return torch.nonzero((score >= score.amax(0) - HOPELESS).any(1))[:, 0].cpu()


def _nodes(
    problem: Problem, probed: Probe | None, rank: int, held: list[int], live: int
) -> list[int]:
    """Nodes to add to those held, ascending."""
    if probed is None or rank >= live:
        return sorted(set(range(live)) - set(held))
    first = held or cover(probed.score, NEAR, int(ANCHORS[problem.score] * rank))
    surfaces = [s / length for s, length in zip(probed.surfaces, _lengths(probed), strict=True)]
    return sorted(set(pivots(torch.cat(surfaces, 1), rank, first)) - set(held))


def _lengths(probed: Probe) -> list[torch.Tensor | float]:
    """What rows are scaled by, for each kind of plane.

    Rounding is alike in all rows of R², and in proportion to the row in products and lengths of
    predictions; the fit of one row to others should reckon with that.
    """
    if len(probed.surfaces) == 1:
        return [1.0]
    return [
        torch.linalg.vector_norm(s, dim=1, keepdim=True).clamp_min(1e-30) for s in probed.surfaces
    ]


def _likely(
    problem: Problem,
    probed: Probe | None,
    score: Score,
    nodes: list[int],
    planes: torch.Tensor,
    live: torch.Tensor,
    winners: Winners,
) -> torch.Tensor:
    """Each voxel's likely winners among the live candidates, (voxels, k), best guess first.

    Once some were tried, those that seem to be better than the best of these; k may be 0.
    """
    everything = slice(None)
    live = live.to(problem.device)
    index = torch.as_tensor(nodes, device=planes.device)
    if probed is None:
        exact = score.combine(planes, everything)
        return live[index[exact.topk(min(VERIFIED, len(nodes)), dim=0).indices.T]]
    weights = [
        coefficients(s / length, nodes) * length / _at(length, nodes)
        for s, length in zip(probed.surfaces, _lengths(probed), strict=True)
    ]
    voxels = planes.shape[2]
    place = torch.full((len(live),), -1, device=planes.device)
    place[index] = torch.arange(len(nodes), device=planes.device)

    def guess(rows: torch.Tensor, part: torch.Tensor | slice) -> torch.Tensor:
        """Scores of candidates `rows`, nodes as they are."""
        out = _interpolate(score, [w[rows] for w in weights], planes[:, :, part], part)
        known = place[rows]
        exact = score.combine(planes[:, :, part], part)
        out[known >= 0] = exact[known[known >= 0]]
        return out

    def table(rows: torch.Tensor, part: torch.Tensor | slice) -> torch.Tensor:
        """The same without what was tried, which tells how far a voxel's guesses are off.

        Those tried seemed the best, so most are below their guesses; the least is taken.
        """
        out = guess(rows, part)
        tried = torch.searchsorted(live, winners.tried[part])
        if tried.shape[1]:
            values, at = torch.unique(tried, return_inverse=True)
            wrong = winners.tried_score[part] - guess(values, part).T.gather(1, at)
            out += wrong.amax(1)
            where = torch.full_like(place, len(rows))
            where[rows] = torch.arange(len(rows), device=planes.device)
            spare = torch.cat([out, out[:1]])
            out = spare.scatter_(0, where[tried].T, -torch.inf)[:-1]
        return out

    some = min(voxels, max(VOXELS // 4, TABLE // len(live)))
    generator = torch.Generator().manual_seed(0)
    sample = torch.randperm(voxels, generator=generator)[:some].sort().values.to(planes.device)
    cost = torch.ones(len(live), device=planes.device)
    cost[index] = NODE_COST
    rows = torch.arange(len(live), device=planes.device)
    drawn = torch.cat([table(rows, part) for part in sample.split(VOXELS)], dim=1)
    held = winners.score[sample] if winners.tried.shape[1] else None
    pool = torch.as_tensor(
        facilities(drawn, cost, some * RISE[problem.score], len(live), held),
        dtype=torch.long,
        device=planes.device,
    )
    k = min(VERIFIED, len(pool))
    if not k:
        return winners.tried[:, :0]
    parts = [
        table(pool, slice(start, start + VOXELS)).topk(k, dim=0).indices.T
        for start in range(0, voxels, VOXELS)
    ]
    return live[pool[torch.cat(parts)]]


def _at(length: torch.Tensor | float, nodes: list[int]) -> torch.Tensor | float:
    return length[nodes].T if isinstance(length, torch.Tensor) else length


def _interpolate(
    score: Score,
    weights: list[torch.Tensor],
    planes: torch.Tensor,
    part: torch.Tensor | slice,
) -> torch.Tensor:
    """Scores of candidates as combinations of the nodes' planes."""
    share = len(planes) // len(weights)
    kinds = zip(weights, planes.split(share), strict=True)
    return score.combine(torch.cat([w @ p for w, p in kinds]), part)
