"""Ridge regression of many units, each on the voxels that correlate with it most.

The model is that of Horikawa & Kamitani (2017, Nat Commun 8:15037) as PyFastL2LiR fits it: for
each unit the k voxels of largest |r|, and one penalty. What makes it quick is that all units of a
chunk share one product of their voxels with one another: each unit takes its rows and columns out
of it. Systems are factored in float32, a batch at a time. The error of that is measured, in float64
and on one unit of each batch, by the correction that one step of iterative refinement makes;
where it is more than :data:`ACCURATE` the whole batch is refined, or solved in float64.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

ACCURATE = 3e-6
"""Error of weights that is left as it is, of their length."""
BATCH = 16
"""Units solved at a time; with more, systems of 500 voxels leave a processor's caches."""
STEPS = 4
BLOCK = 1024
MEMORY = 1 << 30
"""Bytes that a chunk may take by default."""


@dataclass(frozen=True)
class UnitBatch:
    """Systems of a few units.

    Attributes
    ----------
    units : slice
        Which units.
    voxels : Tensor of int64 of shape (units, k)
        Voxels of each, rising.
    solve : callable
        Penalties (units,) to float64 weights (units, k).
    """

    units: slice
    voxels: torch.Tensor
    solve: Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Targets:
    """Units as they were given, z-scored when a part of them is asked for.

    Attributes
    ----------
    values : ndarray of shape (n, units)
        Of any float type; also a memory map.
    rows : ndarray of bool of shape (n,)
        Training samples.
    mean, scale : ndarray of shape (units,)
        What they are z-scored by.
    """

    values: npt.NDArray[np.floating]
    rows: npt.NDArray[np.bool_]
    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]

    @classmethod
    def of(cls, values: npt.NDArray[np.floating], rows: npt.NDArray[np.bool_]) -> "Targets":
        """Take mean and standard deviation from the training samples."""
        found = [
            moments(values[:, first : first + BLOCK][rows])
            for first in range(0, values.shape[1], BLOCK)
        ]
        mean, scale = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return cls(values, rows, mean, scale)

    def part(self, units: slice) -> torch.Tensor:
        """Training samples of some units, z-scored, (n, units) in float64."""
        values = self.values[:, units][self.rows].astype(np.float64)
        return torch.from_numpy((values - self.mean[units]) / self.scale[units])


def moments(
    values: npt.NDArray[np.floating],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation (of n - 1) of columns; 1 for columns that don't vary."""
    mean = values.mean(0, dtype=np.float64)
    scale = values.std(0, ddof=1, dtype=np.float64)
    return mean, np.where(scale > 1e-12 * np.maximum(1, np.abs(mean)), scale, 1.0)


def unit_batches(
    x: torch.Tensor, targets: Targets, k: int, memory: int = MEMORY
) -> Iterator[UnitBatch]:
    """Select voxels and set up the ridge systems, a few units at a time.

    Parameters
    ----------
    x : Tensor of float64 of shape (n, voxels)
        Columns of mean 0 and equal length, or zero.
    targets : Targets
        Units; their training samples are the rows of `x`.
    k : int
        Voxels that a unit gets, fewer than there are.
    memory : int
        Bytes that a chunk of units may take, about.
    """
    # Products of units with all voxels, their sizes and their ranks; and the units themselves.
    size = max(BATCH, memory // 8 // (8 * x.shape[1]))
    for start in range(0, targets.values.shape[1], size):
        part = targets.part(slice(start, start + size)).to(x)
        yield from _chunk(x, part, k, memory, start)


def _chunk(
    x: torch.Tensor, y: torch.Tensor, k: int, memory: int, start: int
) -> Iterator[UnitBatch]:
    """Units that share one product; fewer of them where it would take too much memory."""
    products = x.T @ y
    voxels = products.abs().topk(k, dim=0, sorted=False).indices.T
    if k > len(x):
        yield from _wide(x, y, voxels.sort(1).values, memory, start)
        return
    counts = torch.bincount(voxels.reshape(-1), minlength=x.shape[1])
    # Voxels that many units take stand together, so that what is read of their products is near.
    used = counts.argsort(descending=True)[: int((counts > 0).sum())]
    if 4 * len(used) ** 2 > memory // 2 and y.shape[1] > BATCH:
        half = y.shape[1] // 2
        yield from _chunk(x, y[:, :half], k, memory, start)
        yield from _chunk(x, y[:, half:], k, memory, start + half)
        return
    place = torch.empty_like(counts)
    place[used] = torch.arange(len(used), device=place.device)
    place = place[voxels].sort(1).values
    buffer = torch.empty(BATCH, k, k)
    shared = x.T[used]
    gram = _lower_gram(shared)
    for first in range(0, y.shape[1], BATCH):
        rows = slice(first, first + BATCH)
        own = place[rows]
        right = products[used, rows].T
        system = _System(shared, right, own, gram, buffer)
        yield UnitBatch(slice(start + first, start + first + len(own)), used[own], system.solve)


def _lower_gram(rows: torch.Tensor) -> torch.Tensor:
    """Products of rows in float32; only the lower triangle holds."""
    rows = rows.float()
    gram = rows.new_empty(len(rows), len(rows))
    for first in range(0, len(rows), BLOCK):
        last = first + BLOCK
        gram[first:last, :last] = rows[first:last] @ rows[:last].T
    return gram


def _taken(gram: torch.Tensor, own: torch.Tensor, buffer: torch.Tensor) -> torch.Tensor:
    """Rows and columns of each unit's voxels, (units, k, k); only the lower triangle holds."""
    take = _compiled() if gram.device.type == "cpu" else None
    if take is None:
        return gram[own[:, :, None], own[:, None, :]]
    out = buffer[: len(own)]
    take(gram.numpy(), own.numpy(), out.numpy())
    return out


Take = Callable[[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]], None]


@cache
def _compiled() -> Take | None:
    """A quick way to take rows and columns; None without numba.

    Fancy indices cost six times as much: they make the indices of all elements first.
    """
    try:
        from numba import njit
    except ModuleNotFoundError:
        return None
    compiled: Take = njit(nogil=True)(_take_lower)
    return compiled


def _take_lower(gram: npt.NDArray[Any], own: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    for unit in range(own.shape[0]):
        for i in range(own.shape[1]):
            row = gram[own[unit, i]]
            for j in range(i + 1):
                out[unit, i, j] = row[own[unit, j]]


@dataclass(frozen=True)
class _System:
    """Ridge systems of a batch.

    Attributes
    ----------
    shared : Tensor of float64 of shape (voxels, n)
        All voxels of the chunk.
    right : Tensor of float64 of shape (units, voxels)
        Their products with the units.
    own : Tensor of int64 of shape (units, k)
        Which of them a unit has, rising.
    gram : Tensor of float32 of shape (voxels, voxels)
    buffer : Tensor of float32 of shape (batch, k, k)
        Where a processor puts the systems: fresh memory costs as much as what is put there.
    """

    shared: torch.Tensor
    right: torch.Tensor
    own: torch.Tensor
    gram: torch.Tensor
    buffer: torch.Tensor

    def solve(self, alpha: torch.Tensor) -> torch.Tensor:
        system = _taken(self.gram, self.own, self.buffer)
        system.diagonal(dim1=1, dim2=2).add_(alpha.to(system)[:, None])
        factor, failed = torch.linalg.cholesky_ex(system)
        if failed.any():
            return self._exact(alpha)
        right = self.right.gather(1, self.own)
        weights = _substitute(factor, right)
        if self._accurate(factor, right, weights, alpha):
            return weights
        for _ in range(STEPS):
            dense = right.new_zeros(self.right.shape).scatter_(1, self.own, weights)
            left = ((dense @ self.shared) @ self.shared.T).gather(1, self.own)
            step = _substitute(factor, right - left - alpha[:, None] * weights)
            weights = weights + step
            if (step.norm(dim=1) <= ACCURATE * weights.norm(dim=1)).all():
                return weights
        return self._exact(alpha)

    def _accurate(
        self,
        factor: torch.Tensor,
        right: torch.Tensor,
        weights: torch.Tensor,
        alpha: torch.Tensor,
    ) -> bool:
        """Whether a step of refinement would hardly change one unit, that of largest weights."""
        one = int(weights.norm(dim=1).argmax())
        x = self.shared[self.own[one]]
        left = x @ (weights[one] @ x) + alpha[one] * weights[one]
        step = _substitute(factor[[one]], (right[one] - left)[None])
        return bool(step.norm() <= ACCURATE * weights[one].norm())

    def _exact(self, alpha: torch.Tensor) -> torch.Tensor:
        """In float64, one unit after the other: penalties too small for float32 are rare."""
        out = torch.empty_like(self.right[:, : self.own.shape[1]])
        for unit, own in enumerate(self.own):
            x = self.shared[own]
            system = x @ x.T
            system.diagonal().add_(alpha[unit])
            out[unit] = torch.linalg.solve(system, self.right[unit, own])
        return out


def _substitute(factor: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Solve by a Cholesky factor, scaled so that float32 holds the right side."""
    scale = right.abs().amax(1, keepdim=True).clamp(min=torch.finfo(right.dtype).tiny)
    found = torch.cholesky_solve((right / scale).to(factor)[:, :, None], factor)[..., 0]
    return found.to(right) * scale


def _wide(
    x: torch.Tensor, y: torch.Tensor, voxels: torch.Tensor, memory: int, start: int
) -> Iterator[UnitBatch]:
    """More voxels than samples: systems between samples (the kernel form), in float64."""
    size = min(BATCH, max(1, memory // 4 // (8 * len(x) * voxels.shape[1])))
    for first in range(0, y.shape[1], size):
        own = voxels[first : first + size]
        taken = x.T[own]
        kernel = taken.mT @ taken
        right = y[:, first : first + len(own)].T

        def solve(
            alpha: torch.Tensor,
            taken: torch.Tensor = taken,
            kernel: torch.Tensor = kernel,
            right: torch.Tensor = right,
        ) -> torch.Tensor:
            system = kernel + alpha[:, None, None] * torch.eye(len(x)).to(x)
            dual = torch.cholesky_solve(right[:, :, None], torch.linalg.cholesky(system))
            return (taken @ dual)[..., 0]

        yield UnitBatch(slice(start + first, start + first + len(own)), own, solve)


@dataclass(frozen=True)
class SharedRidge:
    """Ridge of all units on all voxels: one decomposition serves every unit and penalty.

    Attributes
    ----------
    x : Tensor of float64 of shape (n, voxels)
    values, vectors : Tensor of shape (m,), (n, m)
        Squared singular values, and left singular vectors.
    """

    x: torch.Tensor
    values: torch.Tensor
    vectors: torch.Tensor

    @classmethod
    def of(cls, x: torch.Tensor) -> "SharedRidge":
        """Decompose."""
        values, vectors = torch.linalg.eigh(x @ x.T)
        return cls(x, values.clamp(min=0), vectors)

    def duals(self, y: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
        """Dual weights (n, units): weights are xᵀ times these."""
        return self.vectors @ ((self.vectors.T @ y.to(self.x)) / (self.values[:, None] + alpha))
