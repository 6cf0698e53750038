"""Ridge and banded ridge regression, hyperparameters chosen per target by cross-validation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from tristream.encode.estimators.cross_validated import (
    ALPHAS,
    CrossValidatedRidge,
    NanTargets,
    Progress,
    Score,
    Select,
)
from tristream.encode.estimators.solver_choice import Solver
from tristream.encode.estimators.validation import (
    Bands,
    Floats,
    is_banded,
    is_symmetric,
    read_bands,
)
from tristream.encode.nonlinear import DEGREE, Kind
from tristream.encode.solvers import banded_ridge


class RidgeCV(CrossValidatedRidge):
    """Ridge regression, the penalty chosen per target by cross-validation.

    Parameters
    ----------
    alphas : sequence of float
        Penalties of ||y − X w − c||² + alpha ||w||².
    cv : int, array of shape (n,), splitter, or iterable of (train, test)
        Contiguous folds, the run of each sample, or a splitter of scikit-learn. With runs given
        to `fit`, these are left out in turn.
    fit_intercept : bool
        Fitted anew in each fold, unpenalised.
    score_func : {'r2', 'correlation'}
        What cross-validation and `score` look at.
    solver : {'auto', 'primal', 'exact'}
        ``primal`` solves for the features, ``exact`` for the samples; by default, the one that
        takes fewer operations.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    memory : int, optional
        Bytes that the solvers of kernels may take to save time, as `memory` of
        :func:`tristream.encode.solvers.banded_ridge.fit`.
    directions : int, optional
        For very many samples and more features than memory or time allow: keep so many leading
        directions of all bands over samples, each band scaled to the same trace, by a randomised
        range finder (Halko, Martinsson & Tropp 2011, SIAM Rev 53:217). An approximation: what it
        leaves out, and the cross-validated score that this costs, are measured, with a warning
        where it is more than 6e-5. All are kept, without a loss, where features are fewer.
    nan_targets : {'raise', 'skip'}
        What to do with targets that hold NaN or infinite values: refuse them, or pass over them.
        All that is found of those is NaN; the others are fitted as if alone.

    Attributes
    ----------
    alpha_ : ndarray of shape (targets,)
        Chosen penalty.
    cv_ : ndarray of shape (targets,)
        Cross-validated score of the choice, mean over folds.
    solver_ : str
        The solver that was used.
    estimated_loss_ : float
        Of ``skeleton``: about the mean score that is lost at most.
    edge_ : float
        Share of targets whose penalty is the smallest or the largest of the grid.
    left_out_ : ndarray of shape (bands,)
        With `directions`: share of each band's sum of squares that these leave out.
    directions_loss_ : float
        With `directions`: mean cross-validated score that is lost, measured on up to 50 targets and
        three left-out groups under the chosen candidates
        (:mod:`tristream.encode.solvers.space_loss`). NaN where that could not be solved.
    coef_, intercept_ : ndarray of shape (targets, p), (targets,)
    nan_targets_ : ndarray of bool of shape (targets,)
        Targets that were passed over.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 5))
    >>> y = X[:, :2] + 0.1 * rng.standard_normal((60, 2))
    >>> model = RidgeCV(alphas=[0.1, 1, 10]).fit(X, y, runs=np.repeat([0, 1, 2], 20))
    >>> bool((model.cv_ > 0.9).all()), model.solver_
    (True, 'primal')
    """

    def __init__(
        self,
        alphas: Sequence[float] | Floats = ALPHAS,
        cv: Any = 5,
        fit_intercept: bool = True,
        score_func: Score = "r2",
        solver: Solver = "auto",
        device: str = "auto",
        memory: int | None = None,
        directions: int | None = None,
        nan_targets: NanTargets = "raise",
    ) -> None:
        self.alphas = alphas
        self.cv = cv
        self.fit_intercept = fit_intercept
        self.score_func = score_func
        self.solver = solver
        self.device = device
        self.memory = memory
        self.directions = directions
        self.nan_targets = nan_targets

    def _bands(self, X: Any, reset: bool) -> tuple[list[str], list[torch.Tensor]]:
        if is_banded(X):
            raise ValueError("a list of matrices is bands: use BandedRidgeCV, or join them")
        return read_bands(self, X, None, reset)

    def _gammas(self, bands: int) -> Floats:
        return np.ones((1, 1))

    def _kinds(self, bands: int) -> list[Kind]:
        return ["linear"]


class BandedRidgeCV(CrossValidatedRidge):
    """Banded ridge regression, band weights and penalty chosen per target by cross-validation.

    Also known as group ridge, or, with kernels, as multiple-kernel ridge (Dupré la Tour et al.
    2022, NeuroImage 264:119728): ||y − Σ_b X_b w_b − c||² + alpha Σ_b ||w_b||² / gamma_b.

    Parameters
    ----------
    alphas : sequence of float
        Penalties, relative to features or kernels as given.
    candidates : int, or array of shape (candidates, bands)
        Band weightings tried: all bands alike, each alone, then random ones; or these.
    bands : dict or sequence, optional
        Which columns of a single matrix are a band: slices or indices, by name or not. With a
        list of matrices each is one.
    kernel : str, or sequence of str, one a band
        ``linear``, ``rbf``, ``polynomial``, ``cosine``, ``sigmoid``; or ``precomputed``: `fit`
        takes kernels of shape (bands, n, n), `predict` (bands, m, n). Kernels with negative
        eigenvalues need penalties above these.
    degree : int
        Of polynomial kernels.
    cv, fit_intercept, score_func, device, memory, directions, nan_targets
        As in :class:`RidgeCV`.
    solver : {'auto', 'primal', 'exact', 'skeleton', 'gradient'}
        ``primal`` solves for the features, ``exact`` for the samples, ``skeleton`` for the
        samples too, scoring few candidates on all targets. ``gradient`` tries no candidates: from
        equal weights each target takes steps towards its own (`start_` is the score of equal
        weights). ``auto`` is ``gradient`` from four bands on, unless `candidates` is an array, one
        weighting is asked for or folds overlap; else the one that takes the fewest operations.
    select : {'average', 'best'}
        Predict by the mean of near-best candidates' models, or by the best one. The mean weighs
        candidates by exp(score / temperature) for each target, and the temperature is the standard
        error, over folds, of differences between near-best scores: the best of noisy scores is
        partly the luckiest (see :mod:`tristream.encode.solvers.averaging`). One weighting has
        penalties alone to choose from, and the best is taken: their mean gains nothing; and
        ``gradient`` has no candidates.
    random_state : int
        Of the random band weightings.
    progress : callable, optional
        Wraps the loop over candidates, e.g. ``tqdm``.

    Attributes
    ----------
    gammas_ : ndarray of shape (candidates, bands)
        Band weightings that were tried; None with ``gradient``.
    gamma_ : ndarray of shape (bands, targets)
        Band weights, adding up to one: their mean, or those of the best candidate.
    alpha_, cv_, solver_, edge_, left_out_, directions_loss_, intercept_, nan_targets_
        As in :class:`RidgeCV`; `alpha_` and `cv_` are those of the best candidate.
    select_ : {'average', 'best'}
        What was done.
    temperature_ : float
        Of the mean; missing for the best.
    averaged_ : ndarray of shape (targets,)
        Candidates that the mean amounts to.
    bands_ : list of str
        Names of the bands.
    dual_ : ndarray of shape (bands, n, targets), or (n, targets) with ``select="best"``
        Dual weights, if solved for the samples, not in the space of features; kernel times dual
        weights times `gamma_` is a band's prediction. Fits of features have none of samples of
        weight zero, of kernels zeros.
    coef_ : ndarray of shape (targets, p)
        Of linear kernels; made when asked for.

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
        alphas: Sequence[float] | Floats = ALPHAS,
        candidates: int | Floats = 50,
        bands: Bands | None = None,
        kernel: str | Sequence[str] = "linear",
        degree: int = DEGREE,
        cv: Any = 5,
        fit_intercept: bool = True,
        score_func: Score = "r2",
        solver: Solver = "auto",
        select: Select = "average",
        random_state: int = 0,
        device: str = "auto",
        memory: int | None = None,
        progress: Progress | None = None,
        directions: int | None = None,
        nan_targets: NanTargets = "raise",
    ) -> None:
        self.alphas = alphas
        self.candidates = candidates
        self.bands = bands
        self.kernel = kernel
        self.degree = degree
        self.cv = cv
        self.fit_intercept = fit_intercept
        self.score_func = score_func
        self.solver = solver
        self.select = select
        self.random_state = random_state
        self.device = device
        self.memory = memory
        self.progress = progress
        self.directions = directions
        self.nan_targets = nan_targets

    def _bands(self, X: Any, reset: bool) -> tuple[list[str], list[torch.Tensor]]:
        if self.kernel != "precomputed":
            return read_bands(self, X, self.bands, reset)
        kernels = [torch.as_tensor(k).detach() for k in X]
        shapes = {tuple(k.shape) for k in kernels}
        if len(shapes) != 1 or any(len(s) != 2 or (reset and s[0] != s[1]) for s in shapes):
            raise ValueError(f"precomputed kernels must be (bands, n, n), not {sorted(shapes)}")
        if reset:
            self._widths_ = [len(k) for k in kernels]
        elif [k.shape[1] for k in kernels] != self._widths_:
            raise ValueError(
                f"kernels of {[k.shape[1] for k in kernels]} training samples a band, but "
                f"{type(self).__name__} was fitted with {self._widths_}"
            )
        for band, kernel in enumerate(kernels):
            if not bool(torch.isfinite(kernel).all()):
                raise ValueError(f"band {band}: the kernel has NaN or infinite values")
            if reset and not is_symmetric(kernel):
                raise ValueError(f"band {band}: the kernel is not symmetric")
        return [str(i) for i in range(len(kernels))], kernels

    def _steps(self, candidates: int) -> bool:
        return isinstance(self.candidates, int | np.integer) and candidates > 1

    def _gammas(self, bands: int) -> Floats:
        if isinstance(self.candidates, int | np.integer):
            if self.candidates < 1:
                raise ValueError("candidates must be 1 at least")
            return banded_ridge.dirichlet_candidates(int(self.candidates), bands, self.random_state)
        gammas = np.asarray(self.candidates, dtype=float)
        if gammas.ndim != 2 or gammas.shape[1] != bands or not len(gammas):
            raise ValueError(
                f"candidates must be (candidates, {bands}) weights, not of shape {gammas.shape}"
            )
        if not (np.isfinite(gammas) & (gammas >= 0)).all():
            raise ValueError("candidates must be finite weights, none of them negative")
        return gammas

    def _kinds(self, bands: int) -> list[Kind]:
        if self.kernel == "precomputed":
            return []
        kinds: list[Any] = (
            [self.kernel] * bands if isinstance(self.kernel, str) else list(self.kernel)
        )
        if len(kinds) != bands:
            raise ValueError(f"{len(kinds)} kernels for {bands} bands")
        return kinds
