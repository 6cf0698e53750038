"""What the leakage audit compared and found, as sentences of a methods section."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tristream.phrases import counted, listed
from tristream.stimuli import audio_prints, frame_prints, image_prints
from tristream.stimuli.compare_clips import Clip, Finding
from tristream.stimuli.parts import SIDES
from tristream.stimuli.sequences import WINDOW_SECONDS

PLURALS = {"film": "films", "sound": "sounds", "image": "images"}
SENSES = {
    "picture": "in picture (coarse patterns of luminance, also mirrored, and one picture with "
    f"parts of the other down to {min(SIDES):.0%} of each side)",
    "sound": "in sound (the fine structure of the spectrum, also up to two semitones off)",
}
LIKENESSES = {"picture": frame_prints.LIKENESS, "sound": audio_prints.LIKENESS}
WHAT = {
    "overlap": "shown in training, too",
    "gap": "closer to a training clip than the minimum gap",
    "picture": "alike in picture",
    "sound": "alike in sound",
}


def compared_kinds(clips: Sequence[Clip]) -> set[str]:
    """Kinds of stimuli that runs for training and other runs for testing both show."""
    found = set()
    for kind in {clip.kind for clip in clips}:
        train = {c.run for c in clips if c.kind == kind and c.split != "test"}
        test = {c.run for c in clips if c.kind == kind and c.split != "train"}
        if train and test and len(train | test) > 1:
            found.add(kind)
    return found


def media_sentences(
    kinds: Iterable[str],
    by_name: Iterable[str],
    senses: Sequence[str],
    image_pairs: int,
    findings: Sequence[Finding],
    minimum_gap: float,
    dropped_after: float | None,
) -> list[str]:
    """How test stimuli were compared with training stimuli, and what was found.

    Parameters
    ----------
    kinds : iterable of str
        Kinds of stimuli that were compared: ``film``, ``sound``, ``image``.
    by_name : iterable of str
        Kinds of which some had no file, so that names were compared.
    senses : list of str
        ``picture`` and ``sound``, where windows were compared in it.
    image_pairs : int
        Pairs of images that were compared in picture.
    findings : list of Finding
        Of all timelines.
    minimum_gap : float
        Seconds.
    dropped_after : float or None
        Findings were dropped from the test samples with so many seconds after them; None: kept.
    """
    kinds, by_name, text = set(kinds), set(by_name), list[str]()
    if moving := sorted(kinds & {"film", "sound"}):
        names = listed([PLURALS[kind] for kind in moving])
        same = "by name" if by_name & set(moving) else "by the checksums of their files"
        text.append(
            f"Test {names} were compared with training {names} {same}: which parts are the same, "
            f"or less than {minimum_gap:g} s apart."
        )
        if senses:
            ways = listed(SENSES[sense] for sense in senses)
            text.append(
                f"They were also compared {ways}, in windows of "
                f"{WINDOW_SECONDS:g} s, whatever their files [@coskun2006]."
            )
            text += [_false_alarms(sense) for sense in senses]
    if "image" in kinds:
        same = "name" if "image" in by_name else "the checksum of its file"
        text.append(f"Each test image was compared with the training images by {same}.")
    if image_pairs:
        text.append(
            f"{counted(image_pairs, 'pair')} of a test and a training image were also compared in "
            "picture, whatever their files: coarse patterns of luminance, also mirrored, of "
            f"one with parts of the other down to {min(SIDES):.0%} of each side [@zauner2010]; "
            f"pairs alike in these (r ≥ {image_prints.PROPOSED:g}) were laid over each other "
            "[@evangelidis2008], and are copies if their detail correlates with "
            f"r ≥ {image_prints.THRESHOLD:g} ({_rate(*image_prints.FALSE_ALARMS)} of unrelated "
            "images did so when the method was calibrated)."
        )
    if not kinds:
        return text
    counts = Counter(finding.check for finding in findings if finding.check in WHAT)
    if not counts:
        return [*text, "No test stimulus was found in training."]
    found = listed([f"{counts[check]} {what}" for check, what in WHAT.items() if counts[check]])
    number = counts.total()
    done = "kept" if dropped_after is None else "dropped from the test samples"
    if dropped_after is not None:
        done += f", with {dropped_after:g} s after each for the response"
    was = "was" if number == 1 else "were"
    return [*text, f"{counted(number, 'finding')} ({found}) {was} {done}."]


def _false_alarms(sense: str) -> str:
    likeness = LIKENESSES[sense]
    return (
        f"A window was taken as alike in {sense} from r = {likeness.threshold:g} on "
        f"({_rate(*likeness.false_alarms)} of unrelated clips of 10 s had such a window when the "
        "method was calibrated)."
    )


def _rate(found: int, pairs: int) -> str:
    return f"{found or 'none'} of {pairs:,} pairs"


def order_sentences(
    baselines: Sequence[Mapping[str, Any]], across: Mapping[str, Any] | None
) -> list[str]:
    """Whether labels follow from time in the run, within subjects and over subjects.

    Parameters
    ----------
    baselines : list of dict
        `OrderBaseline` of each timeline.
    across : dict or None
        `OrderAcross` of the dataset.
    """
    text = []
    if baselines:
        tested = [one for one in baselines if one["p"] is not None]
        rule = (
            f"{tested[0]['n_permutations']} permutations of labels within runs, p ≤ 0.01"
            if tested
            else "twice the accuracy of chance, as the design has too few orders for a p value"
        )
        flagged = [one for one in baselines if one["flagged"]]
        text.append(
            "Whether labels follow from time was tested with a classifier that knows nothing but "
            f"the time in the run and the place in the order ({rule})."
        )
        if flagged:
            worst = max(flagged, key=lambda one: one["accuracy"])
            of = f" in {len(flagged)} of {len(baselines)} timelines" if len(baselines) > 1 else ""
            text.append(
                f"They do{of}: it named {worst['accuracy']:.1%} of the labels (chance "
                f"{worst['chance']:.1%}), which a decoder has to beat."
            )
        else:
            text.append("They do not.")
    if across:
        answer = "does" if across["flagged"] else "does not"
        text.append(
            f"The order of labels {answer} give them away over subjects: {across['agreement']:.1%} "
            "of a subject's labels stand where they stand for the others (chance "
            f"{across['chance']:.1%})."
        )
    return text


def label_sentences(overlaps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which labels and items training and test runs share; timelines that agree once.

    Parameters
    ----------
    overlaps : list of dict
        `LabelOverlap` of each timeline, with its `note`.
    """
    notes = dict.fromkeys(str(one["note"]) for one in overlaps)
    return [f"Of the labels, {note}." for note in notes]


def known_sentences(notes: Sequence[str]) -> list[str]:
    """What the descriptor states, which no comparison of stimuli can find."""
    return [f"Known of the dataset, and not tested here: {note.rstrip('.')}." for note in notes]
