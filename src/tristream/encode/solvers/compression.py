"""Many samples turned into few, where predictions have few directions.

Of a group of n_f samples, predictions lie in the k directions that the rows of an orthonormal basis
have there, and one of these, or another, is constant. In orthonormal axes U_f of these directions,
and one more along what is left of a target, the group has k + 1 samples in place of n_f: inner
products of a target with itself, with features and with the constant stay as they are, so sums of
squares, R² and correlation do, too. What is left of a target is orthogonal to all features: it is
its length alone. A group is then mirrored such that its constant is alike in all its samples, so
that means within a group are means.
"""

from dataclasses import dataclass

import numpy as np
import torch

from tristream.encode.solvers.folds import Folds
from tristream.encode.solvers.problem import PART, Targets


@dataclass(frozen=True)
class Turning:
    """What turns samples, group by group.

    Attributes
    ----------
    given, turned : Folds
        Before and after.
    root : Tensor of shape (turned samples,)
        What a constant of one became in them, alike in all of a group.
    axes : list of Tensor of shape (n_f, k), or None
        U_f, the constant first; None where samples stay as they are.
    """

    given: Folds
    turned: Folds
    root: torch.Tensor
    axes: list[torch.Tensor | None]

    @classmethod
    def of(cls, basis: torch.Tensor, folds: Folds) -> "tuple[Turning, torch.Tensor]":
        """Of the directions of an orthonormal basis (n, q), samples in the folds' order.

        Returns
        -------
        turning : Turning
        turned : Tensor of shape (turned samples, q)
            The basis, as orthonormal as it was.
        """
        axes: list[torch.Tensor | None] = []
        parts, levels, slices, start = [], [], [], 0
        for f in folds.slices:
            own = basis[f]
            n, k = len(own), basis.shape[1] + 1
            if k + 1 < n:
                columns = torch.cat([torch.ones_like(own[:, :1]), own], 1)
                turned = torch.linalg.qr(columns).Q
                turned[:, 0] *= torch.sign(turned[0, 0])
                axes.append(turned)
                inside = torch.cat([turned.T @ own, torch.zeros_like(own[:1])])
                own = _mirrored(inside.T).T
            else:
                axes.append(None)
            parts.append(own)
            levels.append(own.new_full((len(own),), (n / len(own)) ** 0.5))
            slices.append(slice(start, start + len(own)))
            start += len(own)
        turned_folds = Folds(np.arange(start), tuple(slices))
        return cls(folds, turned_folds, torch.cat(levels), axes), torch.cat(parts)

    def targets(self, given: Targets) -> Targets:
        """Targets with the turned samples, which are held from now on."""
        axes = [own if own is None else own.to(given.dtype) for own in self.axes]
        rows = torch.empty(given.voxels, self.turned.size, dtype=given.dtype, device=given.device)
        for start in range(0, given.voxels, PART):
            part = slice(start, start + PART)
            y = given.rows(part)
            slices = zip(self.given.slices, self.turned.slices, axes, strict=True)
            for before, after, own in slices:
                rows[part, after] = y[:, before] if own is None else _turned(y[:, before], own)
        return given.turned(rows, self.turned, self.root)


def _turned(y: torch.Tensor, axes: torch.Tensor) -> torch.Tensor:
    """Targets (v, n_f) of a group in its axes, and the length of what is left."""
    inside = y @ axes
    left = torch.linalg.vector_norm(torch.addmm(y, inside, axes.T, alpha=-1), dim=1)
    return _mirrored(torch.cat([inside, left[:, None]], 1))


def _mirrored(rows: torch.Tensor) -> torch.Tensor:
    """Householder's reflection that makes the first axis alike in all samples (..., r)."""
    alike = rows.shape[1] ** -0.5
    mirror = torch.full_like(rows[0], -alike)
    mirror[0] += 1
    return rows - (rows @ mirror / (1 - alike))[:, None] * mirror
