"""What directions that were left out cost in cross-validated score, measured on some voxels.

Under each voxel's chosen candidate, groups are predicted by the model of all features, and by that
of the space. The first takes (K + alpha I)^-1 of the training samples: conjugate gradients
(Hestenes & Stiefel 1952, J Res Natl Bur Stand 49:409) with K v = Σ_b gamma_b X_b (X_b' v), all
voxels side by side, so that no kernel is made. The inverse in the space, (I - Q W Q') / alpha with
W = L (L'Q'Q L + alpha I)^-1 L' and S = L L', is where they begin and what preconditions them: what
is left to them is what the space left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tristream.encode.solvers.feature_space import FeatureSpace, centred_bands
from tristream.encode.solvers.folds import Folds
from tristream.encode.solvers.problem import Problem

VOXELS = 50
# Groups that are predicted, of middling places.
GROUPS = 3
SEED = 0
# Residual of the systems over the targets, and how long it may take.
CLOSE = 3e-6
STEPS = 200
# Bytes of inverses that are held.
HELD_BYTES = 2**30
TINY = 1e-30


@dataclass(frozen=True)
class _Full:
    """Products with the training rows' kernel, of voxels' own band weights.

    Attributes
    ----------
    bands : list of Tensor of shape (n, p_b)
    gammas : Tensor of shape (bands, voxels)
    alpha : Tensor of shape (voxels,)
    train : Tensor of bool of shape (n, 1)
    intercept : bool
    """

    bands: list[torch.Tensor]
    gammas: torch.Tensor
    alpha: torch.Tensor
    train: torch.Tensor
    intercept: bool

    def trained(self, x: torch.Tensor) -> torch.Tensor:
        """Training rows of (n, voxels), less their mean under an intercept; others are zero."""
        x = torch.where(self.train, x, 0.0)
        if not self.intercept:
            return x
        return torch.where(self.train, x - x.sum(0) / self.train.sum(), 0.0)

    def kernel(self, x: torch.Tensor) -> torch.Tensor:
        """K x, all rows, (n, voxels)."""
        out = torch.zeros_like(x)
        for band, gamma in zip(self.bands, self.gammas, strict=True):
            out.addmm_(band, (band.T @ x) * gamma)
        return out

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(K + alpha I) x of the training rows."""
        return self.trained(self.kernel(x)) + x * self.alpha


@dataclass(frozen=True)
class _Space:
    """The inverse in the space, of voxels' own candidates."""

    basis: torch.Tensor
    inverses: list[torch.Tensor]
    members: list[torch.Tensor]
    alpha: torch.Tensor

    @classmethod
    def of(
        cls, space: FeatureSpace, problem: Problem, candidates: torch.Tensor, full: _Full
    ) -> "_Space":
        """W of every candidate, for the training rows."""
        basis = full.trained(space.basis)
        products = basis.T @ basis
        kernels = space.kernels()
        inverses, members = [], []
        for candidate in candidates.unique().tolist():
            weights = torch.as_tensor(problem.weighting(candidate)).to(kernels)
            values, vectors = torch.linalg.eigh(torch.einsum("b,bij->ij", weights, kernels))
            root = vectors * values.clamp_min(0).sqrt()
            inner = root.T @ products @ root
            inner.diagonal().add_(problem.penalty(candidate))
            own = root @ torch.cholesky_solve(root.T, torch.linalg.cholesky(inner))
            inverses.append(own.to(full.alpha.dtype))
            members.append(torch.nonzero(candidates == candidate)[:, 0])
        return cls(basis.to(full.alpha.dtype), inverses, members, full.alpha)

    def inside(self, x: torch.Tensor) -> torch.Tensor:
        """W Q'x, (q, voxels)."""
        seen = self.basis.T @ x
        out = torch.empty_like(seen)
        for own, voxels in zip(self.inverses, self.members, strict=True):
            out[:, voxels] = own @ seen[:, voxels]
        return out

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.basis @ self.inside(x)) / self.alpha


def measure(
    features: Sequence[torch.Tensor],
    space: FeatureSpace,
    problem: Problem,
    candidates: torch.Tensor,
) -> float:
    """Mean CV score of all features less that of the space.

    Parameters
    ----------
    features : sequence of Tensor of shape (n, p_b)
        As they were given.
    space : FeatureSpace
    problem : Problem
        Of all samples.
    candidates : Tensor of int of shape (voxels,)
        Each voxel's.

    Returns
    -------
    float
        NaN where the systems could not be solved to `CLOSE`.
    """
    folds, targets = problem.folds, problem.targets
    assert isinstance(folds, Folds)
    varying = torch.nonzero((targets.weight > 0).all(1).cpu())[:, 0]
    drawn = torch.randperm(len(varying), generator=torch.Generator().manual_seed(SEED))
    voxels = varying[drawn[:VOXELS]].to(problem.device)
    if not len(voxels):
        return 0.0
    voxels = voxels[candidates[voxels].argsort(stable=True)]
    bands = centred_bands(features, folds, problem.intercept, targets.dtype)[0]
    size = targets.dtype.itemsize * space.basis.shape[1] ** 2
    places = np.linspace(0, len(folds.slices) - 1, min(GROUPS, len(folds.slices))).round()
    losses = [
        _losses(bands, space, problem, candidates, own, int(f))
        for f in places
        for own in voxels.split(max(1, HELD_BYTES // size))
    ]
    return float(torch.cat(losses).mean())


def _losses(
    bands: list[torch.Tensor],
    space: FeatureSpace,
    problem: Problem,
    candidates: torch.Tensor,
    voxels: torch.Tensor,
    group: int,
) -> torch.Tensor:
    """Of some voxels, for one group."""
    y = problem.targets.rows(voxels).T.contiguous()
    own = candidates[voxels]
    pairs = [(problem.weighting(c), problem.penalty(c)) for c in own.tolist()]
    gammas = torch.as_tensor(np.stack([g for g, _ in pairs], 1)).to(y)
    alpha = torch.tensor([a for _, a in pairs], dtype=torch.float64).to(y)
    f = problem.folds.slices[group]  # type: ignore[union-attr]
    train = torch.ones(len(y), 1, dtype=torch.bool, device=y.device)
    train[f] = False
    full = _Full(bands, gammas, alpha, train, problem.intercept)
    near = _Space.of(space, problem, own, full)
    wanted = full.trained(y)
    level = (y * train).sum(0) / train.sum() * float(problem.intercept)
    solved = _solve(full, near, wanted)
    if solved is None:
        return y.new_full((1,), torch.nan)
    predicted = full.kernel(solved)
    one = float(problem.intercept)
    predicted = predicted[f] - one * (predicted * train).sum(0) / train.sum()
    basis = space.basis.to(y.dtype)
    rows = basis[f] - one * (basis * train).sum(0) / train.sum()
    weight = problem.targets.weight[voxels, group]
    by_space, by_all = (
        _score(y[f], p + level, weight, problem.score)
        for p in (rows @ near.inside(wanted), predicted)
    )
    return by_all - by_space


def _solve(full: _Full, near: _Space, wanted: torch.Tensor) -> torch.Tensor | None:
    """Conjugate gradients, each column by itself; None where they come to no end."""
    x = near(wanted)
    left = wanted - full(x)
    size = torch.linalg.vector_norm(wanted, dim=0).clamp_min(TINY)
    step = near(left)
    along = (left * step).sum(0)
    for _ in range(STEPS):
        if bool((torch.linalg.vector_norm(left, dim=0) <= CLOSE * size).all()):
            return x
        product = full(step)
        length = along / (step * product).sum(0).clamp_min(TINY)
        x += length * step
        left -= length * product
        turned = near(left)
        before, along = along, (left * turned).sum(0)
        step = turned + along / before.clamp_min(TINY) * step
    return None


def _score(
    y: torch.Tensor, predicted: torch.Tensor, weight: torch.Tensor, score: str
) -> torch.Tensor:
    """R² or correlation of every voxel (rows, voxels)."""
    if score == "r2":
        return 1 - torch.linalg.vector_norm(y - predicted, dim=0).square() * weight
    y, predicted = y - y.mean(0), predicted - predicted.mean(0)
    length = torch.linalg.vector_norm(predicted, dim=0).clamp_min(TINY)
    return (y * predicted).sum(0) / length * weight.sqrt()
