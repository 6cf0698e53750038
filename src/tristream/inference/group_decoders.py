"""All subjects of one decoder.

Each subject's null is in its file: accuracies under labellings that are numbered. Where all met the
same at the same times, the same number is the same rearrangement in each.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tristream.config.settings.inference import GroupSettings
from tristream.decode.decoding_file import Decoding, read_decoding
from tristream.inference.group import Shared, infer_subjects
from tristream.inference.group_subjects import Measure, Subject
from tristream.inference.people import LEVEL
from tristream.inference.resolution import StoredNull

ACCURACY = Measure(
    "accuracy of the decoder above chance",
    shared=(
        ": a response to single stimuli that people share passes it, whether the labels are its "
        "reason or not"
    ),
)


def infer_decoders(
    decodings: Sequence[Path], settings: GroupSettings, output: Path, code: str = ""
) -> None:
    """Write the `group` file of one decoder.

    Parameters
    ----------
    decodings : sequence of Path
        One a subject.
    settings : GroupSettings
        Timelines, seed, procedure; permutations are those of the decoder.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.
    """
    opened = [read_decoding(path) for path in decodings]
    found = [one for one, _ in opened]
    whys = [next((o.why for o in p.omitted if o.what == "p"), "") for _, p in opened]
    why = next((why for why in whys if why), "") or _apart(found, settings)
    shared = Shared(why=why)
    if not why:
        log10 = min(min(one.log10_distinct for one in found), 300.0)
        shared = Shared(
            distinct=round(10**log10),
            moved=f"permuting {found[0].permuted} and fitting the decoder again",
            used=len(found[0].null),
        )
    subjects = [
        Subject(
            name=one.subject,
            values=np.array([one.accuracy - one.chance]),
            row=_row(one),
            p=None if one.p is None else np.array([one.p]),
            why=refused,
            simulated=provenance.simulated,
            null=None if why else null_of(one, shared.distinct),
        )
        for (one, provenance), refused in zip(opened, whys, strict=True)
    ]
    infer_subjects(subjects, ACCURACY, shared, settings, output, code=code)


def null_of(found: Decoding, distinct: int) -> StoredNull:
    """Accuracies above chance, of one subject."""
    observed = np.array([found.accuracy - found.chance])
    return StoredNull(observed, found.null[:, None] - found.chance, distinct)


def _row(found: Decoding) -> dict[str, float]:
    significant = -1 if found.p is None else int(found.p <= LEVEL)
    return {
        "voxels": found.n_voxels,
        "mean": found.accuracy,
        "significant": significant,
        "significant_fwe": significant,
        "p_any": float("nan") if found.p is None else found.p,
    }


def _apart(found: Sequence[Decoding], settings: GroupSettings) -> str:
    """Why the same number is not the same rearrangement in all subjects; empty where it is."""
    names = sorted(set(settings.timelines.values()))
    if len(names) > 1:
        return (
            "labels move alike where all met the same at the same times, and subjects have the "
            f"timelines {', '.join(names)}"
        )
    first = found[0]
    labels = dict(zip(first.unit, first.true.tolist(), strict=True))
    for one in found[1:]:
        same = dict(zip(one.unit, one.true.tolist(), strict=True)) == labels
        if not same or one.permuted != first.permuted or len(one.null) != len(first.null):
            return f"sub-{one.subject} was tested on other units than sub-{first.subject}"
        # Labels of training runs move too, and sets of runs that one lacks would shift the others.
        if not math.isclose(one.log10_distinct, first.log10_distinct):
            return (
                f"sub-{one.subject} has other labels to rearrange than sub-{first.subject} "
                "(training runs count, too)"
            )
    return ""
