"""Linear classifiers fitted once to many labellings of the same data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from tristream.config.decoders import DecoderDesign


class Fold(Protocol):
    """One division into training and test samples."""

    def decide(self, labels: np.ndarray) -> np.ndarray:
        """Fit to each labelling of the training units, and decide on the test samples.

        Parameters
        ----------
        labels : ndarray of int, shape (labellings, training units)

        Returns
        -------
        ndarray of shape (labellings, test samples, classes)
        """


class RidgeFold:
    """The ridge classifier of scikit-learn (targets +1 and -1, unpenalised intercept).

    What the test samples' decision values are is linear in the targets, so the operator from
    targets to decision values is found once; its columns are summed by unit, since all samples of a
    unit have one label. Each labelling then costs one small matrix product.

    Parameters
    ----------
    train, test : ndarray of shape (samples, voxels)
    units : ndarray of int, shape (training samples,)
        Index of each training sample's unit.
    classes : int
        Number of classes.
    alpha : float
        Ridge penalty.
    """

    def __init__(
        self, train: np.ndarray, test: np.ndarray, units: np.ndarray, classes: int, alpha: float
    ) -> None:
        n, self.classes = len(train), classes
        mean = train.mean(0)
        train, test = train - mean, test - mean
        kernel = train @ train.T
        kernel[np.diag_indices(n)] += alpha
        operator = cho_solve(cho_factor(kernel), train @ test.T).T
        # The targets' mean, which is taken out before the fit and is the intercept after it.
        operator += (1 - operator.sum(1, keepdims=True)) / n
        indicator = units[:, None] == np.arange(units.max() + 1)
        self.operator = operator @ indicator

    def decide(self, labels: np.ndarray) -> np.ndarray:
        """See :class:`Fold`."""
        member = (labels.T[:, :, None] == np.arange(self.classes)).astype(float)
        summed = np.tensordot(self.operator, member, axes=1)
        return (2 * summed - 1).transpose(1, 0, 2)


class SvmFold:
    """scikit-learn's LinearSVC (squared hinge, one class against the rest).

    The samples are first rotated into the space that they span, which changes no inner product
    and so no decision value, and makes refits quick where there are more voxels than samples.

    Parameters
    ----------
    train, test, units, classes
        As for :class:`RidgeFold`.
    c : float
        Inverse penalty.
    seed : int
        Of the solver's order of updates.
    """

    def __init__(
        self,
        train: np.ndarray,
        test: np.ndarray,
        units: np.ndarray,
        classes: int,
        c: float,
        seed: int,
    ) -> None:
        from sklearn.svm import LinearSVC

        self.units, self.classes = units, classes
        if len(train) + len(test) < train.shape[1]:
            _, triangle = np.linalg.qr(np.concatenate([train, test]).T)
            train, test = triangle.T[: len(train)], triangle.T[len(train) :]
        self.train, self.test = np.ascontiguousarray(train), np.ascontiguousarray(test)
        self.model = LinearSVC(C=c, dual=True, max_iter=10_000, random_state=seed)

    def decide(self, labels: np.ndarray) -> np.ndarray:
        """See :class:`Fold`."""
        return np.stack([self._decide(one[self.units]) for one in labels])

    def _decide(self, y: np.ndarray) -> np.ndarray:
        decision = self.model.fit(self.train, y).decision_function(self.test)
        return np.stack([-decision, decision], 1) if decision.ndim == 1 else decision


@dataclass(frozen=True)
class Classifier:
    """A kind of classifier. It can't be made, and so not be registered, without `methods`.

    Attributes
    ----------
    fold : callable
        Training samples, test samples, units, number of classes, and the decoder to a fold.
    methods : callable
        What the decoder is, as the object of a sentence.
    """

    fold: Callable[[np.ndarray, np.ndarray, np.ndarray, int, DecoderDesign], Fold]
    methods: Callable[[DecoderDesign], str]


CLASSIFIERS = {
    "ridge": Classifier(
        lambda train, test, units, classes, decoder: RidgeFold(
            train, test, units, classes, decoder.regularization
        ),
        lambda decoder: (
            "a ridge classifier (targets +1 and −1, an unpenalised intercept, penalty "
            f"{decoder.regularization:g})"
        ),
    ),
    "svm": Classifier(
        lambda train, test, units, classes, decoder: SvmFold(
            train, test, units, classes, decoder.regularization, decoder.seed
        ),
        lambda decoder: (
            "scikit-learn's linear support vector machine [@pedregosa2011] (squared hinge loss, "
            f"one class against the rest, C = {decoder.regularization:g})"
        ),
    ),
}
"""By their name in the configuration."""
