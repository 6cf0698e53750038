"""How left-out predictions of bands fit the data: where band weights should go.

Under the right weights the left-out residual of a voxel is orthogonal to each band's part of the
left-out prediction. Where it is not, a band's part is too small or too large. himalaya's
``hyper_gradient_method="direct"`` follows these products, too (Dupré la Tour et al. 2022,
NeuroImage 264:119728), by steps of gradient descent; here they are an equation to be solved.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tristream.encode.solvers.folds import Folds
from tristream.encode.solvers.operators import BlockOperator
from tristream.encode.solvers.problem import Problem


@dataclass(frozen=True)
class Parts:
    """Inner products of left-out predictions, of kernels under weight one.

    Attributes
    ----------
    slope : Tensor of shape (voxels, bands)
        Of bands' predictions and residuals, mean over folds, in units of R².
    square : Tensor of shape (voxels, bands, bands)
        Of bands' predictions with each other.
    """

    slope: torch.Tensor
    square: torch.Tensor


class LeftOut:
    """Predicts left-out groups, band by band.

    Parameters
    ----------
    problem : Problem
    folds : Folds
        Its folds.

    Attributes
    ----------
    rows : list of Tensor of shape (n, bands, samples of the group)
        One a fold: what turns dual weights of the other groups into each band's prediction, above
        the mean of its predictions of these groups under an intercept.
    """

    def __init__(self, problem: Problem, folds: Folds) -> None:
        self.folds = folds
        self.weight = problem.targets.weight / len(folds.slices)
        dtype, device = problem.targets.dtype, problem.device
        order = torch.from_numpy(folds.order).to(device)
        n, bands = problem.samples, len(problem.kernels)
        self.rows = [
            torch.empty(n, bands, f.stop - f.start, dtype=dtype, device=device)
            for f in folds.slices
        ]
        for band, kernel in enumerate(problem.near):
            own = kernel[order][:, order]
            if problem.intercept:
                # As the intercept is not penalised, duals add up to zero.
                own = own - own.mean(0)
            total = own.sum(0)
            for f, out in zip(folds.slices, self.rows, strict=True):
                new = own[f]
                if problem.intercept:
                    new = new - (total - new.sum(0)) / (n - len(new))
                out[:, band] = new.T.to(dtype)

    def duals(
        self, operator: BlockOperator, solved: torch.Tensor, residuals: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Dual weights of models that are fitted without each group, (folds, voxels, n)."""
        out = solved.new_empty(len(residuals), *solved.shape)
        for f, r, own in zip(self.folds.slices, residuals, out, strict=True):
            torch.addmm(solved, r, operator.inverse[f], alpha=-1, out=own)
            own[:, f] = 0
        return out.div_(operator.scale)

    def parts(
        self, duals: torch.Tensor, residuals: Sequence[torch.Tensor], voxels: torch.Tensor
    ) -> Parts:
        """Inner products of some voxels' left-out predictions and residuals."""
        weight = self.weight[voxels]
        bands = self.rows[0].shape[1]
        slope = weight.new_zeros(len(voxels), bands)
        square = weight.new_zeros(len(voxels), bands, bands)
        for f, (dual, r, rows) in enumerate(zip(duals, residuals, self.rows, strict=True)):
            own = (dual @ rows.flatten(1)).view(len(dual), *rows.shape[1:])
            own_weight = weight[:, f, None]
            slope += (own @ r[:, :, None])[:, :, 0] * own_weight
            square += (own @ own.mT) * own_weight[:, :, None]
        return Parts(slope, square)
