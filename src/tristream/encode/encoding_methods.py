"""What was done to make an encoding: sentences for a methods section, from what its file holds."""

from tristream.encode.encoding_file import Encoding, LeftOut
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
    if encoding.left_out is not None:
        sentences.append(_interval(encoding.left_out))
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


def _interval(left_out: LeftOut) -> str:
    touching = ", widened for the dependence of neighbours in time [@kunsch1989]"
    return (
        "The 95 % interval of r is that of a jackknife in Fisher z over "
        f"{counted(len(left_out.groups), 'group')} of exchange units of the test [@efron1993], by "
        "Student's t with degrees of freedom matched to the spread of the units "
        f"[@satterthwaite1946]{touching if left_out.groups.touching else ''}; it is of other "
        "stimuli of the kind, with the fitted model as it is."
    )


def _ceiling(encoding: Encoding) -> str:
    bounded = ""
    if encoding.left_out is not None:
        bounded = ", corrected and bounded by the same jackknife"
    return f"{CEILINGS[encoding.about['ceiling']](encoding)}{bounded}."


def _of_runs(encoding: Encoding) -> str:
    counts = {len(test.runs) for test in encoding.tests.values()}
    unequal = "; tests that were not repeated had the noise of the others" if 1 in counts else ""
    return (
        "The noise ceiling of r is the square root of the explainable share of the variance of "
        "the averaged test data, SP / P(mean) with SP = P(mean) − (mean P − P(mean)) / (R − 1), P "
        f"the variance over time and R = {listed(sorted(counts))} repeats [@sahani2003; "
        f"@hsu2004]{unequal}"
    )


def _of_items(_: Encoding) -> str:
    return (
        "The noise ceiling of r is the square root of the explainable share of the variance of "
        "the test data as they were scored; the signal's is the mean product of an item's "
        "responses in different runs, whose noise is independent (showings within a run were "
        "averaged first)"
    )


def _within_runs(_: Encoding) -> str:
    return (
        "The noise ceiling of r is the square root of the explainable share of the variance of "
        "the test data as they were scored. Items were shown again within one run alone, whose "
        "slow noise spans all showings: the signal's variance is the mean product of an item's "
        "responses to two showings, less that of responses to different items at nearly the same "
        "distance in time"
    )


CEILINGS = {"runs": _of_runs, "items": _of_items, "within runs": _within_runs}
