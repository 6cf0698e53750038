"""At which second of its film or sound each event begins, where its events file does not tell.

Only an event that lasts as long as its file can begin nowhere but at its beginning. Of any other
the user is asked: a film that goes on over runs, a story whose music is in the same file, and an
excerpt all look alike in an events file without media times.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tristream.config.events import EventReading
from tristream.errors import UserError
from tristream.stimuli.timelines import Event, Timeline

# An event that is shorter than its file by no more than this shows all of it (s): rounding in
# events files, and silence at the end of sounds.
WHOLE = 1.0


def entered_at(event: Event, start: float) -> Event:
    """The event with the second of its film or sound at which it begins, which is in its item."""
    item = f"{event.stimulus}@{round(start, 3):g}" if start else event.stimulus
    return replace(event, media_start=start, item=item)


def from_first(events: Sequence[Event]) -> list[Event]:
    """Events without a media time, of files that began with their first event of the run.

    Parameters
    ----------
    events : list of Event
        Of a run, by onset.
    """
    began: dict[str, float] = {}
    out = []
    for event in events:
        start = event.onset - began.setdefault(event.stimulus, event.onset)
        unstated = event.timed and math.isnan(event.media_start)
        out.append(entered_at(event, start) if unstated else event)
    return out


def continued(runs: Timeline) -> Timeline:
    """Events without a media time begin where the one before, of the same stimulus, ended.

    Parameters
    ----------
    runs : Timeline
        Of one subject, runs in the order in which they were scanned.
    """
    reached: dict[str, float] = {}
    out: Timeline = {}
    for run, events in runs.items():
        out[run] = []
        for event in events:
            if event.timed and math.isnan(event.media_start):
                event = entered_at(event, reached.get(event.stimulus, 0.0))
            if event.timed:
                reached[event.stimulus] = event.media_start + event.duration
            out[run].append(event)
    return out


def with_starts(
    reading: EventReading, timelines: Mapping[str, Timeline], lengths: Mapping[str, float]
) -> dict[str, Timeline]:
    """Timelines in which every event of a film or sound has its media time.

    Parameters
    ----------
    reading : EventReading
    timelines : dict of name to Timeline
    lengths : dict of stimulus to float
        Seconds of the films and sounds whose files are there.

    Raises
    ------
    UserError
        If an event without a media time does not show all of its file; without files, if events of
        one stimulus last unlike long.
    """
    out: dict[str, Timeline] = {}
    for name, runs in timelines.items():
        shown = _durations(event for events in runs.values() for event in events)
        out[name] = {}
        for run, events in runs.items():
            out[name][run] = []
            for row, event in enumerate(events, start=1):
                if event.timed and math.isnan(event.media_start):
                    where = f"{reading.dataset}: {run} row {row}"
                    _check_whole(event, lengths.get(event.stimulus), shown[event.stimulus], where)
                    event = entered_at(event, 0.0)
                if math.isnan(event.duration):
                    event = _to_the_end(event, lengths, f"{reading.dataset}: {run} row {row}")
                out[name][run].append(event)
    return out


def _to_the_end(event: Event, lengths: Mapping[str, float], where: str) -> Event:
    """An event that lasts until its film or sound ends; left as it is before the file is here."""
    if not lengths:
        return event
    length = lengths.get(event.stimulus, math.nan) - event.media_start
    if not length > 0:
        raise UserError(
            f"{where}: {event.stimulus} has no {event.media_start:g} s, or is not there; correct "
            "`media_start` of events.shown, or give its `duration`"
        )
    return replace(event, duration=length)


def _durations(events: Iterable[Event]) -> dict[str, list[float]]:
    """Durations of the events without a media time, by stimulus."""
    found: dict[str, list[float]] = {}
    for event in events:
        if event.timed and math.isnan(event.media_start):
            found.setdefault(event.stimulus, []).append(event.duration)
    return found


def _check_whole(event: Event, length: float | None, shown: list[float], where: str) -> None:
    if length is not None:
        if event.duration >= length - WHOLE:
            return
        why = f"shows {event.duration:g} s of {event.stimulus}, which lasts {length:.2f} s"
    else:
        if max(shown) - min(shown) <= WHOLE:
            return
        why = (
            f"shows {event.duration:g} s of {event.stimulus}, which other events show for "
            f"{max(shown) if event.duration < max(shown) else min(shown):g} s"
        )
    raise UserError(
        f"{where}: {why}, and does not say from which second: name the column that does in "
        "`events.media_start` of the descriptor, or write `events.without_media_start: beginning` "
        "(each event starts at second 0), `run` (the film or sound began with the run), `first` "
        "(with its first event of the run) or `continues` (where the event before left off)"
    )
