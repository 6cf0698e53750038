"""Features of a stimulus, unit by unit, from all voxels, with a penalty of its own for each region.

Ridge regression on a selection of voxels asks which voxels tell something of a unit one at a time;
banded ridge regression asks which regions do, and keeps all of their voxels (Dupré la Tour et al.
2022, NeuroImage 264:119728, the other way round: regions are bands, and units the targets).
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, RegressorMixin

from tristream.decode.by_units import ByUnits, new_samples
from tristream.decode.feature_decoder import checked_samples
from tristream.decode.unit_ridge import MEMORY, Targets, moments
from tristream.encode.estimators import BandedRidgeCV, GridEdgeWarning

Floats = npt.NDArray[np.floating]
Bands = Mapping[str, npt.ArrayLike]
ALPHAS = tuple(float(10**e) for e in range(7))
CANDIDATES = 20
FOLDS = 5
"""Groups of runs that are left out in turn, at most."""


class BandedFeatureDecoder(ByUnits, RegressorMixin, BaseEstimator):
    """Banded ridge regression of each unit on all voxels, whose bands are regions.

    Voxels and units are z-scored by the training samples, which are all that `fit` gets. Weights of
    the bands and the penalty are chosen for each unit in runs that are left out in turn. Every
    candidate is scored on every unit, and the best is taken: quicker searches, and means of
    candidates, share among units what they learn, and a unit's fit would depend on the chunk that
    it is in.

    Parameters
    ----------
    bands : dict of str to array of int
        Columns of `X` of each band, two bands at least; bands may share columns, and columns of no
        band are not used.
    alphas : sequence of float
        Penalties to choose from.
    candidates : int or array of shape (candidates, bands)
        Weightings of the bands to choose from, as of
        :class:`tristream.encode.estimators.BandedRidgeCV`: all alike, each alone, random ones.
    score : {'r2', 'correlation'}
        What is maximised in left-out runs. R² keeps predictions of units on one scale: those that
        voxels tell little of are small, which items are identified by when patterns over units are
        compared. The correlation, blind to scale, finds single units better.
    seed : int
        Of random weightings.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    memory : int
        Bytes that a chunk of units may take, about.
    progress : bool
        Show a bar of units at a terminal; needs tqdm.

    Attributes
    ----------
    bands_ : tuple of str
        Names of the bands.
    gamma_ : ndarray of shape (bands, units)
        Weights of the bands, adding up to one.
    alpha_ : ndarray of shape (units,)
        Penalty.
    cv_ : ndarray of shape (units,)
        Mean score of left-out runs under the choice.
    dual_ : ndarray of float32 of shape (samples, units)
        Dual weights: those of a band's z-scored voxels are their transpose times these times
        `gamma_`.
    folds_, weightings_ : int
        Groups of runs that were left out; weightings that were tried.
    x_mean_, x_scale_, y_mean_, y_scale_ : ndarray
        What was z-scored by (standard deviations of n - 1); a scale is 1 where nothing varies.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((80, 30))
    >>> y = X[:, :3] @ rng.standard_normal((3, 4)) + 0.1 * rng.standard_normal((80, 4))
    >>> decoder = BandedFeatureDecoder({"V1": range(10), "LOC": range(10, 30)}, device="cpu")
    >>> decoder = decoder.fit(X[:60], y[:60], runs=np.repeat([0, 1, 2], 20))
    >>> decoder.predict(X[60:]).shape, bool((decoder.gamma_[0] > 0.9).all())
    ((20, 4), True)
    """

    def __init__(
        self,
        bands: Bands | None = None,
        alphas: Sequence[float] = ALPHAS,
        candidates: int | Floats = CANDIDATES,
        score: Literal["r2", "correlation"] = "r2",
        seed: int = 0,
        device: str = "auto",
        memory: int = MEMORY,
        progress: bool = False,
    ) -> None:
        self.bands = bands
        self.alphas = alphas
        self.candidates = candidates
        self.score: Literal["r2", "correlation"] = score
        self.seed = seed
        self.device = device
        self.memory = memory
        self.progress = progress

    def fit(self, X: Any, y: Any, runs: npt.ArrayLike | None = None) -> Self:
        """Choose weights of the bands and a penalty for each unit, and fit it.

        Parameters
        ----------
        X : array of shape (n, voxels)
            Training samples: volumes, trials or averages of them.
        y : array of shape (n, units) or (n,)
            True features of the samples; it may be a memory map.
        runs : array of shape (n,)
            Run of each sample; up to :data:`FOLDS` groups of runs are left out in turn.

        Raises
        ------
        ValueError
            If arrays don't fit each other or hold values that are not finite, there are too few
            samples or runs, one band, a band without voxels or with indices that `X` does not have,
            or one of which no voxel varies.
        """
        x, target = checked_samples(X, y)
        group = run_groups(runs, len(x))
        self._columns = checked_bands(self.bands, x)
        self.bands_ = tuple(self._columns)
        self._single = np.ndim(y) == 1
        self.n_features_in_ = x.shape[1]
        self.folds_ = int(group.max()) + 1
        targets = Targets.of(target, np.ones(len(x), bool))
        self.x_mean_, self.x_scale_ = moments(x)
        self.y_mean_, self.y_scale_ = targets.mean, targets.scale
        self._x = (x - self.x_mean_) / self.x_scale_
        kernels = self._kernels(self._x)
        units = target.shape[1]
        self.gamma_ = np.empty((len(self.bands_), units))
        self.alpha_, self.cv_ = np.empty(units), np.empty(units)
        self.dual_ = np.empty((len(x), units), np.float32)
        with self._bar(units, "banded fit") as bar:
            for part in self._parts(units, 2 * len(x)):
                model = self._model()
                with warnings.catch_warnings():
                    # Units that voxels tell nothing of take the largest penalty, as they should.
                    warnings.simplefilter("ignore", GridEdgeWarning)
                    model.fit(kernels, targets.part(part), runs=group)
                self.gamma_[:, part], self.alpha_[part] = model.gamma_, model.alpha_
                self.cv_[part], self.dual_[:, part] = model.cv_, model.dual_
                bar.update(part.stop - part.start)
        assert model.gammas_ is not None
        self.weightings_ = len(model.gammas_)
        return self

    def predict_units(self, X: Any) -> Iterator[tuple[slice, Floats]]:
        """The same by chunks of units, for layers whose predictions don't fit in memory."""
        x = new_samples(X, self.n_features_in_)
        kernels = self._kernels((x - self.x_mean_) / self.x_scale_)
        for units in self._parts(len(self.y_mean_), len(self._x) + len(x)):
            dual, gamma = self._tensor(self.dual_[:, units]), self._tensor(self.gamma_[:, units])
            # Dual weights add up to zero, and kernels are of voxels of mean zero: no intercept.
            part = sum((k @ (dual * own) for k, own in zip(kernels, gamma, strict=True)))
            assert isinstance(part, torch.Tensor)
            yield units, part.cpu().numpy() * self.y_scale_[units] + self.y_mean_[units]

    def _model(self) -> BandedRidgeCV:
        return BandedRidgeCV(
            alphas=self.alphas,
            candidates=self.candidates,
            kernel="precomputed",
            score_func=self.score,
            solver="exact",
            select="best",
            random_state=self.seed,
            device=self.device,
            memory=self.memory,
        )

    def _kernels(self, scaled: Floats) -> torch.Tensor:
        """Linear kernels of each band with the training samples, (bands, m, n)."""
        new, old = self._tensor(scaled), self._tensor(self._x)
        return torch.stack([new[:, own] @ old[:, own].T for own in self._columns.values()])


def run_groups(
    runs: npt.ArrayLike | None, samples: int, least: int = 2, most: int = FOLDS
) -> npt.NDArray[np.int64]:
    """Group of each sample: runs in sorted order, parted into groups of about equally many.

    Parameters
    ----------
    runs : array of shape (samples,) or None
        Run of each sample.
    samples : int
    least : int
        Runs that there must be.
    most : int
        Groups, if there are as many runs.

    Returns
    -------
    ndarray of int of shape (samples,)
        From 0 on.

    Raises
    ------
    ValueError
        If `runs` is missing or of another length, there are fewer than `least`, or a group, or
        all others together, have fewer than three samples.
    """
    if runs is None:
        raise ValueError("runs are left out in turn: give `runs`, the run of each sample")
    names, number = np.unique(np.asarray(runs), return_inverse=True)
    if len(number) != samples:
        raise ValueError(f"{len(number)} runs are given for {samples} samples")
    if len(names) < least:
        need = "a choice in left-out runs" if least == 2 else "a choice nested in training runs"
        raise ValueError(f"samples are of {len(names)} training run(s); {need} needs {least}")
    group = number.ravel() * min(most, len(names)) // len(names)
    sizes = np.bincount(group)
    if sizes.min() < 3 or samples - sizes.max() < 3:
        raise ValueError(
            f"a group of training runs has {sizes.min()} samples, all others "
            f"{samples - sizes.max()}; a fold needs three on either side"
        )
    return np.asarray(group, np.int64)


def checked_bands(bands: Bands | None, x: Floats) -> dict[str, npt.NDArray[np.int64]]:
    """Columns of each band, rising.

    Raises
    ------
    ValueError
        As of :meth:`BandedFeatureDecoder.fit`.
    """
    if bands is None or len(bands) < 2:
        raise ValueError(f"bands: {len(bands or {})} given, but banded ridge regression needs two")
    found = {name: np.unique(np.asarray(own, np.int64)) for name, own in bands.items()}
    varies = (x != x[0]).any(0)
    for name, own in found.items():
        if not len(own):
            raise ValueError(f"band {name} has no voxels")
        if own[0] < 0 or own[-1] >= x.shape[1]:
            raise ValueError(
                f"band {name} has voxel {own[0] if own[0] < 0 else own[-1]}, but X "
                f"has voxels 0 to {x.shape[1] - 1}"
            )
        if not varies[own].any():
            raise ValueError(f"band {name}: no voxel varies over the training samples")
    return found
