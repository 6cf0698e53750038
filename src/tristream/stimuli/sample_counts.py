"""What samples the events will give, told before there is BOLD, and which events are doubtful."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from tristream.config.settings.stimuli import InventorySettings
from tristream.errors import UserError
from tristream.stimuli.shown_at import NONE, shown_at
from tristream.stimuli.tables import SampleCounts
from tristream.stimuli.timelines import TOLERANCE, Event, Timeline

# Events may overlap by this much (s): rounding in events files.
ROUNDED = 0.1
# Fewer of the volumes than this are samples only where events are brief and apart.
FEW = 1 / 3


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
            kept = [event for event in events if event.keep]
            for one, other in pairwise(sorted(kept, key=lambda event: event.onset)):
                where = f"{reading.dataset}: {run}: {_named(other)} at {other.onset:g} s"
                if settings.rows != "volumes":
                    _check_onset(one, other, where)
                elif asked and one.end - other.onset > ROUNDED and one.item != other.item:
                    raise UserError(
                        f"{where} overlaps {_named(one)} ({one.onset:g} to {one.end:g} s), and a "
                        "volume shows one of them: rows that do not name a stimulus go under "
                        "`events.modelled` or `events.ignore` of the descriptor "
                        f"(`{{{reading.events.label}: [{_named(other)}]}}`); with `events.overlap: "
                        "later` the later onset counts"
                    )


def _check_onset(one: Event, other: Event, where: str) -> None:
    if abs(one.onset - other.onset) <= TOLERANCE:
        raise UserError(
            f"{where} begins together with {_named(one)}, and a row is a trial of one onset: put "
            "what is not a stimulus of its own under `events.modelled` or `events.ignore`"
        )


def count_samples(settings: InventorySettings, timelines: Mapping[str, Timeline]) -> SampleCounts:
    """Count samples and find what is doubtful about them.

    Volumes are taken to stand in the middle of their TR, as in fMRIPrep's outputs; the BOLD itself
    decides in the end.
    """
    samples: dict[str, dict[str, int]] = {}
    of: dict[str, dict[str, int]] = {}
    doubts: dict[str, None] = {}
    for name, runs in timelines.items():
        samples[name], of[name] = {}, {}
        for run, events in runs.items():
            if settings.rows == "volumes":
                found, whole = _volumes(settings, run, events, doubts)
            else:
                found, whole = sum(event.keep for event in events), len(events)
            samples[name][run], of[name][run] = found, whole
    everything = sum(sum(runs.values()) for runs in of.values())
    total = sum(sum(runs.values()) for runs in samples.values())
    few = settings.rows == "volumes" and total < FEW * everything
    if few and settings.samples == "events" and settings.unit != "time":
        doubts[
            f"about {total} of {everything} volumes lie within events; of brief events that are "
            "apart the response lies between them: write `samples: all`, or estimate `trials`"
        ] = None
    return SampleCounts(
        "volumes" if settings.rows == "volumes" else "trials", samples, of, list(doubts)
    )


def _volumes(
    settings: InventorySettings, run: str, events: Sequence[Event], doubts: dict[str, None]
) -> tuple[int, int]:
    tr = settings.tr
    last = max((event.onset + max(event.duration, tr) for event in events), default=0.0)
    time = np.asarray((np.arange(round(last / tr)) + 0.5) * tr, np.float64)
    shown = shown_at(time, tr, events)
    kept = np.array([event.keep for event in events], bool)
    lost = sorted(set(np.flatnonzero(kept).tolist()) - set(shown.tolist()))
    if lost:
        doubts[
            f"{run}: {len(lost)} of {kept.sum()} events hold no volume (the first is "
            f"{_named(events[lost[0]])} at {events[lost[0]].onset:g} s): they follow each other "
            f"faster than the TR of {tr:g} s; estimate `trials`, or give events that are shown as "
            "one a row of their own"
        ] = None
    inside = shown != NONE
    sampled = np.zeros(len(shown), bool)
    sampled[inside] = kept[shown[inside]]
    if settings.samples == "all":
        sampled |= ~inside
    return int(sampled.sum()), len(time)


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
            f"{settings.events.dataset}: {run}: {_named(brief[0])} at {brief[0].onset:g} s lasts "
            "0 s, so there is no window to average over; write `trials.window` (s), or "
            "`events.duration`"
        )


def _named(event: Event) -> str:
    return event.label or event.item or event.stimulus
