"""Events of a part of a run: cut out of it in time, or those of its trials that are samples."""

import math
from collections.abc import Sequence
from dataclasses import replace

from tristream.config.runs import Parts
from tristream.errors import UserError
from tristream.stimuli.entry_points import entered_at
from tristream.stimuli.timelines import TOLERANCE, Event


def in_part(events: Sequence[Event], parts: Parts | None, run: str) -> list[Event]:
    """The events of a part of a run, at their times in the whole run.

    Parameters
    ----------
    events : list of Event
        Of the whole run.
    parts : Parts or None
        The descriptor's.
    run : str
        Name of the part.

    Raises
    ------
    UserError
        If a film or sound is cut of which nobody says at which second it was entered.
    """
    if parts is None or not parts.times:
        return list(events)
    begin, end = parts.window(run)
    return [
        _cut(event, begin, end, run)
        for event in events
        if event.onset < end - TOLERANCE
        and (math.isnan(event.end) or event.end > begin + TOLERANCE or event.onset >= begin)
    ]


def _cut(event: Event, begin: float, end: float, run: str) -> Event:
    late = max(begin - event.onset, 0.0)
    length = event.duration - late
    if event.end > end or (math.isnan(length) and math.isfinite(end)):
        length = end - event.onset - late
    if late == 0 and length == event.duration:
        return event
    event = replace(event, onset=event.onset + late, duration=length)
    if not event.timed:
        return event
    if math.isnan(event.media_start):
        raise UserError(
            f"{run}: {event.stimulus} is cut by `parts.times`, and nobody says at which second of "
            "it the event begins: write `events.without_media_start`, or name its column"
        )
    return entered_at(event, event.media_start + late)


def dealt_out(
    events: Sequence[Event], tests: Sequence[bool], gap: float, testing: bool
) -> list[Event]:
    """All events of a run, of which test trials are samples, or all others.

    Parameters
    ----------
    events : list of Event
        By onset.
    tests : list of bool
        Which of them test.
    gap : float
        Training trials that are nearer than this to a test trial are not samples (s, from the end
        of one to the onset of the other): their responses overlap.
    testing : bool
        Whether the samples are the test trials.
    """
    if testing:
        return [replace(e, keep=e.keep and test) for e, test in zip(events, tests, strict=True)]
    held = [event for event, test in zip(events, tests, strict=True) if test]
    near = [any(_apart(event, one) < gap - TOLERANCE for one in held) for event in events]
    return [
        replace(event, keep=event.keep and not test and not close)
        for event, test, close in zip(events, tests, near, strict=True)
    ]


def _apart(one: Event, other: Event) -> float:
    """Seconds between the end of one event and the onset of the other; 0 if they overlap."""
    return max(one.onset - other.end, other.onset - one.end, 0.0)
