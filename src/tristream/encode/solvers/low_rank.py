"""Kernels of fewer features than samples: the space that all of them span, and operators there.

Where the features of all bands, at all delays, are fewer than the samples, every kernel is
K = Q S Q', of one orthonormal Q (n, q) and S of q x q. With the filter H = S (S + alpha I)^-1,

    (K + alpha I)^-1 = (I - Q H Q') / alpha

(Woodbury), and with G_f = (I - Q_f H Q_f')^-1 of the rows Q_f of a group, A_f = H Q_f' G_f and
z = Q'y, the group's predictions by the model fitted without it are A_f'(z - Q_f' y_f). So nothing
of samples x samples is inverted, and products with targets have q and a group's samples in place
of all samples. An intercept that is not penalised adds a direction, the constant, of filter one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from tristream.encode.solvers.folds import Folds
from tristream.encode.solvers.problem import Floats, Problem
from tristream.encode.solvers.sample_weights import level, root_of, spanned

# Below this share of the trace, a penalty no longer makes a kernel of few directions definite.
SMALL = 1e-10
# Directions of a mixture that are smaller than this share of the largest are rounding.
RANK = 1e-13
# Above this share of it, left-out predictions keep their direction, and beside their mean it would
# be rounded away.
LARGE = 1e8
# What a left-out group's own directions must leave of it under such a penalty.
DETERMINED = 1e-7
# What a further direction adds to products of kernels, of the most that one adds: less is rounding.
ROUNDING = 1e-13
SEED = 0
# What the space leaves of a kernel may be this share of the penalty; so much predictions change.
LEFT = 1e-6
# It is taken where products with targets have at most this share of those with all samples.
WORTH = 0.6
# Rows of a kernel that are compared with what the space holds at a time.
ROWS = 512


@dataclass(frozen=True)
class Span:
    """The space of all bands' kernels.

    Attributes
    ----------
    basis : Tensor of shape (n, q), float64
        Orthonormal, samples in the folds' order; under an intercept the first column is constant.
    inner : Tensor of shape (bands, q, q), float64
        Kernels in it.
    left : Tensor of shape (bands,), float64
        Root of the sum of squares of what is not in it.
    folds : Folds
    intercept : bool
    whole : bool
        Whether kernels are what they are in it, and none else was made: every candidate is solved
        there.
    root : Tensor of shape (n,) or None
        What a constant of one is in every sample; None: one.
    """

    basis: torch.Tensor
    inner: torch.Tensor
    left: torch.Tensor
    folds: Folds
    intercept: bool
    whole: bool = False
    root: torch.Tensor | None = None

    @classmethod
    def of(cls, problem: Problem) -> "Span | None":
        """By products with random vectors (Halko, Martinsson & Tropp 2011, SIAM Rev 53:217).

        None where it would save little.
        """
        folds, n, constant = problem.folds, problem.samples, int(problem.intercept)
        if not isinstance(folds, Folds) or any(k.dtype != torch.float64 for k in problem.kernels):
            return None
        groups = sum((f.stop - f.start) ** 2 for f in folds.slices)
        most = int((WORTH * n**2 - groups) / n) - constant
        alive = problem.traces > 0
        if most < 1 or not alive.any():
            return None
        alike = np.divide(1, problem.traces, out=np.zeros(len(alive)), where=alive)
        generator = torch.Generator().manual_seed(SEED)
        drawn = torch.randn(n, most + 1, dtype=torch.float64, generator=generator)
        seen = problem.mixed(alike, torch.float64) @ drawn.to(problem.device)
        directions, added = torch.linalg.qr(seen)
        added = added.diagonal().abs()
        rank = int((added > ROUNDING * added.max()).sum())
        if rank > most:
            return None
        columns = torch.ones(n, constant + rank, dtype=torch.float64, device=problem.device)
        columns[:, constant:] = directions[:, :rank]
        basis = torch.linalg.qr(columns).Q
        parts = [
            _within(problem.mixed(band, torch.float64), basis) for band in np.diag(alive * 1.0)
        ]
        inner, left = (torch.stack(part) for part in zip(*parts, strict=True))
        return cls(basis, inner, left, folds, problem.intercept)

    def holds(self, weights: Floats, alpha: float) -> bool:
        """Whether it holds all of a mixture that matters under a penalty."""
        return float(torch.as_tensor(weights).to(self.left) @ self.left) <= LEFT * alpha

    def operator(
        self, weights: Floats, alpha: float, scale: float, boost: float, dtype: torch.dtype
    ) -> "LowRankOperator | None":
        """Of a mixture under a penalty; None where it is not positive definite.

        Parameters
        ----------
        weights : ndarray of shape (bands,)
        alpha : float
        scale, boost : float
            As of :class:`LowRankOperator`.
        dtype : torch.dtype
            Of all but the filter, which is found in float64.
        """
        mixed = torch.einsum("b,bij->ij", torch.as_tensor(weights).to(self.inner), self.inner)
        trace = float(mixed.trace())
        small = self.whole and alpha < SMALL * trace
        kept = _small_filter(mixed, alpha) if small else _filter(mixed, alpha)
        if kept is None:
            return None
        scored = kept
        if self.whole and alpha > LARGE * trace > 0:
            scored = kept * (alpha / (LARGE * trace))
            boost *= LARGE * trace / alpha
        kept, scored = (self._with_constant(own).to(dtype) for own in (kept, scored))
        basis = self.rounded(dtype)
        blocks, across = [], []
        for f in self.folds.slices:
            own = basis[f]
            across.append(scored @ own.T)
            within = -(own @ across[-1])
            within.diagonal().add_(1)
            factor, failed = torch.linalg.cholesky_ex(within)
            if int(failed) or (small and float(factor.diagonal().min()) ** 2 < DETERMINED):
                return None
            blocks.append(torch.cholesky_inverse(factor))
        shape = (self.folds, self.intercept, self.root)
        return LowRankOperator(basis, kept, alpha, scale, boost, across, blocks, *shape)

    def _with_constant(self, kept: torch.Tensor) -> torch.Tensor:
        """A filter that keeps the constant, under an intercept."""
        if self.intercept:
            kept = kept.clone()
            kept[0], kept[:, 0] = 0, 0
            kept[0, 0] = 1
        return kept

    def halves(
        self, train: torch.Tensor, test: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Kernels of some samples, less the training samples' mean under an intercept.

        Parameters
        ----------
        train, test : Tensor of int
            Rows, more training samples than the space has dimensions.

        Returns
        -------
        kernels : list of Tensor of shape (q + test samples, q)
            Of each band: axes of the training samples, and test samples, with these axes.
        axes : Tensor of shape (training samples, q)
            Orthonormal.
        """
        own, new = self.basis[train].T, self.basis[test].T
        if self.intercept:
            here, there = (root_of(self.root, rows) for rows in (train, test))
            mean = level(own, here)
            own, new = own - spanned(mean, here, own), new - spanned(mean, there, new)
        axes, triangle = torch.linalg.qr(own.T)
        both = torch.cat([triangle, new.T])
        return [both @ inner @ triangle.T for inner in self.inner], axes

    def rounded(self, dtype: torch.dtype) -> torch.Tensor:
        """The basis in a type, made once."""
        if dtype not in self._bases:
            self._bases[dtype] = self.basis.to(dtype)
        return self._bases[dtype]

    @cached_property
    def _bases(self) -> dict[torch.dtype, torch.Tensor]:
        return {}


def _filter(mixed: torch.Tensor, alpha: float) -> torch.Tensor | None:
    """H = S (S + alpha I)^-1; None where that is not positive definite."""
    penalised = mixed.clone()
    penalised.diagonal().add_(alpha)
    factor, failed = torch.linalg.cholesky_ex(penalised)
    return None if int(failed) else torch.cholesky_solve(mixed, factor)


def _small_filter(mixed: torch.Tensor, alpha: float) -> torch.Tensor:
    """The same by eigenvectors, without those that are rounding."""
    values, vectors = torch.linalg.eigh(mixed)
    share = torch.where(values > RANK * values[-1], values / (values + alpha), 0.0)
    return (vectors * share) @ vectors.T


def _within(kernel: torch.Tensor, basis: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A kernel in a basis, and the root of the sum of squares of what is not in it."""
    turned = kernel @ basis
    inner = basis.T @ turned
    inner = (inner + inner.T) / 2
    turned = basis @ inner
    squares = inner.new_zeros(())
    for rows, own in zip(kernel.split(ROWS), turned.split(ROWS), strict=True):
        squares += (rows - own @ basis.T).square().sum()
    return inner, squares.sqrt()


@dataclass(frozen=True)
class LowRankOperator:
    """One candidate's filter in the space of the kernels.

    Attributes
    ----------
    basis : Tensor of shape (n, q)
    kept : Tensor of shape (q, q)
        H above.
    alpha, scale, boost : float
        Penalty; and as of :class:`tristream.encode.solvers.operators.BlockOperator`.
    across : list of Tensor
        H Q_f' of every group.
    within : list of Tensor
        G_f of every group.
    folds : Folds
    intercept : bool
    root : Tensor of shape (n,) or None
        As of :class:`Span`.
    """

    basis: torch.Tensor
    kept: torch.Tensor
    alpha: float
    scale: float
    boost: float
    across: list[torch.Tensor]
    within: list[torch.Tensor]
    folds: Folds
    intercept: bool
    root: torch.Tensor | None

    @property
    def dtype(self) -> torch.dtype:
        """Type of all of it."""
        return self.kept.dtype

    @property
    def nbytes(self) -> int:
        """Bytes that are its own."""
        return self.kept.nbytes + sum(own.nbytes for own in self.across + self.within)

    @property
    def mean(self) -> torch.Tensor:
        """Intercept of targets y: y @ mean; kernels are centred."""
        one = torch.ones_like(self.basis[:, 0]) if self.root is None else self.root.to(self.basis)
        return one / one.square().sum() if self.intercept else torch.zeros_like(one)

    def pieces(self, centred: bool, apart: bool = False) -> list[torch.Tensor]:
        """Of every group what turns z and the group's targets, side by side, into predictions.

        If asked centred in their group and times `boost`. (q + rows, rows); or `apart`, what turns
        z less the group's own part, (q, rows).
        """
        out = []
        groups = zip(self.folds.slices, self.across, self.within, strict=True)
        for f, across, within in groups:
            piece = across @ within
            if not apart:
                piece = torch.cat([piece, -self.basis[f] @ piece])
            if centred:
                piece = self.boost * (piece - piece.mean(1, keepdim=True))
            out.append(piece)
        return out

    def solve(self, y: torch.Tensor) -> torch.Tensor:
        """Dual weights of targets, times `scale`."""
        solved = torch.addmm(y, (y @ self.basis) @ self.kept, self.basis.T, alpha=-1)
        return solved.mul_(self.scale / self.alpha)

    def residuals(self, y: torch.Tensor, solved: torch.Tensor) -> list[torch.Tensor]:
        """Left-out residuals of every group, from targets and what :meth:`solve` makes of them."""
        share = self.alpha / self.scale
        groups = zip(self.folds.slices, self.within, strict=True)
        return [solved[:, f] @ own * share for f, own in groups]

    def predictions(self, y: torch.Tensor, solved: torch.Tensor) -> list[torch.Tensor]:
        """Left-out predictions of every group, times `boost`; not as differences, which round."""
        z = y @ self.basis
        out = []
        groups = zip(self.folds.slices, self.across, self.within, strict=True)
        for f, across, within in groups:
            rest = z - y[:, f] @ self.basis[f]
            out.append(rest @ across @ within * self.boost)
        return out
