"""What a decoder did: sentences for a methods section, from what it was given and what it found."""

from tristream.config.decoders import DecoderDesign
from tristream.config.settings.decode import DecodeSettings
from tristream.decode.classifiers import CLASSIFIERS
from tristream.decode.decoding_file import Decoding
from tristream.decode.decoding_samples import Joined, Samples
from tristream.decode.joined_subjects import people_divisions
from tristream.phrases import counted

UNITS = {"block": "block", "round": "block", "item": "item", "time": "time block"}
"""What moves as a whole, by the exchangeable unit of the dataset; in rounds blocks do."""


def methods_of(
    given: Samples, decoding: Decoding, settings: DecodeSettings, refusal: str
) -> tuple[str, ...]:
    """The classifier, its samples, what was tested, and the null.

    Parameters
    ----------
    given : Samples
    decoding : Decoding
        As it will be written.
    settings : DecodeSettings
    refusal : str
        Why the p value is missing; empty if it is not.
    """
    unit = UNITS[settings.unit]
    sentences = [
        f"Decoder {decoding.decoder} was {_classifier(settings.block)} of "
        f"{counted(len(decoding.classes), 'label')}, fitted to {_samples(given, settings, unit)}."
    ]
    if given.delay:
        sentences.append(f"Volumes took the label that was shown {given.delay:g} s earlier.")
    if settings.block.standardize == "training":
        sentences.append(
            "Voxels were scaled by their mean and standard deviation over the training samples."
        )
    else:
        sentences.append("Voxels were taken as scaled in their own run.")
    if settings.block.voxels is not None:
        sentences.append(
            f"In each fit the {min(settings.block.voxels, given.x.shape[1]):,} of "
            f"{given.x.shape[1]:,} voxels with the largest F of the labels in its training samples "
            "were used."
        )
    if given.joined:
        sentences += _across(given, given.joined, decoding, settings)
    else:
        sentences.append(_scheme(given, decoding, settings) + _untaught(given, decoding, "items"))
    sentences.append(_null(decoding, settings, unit, refusal))
    sentences.append(_balanced(decoding, unit))
    if len(decoding.patterns):
        sentences.append(
            "Patterns are the covariance of voxels with decision values over that of decision "
            "values, in the training samples [@haufe2014], averaged over fits."
        )
    if len(decoding.voices.names) > 1 and decoding.p is not None:
        sentences.append(
            f"p values of {len(decoding.voices.names)} accuracies, those of the classifiers and of "
            "what they decide together, were also corrected for all of them, by the largest "
            "accuracy under each permutation."
        )
    return tuple(sentences)


def _classifier(block: DecoderDesign) -> str:
    if not block.members:
        return CLASSIFIERS[block.kind].methods(block)
    members = "; ".join(CLASSIFIERS[kind].methods(block) for kind in block.members)
    return (
        f"the mean probability, and beside it the majority, of {len(block.members)} classifiers: "
        f"{members}; probabilities were those of a softmax of decision values times the factor "
        "with the least cross-entropy in left-out training runs [@guo2017]; all"
    )


def _samples(given: Samples, settings: DecodeSettings, unit: str) -> str:
    if settings.block.samples == "blocks":
        return f"the mean of the {given.rows} of each {unit}"
    return f"single {given.rows}"


def _scheme(given: Samples, decoding: Decoding, settings: DecodeSettings) -> str:
    tested, runs = len(decoding.runs), len(given.runs)
    if decoding.scheme == "holdout":
        text = (
            f"The decoder was fitted to {counted(runs - tested, 'training run')} and tested on "
            f"{counted(tested, 'held-out run')}."
        )
    elif decoding.scheme == "groups of runs":
        text = (
            f"The {runs} runs were held out in {settings.block.folds} groups, the decoder fitted "
            "to the others."
        )
    else:
        text = f"Each of the {runs} runs was held out once, the decoder fitted to the others."
    return text


def _across(
    given: Samples, joined: Joined, decoding: Decoding, settings: DecodeSettings
) -> list[str]:
    """How voxels of several subjects were matched, and who was tested by whom."""
    subjects = len(joined.subjects)
    folds = len(list(people_divisions(given, joined, settings.block.folds))) // subjects
    if given.test.any():
        how = "on its held-out runs, by what was fitted to the training runs of the others"
    elif folds == 1:
        how = "on all of its runs, by what was fitted to the others"
    else:
        how = f"on its runs in {folds} parts, each by what was fitted to the others' other runs"
    where = f" in the space {joined.space}" if joined.space else ""
    return [
        f"The {decoding.n_voxels:,} voxels that all of {subjects} subjects have stood for each "
        f"other where they lie at one place{where}.",
        f"Each of the {subjects} subjects was tested {how} (leave-one-subject-out)."
        + _untaught(given, decoding, "stimuli"),
    ]


def _untaught(given: Samples, decoding: Decoding, things: str) -> str:
    """Which samples fits did not get."""
    text = ""
    if given.one_item:
        text += " Each label was that of one item, so that to name it is to know the item again."
    if decoding.n_left_out:
        text += (
            f" No fit was given training samples of {things} that it was tested on "
            f"({decoding.n_left_out:,} left out, over all fits), so that it can't recognise "
            f"{things}."
        )
    return text


def _null(decoding: Decoding, settings: DecodeSettings, unit: str, refusal: str) -> str:
    if decoding.p is None:
        return f"Decoding accuracy has no p value: {refusal}."
    moved = decoding.permuted.replace("units", f"{unit}s")
    return (
        f"Accuracies were compared with those under {len(decoding.null):,} random permutations of "
        f"{moved} (seed {settings.block.seed}), the decoder fitted anew to each; p is (1 + "
        "permutations at least as accurate) / (1 + permutations)."
    )


def _balanced(decoding: Decoding, unit: str) -> str:
    text = "Balanced accuracy is the mean of the labels' recalls"
    if not decoding.n_units:
        return f"{text}."
    return (
        f"{text}; its 95 % interval comes from leaving out each of {decoding.n_units:,} tested "
        f"{unit}s in turn (the jackknife), with the variance multiplied by that of its null over "
        "the null's mean jackknife variance, at least by one, and Wilson's limits for that many "
        "independent units [@dean2015]."
    )
