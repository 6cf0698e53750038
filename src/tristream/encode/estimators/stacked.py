"""Stacking of one ridge model a band, with the scikit-learn surface."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tristream.device import choose_device
from tristream.encode.estimators.cross_validated import ALPHAS, NanTargets, Progress
from tristream.encode.estimators.missing_targets import fill_missing
from tristream.encode.estimators.ridge_cv import BandedRidgeCV
from tristream.encode.estimators.validation import (
    Bands,
    Floats,
    read_alphas,
    read_groups,
)
from tristream.encode.nonlinear import DEGREE
from tristream.encode.solvers.scores import mean_r2
from tristream.encode.stacking import convex_weights, left_out_residuals, residual_products


class StackedRidgeCV(BandedRidgeCV):
    """One ridge model a band, combined per target with convex weights.

    Penalties are chosen for each band alone, by R² of left-out runs; the weights then minimise the
    squared error of the combined predictions of these runs (see :mod:`tristream.encode.stacking`).

    Parameters
    ----------
    alphas, bands, kernel, degree, cv, device, progress, nan_targets
        As in :class:`BandedRidgeCV`; folds must leave groups out.

    Attributes
    ----------
    gamma_ : ndarray of shape (bands, targets)
        Convex weights.
    alpha_ : ndarray of shape (bands, targets)
        Penalty of each band's model.
    cv_ : ndarray of shape (targets,)
        R² of the combined predictions of left-out runs, mean over runs. The weights were learnt
        on the same predictions: with few bands and many samples this favours them little.
    band_cv_ : ndarray of shape (bands, targets)
        The same of each band's model.
    dual_ : ndarray of shape (bands, n, targets)
    intercept_ : ndarray of shape (targets,)

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> bands = [rng.standard_normal((60, 5)), rng.standard_normal((60, 8))]
    >>> y = bands[0][:, :2] + 0.1 * rng.standard_normal((60, 2))
    >>> model = StackedRidgeCV().fit(bands, y, runs=np.repeat([0, 1, 2], 20))
    >>> bool((model.gamma_[0] > 0.9).all())
    True
    """

    # The weights minimise a squared error.
    score_func = "r2"
    solver = "exact"
    select = select_ = "best"
    fit_intercept = True

    def __init__(
        self,
        alphas: Sequence[float] | Floats = ALPHAS,
        bands: Bands | None = None,
        kernel: str | Sequence[str] = "linear",
        degree: int = DEGREE,
        cv: Any = 5,
        device: str = "auto",
        progress: Progress | None = None,
        nan_targets: NanTargets = "raise",
    ) -> None:
        self.alphas = alphas
        self.bands = bands
        self.kernel = kernel
        self.degree = degree
        self.cv = cv
        self.device = device
        self.progress = progress
        self.nan_targets = nan_targets

    # Each target has weights of its own: there are none for regions.
    def fit(  # type: ignore[override]
        self, X: Any, y: Any, runs: npt.ArrayLike | None = None
    ) -> "StackedRidgeCV":
        """Fit each band's model, then the weights.

        Parameters
        ----------
        X, y, runs
            As in :meth:`BandedRidgeCV.fit`.

        Raises
        ------
        ValueError
            If values are missing, shapes do not fit, or folds do not each leave a group out.
        """
        device = torch.device(choose_device(self.device))
        self._forget()
        names, parts = self._bands(X, reset=True)
        samples = len(parts[0])
        targets = self._targets(y, samples).to(device)
        groups = read_groups(self.cv, runs, samples)
        if not isinstance(groups, np.ndarray):
            raise ValueError("stacking needs folds that each leave a group of samples out")
        alphas = read_alphas(self.alphas)
        self.bands_, self.solver_ = names, "exact"
        parts = [p.to(device) for p in parts]
        kernels = self._train_kernels(parts, self._kinds(len(parts)), alphas.min())
        duals, levels, chosen, residuals = [], [], [], []
        for b in (self.progress or iter)(range(len(kernels))):
            found = self._solve(kernels[b : b + 1], targets, groups, np.ones((1, 1)), alphas)
            penalty = torch.as_tensor(alphas, device=device)[found.choice.alpha]
            residuals.append(left_out_residuals(kernels[b], targets, groups, penalty))
            duals.append(found.duals)
            levels.append(found.intercept)
            chosen.append(penalty)
        residual = torch.stack(residuals)
        weights = convex_weights(residual_products(residual)).T
        share = torch.as_tensor(weights, device=device).to(targets.dtype)
        self.gamma_ = weights
        self.alpha_ = torch.stack(chosen).cpu().numpy()
        self.edge_ = float(np.isin(self.alpha_, [alphas.min(), alphas.max()]).mean())
        self.band_cv_ = np.stack([_mean_r2(targets, r, groups) for r in residual])
        self.cv_ = _mean_r2(targets, (share[:, None] * residual).sum(0), groups)
        self.dual_ = torch.stack(duals).cpu().numpy()
        self.intercept_ = (share * torch.stack(levels)).sum(0).cpu().numpy()
        self._uncentre()
        fill_missing(self, self.nan_targets_)
        return self

    def _predict_dual(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        dual = torch.as_tensor(self.dual_, device=parts[0].device)
        if self._kinds(len(parts)):
            parts = [self._test_kernel(b, x.double()) for b, x in enumerate(parts)]
        weights = torch.as_tensor(self.gamma_, device=dual.device).to(dual.dtype)
        kernels = torch.stack([p.to(dual.dtype) for p in parts])
        return kernels @ dual * weights[:, None]


def _mean_r2(
    targets: torch.Tensor, residuals: torch.Tensor, groups: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Mean over groups of R², (voxels,)."""
    rows = [torch.from_numpy(np.flatnonzero(groups == g)) for g in np.unique(groups)]
    rows = [own.to(targets.device) for own in rows]
    return mean_r2([residuals[own] for own in rows], [targets[own] for own in rows]).cpu().numpy()
