"""The inventory: every event of every run, once per stimulus timeline.

A timeline is a set of subjects who saw the same at the same times: features are aligned once per
timeline and shared by its subjects. The job is one for all subjects of the descriptor, so that none
of it is done again when another is chosen. What is wrong with one of them must not stop a study of
others; the check of each chosen subject's files repeats why it was left out.
"""

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
from tristream.stimuli.overlaps import check_overlaps, check_some, check_windows
from tristream.stimuli.sample_counts import count_samples
from tristream.stimuli.splits import split_table
from tristream.stimuli.subject_timelines import read_timelines, without_absent
from tristream.stimuli.tables import StimulusFile, write_inventory, write_splits
from tristream.stimuli.timelines import Event, Timeline
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
    timelines, left_out = read_timelines(reading, settings.timelines, listing, settings.tr)
    if not timelines:
        raise UserError(next(iter(left_out.values())))
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
    write_inventory(inventory, timelines, settings.exchange, stimuli, made, counts, left_out)


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
            check_some(settings, started)
            check_overlaps(settings, started)
            check_windows(settings, started)
        except UserError as error:
            unclear[name] = str(error)
            continue
        clear |= started
    if not clear:
        raise UserError(next(iter(unclear.values())))
    return clear, unclear


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
