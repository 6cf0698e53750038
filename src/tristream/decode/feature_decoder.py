"""Features of a stimulus, unit by unit, from the voxels that each unit correlates with most."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, RegressorMixin

from tristream.decode.by_units import ByUnits, matrix, new_samples
from tristream.decode.unit_ridge import MEMORY, SharedRidge, Targets, moments, unit_batches

Floats = npt.NDArray[np.floating]
ALPHAS = tuple(float(10**e) for e in np.arange(0, 5.5, 0.5))


class FeatureDecoder(ByUnits, RegressorMixin, BaseEstimator):
    """Regularised linear regression of each unit on its own selection of voxels.

    Voxels and units are z-scored by the training samples, voxels are selected by the absolute
    value of r with the unit on the training samples, and predictions return to the unit's own scale
    (Horikawa & Kamitani 2017, Nat Commun 8:15037). Whatever is learned is learned in `fit`, so that
    test samples can't reach it. Given the same z-scored arrays, weights are those of PyFastL2LiR.

    Parameters
    ----------
    voxels : int or None
        How many a unit gets; None, or more than there are: all.
    alpha : float or 'cv'
        Penalty of ||y - X w||² + alpha ||w||²; ``cv``: of each unit, chosen among `alphas` by
        leaving out the runs that `fit` gets in turn, voxels selected anew without each run.
    alphas : sequence of float
        Candidates of ``cv``.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    memory : int
        Bytes that a chunk of units may take, about.
    progress : bool
        Show a bar of units at a terminal; needs tqdm.

    Attributes
    ----------
    voxels_ : ndarray of int32 of shape (units, k) or None
        Voxels of each unit, rising; None where all are used.
    coef_ : ndarray of float32
        Weights of z-scored voxels for the z-scored unit, (units, k); dual weights
        (samples, units) where all voxels are used.
    alpha_ : ndarray of shape (units,)
        Penalty.
    cv_ : ndarray of shape (units,)
        With ``cv``: mean correlation of left-out runs under the choice.
    x_mean_, x_scale_, y_mean_, y_scale_ : ndarray
        What was z-scored by (standard deviations of n - 1); a scale is 1 where nothing varies.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((80, 30))
    >>> y = X[:, :3] @ rng.standard_normal((3, 4)) + 0.1 * rng.standard_normal((80, 4))
    >>> decoder = FeatureDecoder(voxels=10, alpha=1).fit(X[:60], y[:60])
    >>> decoder.predict(X[60:]).shape, bool(decoder.score(X[60:], y[60:]) > 0.9)
    ((20, 4), True)
    """

    def __init__(
        self,
        voxels: int | None = 500,
        alpha: float | Literal["cv"] = 100.0,
        alphas: Sequence[float] = ALPHAS,
        device: str = "auto",
        memory: int = MEMORY,
        progress: bool = False,
    ) -> None:
        self.voxels = voxels
        self.alpha = alpha
        self.alphas = alphas
        self.device = device
        self.memory = memory
        self.progress = progress

    def fit(self, X: Any, y: Any, runs: npt.ArrayLike | None = None) -> Self:
        """Select voxels and fit each unit.

        Parameters
        ----------
        X : array of shape (n, voxels)
            Training samples: volumes, trials or averages of them.
        y : array of shape (n, units) or (n,)
            True features of the samples.
        runs : array of shape (n,), optional
            Run of each sample; ``alpha="cv"`` leaves them out in turn.

        Raises
        ------
        ValueError
            If arrays don't fit each other, hold values that are not finite or voxels of which none
            varies, or there are too few samples or runs.
        """
        x, target = checked_samples(X, y)
        self._single = np.ndim(y) == 1
        self.n_features_in_ = x.shape[1]
        self._k = x.shape[1] if self.voxels is None else min(int(self.voxels), x.shape[1])
        if self._k < 1:
            raise ValueError(f"voxels: {self.voxels}, but each unit needs one voxel at least")
        self.alpha_ = np.full(target.shape[1], 0.0)
        if isinstance(self.alpha, str):
            self.alpha_, self.cv_ = self._chosen(x, target, _runs(runs, len(x)))
        elif not self.alpha > 0:
            raise ValueError(f"alpha: {self.alpha}, but a penalty is above 0")
        else:
            self.alpha_[:] = self.alpha
        if not (x != x[0]).any():
            raise ValueError("no voxel varies over the training samples")
        targets = Targets.of(target, np.ones(len(x), bool))
        self.x_mean_, self.x_scale_ = moments(x)
        self.y_mean_, self.y_scale_ = targets.mean, targets.scale
        scaled = self._tensor((x - self.x_mean_) / self.x_scale_)
        alpha = self._tensor(self.alpha_)
        units = target.shape[1]
        if self._k == x.shape[1]:
            self.voxels_, self._x = None, scaled.cpu().numpy()
            self.coef_ = np.empty((len(x), units), np.float32)
            shared = SharedRidge.of(scaled)
            for part in self._parts(units, len(x)):
                self.coef_[:, part] = shared.duals(targets.part(part), alpha[part]).cpu().numpy()
            return self
        self.voxels_ = np.empty((units, self._k), np.int32)
        self.coef_ = np.empty((units, self._k), np.float32)
        with self._bar(units, "fit") as bar:
            for batch in unit_batches(scaled, targets, self._k, self.memory):
                self.voxels_[batch.units] = batch.voxels.cpu().numpy()
                self.coef_[batch.units] = batch.solve(alpha[batch.units]).cpu().numpy()
                bar.update(len(batch.voxels))
        return self

    def predict_units(self, X: Any) -> Iterator[tuple[slice, Floats]]:
        """The same by chunks of units, for layers whose predictions don't fit in memory."""
        x = new_samples(X, self.n_features_in_)
        scaled = self._tensor((x - self.x_mean_) / self.x_scale_)
        kernel = scaled @ self._tensor(self._x).T if self.voxels_ is None else None
        for units in self._parts(len(self.y_mean_), x.shape[1] + len(x)):
            if kernel is not None:
                part = kernel @ self._tensor(self.coef_[:, units])
            else:
                part = scaled @ self._dense(units).T
            yield units, part.cpu().numpy() * self.y_scale_[units] + self.y_mean_[units]

    @property
    def weights(self) -> Floats:
        """Weights of z-scored voxels, (units, voxels), with zeros for those not selected."""
        if self.voxels_ is None:
            return np.asarray(self.coef_.T.astype(float) @ self._x)
        return np.asarray(self._dense(slice(0, len(self.coef_))).cpu().numpy())

    def _dense(self, units: slice) -> torch.Tensor:
        coef = self._tensor(self.coef_[units])
        assert self.voxels_ is not None
        place = torch.from_numpy(self.voxels_[units].astype(np.int64)).to(coef.device)
        return coef.new_zeros(len(coef), self.n_features_in_).scatter_(1, place, coef)

    def _chosen(self, x: Floats, y: Floats, runs: npt.NDArray[np.integer]) -> tuple[Floats, Floats]:
        """Penalty of each unit, and its mean correlation over left-out runs."""
        alphas = np.sort(np.asarray(self.alphas, float))
        if not len(alphas) or not alphas[0] > 0:
            raise ValueError("alphas: candidates are numbers above 0, one at least")
        folds = np.unique(runs)
        total = np.zeros((len(alphas), y.shape[1]))
        with self._bar(len(folds) * y.shape[1], "penalties") as bar:
            for fold in folds:
                train, test = runs != fold, runs == fold
                for units, scores in self._fold_scores(x, y, train, test, alphas):
                    total[:, units] += scores
                    bar.update(scores.shape[1])
        # Of equal scores the larger penalty.
        best = len(alphas) - 1 - total[::-1].argmax(0)
        return alphas[best], total.max(0) / len(folds)

    def _fold_scores(
        self,
        x: Floats,
        y: Floats,
        train: npt.NDArray[np.bool_],
        test: npt.NDArray[np.bool_],
        alphas: Floats,
    ) -> Iterator[tuple[slice, Floats]]:
        """Correlations of a left-out run under each penalty, (alphas, units)."""
        mean, scale = moments(x[train])
        targets = Targets.of(y, train)
        new = self._tensor((x[test] - mean) / scale)
        old = self._tensor((x[train] - mean) / scale)
        if self._k == x.shape[1]:
            shared, kernel = SharedRidge.of(old), new @ old.T
            for units in self._parts(y.shape[1], len(train)):
                part, held = targets.part(units), y[:, units][test]
                duals = (shared.duals(part, self._tensor(np.array([alpha]))) for alpha in alphas)
                predicted = ((kernel @ dual).cpu().numpy() for dual in duals)
                yield units, np.array([correlation_of_columns(one, held) for one in predicted])
            return
        for batch in unit_batches(old, targets, self._k, self.memory):
            dense, held = old.new_zeros(len(batch.voxels), x.shape[1]), y[:, batch.units][test]
            scores = []
            for alpha in alphas:
                weights = batch.solve(self._tensor(np.full(len(batch.voxels), alpha)))
                one = new @ dense.scatter_(1, batch.voxels, weights).T
                scores.append(correlation_of_columns(one.cpu().numpy(), held))
            yield batch.units, np.array(scores)


def average_showings(values: Floats, item: Sequence[Any]) -> tuple[Floats, list[Any]]:
    """Mean over the showings of each item.

    Parameters
    ----------
    values : ndarray of shape (n, p)
        Predictions, or responses.
    item : sequence of length n
        What each row shows.

    Returns
    -------
    means : ndarray of shape (items, p)
    items : list
        In sorted order.
    """
    items, place = np.unique(np.asarray(item), return_inverse=True)
    total = np.zeros((len(items), values.shape[1]))
    np.add.at(total, place, values)
    return total / np.bincount(place)[:, None], items.tolist()


def checked_samples(X: Any, y: Any) -> tuple[Floats, Floats]:
    x = np.asarray(matrix(X, "X"), np.float64)
    target = np.asarray(y)
    target = matrix(target[:, None] if target.ndim == 1 else target, "y")
    if len(x) != len(target):
        raise ValueError(f"X has {len(x)} samples, y {len(target)}")
    if len(x) < 3:
        raise ValueError(f"{len(x)} training samples; a correlation needs three at least")
    return x, target


def _runs(runs: npt.ArrayLike | None, samples: int) -> npt.NDArray[np.integer]:
    if runs is None:
        raise ValueError("alpha='cv' leaves out runs: give `runs`, the run of each sample")
    _, numbers = np.unique(np.asarray(runs), return_inverse=True)
    if len(numbers) != samples:
        raise ValueError(f"{len(numbers)} runs are given for {samples} samples")
    sizes = np.bincount(numbers)
    if len(sizes) < 2:
        raise ValueError("all samples are of one run; alpha='cv' needs two to leave one out")
    if sizes.min() < 3 or samples - sizes.max() < 3:
        raise ValueError(
            f"a run of {sizes.min()} samples, {samples - sizes.max()} in the others: "
            "a fold needs three samples on either side"
        )
    return np.asarray(numbers)


def correlation_of_columns(a: Floats, b: Floats) -> Floats:
    """Of columns; 0 where one doesn't vary."""
    a, b = a - a.mean(0), b - b.mean(0)
    size = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    return np.divide((a * b).sum(0), size, out=np.zeros(a.shape[1]), where=size > 1e-12)
