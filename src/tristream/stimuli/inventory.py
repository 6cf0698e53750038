"""The inventory: every event of every run, once per stimulus timeline.

A timeline is a set of subjects who saw the same at the same times. That they did is checked, not
believed: features are aligned once per timeline and shared by its subjects.
"""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from tristream.config.dataset import Dataset
from tristream.config.layouts import ScanLayout, VolumeTableLayout
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.media.media import media_info
from tristream.stimuli.events import (
    Event,
    first_difference,
    read_bids_events,
    read_scan_events,
    read_volume_table,
)

Timeline = dict[str, list[Event]]
"""Run to its events."""

# A clip may be declared this much longer than its film: rounding in events files (s).
OVERRUN = 1.0
# Events of one label with a shorter pause between them belong to one block (s): within the
# haemodynamic response they can't be told apart.
BLOCK_PAUSE = 4.0

COLUMNS = {
    "timeline": "Subjects of one timeline saw the same at the same times",
    "run": "BIDS entities without the subject",
    "trial": "Number of the event in its run, from 1",
    "onset": "Seconds from the start of the run's first volume",
    "duration": "Seconds",
    "stimulus": "Name in the stimulus table, or the label",
    "kind": "film, sound, image or label",
    "media_start": "Second of the film or sound at which the event begins",
    "item": "What is shown: label, image or clip",
    "label": "What a decoder is to tell; n/a where there is none",
    "unit": "Exchangeable unit; n/a for stretches of time",
    "keep": "False: modelled, but no sample",
}


def read_timelines(
    dataset: Dataset, subjects: Sequence[str], listing: Receipt
) -> dict[str, Timeline]:
    """Read the events of all runs, and check that subjects of a timeline saw the same.

    Parameters
    ----------
    dataset : Dataset
        The descriptor.
    subjects : list of str
        Labels of the chosen subjects.
    listing : Receipt
        Lists every file of the dataset.

    Returns
    -------
    dict of timeline name to dict of run to list of Event
        Runs in the descriptor's order.

    Raises
    ------
    UserError
        A missing or faulty events file; subjects of one timeline whose events differ by more than
        1 ms (names subject, run and row).
    """
    timelines: dict[str, Timeline] = {}
    first: dict[tuple[str, str], str] = {}
    for subject in subjects:
        name = dataset.timeline_of(subject)
        events = _events_of(dataset, subject, listing)
        for run in dataset.runs_of(subject):
            known = timelines.setdefault(name, {}).setdefault(run, events[run])
            other = first.setdefault((name, run), subject)
            row = first_difference(known, events[run])
            if row is not None:
                raise UserError(
                    f"{dataset.id}: sub-{subject} {run} row {row + 1}: differs from sub-{other} "
                    f"({_shown(events[run], row)}, not {_shown(known, row)}); subjects who saw "
                    "other events go into a timeline of their own: `timelines:` in the descriptor"
                )
    return {
        name: {run: runs[run] for run in dataset.runs if run in runs}
        for name, runs in timelines.items()
    }


def without_absent(
    dataset: Dataset, timelines: Mapping[str, Timeline], receipt: Receipt | None
) -> dict[str, Timeline]:
    """Events whose stimulus the receipt lacks are modelled, but are no samples.

    A dataset whose stimuli nobody has named (no receipt) keeps its events: labels can be decoded
    and modelled without the media.
    """
    if receipt is None:
        return dict(timelines)
    there = {file.path for file in receipt.files}
    absent = {row.stimulus for row in dataset.stimuli.table if row.path not in there}

    def shown(event: Event) -> Event:
        if event.kind == "label" or event.stimulus not in absent:
            return event
        return replace(event, kind="label", media_start=math.nan, keep=False)

    return {
        name: {run: [shown(event) for event in events] for run, events in runs.items()}
        for name, runs in timelines.items()
    }


def inventory_table(timelines: Mapping[str, Timeline], unit: str) -> pd.DataFrame:
    """One row an event; see `COLUMNS`.

    Parameters
    ----------
    timelines : dict
        From :func:`read_timelines`.
    unit : {"block", "item", "time"}
        The descriptor's exchangeable unit. ``block``: consecutive events of one label;
        ``item``: each event; ``time``: none here, they are stretches of time.
    """
    rows = [
        {
            "timeline": name,
            "run": run,
            "trial": number,
            "onset": round(event.onset, 6),
            "duration": round(event.duration, 6),
            "stimulus": event.stimulus,
            "kind": event.kind,
            "media_start": event.media_start,
            "item": event.item,
            "label": event.label or None,
            "unit": f"{run}/{units[number - 1]}" if units else None,
            "keep": event.keep,
        }
        for name, runs in timelines.items()
        for run, events in runs.items()
        for units in [_units(events, unit)]
        for number, event in enumerate(events, start=1)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def stimulus_list(
    dataset: Dataset, timelines: Mapping[str, Timeline], receipt: Receipt | None
) -> list[dict[str, Any]]:
    """Every stimulus of the table: name, kind, path, duration (s; None for images), sha256.

    Raises
    ------
    UserError
        If the receipt is not given, a file is damaged, or an event shows more of a film or sound
        than there is.
    """
    if dataset.stimuli.source is None:
        return []
    if receipt is None:
        raise UserError(
            f"{dataset.id}: has a stimulus table; name the receipt of its stimuli (--receipt)"
        )
    listed: list[dict[str, Any]] = []
    there = {file.path for file in receipt.files}
    for row in dataset.stimuli.table:
        if row.path not in there:
            continue
        path = receipt.path(row.path)
        duration = None if row.kind == "image" else media_info(path).duration
        listed.append(
            {
                "stimulus": row.stimulus,
                "kind": row.kind,
                "path": row.path,
                "duration": duration,
                "sha256": _sha256(path),
            }
        )
    durations = {s["stimulus"]: s["duration"] for s in listed if s["duration"] is not None}
    for runs in timelines.values():
        for run, events in runs.items():
            _check_ends(dataset, run, events, durations)
    return listed


def _check_ends(
    dataset: Dataset, run: str, events: Sequence[Event], durations: Mapping[str, float]
) -> None:
    for row, event in enumerate(events, start=1):
        length = durations.get(event.stimulus) if event.kind in ("film", "sound") else None
        if length is not None and event.media_start + event.duration > length + OVERRUN:
            raise UserError(
                f"{dataset.id}: {run} row {row}: shows {event.stimulus} until "
                f"{event.media_start + event.duration:g} s, but it lasts {length:.2f} s; mend the "
                "events file, or fetch the stimulus that was shown"
            )


def events_of_run(dataset: Dataset, subject: str, run: str, listing: Receipt) -> list[Event]:
    """Events of one run of one subject, by onset.

    Raises
    ------
    UserError
        If its events file is missing or faulty.
    """
    if isinstance(dataset.layout, VolumeTableLayout | ScanLayout):
        return _events_of(dataset, subject, listing)[run]
    file = _events_file(dataset.id, subject, run, listing)
    return read_bids_events(listing.path(file), dataset.stimuli.table, file, dataset.events)


def _events_of(dataset: Dataset, subject: str, listing: Receipt) -> Timeline:
    if isinstance(dataset.layout, VolumeTableLayout):
        path = listing.path(dataset.layout.table)
        return read_volume_table(path, dataset, dataset.layout.rest)
    if isinstance(dataset.layout, ScanLayout):
        return read_scan_events(listing.path(dataset.layout.events), dataset, dataset.layout)
    runs = dataset.runs_of(subject)
    return {run: events_of_run(dataset, subject, run, listing) for run in runs}


def _events_file(dataset: str, subject: str, run: str, listing: Receipt) -> str:
    name = f"sub-{subject}_{run}_events.tsv"
    pattern = re.compile(rf"sub-{subject}/(ses-[A-Za-z0-9]+/)?func/{re.escape(name)}")
    found = [path for path in listing.find(f"/{name}") if pattern.fullmatch(path)]
    if len(found) != 1:
        raise UserError(
            f"{dataset}: {'no' if not found else 'more than one'} events file {name} for "
            f"sub-{subject}; a run that the subject lacks goes under `missing:` in the descriptor"
        )
    return found[0]


def _units(events: Sequence[Event], unit: str) -> list[int]:
    """Number of each event's exchangeable unit, from 1; empty for ``time``."""
    if unit == "time":
        return []
    numbers: list[int] = []
    for index, event in enumerate(events):
        before = events[index - 1] if index else None
        joins = (
            unit == "block"
            and before is not None
            and before.item == event.item
            and event.onset - before.end < BLOCK_PAUSE
        )
        numbers.append(numbers[-1] + (not joins) if numbers else 1)
    return numbers


def _shown(events: Sequence[Event], row: int) -> str:
    if row >= len(events):
        return "no such row"
    event = events[row]
    text = f"{event.item or 'n/a'} at {event.onset:g} s for {event.duration:g} s"
    return text if math.isnan(event.media_start) else f"{text} from {event.media_start:g} s"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
