"""The ridge classifier, fitted once to many labellings of the same data."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from tristream.decode.fold_samples import FoldSamples
from tristream.decode.pipelines import mean_square
from tristream.decode.search import held_out_score, temperature

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


class RidgeFold:
    """The ridge classifier of scikit-learn (targets +1 and -1, unpenalised intercept).

    What the test samples' decision values are is linear in the targets, so the operator from
    targets to decision values is found once for each penalty; its columns are summed by unit, since
    all samples of a unit have one label. Each labelling then costs small matrix products, the
    search of its penalty included.

    Parameters
    ----------
    samples : FoldSamples
    scaled : bool
        Whether voxels are scaled by the samples that are fitted.
    alphas : sequence of float
        Penalties; of several, in units of the mean squared norm of a sample, each labelling takes
        the one with the best balanced accuracy in training runs that are left out, the first of
        equals.
    probabilities : bool
        Whether to give probabilities.
    """

    def __init__(
        self, samples: FoldSamples, scaled: bool, alphas: Sequence[float], probabilities: bool
    ) -> None:
        self.samples, self.probabilities, self.searched = samples, probabilities, len(alphas) > 1
        train, test = samples.train, samples.test
        self.outer = self._operators(train, test, samples.units, scaled, alphas)
        self.inner: list[tuple[Ints, Floats]] = []
        if self.searched or probabilities:
            for fit, validate in samples.inner:
                operators = self._operators(
                    train[fit], train[validate], samples.units[fit], scaled, alphas
                )
                self.inner.append((validate, operators))

    def _operators(
        self, train: Floats, test: Floats, units: Ints, scaled: bool, alphas: Sequence[float]
    ) -> Floats:
        """From targets of the units to decision values, (alphas, test samples, units)."""
        mean = train.mean(0)
        train, test = train - mean, test - mean
        if scaled:
            sd = train.std(0)
            sd = np.where(sd > 0, sd, 1)
            train, test = train / sd, test / sd
        unit = mean_square(train) if self.searched else 1.0
        indicator = (units[:, None] == np.arange(self.samples.units.max() + 1)).astype(float)
        left, right, values = _decomposed(train, test)
        # The targets' mean is taken out before the fit and is the intercept after it: the operator
        # of one penalty is O + (1 - O 1) 1' / n.
        columns, total, out = right @ indicator, right.sum(1), []
        for alpha in alphas:
            weighted = left / (values + alpha * unit)
            rest = 1 - weighted @ total
            out.append(weighted @ columns + np.outer(rest, indicator.mean(0)))
        return np.stack(out)

    def decide(self, labels: Ints) -> Floats:
        """See :class:`tristream.decode.classifiers.Fold`."""
        member = (labels.T[:, :, None] == np.arange(self.samples.classes)).astype(float)
        choice = np.zeros(len(labels), int)
        held_out = np.empty((0,))
        if self.inner:
            y = labels[:, self.samples.units[np.concatenate([rows for rows, _ in self.inner])]]
            held_out = np.stack(
                [
                    np.concatenate([_applied(o[k], member) for _, o in self.inner], axis=1)
                    for k in range(len(self.outer))
                ]
            )
            choice = held_out_score(held_out, np.broadcast_to(y, held_out.shape[:-1])).argmax(0)
        out = np.empty((len(labels), len(self.samples.test), self.samples.classes))
        for k in np.unique(choice):
            own = choice == k
            out[own] = _applied(self.outer[k], member[:, own])
        if not self.probabilities:
            return out
        by = temperature(held_out[choice, np.arange(len(labels))], y)
        return np.asarray(softmax(by[:, None, None] * out, axis=-1))


def _decomposed(train: Floats, test: Floats) -> tuple[Floats, Floats, Floats]:
    """Left, right and values such that left / (values + alpha) @ right is the ridge operator."""
    if train.shape[0] <= train.shape[1]:
        values, vectors = np.linalg.eigh(train @ train.T)
        return test @ train.T @ vectors, vectors.T, np.maximum(values, 0)
    values, vectors = np.linalg.eigh(train.T @ train)
    return test @ vectors, vectors.T @ train.T, np.maximum(values, 0)


def _applied(operator: Floats, member: Floats) -> Floats:
    """Decision values of shape (labellings, samples, classes)."""
    return np.asarray((2 * np.tensordot(operator, member, axes=1) - 1).transpose(1, 0, 2))
