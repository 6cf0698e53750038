"""Guess the scores of all candidates from those of the nodes: who the likely winners are.

What is promised is watched where it can fail: at candidates that no pool holds, and at voxels that
are like no others.
"""

from dataclasses import dataclass

import torch

from tristream.encode.solvers.interpolation import coefficients, facilities
from tristream.encode.solvers.probe import Probe
from tristream.encode.solvers.problem import Problem
from tristream.encode.solvers.scores import Score
from tristream.encode.solvers.verify import Winners

# A candidate joins the pool if it raises the mean of the voxels' best guesses by this; a node, with
# its operator at hand, by a tenth.
RISE = {"r2": 2.5e-7, "correlation": 1.2e-7}
NODE_COST = 0.1
# Of that mean the pool may leave out so much.
LEFT = {"r2": 1.5e-5, "correlation": 7e-6}
# Once many were verified, those that still seem better are mostly guessed too high. A candidate
# must then raise it so many times as much, and the pool may leave out this share of that promise.
RISE_LATER = 2.0
LEFT_LATER = 0.35
VERIFIED = 4
# Entries of the table from which the pool is chosen.
TABLE = 2**24
VOXELS = 4096
# Within this of a voxel's best score a candidate is near it.
NEAR = 2e-3
# Parts of the probes; of one that guesses were not learnt from, they tell how good they are.
BLIND = 4


@dataclass(frozen=True)
class Guess:
    """Each voxel's likely winners.

    Attributes
    ----------
    candidates : Tensor of int of shape (voxels, k)
        Best guess first; k may be 0.
    promised : float
        Mean score by which the pool they come from seems to be better than what was verified.
    left : float
        Mean score by which all live candidates seem to be better than the pool.
    """

    candidates: torch.Tensor
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


def guess(
    problem: Problem,
    probed: Probe | None,
    score: Score,
    nodes: list[int],
    planes: torch.Tensor,
    live: torch.Tensor,
    winners: Winners,
) -> Guess:
    """Each voxel's likely winners; once some were tried, those that seem better than these.

    Parameters
    ----------
    problem, score
        What is solved.
    probed : Probe, optional
        Of the live candidates; without it, these are the nodes.
    nodes : list of int
        Scored candidates, as indices of live ones.
    planes : Tensor of shape (planes, nodes, voxels)
    live : Tensor of int
        Candidates that are considered.
    winners : Winners
        What was tried so far.
    """
    live = live.to(problem.device)
    index = torch.as_tensor(nodes, device=planes.device)
    if probed is None:
        exact = score.combine(planes, slice(None))
        best = live[index[exact.topk(min(VERIFIED, len(nodes)), dim=0).indices.T]]
        return Guess(best, 0.0, 0.0)
    weights = [
        coefficients(s / length, nodes) * length / _at(length, nodes)
        for s, length in zip(probed.surfaces, lengths(probed), strict=True)
    ]
    place = torch.full((len(live),), -1, device=planes.device)
    place[index] = torch.arange(len(nodes), device=planes.device)

    def interpolated(rows: torch.Tensor, part: torch.Tensor | slice) -> torch.Tensor:
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
        out = interpolated(rows, part)
        tried = torch.searchsorted(live, winners.tried[part])
        if tried.shape[1]:
            values, at = torch.unique(tried, return_inverse=True)
            wrong = winners.tried_score[part] - interpolated(values, part).T.gather(1, at)
            out += wrong.amax(1)
            row = torch.full_like(place, -1)
            row[rows] = torch.arange(len(rows), device=planes.device)
            voxel, which = torch.nonzero(row[tried] >= 0, as_tuple=True)
            out[row[tried][voxel, which], voxel] = -torch.inf
        return out

    cost = torch.ones(len(live), device=planes.device)
    cost[index] = NODE_COST
    rows = torch.arange(len(live), device=planes.device)
    voxels = planes.shape[2]
    some = min(voxels, max(VOXELS // 4, TABLE // len(live)))
    again = winners.tried.shape[1] > 0
    members: list[int] = []
    promised = left = 0.0
    # No voxel is left out: a few that overfit, unlike all others, can hold most of the loss.
    for drawn in torch.randperm(voxels, generator=torch.Generator().manual_seed(0)).split(some):
        part = drawn.sort().values.to(planes.device)
        guessed = torch.cat([table(rows, few) for few in part.split(VOXELS)], dim=1)
        held, allowed, least = None, LEFT[problem.score], RISE[problem.score]
        if again:
            held = winners.score[part]
            promise = (guessed.amax(0) - held).clamp_min_(0)
            allowed = max(allowed, LEFT_LATER * float(promise.mean()))
            least *= RISE_LATER
            promised += float(promise.sum()) / voxels
        if members:
            held = _best(guessed, members, held)
        members += facilities(guessed, cost, least, allowed, held)
        served = _best(guessed, members, held)
        left += float((guessed.amax(0) - served).clamp_min_(0).sum()) / voxels
    pool = torch.as_tensor(members, dtype=torch.long, device=planes.device)
    k = min(VERIFIED, len(pool))
    parts = [
        table(pool, slice(start, start + VOXELS)).topk(k, dim=0).indices.T
        for start in range(0, voxels if k else 0, VOXELS)
    ]
    likely = live[pool[torch.cat(parts)]] if k else winners.tried[:, :0]
    return Guess(likely, max(promised - left, 0.0), left)


def _best(guessed: torch.Tensor, members: list[int], held: torch.Tensor | None) -> torch.Tensor:
    """What some candidates offer the voxels who hold something already."""
    if not members:
        return torch.full_like(guessed[0], -torch.inf) if held is None else held
    best = guessed[members].amax(0)
    return best if held is None else torch.maximum(best, held)


def blind_error(probed: Probe, nodes: list[int]) -> float:
    """Error of guesses at probes from which they were not learnt, each part of the probes in turn.

    Root mean square of scores, of candidates near a probe's best. It tells enough nodes from too
    few; it does not tell what will be lost.
    """
    part = torch.arange(probed.surfaces[0].shape[1]) % BLIND
    errors = []
    for new in (part == p for p in range(BLIND)):
        true, guessed = [], []
        for s, length in zip(probed.surfaces, lengths(probed), strict=True):
            scaled = s / length
            weights = coefficients(scaled[:, ~new], nodes)
            true.append(s[:, new])
            guessed.append(weights @ scaled[nodes][:, new] * length)
        known, blind = (k[0] if len(k) == 1 else _direction(*k) for k in (true, guessed))
        near = known >= known.amax(0) - NEAR
        errors.append(float((known - blind)[near].square().mean().sqrt()))
    return sum(errors) / BLIND


def _direction(along: torch.Tensor, square: torch.Tensor) -> torch.Tensor:
    return along * square.clamp_min(1e-30).rsqrt()


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
