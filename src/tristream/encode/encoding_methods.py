"""What was done to make an encoding: sentences for a methods section, from what its file holds."""

import numpy as np

from tristream.encode.encoding_file import Encoding
from tristream.encode.models import KINDS
from tristream.phrases import counted, listed


def methods_of(encoding: Encoding) -> tuple[str, ...]:
    """The model, its features and search, its tests, scores and noise ceiling."""
    sentences = [*KINDS[encoding.about["model_kind"]].methods(encoding)]
    if encoding.about["control"] == "shifted":
        sentences.append(
            f"As a negative control, the features of model {encoding.about['model']} were moved by "
            "half of each interval of stimulation, so that nothing should be predicted."
        )
    sentences.append(_tests(encoding))
    sentences.append(_scores(encoding))
    if encoding.ceiling is not None:
        sentences.append(_ceiling(encoding))
    return tuple(sentences)


def _tests(encoding: Encoding) -> str:
    train, tests = len(encoding.fitted.runs), encoding.tests
    if encoding.about["scheme"] == "leave-one-run-out":
        return (
            f"Each of the {train} runs was held out once and predicted by a model that was chosen "
            "and fitted on the others (nested leave-one-run-out)."
        )
    held_out = sum(len(test.runs) for test in tests.values())
    text = (
        f"Models were fitted to {counted(train, 'training run')} and tested on "
        f"{counted(held_out, 'held-out run')}"
    )
    if held_out > len(tests):
        text += (
            "; predictions and BOLD of held-out runs that repeat one another were averaged over "
            "the samples that all of them use"
        )
    return f"{text}."


def _scores(encoding: Encoding) -> str:
    several = len(encoding.tests) > 1
    averaged = "; over tests r was averaged in Fisher z, and R² as it is" if several else ""
    split = ""
    if len(encoding.bands) > 1:
        split = ", R² was split over the bands by the product measure [@dupre2022]"
    return f"Predictions were scored by their correlation r and by R²{split}{averaged}."


def _ceiling(encoding: Encoding) -> str:
    counts = {len(test.runs) for test in encoding.tests.values()}
    return (
        "The noise ceiling of r is the square root of the explainable share of the variance of "
        "the averaged test data, SP / P(mean) with SP = (R P(mean) − mean P) / (R − 1), P the "
        f"variance over time and R = {listed(sorted(counts))} repeats [@sahani2003; @hsu2004]"
        f"{_jackknife(encoding)}."
    )


def _jackknife(encoding: Encoding) -> str:
    assert encoding.ceiling is not None
    if np.isnan(encoding.ceiling.low).all():
        return ""
    blocks = sum(len(np.unique(test.unit)) for test in encoding.tests.values())
    return f", corrected and bounded by a jackknife over {blocks} blocks of test data"
