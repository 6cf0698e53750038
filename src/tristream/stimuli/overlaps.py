"""Events that no sample can be made of: none, those that overlap, and windows of no duration."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from tristream.config.settings.stimuli import InventorySettings
from tristream.errors import UserError
from tristream.stimuli.timelines import TOLERANCE, Event, Timeline

# Events may overlap by this much (s): rounding in events files.
ROUNDED = 0.1


def check_some(settings: InventorySettings, timelines: Mapping[str, Timeline]) -> None:
    """Refuse runs without any event, with a UserError."""
    for runs in timelines.values():
        for run, events in runs.items():
            if not events:
                raise UserError(
                    f"{settings.events.dataset}: {run}: has no event (its events file holds a "
                    "header alone, or only rows of `events.ignore`); correct the file, or take the "
                    "run out of `runs`"
                )


def check_overlaps(settings: InventorySettings, timelines: Mapping[str, Timeline]) -> None:
    """Refuse samples that overlap, unless the descriptor says how they are to be taken.

    Blocks of time (films) are not asked for: what they show does not say which rows are samples.

    Raises
    ------
    UserError
        Names both events, and what to write.
    """
    reading = settings.events
    asked = settings.unit != "time" and reading.events.overlap is None
    for runs in timelines.values():
        for run, events in runs.items():
            # Of two with one onset the longer one first: it is what the other overlaps.
            kept = sorted((e for e in events if e.keep), key=lambda e: (e.onset, -e.duration))
            if settings.rows != "volumes":
                for one, other in pairwise(kept):
                    _check_onset(one, other, f"{reading.dataset}: {run}")
            elif asked:
                _check_apart(kept, f"{reading.dataset}: {run}", reading.events.label_column)


def _check_apart(kept: Sequence[Event], where: str, column: str) -> None:
    """Check that no event begins while another item is shown, also one from long before."""
    shown: list[Event] = []
    for other in kept:
        shown = [event for event in shown if event.end - other.onset > ROUNDED]
        for one in shown:
            if one.item != other.item:
                raise UserError(
                    f"{where}: {named(other)} at {other.onset:g} s overlaps {named(one)} "
                    f"({one.onset:g} to {one.end:g} s), and a volume shows one of them: rows that "
                    "do not name a stimulus go under `events.modelled` or `events.ignore` of the "
                    f"descriptor (`{{{column}: [{named(other)}]}}`); with `events.overlap: later` "
                    "the later onset counts"
                )
        shown.append(other)


def _check_onset(one: Event, other: Event, where: str) -> None:
    if abs(one.onset - other.onset) <= TOLERANCE:
        raise UserError(
            f"{where}: {named(other)} at {other.onset:g} s begins together with {named(one)}, and "
            "a row is a trial of one onset: put what is not a stimulus of its own under "
            "`events.modelled` or `events.ignore`"
        )


def check_windows(settings: InventorySettings, timelines: Mapping[str, Timeline]) -> None:
    """Refuse trials of no duration that are to be averaged over their own duration.

    Raises
    ------
    UserError
        Names the trial, and what to write.
    """
    for runs in timelines.values():
        for run, events in runs.items():
            _check_window(settings, run, events)


def _check_window(settings: InventorySettings, run: str, events: Sequence[Event]) -> None:
    brief = [event for event in events if event.keep and event.duration == 0]
    if settings.rows == "windows" and brief:
        raise UserError(
            f"{settings.events.dataset}: {run}: {named(brief[0])} at {brief[0].onset:g} s lasts "
            "0 s, so there is no window to average over; write `trials.window` (s), or "
            "`events.duration`"
        )


def named(event: Event) -> str:
    """What a message calls an event."""
    return event.label or event.item or event.stimulus
