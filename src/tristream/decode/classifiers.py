"""The kinds of classifiers, each fitted to many labellings of the same data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tristream.config.decoders import ClassifierKind as Kind
from tristream.config.decoders import DecoderDesign
from tristream.decode.fold_samples import FoldSamples
from tristream.decode.pipeline_fold import PipelineFold
from tristream.decode.pipelines import HIDDEN, STRENGTHS
from tristream.decode.ridge_fold import RidgeFold

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
LINEAR: tuple[Kind, ...] = ("ridge", "svm", "logistic", "lda")


class Fold(Protocol):
    """One division into training and test samples."""

    def decide(self, labels: Ints) -> Floats:
        """Fit to each labelling of the training units, and decide on the test samples.

        Parameters
        ----------
        labels : ndarray of int, shape (labellings, training units)

        Returns
        -------
        ndarray of shape (labellings, test samples, classes)
            Decision values, or probabilities where the fold was asked for them.
        """


@dataclass(frozen=True)
class Classifier:
    """A kind of classifier. It can't be made, and so not be registered, without `methods`.

    Attributes
    ----------
    fold : callable
        Samples, the decoder, and whether probabilities are wanted, to a fold.
    methods : callable
        What the decoder is, as the object of a sentence.
    """

    fold: Callable[[FoldSamples, DecoderDesign, bool], Fold]
    methods: Callable[[DecoderDesign], str]


def _ridge(samples: FoldSamples, decoder: DecoderDesign, probabilities: bool) -> Fold:
    if decoder.voxels is not None:  # other labels choose other voxels
        return PipelineFold(samples, "ridge", decoder, probabilities)
    given = decoder.regularization
    alphas = STRENGTHS["ridge"] if given is None else (given,)
    return RidgeFold(samples, decoder.standardize == "training", alphas, probabilities)


def _pipeline(kind: Kind) -> Callable[[FoldSamples, DecoderDesign, bool], Fold]:
    return lambda samples, decoder, probabilities: PipelineFold(
        samples, kind, decoder, probabilities
    )


def _chosen(kind: Kind, what: str, decoder: DecoderDesign) -> str:
    """How the penalty was found."""
    if decoder.regularization is not None:
        return f"{what} {decoder.regularization:g}"
    strengths = sorted(STRENGTHS[kind])
    what = what.removesuffix(" =")
    return (
        f"{what} chosen out of {len(strengths)} from {strengths[0]:g} to {strengths[-1]:g}, for "
        "samples of a mean squared norm of one, by balanced accuracy in left-out training runs"
    )


CLASSIFIERS = {
    "ridge": Classifier(
        _ridge,
        lambda decoder: (
            "a ridge classifier (targets +1 and −1, an unpenalised intercept, "
            f"{_chosen('ridge', 'penalty', decoder)})"
        ),
    ),
    "svm": Classifier(
        _pipeline("svm"),
        lambda decoder: (
            "scikit-learn's linear support vector machine [@pedregosa2011] (squared hinge loss, "
            f"one class against the rest, {_chosen('svm', 'C =', decoder)})"
        ),
    ),
    "logistic": Classifier(
        _pipeline("logistic"),
        lambda decoder: (
            "scikit-learn's multinomial logistic regression [@pedregosa2011] (squared penalty, "
            f"{_chosen('logistic', 'C =', decoder)})"
        ),
    ),
    "lda": Classifier(
        _pipeline("lda"),
        lambda decoder: (
            "scikit-learn's linear discriminant analysis [@pedregosa2011] (in the space of the "
            "training samples, covariance shrunk "
            + (
                "after Ledoit and Wolf [@ledoit2004])"
                if decoder.regularization is None
                else f"by {decoder.regularization:g})"
            )
        ),
    ),
    "mlp": Classifier(
        _pipeline("mlp"),
        lambda decoder: (
            f"scikit-learn's network [@pedregosa2011] with one layer of {HIDDEN} hidden units "
            f"(L-BFGS, {_chosen('mlp', 'weight decay', decoder)})"
        ),
    ),
}
"""By their name in the configuration."""
