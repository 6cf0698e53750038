"""Which candidates to score, and how the others follow from them: linear algebra on candidates."""

from collections.abc import Sequence

import torch

# Of the Gram matrix of the nodes, relative to its norm.
RIDGE = 1e-9
# Candidates that are fitted at a time.
ROWS = 2048


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


def pivots(surfaces: Sequence[torch.Tensor], number: int, first: Sequence[int]) -> list[int]:
    """Rows that span the others: those of `first`, then pivots of QR on what they leave.

    Parameters
    ----------
    surfaces : sequence of Tensor of shape (candidates, columns)
        Side by side.
    number : int
        How many in all.
    first : sequence of int
        Taken whatever they add.

    Returns
    -------
    list of int, ascending; fewer where the rest adds nothing
    """
    columns = [s.shape[1] for s in surfaces]
    rows = surfaces[0].new_empty(len(surfaces[0]), sum(columns), dtype=torch.float64)
    for part, surface in zip(rows.split(columns, 1), surfaces, strict=True):
        part.copy_(surface)
    number = min(number, *rows.shape) if len(first) < number else len(first)
    norms = torch.linalg.vector_norm(rows, dim=1).square()
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
    chosen = surface[list(nodes)].double()
    gram = chosen @ chosen.T
    gram.diagonal().add_(RIDGE * float(torch.linalg.matrix_norm(gram, 2)))
    factor = torch.linalg.cholesky(gram)
    out = surface.new_empty(len(surface), len(chosen))
    for part, rows in zip(out.split(ROWS), surface.split(ROWS), strict=True):
        part.copy_(torch.cholesky_solve(chosen @ rows.double().T, factor).T)
    return out
