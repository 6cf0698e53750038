"""Any classifier, fitted to one labelling after the other."""

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline

from tristream.config.decoders import ClassifierKind as Kind
from tristream.config.decoders import DecoderDesign
from tristream.decode.fold_samples import FoldSamples
from tristream.decode.pipelines import classifier, decisions, searched
from tristream.decode.search import held_out_score, temperature

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


class PipelineFold:
    """A pipeline of scikit-learn with its own search of the penalty, for each labelling.

    Parameters
    ----------
    samples : FoldSamples
    kind : {'ridge', 'svm', 'logistic', 'lda', 'mlp'}
    decoder : DecoderDesign
        Its `regularization`, `voxels`, `standardize` and `seed` are used.
    probabilities : bool
        Whether to give probabilities.
    """

    def __init__(
        self, samples: FoldSamples, kind: Kind, decoder: DecoderDesign, probabilities: bool
    ) -> None:
        self.samples, self.kind, self.decoder = samples, kind, decoder
        self.probabilities = probabilities
        self.strengths: Sequence[float | None] = searched(kind, decoder.regularization)
        self.train, self.test = samples.train, samples.test
        if decoder.standardize == "run" and decoder.voxels is None:
            self.train, self.test = _in_span(self.train, self.test)

    def decide(self, labels: Ints) -> Floats:
        """See :class:`tristream.decode.classifiers.Fold`."""
        # Thousands of small fits to the same checked samples.
        quick = config_context(assume_finite=True, skip_parameter_validation=True)
        with quick, warnings.catch_warnings():
            # Weak penalties of the search that don't converge are held out like the others.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return np.stack([self._decide(one[self.samples.units]) for one in labels])

    def _decide(self, y: Ints) -> Floats:
        strength, held_out = self.strengths[0], np.empty(0)
        validated = np.empty(0, int)
        if len(self.strengths) > 1 or self.probabilities:
            inner = self.samples.inner
            validated = np.concatenate([y[validate] for _, validate in inner])
            tried = np.concatenate(
                [
                    self._values(self.strengths, y[fit], self.train[fit], self.train[validate])
                    for fit, validate in inner
                ],
                axis=1,
            )
            shape = tried.shape[:-1]
            best = int(held_out_score(tried, np.broadcast_to(validated, shape)).argmax())
            strength, held_out = self.strengths[best], tried[best]
        (values,) = self._values([strength], y, self.train, self.test)
        if not self.probabilities:
            return values
        return np.asarray(softmax(temperature(held_out[None], validated[None]) * values, axis=-1))

    def _values(
        self, strengths: Sequence[float | None], y: Ints, x: Floats, test: Floats
    ) -> Floats:
        """Decision values under each strength, (strengths, test samples, classes).

        The steps before the classifier don't know its strength, and are fitted once.
        """
        if len(np.unique(y)) < 2:  # under some labelling, and few training runs: nothing is known
            return np.zeros((len(strengths), len(test), self.samples.classes))
        pipelines = [self._pipeline(strength, x.shape[1]) for strength in strengths]
        before = pipelines[0][:-1]
        x, test = before.fit_transform(x, y), before.transform(test)
        return np.stack(
            [decisions(one[-1].fit(x, y), test, self.samples.classes) for one in pipelines]
        )

    def _pipeline(self, strength: float | None, voxels: int) -> Pipeline:
        chosen = self.decoder.voxels
        return classifier(
            self.kind,
            strength,
            voxels=None if chosen is None else min(chosen, voxels),
            standardize=self.decoder.standardize == "training",
            seed=self.decoder.seed,
            unit=self.decoder.regularization is None,
        )


def _in_span(train: Floats, test: Floats) -> tuple[Floats, Floats]:
    """Coordinates in the space of all training samples, once for all fits to parts of them."""
    if len(train) >= train.shape[1]:
        return train, test
    basis, triangle = np.linalg.qr(train.T)
    return np.ascontiguousarray(triangle.T), test @ basis
