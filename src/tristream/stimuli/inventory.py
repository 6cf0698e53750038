"""The inventory: every event of every run, once per stimulus timeline.

A timeline is a set of subjects who saw the same at the same times. That they did is checked, not
believed: features are aligned once per timeline and shared by its subjects.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tristream.config.events import EventReading
from tristream.config.settings.stimuli import InventorySettings
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.hashing import hash_file
from tristream.media.media_contents import media_info
from tristream.media.sounds import heard
from tristream.stimuli.entry_points import with_starts
from tristream.stimuli.events import events_of_subject
from tristream.stimuli.sample_counts import check_overlaps, check_windows, count_samples
from tristream.stimuli.splits import split_table
from tristream.stimuli.tables import StimulusFile, write_inventory, write_splits
from tristream.stimuli.timelines import Event, Timeline, first_difference
from tristream.store import Provenance

# A clip may be declared this much longer than its film: rounding in events files (s).
OVERRUN = 1.0


def make_inventory(
    settings: InventorySettings,
    listing: Receipt,
    receipt: Receipt | None,
    inventory: Path | str,
    splits: Path | str,
    code: str = "",
) -> None:
    """Write the tables of events and of splits.

    Parameters
    ----------
    settings : InventorySettings
    listing : Receipt
        Lists every file of the dataset.
    receipt : Receipt or None
        Of the stimuli, where there are any.
    inventory, splits : Path
        Tables to write.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If events, runs and stimuli don't fit together.
    """
    reading = settings.events
    timelines, left_out = readable_timelines(reading, settings.timelines, listing)
    timelines = without_absent(reading, timelines, receipt)
    stimuli: list[StimulusFile] = []
    if settings.has_media:
        if receipt is None:
            raise UserError(
                f"{reading.dataset}: has a stimulus table; name the receipt of its stimuli "
                "(--receipt)"
            )
        stimuli = stimulus_list(reading, receipt)
    lengths = {one.stimulus: one.duration for one in stimuli if one.duration is not None}
    timelines, unclear = _clear(settings, timelines, lengths)
    left_out |= {s: unclear[t] for s, t in settings.timelines.items() if t in unclear}
    counts = count_samples(settings, timelines)
    told = [*counts.doubts, *(f"sub-{s} was left out: {why}" for s, why in left_out.items())]
    told += [f"{one.path}: {note}" for one in stimuli for note in one.notes]
    for doubt in told:
        print(f"warning: {reading.dataset}: {doubt}", file=sys.stderr)
    subjects = [subject for subject in settings.timelines if subject not in left_out]
    split = split_table(reading, settings.split, subjects, timelines)
    config = settings.key()
    simulated = listing.simulated or (receipt is not None and receipt.simulated)
    write_splits(splits, split, Provenance("splits", simulated, config, code))
    made = Provenance("inventory", simulated, config, code)
    write_inventory(inventory, timelines, settings.unit, stimuli, made, counts, left_out)


def readable_timelines(
    reading: EventReading, names: Mapping[str, str], listing: Receipt
) -> tuple[dict[str, Timeline], dict[str, str]]:
    """What those subjects saw whose events can be read and are their timeline's.

    The job is one for all subjects of the descriptor, so that none of it is done again when another
    is chosen; what is wrong with one of them must not stop a study of others. The check of each
    chosen subject's files repeats why it was left out.

    Parameters
    ----------
    reading, names, listing
        As of :func:`read_timelines`.

    Returns
    -------
    timelines : dict of timeline name to Timeline
    left_out : dict of subject to str
        Why.

    Raises
    ------
    UserError
        What is wrong with the first subject, if nobody is left.
    """
    left_out: dict[str, str] = {}
    timelines = read_timelines(reading, names, listing, left_out)
    if not timelines:
        raise UserError(next(iter(left_out.values())))
    return timelines, left_out


def _clear(
    settings: InventorySettings, timelines: Mapping[str, Timeline], lengths: Mapping[str, float]
) -> tuple[dict[str, Timeline], dict[str, str]]:
    """Timelines with media times and without doubtful overlaps; why others are not."""
    clear: dict[str, Timeline] = {}
    unclear: dict[str, str] = {}
    for name, runs in timelines.items():
        try:
            started = with_starts(settings.events, {name: runs}, lengths)
            for run, events in started[name].items():
                _check_ends(settings.events.dataset, run, events, lengths)
            check_overlaps(settings, started)
            check_windows(settings, started)
        except UserError as error:
            unclear[name] = str(error)
            continue
        clear |= started
    if not clear:
        raise UserError(next(iter(unclear.values())))
    return clear, unclear


def read_timelines(
    reading: EventReading,
    names: Mapping[str, str],
    listing: Receipt,
    left_out: dict[str, str] | None = None,
) -> dict[str, Timeline]:
    """Read the events of all runs, and check that subjects of a timeline saw the same.

    Parameters
    ----------
    reading : EventReading
    names : dict of subject to str
        The timeline that each saw.
    listing : Receipt
        Lists every file of the dataset.
    left_out : dict of subject to str, optional
        Filled with what is wrong with a subject, who is then left out instead of an error.

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
    for subject, name in names.items():
        try:
            events = events_of_subject(reading, subject, listing)
            for run in reading.runs_of(subject):
                known = timelines.get(name, {}).get(run, events[run])
                _check_same(reading, (subject, first.get((name, run), subject)), run, events, known)
        except UserError as error:
            if left_out is None:
                raise
            left_out[subject] = str(error)
            continue
        for run in reading.runs_of(subject):
            timelines.setdefault(name, {}).setdefault(run, events[run])
            first.setdefault((name, run), subject)
    return {
        name: {run: runs[run] for run in reading.runs if run in runs}
        for name, runs in timelines.items()
    }


def _check_same(
    reading: EventReading, who: tuple[str, str], run: str, events: Timeline, known: Sequence[Event]
) -> None:
    row = first_difference(known, events[run])
    if row is not None:
        subject, other = who
        raise UserError(
            f"{reading.dataset}: sub-{subject} {run} row {row + 1}: differs from "
            f"sub-{other} ({_shown(events[run], row)}, not {_shown(known, row)}); subjects "
            "who saw other events go into a timeline of their own: `timelines:` in the "
            "descriptor"
        )


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


def stimulus_list(reading: EventReading, receipt: Receipt) -> list[StimulusFile]:
    """Every stimulus of the table whose file is there.

    Raises
    ------
    UserError
        If a file is damaged.
    """
    listed: list[StimulusFile] = []
    there = {file.path for file in receipt.files}
    for row in reading.stimuli:
        if row.path not in there:
            continue
        path = receipt.path(row.path)
        file = StimulusFile(row.stimulus, row.kind, row.path, hash_file(path))
        if row.kind != "image":
            info = media_info(path)
            if row.kind == "film" and info.unseen:
                raise UserError(info.unseen)
            notes = info.notes + (heard(path) if info.has_audio else ())
            file = replace(file, duration=info.duration, facts=info.facts, notes=notes)
        listed.append(file)
    return listed


def _check_ends(
    dataset: str, run: str, events: Sequence[Event], durations: Mapping[str, float]
) -> None:
    for row, event in enumerate(events, start=1):
        length = durations.get(event.stimulus) if event.kind in ("film", "sound") else None
        if length is not None and event.media_start + event.duration > length + OVERRUN:
            raise UserError(
                f"{dataset}: {run} row {row}: shows {event.stimulus} until "
                f"{event.media_start + event.duration:g} s, but it lasts {length:.2f} s; fix the "
                "events file, or fetch the stimulus that was shown"
            )


def _shown(events: Sequence[Event], row: int) -> str:
    if row >= len(events):
        return "no such row"
    event = events[row]
    text = f"{event.item or 'n/a'} at {event.onset:g} s for {event.duration:g} s"
    return text if math.isnan(event.media_start) else f"{text} from {event.media_start:g} s"
