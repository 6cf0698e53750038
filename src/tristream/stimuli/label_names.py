"""Labels that look like one: other letters, blanks or spelling in single files."""

import re
from collections.abc import Mapping

from tristream.stimuli.timelines import Timeline

# Rarer labels than this share of all may be misspelt; where more are in one run alone, each names
# what is shown there.
RARE = 0.25


def doubtful_labels(timelines: Mapping[str, Timeline]) -> list[str]:
    """Labels that differ in case, blanks and dashes alone, or that one run alone has.

    Returns
    -------
    list of str
        One line each: what is doubtful, and the way out.
    """
    where: dict[str, dict[str, None]] = {}
    runs: dict[str, None] = {}
    for timeline in timelines.values():
        for run, events in timeline.items():
            for event in events:
                if event.keep and event.label:
                    runs[run] = None
                    where.setdefault(event.label, {})[run] = None
    alike: dict[str, list[str]] = {}
    for label in where:
        alike.setdefault(re.sub(r"[\s_-]+", "", label.casefold()), []).append(label)
    doubts = [
        f"labels {' and '.join(map(repr, same))} differ in case, blanks or dashes alone, and are "
        "taken for different ones: if they mean the same, correct the events files"
        for same in alike.values()
        if len(same) > 1
    ]
    named = {label for same in alike.values() if len(same) > 1 for label in same}
    alone = [label for label, own in where.items() if len(own) == 1 and label not in named]
    if len(runs) > 2 and 0 < len(alone) <= RARE * len(where):
        label = alone[0]
        doubts.append(
            f"{next(iter(where[label]))} alone has the label {label!r}, while most are in several "
            "runs: if it is misspelt, correct the events file; a decoder needs a label in training "
            "and test runs"
        )
    return doubts
