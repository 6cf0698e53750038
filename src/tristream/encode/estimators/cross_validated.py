"""What ridge estimators share: the search by cross-validation, weights, predictions, scores."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from tristream.device import choose_device
from tristream.encode.estimators.grid_edges import warn_edges
from tristream.encode.estimators.many_samples import check_memory, takes_features
from tristream.encode.estimators.missing_targets import fill_missing, with_missing
from tristream.encode.estimators.solver_choice import choose_solver
from tristream.encode.estimators.validation import (
    Floats,
    Groups,
    check_definite,
    missing_columns,
    read_alphas,
    read_columns,
    read_groups,
    read_present,
    read_regions,
    read_targets,
)
from tristream.encode.estimators.weighted_samples import Samples, read_weights
from tristream.encode.nonlinear import DEGREE, KernelMap, Kind
from tristream.encode.prediction_scores import correlation, r2, split_r2
from tristream.encode.solvers import banded_ridge, feature_ridge, ridge

Score = Literal["r2", "correlation"]
SCORES = get_args(Score)
Select = Literal["average", "best"]
NanTargets = Literal["raise", "skip"]
Progress = Callable[[Iterable[int]], Iterable[int]]
Self = TypeVar("Self", bound="CrossValidatedRidge")
ALPHAS = (1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4, 1e5)


class CrossValidatedRidge(RegressorMixin, BaseEstimator):
    """Hyperparameter search, weights in primal or dual form."""

    alphas: Any
    cv: Any
    fit_intercept: bool
    score_func: Any
    solver: Any
    select: Any = "best"
    nan_targets: Any = "raise"
    nan_targets_: npt.NDArray[np.bool_]
    device: str
    intercept_: Floats
    dual_: Floats | None
    weights_: Floats | None
    level_: Floats
    shift_: Floats
    progress: Progress | None = None
    memory: int | None = None
    directions: int | None = None

    def _bands(self, X: Any, reset: bool) -> tuple[list[str], list[torch.Tensor]]:
        raise NotImplementedError

    def _gammas(self, bands: int) -> Floats:
        raise NotImplementedError

    def _steps(self, candidates: int) -> bool:
        """Whether band weights may be others than the candidates."""
        return False

    def _kinds(self, bands: int) -> list[Kind]:
        """Kernel of each band; none for kernels given as such."""
        raise NotImplementedError

    def fit(
        self: Self,
        X: Any,
        y: Any,
        runs: npt.ArrayLike | None = None,
        *,
        regions: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Choose hyperparameters by cross-validation and fit all targets.

        Parameters
        ----------
        X : array or Tensor of shape (n, p), or a list of them, one a band
        y : array or Tensor of shape (n, targets) or (n,)
            Products with float32 targets are taken in float32, where that is accurate. It may
            stay on the CPU, or on disk as a tensor over a memory map: chunks go to the device.
        runs : array of shape (n,), optional
            The run of each sample; each run is left out in turn. Goes before `cv`.
        regions : array of shape (targets,), optional
            Label of each target. Targets of one label share penalty and band weights: those with
            the best mean score over them; the mean of near-best candidates is one a region, too.
            Targets that do not vary have no say. All candidates are scored on all targets, so the
            solver is ``exact`` or ``primal``.
        sample_weight : array of shape (n,), optional
            What multiplies each sample's squared error, not negative; as a weight of errors, means
            and variances in scores, too. Samples of weight zero are left out. The solver is
            ``exact`` or ``primal``, and folds each leave a group of samples out.

        Raises
        ------
        ValueError
            If values are missing, shapes do not fit, there are too few samples (of a weight above
            zero in a group: two at least), or the solver can not share candidates or weigh samples.
        """
        if self.score_func not in SCORES:
            raise ValueError(f"score_func {self.score_func!r} is neither of {', '.join(SCORES)}")
        if self.select not in get_args(Select):
            raise ValueError(f"select {self.select!r} is neither of {', '.join(get_args(Select))}")
        device = torch.device(choose_device(self.device))
        self._forget()
        self.bands_, parts = self._bands(X, reset=True)
        samples = parts[0].shape[0]
        targets = self._targets(y, samples)
        shared = read_regions(regions, self.nan_targets_)
        alphas, gammas = read_alphas(self.alphas), self._gammas(len(parts))
        # Averaging over penalties alone gains nothing.
        self.select_ = self.select if len(gammas) > 1 else "best"
        kinds = self._kinds(len(parts))
        weight = read_weights(sample_weight, samples)
        used = Samples(parts, targets, read_groups(self.cv, runs, samples))
        used = used.weighted(weight, kernels=not kinds)
        parts, targets, groups = used.parts, used.targets, used.groups
        options = {"regions": shared, "sample_weight": used.weight}
        widths = [p.shape[1] for p in parts]
        self.solver_ = choose_solver(
            self.solver,
            widths,
            tuple(targets.shape),
            groups,
            (len(gammas), len(alphas)),
            kinds,
            steps=self._steps(len(gammas)),
            shared=shared is not None,
            weighted=weight is not None,
            directions=self.directions,
        )
        parts = [p.to(device) for p in parts]
        if self.solver_ == "primal":
            self._fit_primal(parts, targets, groups, gammas, alphas, options)
        elif self.directions is not None or (
            self.solver_ == "skeleton"
            and shared is None
            and takes_features(targets.shape[0], widths, kinds, groups)
        ):
            self._fit_features(parts, targets, groups, gammas, alphas)
        else:
            check_memory(len(parts), len(targets), kinds, device)
            self._fit_dual(parts, targets, groups, gammas, alphas, kinds, options)
            if self.dual_ is not None and not kinds:
                self.dual_ = used.all_duals(self.dual_)
        warn_edges(self.alpha_, self.cv_, alphas)
        fill_missing(self, self.nan_targets_)
        return self

    def _targets(self, y: Any, samples: int) -> torch.Tensor:
        """Targets to fit; `vector_` and `nan_targets_` become known."""
        if self.nan_targets not in get_args(NanTargets):
            raise ValueError(f"nan_targets {self.nan_targets!r} is neither of raise, skip")
        if self.nan_targets == "skip":
            targets, self.vector_, self.nan_targets_ = read_present(y, samples)
        else:
            targets, self.vector_ = read_targets(y, samples)
            self.nan_targets_ = np.zeros(targets.shape[1], dtype=bool)
        return targets

    def _forget(self) -> None:
        """Drop what an earlier fit found: features of that one would pass for those of this one."""
        for name in [n for n in vars(self) if n.endswith("_") and not n.startswith("__")]:
            delattr(self, name)

    def _fit_primal(
        self,
        parts: Sequence[torch.Tensor],
        targets: torch.Tensor,
        groups: Groups,
        gammas: Floats,
        alphas: Floats,
        options: dict[str, Any],
    ) -> None:
        assert isinstance(groups, np.ndarray)
        found = ridge.fit(
            parts,
            targets,
            groups,
            gammas,
            alphas,
            intercept=self.fit_intercept,
            score=self.score_func,
            select=self.select_,
            progress=self.progress or iter,
            **options,
        )
        self._keep(found.gamma, found.alpha, found.score, found.intercept, gammas, alphas)
        self._keep_weights(found)

    def _fit_features(
        self,
        parts: Sequence[torch.Tensor],
        targets: torch.Tensor,
        groups: Groups,
        gammas: Floats,
        alphas: Floats,
    ) -> None:
        found = feature_ridge.fit(
            parts,
            targets,
            groups,
            gammas,
            alphas,
            directions=self.directions,
            intercept=self.fit_intercept,
            score=self.score_func,
            solver=self.solver_,
            select=self.select_,
            memory=self.memory or 0,
            progress=self.progress or iter,
        )
        choice = found.choice
        self._keep(choice.gamma, choice.alpha, choice.score, found.intercept, gammas, alphas)
        self.solver_, self.estimated_loss_ = found.solver, found.estimated_loss
        if self.directions is not None:
            self.left_out_, self.directions_loss_ = found.left_out, found.loss
        self._keep_weights(found)

    def _fit_dual(
        self,
        parts: Sequence[torch.Tensor],
        targets: torch.Tensor,
        groups: Groups,
        gammas: Floats,
        alphas: Floats,
        kinds: Sequence[Kind],
        options: dict[str, Any],
    ) -> None:
        kernels = self._train_kernels(parts, kinds, alphas.min() / gammas.sum(1).max())
        if self.solver_ == "gradient":
            self._fit_gradient(kernels, targets, groups, alphas)
            return
        found = self._solve(kernels, targets, groups, gammas, alphas, options)
        choice = found.choice
        self._keep(choice.gamma, choice.alpha, choice.score, found.intercept, gammas, alphas)
        self.solver_, self.estimated_loss_ = found.solver, found.estimated_loss
        self.weights_ = None
        duals = found.duals
        if found.average is not None:
            duals = found.average.duals
            self._keep_average(found.average)
        self.dual_ = duals.cpu().numpy()
        self._uncentre()

    def _keep_weights(self, found: ridge.PrimalFit | feature_ridge.FeatureFit) -> None:
        weights = found.weights
        if found.average is not None:
            weights = found.average.weights
            self._keep_average(found.average)
        self.weights_ = weights.cpu().numpy()
        self.dual_ = None

    def _keep_average(self, average: banded_ridge.Averaged | ridge.PrimalAverage) -> None:
        self.gamma_ = average.gamma.cpu().numpy()
        self.intercept_ = average.intercept.cpu().numpy()
        self.averaged_ = average.number.cpu().numpy()
        self.temperature_ = average.temperature

    def _fit_gradient(
        self, kernels: torch.Tensor, targets: torch.Tensor, groups: Groups, alphas: Floats
    ) -> None:
        found = banded_ridge.fit_gradient(
            kernels,
            targets,
            groups,
            alphas,
            intercept=self.fit_intercept,
            score=self.score_func,
            memory=self.memory,
            progress=self.progress or iter,
        )
        self.gammas_: Floats | None = None
        self.select_ = "best"
        self.gamma_, self.alpha_ = found.gamma.cpu().numpy(), found.alpha.cpu().numpy()
        self.cv_, self.start_ = found.score.cpu().numpy(), found.start.cpu().numpy()
        self.edge_ = float(np.isin(self.alpha_, [alphas.min(), alphas.max()]).mean())
        self.intercept_ = found.intercept.cpu().numpy()
        self.weights_ = None
        self.dual_ = found.duals.cpu().numpy()
        self._uncentre()

    def _solve(
        self,
        kernels: torch.Tensor,
        targets: torch.Tensor,
        groups: Groups,
        gammas: Floats,
        alphas: Floats,
        options: dict[str, Any] | None = None,
    ) -> banded_ridge.Fit:
        return banded_ridge.fit(
            kernels,
            targets,
            groups,
            gammas,
            alphas,
            intercept=self.fit_intercept,
            score=self.score_func,
            solver=self.solver_,
            select=self.select_,
            memory=self.memory,
            progress=self.progress or iter,
            **(options or {}),
        )

    def _train_kernels(
        self, parts: Sequence[torch.Tensor], kinds: Sequence[Kind], least: float
    ) -> torch.Tensor:
        """Kernels (bands, n, n), and what predicts with them later; `least`: the least penalty."""
        if not kinds:
            check_definite(self.bands_, parts, least)
            return torch.stack([p.double() for p in parts])
        out, self.maps_, self.X_fit_, self.means_ = [], [], [], []
        for name, part, kind in zip(self.bands_, parts, kinds, strict=True):
            # Neither model depends on the mean, but a kernel of features far from zero is all mean.
            centred = kind == "rbf" or (kind == "linear" and self.fit_intercept)
            mean = part.double().mean(0) * float(centred)
            own = part.double() - mean
            self.X_fit_.append(own.to(part.dtype).cpu().numpy())
            self.means_.append(mean.cpu().numpy())
            gram = own @ own.T
            try:
                mapped = KernelMap.fit(kind, gram, getattr(self, "degree", DEGREE))
            except ValueError as error:
                raise ValueError(f"band {name}: {error}") from None
            self.maps_.append(mapped)
            out.append(mapped(gram, gram.diagonal(), gram.diagonal()))
            if kind == "sigmoid":
                check_definite([name], [out[-1]], least)
        return torch.stack(out)

    def _uncentre(self) -> None:
        """Let the intercept be that of features which are not centred."""
        self.level_ = self.intercept_
        self.shift_ = np.zeros((len(self.gamma_), len(self.intercept_)))
        if not self._kinds(len(self.gamma_)):
            return
        assert self.dual_ is not None
        dual = np.broadcast_to(self.dual_, (len(self.gamma_), *self.dual_.shape[-2:]))
        for b, (x, mean, kernel) in enumerate(
            zip(self.X_fit_, self.means_, self.maps_, strict=True)
        ):
            if kernel.kind == "linear":
                self.shift_[b] = (x.astype(float) @ mean) @ dual[b] * self.gamma_[b]
        self.intercept_ = self.level_ - self.shift_.sum(0)

    def _keep(
        self,
        gamma: torch.Tensor,
        alpha: torch.Tensor,
        score: torch.Tensor,
        intercept: torch.Tensor,
        gammas: Floats,
        alphas: Floats,
    ) -> None:
        index = alpha.cpu().numpy()
        self.gammas_ = gammas
        self.gamma_ = gammas[gamma.cpu().numpy()].T
        self.alpha_ = alphas[index]
        self.cv_ = score.cpu().numpy()
        self.edge_ = float(np.isin(self.alpha_, [alphas.min(), alphas.max()]).mean())
        self.intercept_ = intercept.cpu().numpy()

    def predict(self, X: Any, split: bool = False) -> Any:
        """Predict targets.

        Parameters
        ----------
        X : as in `fit`
            Kernels: of shape (bands, m, n), with the training samples.
        split : bool
            Return each band's part, without the intercept.

        Returns
        -------
        array of shape (m, targets), or (bands, m, targets); the targets' axis is missing if `y`
        was a vector. A Tensor if `X` is made of tensors.
        """
        check_is_fitted(self, "alpha_")
        device = torch.device(choose_device(self.device))
        _, parts = self._bands(X, reset=False)
        parts = [p.to(device) for p in parts]
        if self.dual_ is None:
            found = self._predict_primal(parts)
            constant = np.zeros(()) if split else self.intercept_
        else:
            found = self._predict_dual(parts)
            constant = self.shift_[:, None] if split else self.level_
        found = (found if split else found.sum(0)) + torch.as_tensor(
            constant, device=device, dtype=found.dtype
        )
        if self.vector_:
            found = found[..., 0]
        tensors = isinstance(X, torch.Tensor) or (
            isinstance(X, list | tuple) and isinstance(X[0], torch.Tensor)
        )
        return found if tensors else found.cpu().numpy()

    def _predict_primal(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        weights = torch.as_tensor(self.weights_, device=parts[0].device)
        blocks = weights.split([p.shape[1] for p in parts])
        return torch.stack([p.to(w.dtype) @ w for p, w in zip(parts, blocks, strict=True)])

    def _predict_dual(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        dual = torch.as_tensor(self.dual_, device=parts[0].device)
        gamma = torch.as_tensor(self.gamma_, device=parts[0].device).to(dual.dtype)
        if self._kinds(len(parts)):
            parts = [self._test_kernel(b, x.double()) for b, x in enumerate(parts)]
        return banded_ridge.predict(torch.stack([p.double() for p in parts]), dual, gamma)

    def _test_kernel(self, band: int, x: torch.Tensor) -> torch.Tensor:
        z = torch.as_tensor(self.X_fit_[band], dtype=torch.float64, device=x.device)
        x = x - torch.as_tensor(self.means_[band], device=x.device)
        return self.maps_[band](x @ z.T, x.square().sum(1), z.square().sum(1))

    @property
    def coef_(self) -> Floats:
        """Weights of the features, bands one after the other, (targets, p) or (p,)."""
        check_is_fitted(self, "alpha_")
        if self.dual_ is None:
            assert self.weights_ is not None
            weights = self.weights_
        else:
            if not hasattr(self, "maps_") or {m.kind for m in self.maps_} != {"linear"}:
                raise AttributeError("only linear kernels of features have weights")
            duals = np.broadcast_to(self.dual_, (len(self.gamma_), *self.dual_.shape[-2:]))
            weights = np.concatenate(
                [
                    (x.T.astype(dual.dtype) @ dual) * gamma
                    for x, dual, gamma in zip(self.X_fit_, duals, self.gamma_, strict=True)
                ]
            )
        return weights[:, 0] if self.vector_ else weights.T

    def get_primal_coef(self, X: Any) -> list[Floats]:
        """Weights of each band's features, from precomputed linear kernels.

        Parameters
        ----------
        X : list of array of shape (n, p of the band)
            Features of the training samples, whose products are the kernels of the fit.

        Returns
        -------
        list of ndarray of shape (p of the band, targets)
        """
        check_is_fitted(self, "alpha_")
        if self.dual_ is None or self._kinds(len(self.gamma_)):
            raise ValueError("the fit had features, not kernels: their weights are `coef_`")
        parts = [np.asarray(x) for x in X]
        shapes = [x.shape for x in parts]
        if len(parts) != len(self.gamma_) or {s[0] for s in shapes} != {self.dual_.shape[-2]}:
            raise ValueError(
                f"X has shapes {shapes}; it takes the {self.dual_.shape[-2]} training samples of "
                f"{len(self.gamma_)} bands"
            )
        dual = np.broadcast_to(self.dual_, (len(parts), *self.dual_.shape[-2:]))
        return [x.T @ d * gamma for x, d, gamma in zip(parts, dual, self.gamma_, strict=True)]

    def score(self, X: Any, y: Any, sample_weight: npt.ArrayLike | None = None) -> float:
        """Mean of R² (or correlation) of the prediction, over targets that are not passed over."""
        scores = self.score_targets(X, y, sample_weight=sample_weight)
        if self.nan_targets == "skip":
            scores = scores[~np.isnan(scores)]
        return float(scores.mean())

    def score_targets(
        self,
        X: Any,
        y: Any,
        split: bool = False,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Floats:
        """R² (or correlation) of each target, (targets,); 0 where it does not vary.

        With ``nan_targets="skip"`` NaN for targets that the fit passed over, or that hold NaN here.

        Parameters
        ----------
        X, y : as in `fit`
        split : bool
            Return each band's share of R², (bands, targets): the product measure, whose shares add
            up to the R² of a prediction whose mean is right (Dupré la Tour et al. 2022).
        sample_weight : array of shape (m,), optional
            As in `fit`.
        """
        if split and self.score_func != "r2":
            raise ValueError("score_func='correlation' has no shares; R² has")
        predicted = torch.as_tensor(self.predict(X, split=split)).cpu().double().numpy()
        samples = predicted.shape[int(split)]
        skip = self.nan_targets == "skip"
        y = (read_columns if skip else read_targets)(y, samples)[0]
        missing = self.nan_targets_ | missing_columns(y)
        truth = y.cpu().double().numpy()
        predicted = predicted.reshape(*predicted.shape[: 1 + split], truth.shape[1])
        weight = read_weights(sample_weight, samples)
        if weight is not None:
            kept = weight > 0
            truth, predicted, weight = truth[kept], predicted[..., kept, :], weight[kept]
        scored = split_r2 if split else {"r2": r2, "correlation": correlation}[self.score_func]
        if not missing.any():
            return scored(truth, predicted, weight)
        return with_missing(scored(truth[:, ~missing], predicted[..., ~missing], weight), missing)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
