"""Classifiers as scikit-learn pipelines: all that sees labels or other samples is fitted together.

Scaling, the choice of voxels and the classifier are steps of one pipeline, so that what fits the
pipeline to training samples can't fit a part of it to others.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.covariance import LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from tristream.config.decoders import ClassifierKind as Kind

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
HIDDEN = 16
"""Hidden units of the small network."""
STRENGTHS: Mapping[Kind, tuple[float, ...]] = {
    "ridge": (100.0, 10.0, 1.0, 0.1, 0.01),
    "svm": (0.01, 0.1, 1.0, 10.0, 100.0),
    "logistic": (0.01, 0.1, 1.0, 10.0, 100.0),
    "lda": (),
    "mlp": (1.0, 0.1),
}
"""What is tried: alpha of ridge and network, C of the others; for samples of a mean squared norm of
one, the strongest penalty first, so that it is taken among equals. The shrinkage of LDA is computed
(Ledoit & Wolf 2004)."""


def mean_square(x: Floats) -> float:
    """Mean squared norm of samples without their mean; one where all are equal."""
    square = float(((x - x.mean(0)) ** 2).sum(1).mean())
    return square if square > 0 else 1.0


class Span(TransformerMixin, BaseEstimator):
    """Coordinates in the space that the training samples span, in units of their mean norm.

    Where there are more voxels than samples this changes no inner product with a training sample,
    and so no linear classifier with a squared penalty; fits are then quick. Sizes in units of the
    mean norm make one grid of penalties fit any number of voxels.

    Parameters
    ----------
    unit : bool
        Whether to divide by the square root of the mean squared norm.
    """

    def __init__(self, unit: bool = True) -> None:
        self.unit = unit

    def fit(self, x: Floats, y: object = None) -> Self:
        """Find the space and the norm; labels are not looked at."""
        self.size_ = np.sqrt(mean_square(x)) if self.unit else 1.0
        self.basis_ = np.linalg.qr(x.T)[0] if len(x) < x.shape[1] else None
        return self

    def transform(self, x: Floats) -> Floats:
        """Coordinates of samples."""
        return (x if self.basis_ is None else x @ self.basis_) / self.size_


def _lda(shrinkage: float | None, _seed: int) -> LinearDiscriminantAnalysis:
    if shrinkage is None:
        return LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=LedoitWolf())
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)


ESTIMATORS: Mapping[Kind, Callable[[Any, int], BaseEstimator]] = {
    "ridge": lambda alpha, _: RidgeClassifier(alpha=alpha),
    "svm": lambda c, seed: LinearSVC(C=c, dual=True, max_iter=10_000, random_state=seed),
    "logistic": lambda c, _: LogisticRegression(C=c, max_iter=1000),
    "lda": _lda,
    "mlp": lambda alpha, seed: MLPClassifier(
        (HIDDEN,), solver="lbfgs", alpha=alpha, max_iter=200, random_state=seed
    ),
}


def classifier(
    kind: Kind,
    strength: float | None = None,
    *,
    voxels: int | None = None,
    standardize: bool = True,
    seed: int = 0,
    unit: bool | None = None,
) -> Pipeline:
    """One classifier of labels by voxels, unfitted.

    Parameters
    ----------
    kind : {'ridge', 'svm', 'logistic', 'lda', 'mlp'}
    strength : float, optional
        alpha of ridge and network, C of SVM and logistic regression, shrinkage of LDA. Default: one
        for samples of a mean squared norm of one; Ledoit-Wolf's of LDA.
    voxels : int, optional
        How many voxels are used, those with the largest F of the labels (for two labels, the
        largest |r|). Default: all.
    standardize : bool
        Scale voxels by the samples that are fitted.
    seed : int
        Of the SVM's order of updates and of the network's first weights.
    unit : bool, optional
        Whether strengths are for samples of a mean squared norm of one. Default: where `strength`
        is not given.

    Returns
    -------
    Pipeline
    """
    steps: list[tuple[str, BaseEstimator]] = []
    if standardize:
        steps.append(("scale", StandardScaler()))
    if voxels is not None:
        steps.append(("voxels", SelectKBest(f_classif, k=voxels)))
    unit = strength is None if unit is None else unit
    steps.append(("span", Span(unit)))
    strength = 1.0 if strength is None and kind != "lda" else strength
    return Pipeline([*steps, ("classify", ESTIMATORS[kind](strength, seed))])


def decisions(fitted: Any, x: Floats, classes: int) -> Floats:
    """Decision values of shape (samples, classes); a class that was not fitted has the least.

    Parameters
    ----------
    fitted : classifier or Pipeline
        Of labels that are numbers below `classes`.
    x : ndarray of shape (samples, voxels)
    classes : int
    """
    if hasattr(fitted, "decision_function"):
        values = fitted.decision_function(x)
    else:
        values = np.log(np.maximum(fitted.predict_proba(x), 1e-300))
    if values.ndim == 1:
        values = np.stack([-values, values], 1)
    out = np.repeat(values.min(1, keepdims=True) - 1, classes, axis=1)
    out[:, fitted.classes_] = values
    return np.asarray(out)


def searched(kind: Kind, strength: float | None) -> Sequence[float | None]:
    """Strengths to choose from; one alone where it is given or computed."""
    return (strength,) if strength is not None else STRENGTHS[kind] or (None,)
