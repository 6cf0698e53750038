"""What samples the events will give, told before there is BOLD, and which events are doubtful."""

from collections.abc import Mapping, Sequence

import numpy as np

from tristream.config.settings.stimuli import InventorySettings
from tristream.stimuli.label_names import doubtful_labels
from tristream.stimuli.overlaps import named
from tristream.stimuli.shown_at import NONE, shown_at
from tristream.stimuli.tables import SampleCounts
from tristream.stimuli.timelines import Event, Timeline

# Fewer of the volumes than this are samples only where events are brief and apart.
FEW = 1 / 3


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
    doubts |= dict.fromkeys(doubtful_labels(timelines))
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
            f"{named(events[lost[0]])} at {events[lost[0]].onset:g} s): they follow each other "
            f"faster than the TR of {tr:g} s; estimate `trials`, or give events that are shown as "
            "one a row of their own"
        ] = None
    inside = shown != NONE
    sampled = np.zeros(len(shown), bool)
    sampled[inside] = kept[shown[inside]]
    if settings.samples == "all":
        sampled |= ~inside
    return int(sampled.sum()), len(time)
