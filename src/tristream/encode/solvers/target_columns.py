"""Targets as the primal solvers take them: a chunk at a time, groups contiguous, in units."""

from collections.abc import Sequence

import torch

# Targets between one over this and this are left as they are.
SIZE = 1e4


class Columns:
    """Chunks of targets, less their mean and in units of their own.

    Parameters
    ----------
    source : Tensor of shape (n, voxels)
        As given; may lie elsewhere than is computed, or on disk.
    order : Tensor of int of shape (n,)
        In which groups are contiguous.
    intercept : bool
        Take each target's mean.
    device : torch.device
        Where chunks go.
    weights : Tensor of shape (n,), float64, optional
        Of the samples, in that order; rows are multiplied by their root.

    Attributes
    ----------
    level, unit : Tensor of shape (voxels,)
        Mean and unit of each target that was taken so far; 0 before.
    """

    def __init__(
        self,
        source: torch.Tensor,
        order: torch.Tensor,
        intercept: bool,
        device: torch.device,
        weights: torch.Tensor | None = None,
    ) -> None:
        self.source, self.device, self.intercept = source, device, intercept
        self.order = order.to(source.device)
        self.weights = None if weights is None else weights.to(device, source.dtype)
        self.level = torch.zeros(source.shape[1], dtype=source.dtype, device=device)
        self.unit = torch.zeros_like(self.level)

    def take(self, part: slice | torch.Tensor) -> torch.Tensor:
        """Some targets (n, some) in units of their own."""
        there = part.to(self.source.device) if isinstance(part, torch.Tensor) else part
        y = self.source[:, there][self.order].to(self.device)
        # Any constant may be taken away with an intercept; float32 keeps more digits.
        if self.intercept:
            weights = self.weights
            self.level[part] = y.mean(0) if weights is None else weights @ y / weights.sum()
        y.sub_(self.level[part])
        if self.weights is not None:
            y.mul_(self.weights.sqrt()[:, None])
        own = self.unit[part]
        if not bool(own.all()):
            own = self.unit[part] = _units(y)
        return y if bool((own == 1).all()) else y.div_(own)

    def vary(self, rows: Sequence[slice], chunk: int) -> torch.Tensor:
        """Targets that vary in one of the groups, (voxels,)."""
        out = torch.zeros(self.source.shape[1], dtype=torch.bool, device=self.device)
        for start in range(0, len(out), chunk):
            part = slice(start, start + chunk)
            y = self.source[:, part][self.order].to(self.device)
            for own in rows:
                out[part] |= y[own].amax(0) > y[own].amin(0)
        return out

    def restored(
        self, weights: torch.Tensor, centre: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights (p, voxels) of targets as given, and the intercept (voxels,).

        Parameters
        ----------
        weights : Tensor of shape (voxels, p)
            In units of the targets; changed in place.
        centre : Tensor of shape (p,), float64
            What was taken from features.
        """
        if bool((self.unit != 1).any()):
            weights.mul_(self.unit[:, None])
        offset = self.level.double() - weights.double() @ centre
        return weights.T, offset.to(weights.dtype)


def _units(y: torch.Tensor) -> torch.Tensor:
    """Powers of two that make targets (n, some) of a size whose fourth power float32 can hold.

    Signals in tesla, say; one where a target has such a size.
    """
    largest = torch.maximum(y.amax(0), -y.amin(0))
    powers = torch.ldexp(torch.ones_like(largest), torch.frexp(largest).exponent - 1)
    fits = (largest == 0) | ((largest > 1 / SIZE) & (largest < SIZE))
    return torch.where(fits, 1.0, powers)
