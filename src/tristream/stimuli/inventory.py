"""The inventory: every event of every run, once per stimulus timeline.

A timeline is a set of subjects who saw the same at the same times. That they did is checked, not
believed: features are aligned once per timeline and shared by its subjects.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tristream.config.dataset import Dataset
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.hashing import hash_file
from tristream.media.containers import media_info
from tristream.stimuli.events import events_of_subject
from tristream.stimuli.splits import split_table
from tristream.stimuli.tables import StimulusFile, write_inventory, write_splits
from tristream.stimuli.timelines import Event, Timeline, first_difference
from tristream.store import Provenance

# A clip may be declared this much longer than its film: rounding in events files (s).
OVERRUN = 1.0


def make_inventory(
    dataset: Dataset,
    listing: Receipt,
    receipt: Receipt | None,
    inventory: Path | str,
    splits: Path | str,
    code: str = "",
) -> None:
    """Write the tables of events and of splits.

    Parameters
    ----------
    dataset : Dataset
        The descriptor. All its subjects count, not the chosen ones: choosing another changes
        nothing here.
    listing : Receipt
        Lists every file of the dataset.
    receipt : Receipt or None
        Of the stimuli, where there are any.
    inventory, splits : Path
        Tables to write.
    code : str
        Fingerprint for the provenance.
    """
    timelines = read_timelines(dataset, dataset.subjects, listing)
    timelines = without_absent(dataset, timelines, receipt)
    split = split_table(dataset, dataset.subjects, timelines)
    stimuli = stimulus_list(dataset, timelines, receipt)
    keys = {"runs", "missing", "timelines", "events", "stimuli", "split", "exchange", "tr"}
    keys.add("layout")
    config = {
        "dataset": dataset.model_dump(mode="json", include=keys),
        "subjects": dataset.subjects,
    }
    simulated = listing.simulated or (receipt is not None and receipt.simulated)
    write_splits(splits, split, Provenance("splits", simulated, config, code))
    made = Provenance("inventory", simulated, config, code)
    write_inventory(inventory, timelines, dataset.exchange.unit, stimuli, made)


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
        events = events_of_subject(dataset, subject, listing)
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


def stimulus_list(
    dataset: Dataset, timelines: Mapping[str, Timeline], receipt: Receipt | None
) -> list[StimulusFile]:
    """Every stimulus of the table whose file is there.

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
    listed: list[StimulusFile] = []
    there = {file.path for file in receipt.files}
    for row in dataset.stimuli.table:
        if row.path not in there:
            continue
        path = receipt.path(row.path)
        duration = None if row.kind == "image" else media_info(path).duration
        listed.append(StimulusFile(row.stimulus, row.kind, row.path, hash_file(path), duration))
    durations = {one.stimulus: one.duration for one in listed if one.duration is not None}
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


def _shown(events: Sequence[Event], row: int) -> str:
    if row >= len(events):
        return "no such row"
    event = events[row]
    text = f"{event.item or 'n/a'} at {event.onset:g} s for {event.duration:g} s"
    return text if math.isnan(event.media_start) else f"{text} from {event.media_start:g} s"
