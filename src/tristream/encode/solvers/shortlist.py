"""Interpolate the scores of all candidates from those of the nodes: which may be a voxel's best.

What is promised is watched where it can fail: at candidates that no pool holds, and at voxels that
are like no others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from tristream.encode.solvers.coverage import CoverageGains
from tristream.encode.solvers.interpolation import coefficients
from tristream.encode.solvers.probe import Probe
from tristream.encode.solvers.problem import Problem
from tristream.encode.solvers.scores import Score
from tristream.encode.solvers.verify import BestCandidates

# A candidate joins the pool if it raises the mean of the voxels' best interpolated scores by this;
# a node, with its operator at hand, by a tenth.
RISE = 2.5e-7
NODE_COST = 0.1
# Of that mean the pool may leave out so much.
LEFT = 1.5e-5
# Once many were verified, those that still seem better are mostly interpolated too high. A
# candidate must then raise it so many times as much, and the pool may leave out this share of that
# promise.
RISE_LATER = 2.0
LEFT_LATER = 0.35
VERIFIED = 4
# Entries of planes that are interpolated at a time, and rows or columns at least.
PART, FEWEST = 2**19, 8
# Candidates that are chosen on some voxels, so many at least; they serve most voxels better than
# all but a few of the others, so that what these add takes little memory.
FIRST, FEWEST_VOXELS = 32, 128
# Within this of a voxel's best score a candidate is near it.
NEAR = 2e-3
# Parts of the probes; interpolation is learnt from all but one, which tells how good it is.
BLIND = 4


@dataclass(frozen=True)
class Shortlist:
    """Each voxel's candidates for exact scoring.

    Attributes
    ----------
    candidates : Tensor of int of shape (voxels, k)
        The best by interpolated scores first; k may be 0.
    scores : Tensor of shape (voxels, k)
        These scores.
    promised : float
        Mean score by which the pool they come from seems to be better than what was verified.
    left : float
        Mean score by which all active candidates seem to be better than the pool.
    """

    candidates: torch.Tensor
    scores: torch.Tensor
    promised: float
    left: float


def lengths(probed: Probe) -> list[torch.Tensor | float]:
    """What rows are scaled by, for each kind of plane.

    Rounding is alike in all rows of R², and in proportion to the row in products and lengths of
    predictions; the fit of one row to others should reckon with that.
    """
    if len(probed.surfaces) == 1:
        return [1.0]
    return [
        torch.linalg.vector_norm(s, dim=1, keepdim=True).clamp_min(1e-30) for s in probed.surfaces
    ]


def scaled(surface: torch.Tensor, length: torch.Tensor | float) -> torch.Tensor:
    """A surface by the length of its rows; itself, where that is one."""
    return surface / length if isinstance(length, torch.Tensor) else surface


def make_shortlist(
    problem: Problem,
    probed: Probe | None,
    score: Score,
    nodes: list[int],
    planes: torch.Tensor,
    active: torch.Tensor,
    best: BestCandidates,
    number: int = VERIFIED,
) -> Shortlist:
    """Each voxel's shortlist; once candidates were tried, those that seem better than these.

    Parameters
    ----------
    problem, score
        What is solved.
    probed : Probe, optional
        Of the active candidates; without it, these are the nodes.
    nodes : list of int
        Scored candidates, as indices of active ones.
    planes : Tensor of shape (planes, nodes, voxels)
    active : Tensor of int
        Candidates that are considered.
    best : BestCandidates
        What was tried so far.
    number : int
        Candidates of each voxel, if there are as many.
    """
    active = active.to(problem.device)
    index = torch.as_tensor(nodes, device=planes.device)
    if probed is None:
        exact = score.combine(planes, slice(None))
        top = exact.topk(min(number, len(nodes)), dim=0)
        return Shortlist(active[index[top.indices.T]], top.values.T, 0.0, 0.0)
    table = _Table(probed, score, nodes, planes, torch.searchsorted(active, best.tried), best)
    cost = [1.0] * len(active)
    for node in nodes:
        cost[node] = NODE_COST
    least, allowed = RISE, LEFT
    promised = 0.0
    pool: list[int] = []
    if best.tried.shape[1]:
        gains = CoverageGains(table.blocks(), best.score)
        promised = gains.left
        least, allowed = least * RISE_LATER, max(allowed, LEFT_LATER * promised)
    else:
        pool = _first(table, cost, least)
        gains = CoverageGains(table.blocks(), table.best(pool, 1)[0][:, 0])
    pool += gains.choose(cost, least, allowed)
    scores, places = table.best(pool, min(number, len(pool)))
    return Shortlist(active[places], scores, max(promised - gains.left, 0.0), gains.left)


def _first(table: "_Table", cost: Sequence[float], least: float) -> list[int]:
    """The first candidates of a pool, which do for most voxels, chosen on some of them."""
    drawn = torch.randperm(table.voxels, generator=torch.Generator().manual_seed(0))
    few = max(FEWEST_VOXELS, PART // (len(table.planes) * len(cost)))
    some = drawn[:few].sort().values.to(table.planes.device)
    scores = torch.cat(list(table.blocks(some)))
    first = int(scores.sum(1).argmax())
    return [first, *CoverageGains([scores], scores[first]).choose(cost, least, 0.0, FIRST)]


class _Table:
    """Interpolated scores of all active candidates and voxels, rows made when asked for.

    Once candidates were tried, without these and as far off as they were.
    """

    def __init__(
        self,
        probed: Probe,
        score: Score,
        nodes: list[int],
        planes: torch.Tensor,
        tried: torch.Tensor,
        best: BestCandidates,
    ) -> None:
        self.score = score
        self.planes = planes
        self.tried = tried
        self.weights = [
            coefficients(scaled(s, length), nodes) * length / _at(length, nodes)
            for s, length in zip(probed.surfaces, lengths(probed), strict=True)
        ]
        self.node = torch.full((len(probed.score),), -1, device=planes.device)
        self.node[nodes] = torch.arange(len(nodes), device=planes.device)
        self.wrong: torch.Tensor | None = None
        if tried.shape[1]:
            self.wrong = self._wrong(best.tried_score)

    def _wrong(self, true: torch.Tensor) -> torch.Tensor:
        """By what each voxel's interpolated scores are off, (voxels,).

        Those tried seemed the best, so most are below what was interpolated; the least is taken.
        """
        values, at = torch.unique(self.tried, return_inverse=True)
        parts = [
            (true[part] - self._interpolated(values, part).T.gather(1, at[part])).amax(1)
            for part in self._parts(len(values))
        ]
        return torch.cat(parts)

    @property
    def voxels(self) -> int:
        """How many there are."""
        return self.planes.shape[2]

    def _interpolated(self, rows: torch.Tensor, part: slice | torch.Tensor) -> torch.Tensor:
        """Scores of candidates, nodes as they are."""
        share = len(self.planes) // len(self.weights)
        planes = self.planes[:, :, part]
        kinds = zip(self.weights, planes.split(share), strict=True)
        products = [w[rows] @ p for w, p in kinds]
        joined = products[0] if len(products) == 1 else torch.cat(products)
        out = self.score.combine(joined, part)
        node = self.node[rows]
        if bool((node >= 0).any()):
            out[node >= 0] = self.score.combine(planes[:, node[node >= 0]], part)
        return out

    def _parts(self, rows: int) -> list[slice]:
        """Voxels, a few at a time."""
        few = max(FEWEST, PART // (len(self.planes) * max(rows, 1)))
        return [slice(at, at + few) for at in range(0, self.voxels, few)]

    def rows(
        self, candidates: torch.Tensor, part: slice | torch.Tensor = slice(None)
    ) -> torch.Tensor:
        """Scores (candidates, voxels)."""
        out = self._interpolated(candidates, part)
        if self.wrong is not None:
            out += self.wrong[part]
            row = torch.full_like(self.node, -1)
            row[candidates] = torch.arange(len(candidates), device=row.device)
            known = row[self.tried[part]]
            voxel, which = torch.nonzero(known >= 0, as_tuple=True)
            out[known[voxel, which], voxel] = -torch.inf
        return out

    def blocks(self, part: slice | torch.Tensor = slice(None)) -> Iterator[torch.Tensor]:
        """All rows, a few at a time."""
        voxels = len(part) if isinstance(part, torch.Tensor) else self.voxels
        few = max(FEWEST, PART // (len(self.planes) * voxels))
        candidates = torch.arange(len(self.node), device=self.node.device)
        return (self.rows(block, part) for block in candidates.split(few))

    def best(self, pool: list[int], number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores and candidates of a pool that serve each voxel best, (voxels, number)."""
        members = torch.as_tensor(pool, dtype=torch.long, device=self.node.device)
        tops = [self.rows(members, part).topk(number, dim=0) for part in self._parts(len(pool))]
        scores, places = (torch.cat(x, 1).T for x in zip(*tops, strict=True))
        return scores, members[places]


def blind_error(probed: Probe, nodes: list[int]) -> float:
    """Error of interpolation at probes that it was not learnt from, each part in turn.

    Root mean square of scores, of candidates near a probe's best. It tells enough nodes from too
    few; it does not tell what will be lost.
    """
    part = torch.arange(probed.surfaces[0].shape[1]) % BLIND
    errors = []
    for new in (part == p for p in range(BLIND)):
        true, interpolated = [], []
        for s, length in zip(probed.surfaces, lengths(probed), strict=True):
            unit = scaled(s, length)
            weights = coefficients(unit[:, ~new], nodes)
            true.append(s[:, new])
            interpolated.append(weights @ unit[nodes][:, new] * length)
        known, blind = (k[0] if len(k) == 1 else _direction(*k) for k in (true, interpolated))
        near = known >= known.amax(0) - NEAR
        errors.append(float((known - blind)[near].square().mean().sqrt()))
    return sum(errors) / BLIND


def _direction(along: torch.Tensor, square: torch.Tensor) -> torch.Tensor:
    return along * square.clamp_min(1e-30).rsqrt()


def _at(length: torch.Tensor | float, nodes: list[int]) -> torch.Tensor | float:
    return length[nodes].T if isinstance(length, torch.Tensor) else length
