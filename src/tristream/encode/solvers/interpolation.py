"""Which candidates to score, and how the others follow from them: linear algebra on candidates."""

from collections.abc import Callable, Sequence

import torch

# Of the Gram matrix of the nodes, relative to its norm.
RIDGE = 1e-9
# A greedy step looks at so many of the most promising candidates at once.
LOOK = 8


def cover(score: torch.Tensor, tolerance: float, most: int) -> list[int]:
    """Few candidates, so that every voxel finds one within `tolerance` of its best; greedy.

    Parameters
    ----------
    score : Tensor of shape (candidates, voxels)
    tolerance : float
    most : int
        No more candidates than this, whether or not all voxels are served.
    """
    good = score >= score.amax(0) - tolerance
    count = good.sum(1)
    left = torch.ones(score.shape[1], dtype=torch.bool, device=score.device)
    out: list[int] = []
    while len(out) < most and bool(left.any()):
        best = int(count.argmax())
        out.append(best)
        served = good[best] & left
        left &= ~served
        count = count - good[:, served].sum(1)
    return out


def pivots(surface: torch.Tensor, number: int, first: Sequence[int]) -> list[int]:
    """Rows that span the others: those of `first`, then pivots of QR on what they leave.

    Parameters
    ----------
    surface : Tensor of shape (candidates, columns)
    number : int
        How many in all.
    first : sequence of int
        Taken whatever they add.

    Returns
    -------
    list of int, ascending; fewer where the rest adds nothing
    """
    rows = surface.double()
    number = min(number, *rows.shape) if len(first) < number else len(first)
    norms = rows.square().sum(1)
    floor = float(norms.max()) * 1e-14
    basis = torch.zeros(number, rows.shape[1], dtype=rows.dtype, device=rows.device)
    out: list[int] = []
    waiting = list(first)
    while waiting or len(out) < number:
        pivot = waiting.pop(0) if waiting else int(norms.argmax())
        if pivot in out or (pivot not in first and float(norms[pivot]) <= floor):
            break
        rest = rows[pivot].clone()
        for _ in range(2):  # Once more against rounding.
            rest -= basis.T @ (basis @ rest)
        length = float(torch.linalg.vector_norm(rest))
        if length > floor**0.5:
            basis[len(out)] = rest / length
            norms = (norms - (rows @ basis[len(out)]).square()).clamp_min_(0)
        out.append(pivot)
        norms[out] = 0
    return sorted(out)


def coefficients(surface: torch.Tensor, nodes: Sequence[int]) -> torch.Tensor:
    """Every row as a combination of some, (rows, nodes), by a slightly damped least-squares fit."""
    rows = surface.double()
    chosen = rows[list(nodes)]
    gram = chosen @ chosen.T
    gram.diagonal().add_(RIDGE * float(torch.linalg.matrix_norm(gram, 2)))
    solved = torch.cholesky_solve(chosen @ rows.T, torch.linalg.cholesky(gram))
    return solved.T.to(surface.dtype)


def facilities(
    score: Callable[[torch.Tensor], torch.Tensor],
    cost: torch.Tensor,
    least: float,
    left: float,
    held: torch.Tensor,
    most: torch.Tensor,
) -> tuple[list[int], torch.Tensor]:
    """A pool of candidates that serves all voxels well: lazy greedy facility location.

    Parameters
    ----------
    score : callable
        Of candidates (k,), the scores (k, voxels).
    cost : Tensor of shape (candidates,)
        What using a candidate costs.
    least, left : float
        Stop when the best addition raises the voxels' mean best score by less than `least` over
        its cost, and this mean is no more than `left` below that of all candidates.
    held : Tensor of shape (voxels,)
        What the voxels have without a pool.
    most : Tensor of shape (voxels,)
        The best score of all candidates.

    Returns
    -------
    pool : list of int
    best : Tensor of shape (voxels,)
        What the voxels have with it.
    """
    best, most = held, torch.maximum(most, held)

    def rise(candidates: torch.Tensor) -> torch.Tensor:
        return (score(candidates) - best).clamp_min_(0).mean(1) / cost[candidates]

    out: list[int] = []
    bound = torch.full_like(cost, torch.inf)
    while True:
        fresh = torch.zeros(len(cost), dtype=torch.bool, device=cost.device)
        while True:
            top = bound.topk(min(LOOK, len(cost))).indices
            if fresh[top[0]]:
                break
            stale = top[~fresh[top]]
            bound[stale] = rise(stale)
            fresh[stale] = True
        chosen = int(top[0])
        rest = float((most - best).mean())
        if bound[chosen] < least and (rest <= left or bound[chosen] <= 0):
            break
        out.append(chosen)
        best = torch.maximum(best, score(top[:1])[0])
        bound[chosen] = 0
    return out, best
