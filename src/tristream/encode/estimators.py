"""Banded ridge with the scikit-learn surface."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from tristream.encode.scores import split_r2
from tristream.encode.solvers import banded_ridge

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


class BandedRidgeCV(RegressorMixin, BaseEstimator):
    """Banded ridge regression, band weights and penalty chosen per target by cross-validation.

    Parameters
    ----------
    alphas : sequence of float
        Penalties, relative to the kernels as given.
    candidates : int
        Band weightings tried: all bands alike, each alone, then random ones.
    kernel : {'linear', 'precomputed'}
        Whether `fit` and `predict` take features or kernels.
    seed : int
        Of the random band weightings.
    device : str
        ``cpu`` or ``cuda``.
    progress : callable, optional
        Wraps the loop over band weightings, e.g. ``tqdm``.

    Attributes
    ----------
    gammas_ : ndarray of shape (candidates, bands)
        Band weightings that were tried.
    gamma_ : ndarray of shape (bands, targets)
        Chosen band weights, adding up to one.
    alpha_ : ndarray of shape (targets,)
        Chosen penalty.
    cv_ : ndarray of shape (targets,)
        Cross-validated R² of the choice.
    edge_ : float
        Share of targets whose penalty is the smallest or the largest of the grid.
    dual_ : ndarray of shape (n, targets)
        Dual weights.
    intercept_ : ndarray of shape (targets,)

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> bands = [rng.standard_normal((60, 5)), rng.standard_normal((60, 8))]
    >>> y = bands[0][:, :2] + 0.1 * rng.standard_normal((60, 2))
    >>> model = BandedRidgeCV(candidates=3).fit(bands, y, runs=np.repeat([0, 1, 2], 20))
    >>> bool((model.gamma_[0] > 0.9).all())
    True
    """

    def __init__(
        self,
        alphas: Sequence[float] | Floats = (1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4, 1e5),
        candidates: int = 50,
        kernel: str = "linear",
        seed: int = 0,
        device: str = "cpu",
        progress: Callable[[Iterable[int]], Iterable[int]] = iter,
    ) -> None:
        self.alphas = alphas
        self.candidates = candidates
        self.kernel = kernel
        self.seed = seed
        self.device = device
        self.progress = progress

    def fit(self, X: Sequence[Floats] | torch.Tensor, y: Floats, runs: Ints) -> "BandedRidgeCV":
        """Choose hyperparameters by leave-one-run-out R² and fit all targets.

        Parameters
        ----------
        X : sequence of arrays (n, p_b), one a band; or kernels of shape (bands, n, n)
        y : ndarray of shape (n, targets)
            float32 or float64; products with targets are taken in this type.
        runs : ndarray of shape (n,)
            The run of each sample.

        Raises
        ------
        ValueError
            If there are fewer than two runs.
        """
        kernels = self._kernels(X, X)
        targets = torch.as_tensor(y, device=self.device)
        if self.kernel != "precomputed":
            self.X_fit_ = [np.asarray(x) for x in X]
        gammas = banded_ridge.dirichlet_candidates(self.candidates, len(kernels), self.seed)
        alphas = np.asarray(self.alphas, float)
        choice = banded_ridge.search(
            kernels, targets, np.asarray(runs), gammas, alphas, progress=self.progress
        )
        dual, intercept = banded_ridge.refit(kernels, targets, gammas, alphas, choice)
        index = choice.alpha.cpu().numpy()
        self.gammas_ = gammas
        self.gamma_ = gammas[choice.gamma.cpu().numpy()].T
        self.alpha_ = alphas[index]
        self.cv_ = choice.score.cpu().numpy()
        self.edge_ = float(np.isin(alphas[index], [alphas.min(), alphas.max()]).mean())
        self.dual_ = dual.cpu().numpy()
        self.intercept_ = intercept.cpu().numpy()
        return self

    def predict(self, X: Sequence[Floats] | torch.Tensor, split: bool = False) -> Floats:
        """Predict targets.

        Parameters
        ----------
        X : sequence of arrays (m, p_b); or kernels of shape (bands, m, n) with the training samples
        split : bool
            Return each band's part, without the intercept.

        Returns
        -------
        ndarray of shape (m, targets), or (bands, m, targets)
        """
        check_is_fitted(self, "dual_")
        kernels = self._kernels(X, None if self.kernel == "precomputed" else self.X_fit_)
        dual = torch.as_tensor(self.dual_, device=self.device)
        gamma = torch.as_tensor(self.gamma_, device=self.device).to(dual.dtype)
        parts = banded_ridge.predict(kernels, dual, gamma).cpu().numpy()
        return parts if split else parts.sum(0) + self.intercept_

    def score(self, X: Sequence[Floats] | torch.Tensor, y: Floats) -> Floats:
        """R² of each target, means over samples taken from data and prediction."""
        return split_r2(y, self.predict(X)[None])[0]

    def _kernels(
        self, X: Sequence[Floats] | torch.Tensor, other: Sequence[Floats] | torch.Tensor | None
    ) -> torch.Tensor:
        if self.kernel == "precomputed" or other is None:
            return torch.as_tensor(X, dtype=torch.float64, device=self.device)
        pairs = zip(X, other, strict=True)
        return torch.stack([self._tensor(a) @ self._tensor(b).T for a, b in pairs])

    def _tensor(self, x: Floats | torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(x, dtype=torch.float64, device=self.device)
