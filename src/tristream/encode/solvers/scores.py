"""R² and correlation of left-out groups: what is kept of a candidate to interpolate each.

R² is linear in the sum of squared residuals, so one number a voxel does. A correlation needs the
product with the data and the length of the prediction, group by group. Those are *planes*: arrays
(candidates, voxels) in which other candidates are linear combinations of a few.
"""

from collections.abc import Sequence
from typing import Protocol

import torch

from tristream.encode.solvers.folds import Ints
from tristream.encode.solvers.operators import Operator
from tristream.encode.solvers.problem import Problem
from tristream.encode.solvers.sample_weights import less_constant, spanned

TINY = 1e-30


class Score(Protocol):
    """What a solver needs to know of a score."""

    predictions: bool
    """Whether operators give predictions (centred in their group), or residuals."""
    kinds: int
    """Kinds of planes, each with its own interpolation."""

    def prepare(self, y: torch.Tensor, voxels: slice) -> None:
        """Look at targets `y` (v, n) as they enter the products."""

    def planes(self, product: Sequence[torch.Tensor], voxels: slice) -> torch.Tensor:
        """Planes (planes, candidates, v) of left-out products, a (v, candidates, rows) a fold."""

    def combine(self, planes: torch.Tensor, voxels: slice | torch.Tensor) -> torch.Tensor:
        """Planes (planes, candidates, v) to scores (candidates, v)."""

    def by_fold(
        self, operator: Operator, y: torch.Tensor, solved: torch.Tensor, voxels: torch.Tensor
    ) -> torch.Tensor:
        """Scores (v, folds) of targets `y` (v, n) under one candidate."""

    def exact(
        self, operator: Operator, y: torch.Tensor, solved: torch.Tensor, voxels: torch.Tensor
    ) -> torch.Tensor:
        """Scores (v,) of targets `y` (v, n) under one candidate: mean over folds."""
        return self.by_fold(operator, y, solved, voxels).mean(1)


class R2(Score):
    """Mean R² over groups; one in which the voxel doesn't vary counts zero."""

    predictions = False
    kinds = 1

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.weight = problem.targets.weight
        self.tests = [torch.as_tensor(t, device=problem.device) for _, t in problem.folds.pairs()]
        self.null = torch.zeros_like(self.weight)

    def prepare(self, y: torch.Tensor, voxels: slice) -> None:
        """Squared error of the training mean (of zero, without an intercept), in every fold.

        Of the targets as rounded for the products: what rounding adds to both cancels.
        """
        columns = []
        for (train, _), test in zip(self.problem.folds.pairs(), self.tests, strict=True):
            own = y[:, test]
            if self.problem.intercept:
                mean = self._train_mean(y, own, train, test)
                own = own - spanned(mean[:, None], self.problem.targets.constant(test), own)
            columns.append(torch.linalg.vector_norm(own, dim=1).square())
        self.null[voxels] = torch.stack(columns, 1)

    def _train_mean(
        self, y: torch.Tensor, own: torch.Tensor, train: Ints, test: torch.Tensor
    ) -> torch.Tensor:
        """Of targets (v, n) in a fold's training samples, (v,)."""
        if self.problem.targets.root is not None:
            root = self.problem.targets.root.to(y.dtype)
            own_root = root[torch.as_tensor(train, device=y.device)]
            return (y @ root - own @ root[test]) / own_root.square().sum()
        if len(train) + len(test) == y.shape[1]:
            return (y.sum(1) - own.sum(1)) / len(train)
        return y[:, torch.as_tensor(train, device=y.device)].mean(1)

    def planes(self, product: Sequence[torch.Tensor], voxels: slice) -> torch.Tensor:
        """Rise over the null model, in R²."""
        squares = torch.stack([torch.linalg.vector_norm(r, dim=2) for r in product], 2).square_()
        rise = (self.null[voxels, None] - squares) * self.weight[voxels, None]
        return rise.sum(2).T[None] / len(self.tests)

    def combine(self, planes: torch.Tensor, voxels: slice | torch.Tensor) -> torch.Tensor:
        """R² above that of the null model."""
        return planes[0]

    def by_fold(
        self, operator: Operator, y: torch.Tensor, solved: torch.Tensor, voxels: torch.Tensor
    ) -> torch.Tensor:
        """R² of every fold."""
        residuals = operator.residuals(y, solved)
        squares = torch.stack([torch.linalg.vector_norm(r, dim=1) for r in residuals], 1).square()
        weight = self.weight[voxels]
        return (weight > 0).to(squares.dtype) - squares * weight


class Correlation(Score):
    """Mean Pearson correlation over groups; zero where voxel or prediction doesn't vary."""

    predictions = True
    kinds = 2

    def __init__(self, problem: Problem) -> None:
        self.weight = problem.targets.weight
        self.tests = [torch.as_tensor(t, device=problem.device) for _, t in problem.folds.pairs()]
        self.targets = problem.targets

    def prepare(self, y: torch.Tensor, voxels: slice) -> None:
        """Nothing: products are taken with the targets as they are."""

    def planes(self, product: Sequence[torch.Tensor], voxels: slice) -> torch.Tensor:
        """Inner products with the data in every group, then squared lengths."""
        y = self.targets.rows(voxels)
        along, square = [], []
        for p, test in zip(product, self.tests, strict=True):
            own = y[:, test]
            own = less_constant(own, self.targets.constant(test))[:, :, None]
            along.append(torch.bmm(p, own)[:, :, 0].T)
            square.append(torch.linalg.vector_norm(p, dim=2).square_().T)
        return torch.stack(along + square)

    def combine(self, planes: torch.Tensor, voxels: slice | torch.Tensor) -> torch.Tensor:
        """Correlation."""
        folds = len(planes) // 2
        length = planes[folds:].clamp_min(TINY) / self.weight[voxels].T[:, None].clamp_min(TINY)
        r = (planes[:folds] * length.rsqrt()).clamp_(-1, 1)
        return torch.where(self.weight[voxels].T[:, None] > 0, r, 0.0).mean(0)

    def by_fold(
        self, operator: Operator, y: torch.Tensor, solved: torch.Tensor, voxels: torch.Tensor
    ) -> torch.Tensor:
        """Correlation of every fold."""
        found = []
        predictions = operator.predictions(y, solved)
        for f, (p, test) in enumerate(zip(predictions, self.tests, strict=True)):
            own = y[:, test]
            root = self.targets.constant(test)
            own, p = less_constant(own, root), less_constant(p, root)
            length = torch.linalg.vector_norm(p, dim=1)
            weight = self.weight[voxels, f].to(p.dtype)
            r = (own * p).sum(1) / length.clamp_min(TINY) * weight.sqrt()
            found.append(torch.where(length > 0, r, 0.0))
        return torch.stack(found, 1)


def mean_r2(residuals: Sequence[torch.Tensor], targets: Sequence[torch.Tensor]) -> torch.Tensor:
    """Mean over groups of R², (voxels,); a group in which a voxel does not vary counts zero."""
    scores = []
    for residual, y in zip(residuals, targets, strict=True):
        y = y.double()
        spread = (y - y.mean(0)).square().sum(0)
        # Rounding of the mean must not look like variance.
        varies = (y.amax(0) > y.amin(0)) & (spread > 0)
        error = residual.double().square().sum(0)
        scores.append(torch.where(varies, 1 - error / spread, 0.0))
    return torch.stack(scores).mean(0)
