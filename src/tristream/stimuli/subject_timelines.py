"""What the subjects of a dataset saw: events of each stimulus timeline, and who can't be read.

That subjects of a timeline saw the same is checked, not believed. Most of them decide what that
was, so that one whose events are faulty, or other, blocks no other.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tristream.config.events import EventReading
from tristream.errors import UserError
from tristream.fetch.raw_sidecars import raw_sidecar
from tristream.fetch.receipt import Receipt
from tristream.stimuli.events import events_of_subject
from tristream.stimuli.timelines import Event, Timeline, first_difference

# TRs that differ by less are equal (s).
TR_TOLERANCE = 1e-3

# Nobody lies in a scanner for so long in one run (s).
LONGEST_RUN = 6 * 3600.0


def read_timelines(
    reading: EventReading, names: Mapping[str, str], listing: Receipt, tr: float | None = None
) -> tuple[dict[str, Timeline], dict[str, str]]:
    """Read the events of all runs, and compare the subjects of each timeline.

    Parameters
    ----------
    reading : EventReading
    names : dict of subject to str
        The timeline that each saw.
    listing : Receipt
        Lists every file of the dataset.
    tr : float, optional
        The descriptor's (s); raw sidecars that are there must say the same.

    Returns
    -------
    timelines : dict of timeline name to dict of run to list of Event
        Runs in the descriptor's order.
    left_out : dict of subject to str
        What is wrong with a subject: a missing or faulty events file, another TR, events that
        differ by more than 1 ms from those of most others (names subject, run and row).
    """
    seen: dict[str, Timeline] = {}
    left_out: dict[str, str] = {}
    for subject in names:
        try:
            seen[subject] = events_of_subject(reading, subject, listing)
            if reading.table is None:
                for run, events in seen[subject].items():
                    # Where a film ends that lasts until its end, is not known yet.
                    ends = [event.end for event in events if not math.isnan(event.end)]
                    check_run(f"{reading.dataset}: sub-{subject} {run}", max(ends, default=0.0))
            if tr is not None and reading.table is None:
                _check_repetition_time(reading, subject, listing, tr)
        except UserError as error:
            seen.pop(subject, None)
            left_out[subject] = str(error)
    timelines: dict[str, Timeline] = {}
    for name in dict.fromkeys(names[subject] for subject in seen):
        own = {s: events for s, events in seen.items() if names[s] == name}
        runs = [run for run in reading.runs if any(run in reading.runs_of(s) for s in own)]
        timelines[name] = {}
        for run in runs:
            given = {s: own[s][run] for s in own if run in reading.runs_of(s)}
            first = _first_of_most(given)
            timelines[name][run] = given[first]
            for subject, events in given.items():
                if why := _difference(reading, (subject, first), run, events, given[first]):
                    left_out.setdefault(subject, why)
    return timelines, left_out


def check_run(where: str, last: float) -> None:
    """Check that a run's events last no longer than anybody lies in a scanner.

    Parameters
    ----------
    where : str
        The run, for the message.
    last : float
        When the last event ends (s).

    Raises
    ------
    UserError
        Says how long the events last.
    """
    if last > LONGEST_RUN:
        raise UserError(
            f"{where}: its events last until {last:g} s, {last / 3600:.0f} hours; BIDS has "
            "seconds: if these are milliseconds, write onset and duration anew in seconds"
        )


def _check_repetition_time(
    reading: EventReading, subject: str, listing: Receipt, tr: float
) -> None:
    """Check that a subject's raw sidecars, as far as there are some, state the descriptor's TR.

    Raises
    ------
    UserError
        Names the run, both TRs, and what to do.
    """
    for run in reading.runs_of(subject):
        stated = raw_sidecar(subject, run, listing).get("RepetitionTime", tr)
        if not isinstance(stated, int | float) or abs(stated - tr) > TR_TOLERANCE:
            raise UserError(
                f"{reading.dataset}: sub-{subject} {run}: its sidecars say RepetitionTime "
                f"{stated!r}, the descriptor `tr: {tr:g}` (s); correct what is wrong; a subject "
                "who was scanned at another TR than the others is left out of `subjects:` in "
                "config.yaml, or has a descriptor of its own"
            )


def _first_of_most(given: Mapping[str, Sequence[Event]]) -> str:
    """The first of the subjects who saw what most saw."""
    alike: dict[str, int] = {}
    for subject, events in given.items():
        same = (s for s in alike if first_difference(given[s], events) is None)
        first = next(same, subject)
        alike[first] = alike.get(first, 0) + 1
    return max(alike, key=lambda subject: alike[subject])


def _difference(
    reading: EventReading,
    who: tuple[str, str],
    run: str,
    events: Sequence[Event],
    known: Sequence[Event],
) -> str:
    row = first_difference(known, events)
    if row is None:
        return ""
    subject, other = who
    return (
        f"{reading.dataset}: sub-{subject} {run} row {row + 1}: differs from sub-{other} "
        f"({_shown(events, row)}, not {_shown(known, row)}); subjects who saw other events go "
        "into a timeline of their own: `timelines:` in the descriptor"
    )


def _shown(events: Sequence[Event], row: int) -> str:
    if row >= len(events):
        return "no such row"
    event = events[row]
    text = f"{event.item or 'n/a'} at {event.onset:g} s for {event.duration:g} s"
    return text if math.isnan(event.media_start) else f"{text} from {event.media_start:g} s"


def without_absent(
    reading: EventReading, timelines: Mapping[str, Timeline], receipt: Receipt | None
) -> dict[str, Timeline]:
    """Events whose stimulus the receipt lacks are modelled, but are not samples.

    A dataset whose stimuli nobody has named (no receipt) keeps its events: labels can be decoded
    and modelled without the media.
    """
    if receipt is None:
        return dict(timelines)
    there = {file.path for file in receipt.files}
    absent = {row.stimulus for row in reading.stimuli if row.path not in there}

    def shown(event: Event) -> Event:
        if event.kind == "label" or event.stimulus not in absent:
            return event
        return replace(event, kind="label", media_start=math.nan, keep=False)

    return {
        name: {run: [shown(event) for event in events] for run, events in runs.items()}
        for name, runs in timelines.items()
    }
