"""What was shown when: events of one run, from a BIDS events file or a table of volumes.

Everything read here is untrusted text. Labels are taken as written (``NULL`` and ``NA`` are
labels, only BIDS' ``n/a`` is a missing value); quotes around them are stripped.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from tristream.config.events import (
    FIELD,
    EventReading,
    Events,
    ScanTable,
    Stimulus,
    TrialTable,
    VolumeTable,
)
from tristream.config.runs import PART, Parts, whole_run
from tristream.errors import UserError
from tristream.fetch.contents import inherited, raw_run
from tristream.fetch.other_names import similar
from tristream.fetch.receipt import Receipt
from tristream.paths import composed, inside
from tristream.stimuli.entry_points import continued, entered_at, from_first
from tristream.stimuli.plain_text import plain_text, seconds_in, unquoted
from tristream.stimuli.run_parts import dealt_out, in_part
from tristream.stimuli.shown_films import shown_in
from tristream.stimuli.timelines import TOLERANCE, Event, Timeline
from tristream.stimuli.trial_table import TrialRow, trial_rows

MISSING = ("", "n/a")


def events_of_run(reading: EventReading, subject: str, run: str, listing: Receipt) -> list[Event]:
    """Events of one run of one subject, by onset.

    Raises
    ------
    UserError
        If its events file is missing or faulty.
    """
    if reading.table is not None or reading.events.without_media_start == "continues":
        return events_of_subject(reading, subject, listing)[run]
    return in_part(_events_of_whole_run(reading, subject, run, listing), reading.parts, run)


def _events_of_whole_run(
    reading: EventReading, subject: str, run: str, listing: Receipt
) -> list[Event]:
    """Events of the run that `run` is or is a part of; of a part, those that are its samples."""
    if reading.events.shown:
        return shown_in(reading, run)
    file = _events_file(reading.dataset, subject, run, listing)
    part = PART.search(run)
    testing = part[1] == "test" if part and reading.parts and reading.parts.items else None
    return read_bids_events(
        listing.path(file), reading.stimuli, file, reading.events, reading.parts, testing
    )


def events_of_subject(reading: EventReading, subject: str, listing: Receipt) -> Timeline:
    """Events of all runs of a subject."""
    if isinstance(reading.table, VolumeTable):
        return read_volume_table(listing.path(reading.table.path), reading, reading.table)
    if isinstance(reading.table, ScanTable):
        return read_scan_events(listing.path(reading.table.path), reading, reading.table)
    if isinstance(reading.table, TrialTable):
        return read_trial_events(reading, reading.table, subject, listing)
    runs = reading.runs_of(subject)
    _check_named(reading, subject, runs, listing)
    events = {run: _events_of_whole_run(reading, subject, run, listing) for run in runs}
    if reading.events.without_media_start != "continues":
        return {run: in_part(own, reading.parts, run) for run, own in events.items()}
    before_last = reading.runs[: reading.runs.index(runs[-1])] if runs else []
    if lacks := [run for run in before_last if run not in runs]:
        raise UserError(
            f"{reading.dataset}: sub-{subject} lacks {lacks[0]}, so where films go on after it is "
            "not known (`events.without_media_start: continues`); give a column of media times, or "
            "leave the subject out in config.yaml"
        )
    whole = {whole_run(run): own for run, own in events.items()}
    gone_on = continued(whole)
    return {run: in_part(gone_on[whole_run(run)], reading.parts, run) for run in events}


def _check_named(
    reading: EventReading, subject: str, runs: Sequence[str], listing: Receipt
) -> None:
    """Check that columns which the descriptor names are in one of a subject's files."""
    named = [] if reading.events.shown else reading.events.named_columns
    columns: dict[str, None] = {}
    for run in runs:
        if not any(columns.keys().isdisjoint(some) for some in named):
            return
        file = _events_file(reading.dataset, subject, run, listing)
        header = plain_text(listing.path(file), file).partition("\n")[0]
        columns |= dict.fromkeys(unquoted(word) for word in header.split("\t"))
    if lacks := [some for some in named if columns.keys().isdisjoint(some)]:
        raise UserError(
            f"{reading.dataset}: no events file of sub-{subject} has a column "
            f"{' or '.join(lacks[0])}, which `events` of the descriptor names (columns: "
            f"{', '.join(columns)}); correct the name there"
        )


def _events_file(dataset: str, subject: str, run: str, listing: Receipt) -> str:
    """The run's own events file, or the one that it inherits: of the task, at the root."""
    path = f"{raw_run(subject, run)}_events.tsv"
    listed = listing.find("_events.tsv")
    found = inherited(path, listed)
    if not found:
        raise UserError(
            f"{dataset}: no events file {PurePosixPath(path).name} for sub-{subject}"
            f"{similar(path, listed)}; a run that the subject lacks goes under `missing:` in the "
            "descriptor"
        )
    return found[-1]


def read_bids_events(
    path: Path,
    table: Sequence[Stimulus] = (),
    where: str = "",
    reading: Events | None = None,
    parts: Parts | None = None,
    testing: bool | None = None,
) -> list[Event]:
    """Read a BIDS ``*_events.tsv``.

    Parameters
    ----------
    path : Path
        Columns ``onset``, ``duration`` and those that `reading` names: at least one of the label
        and the stimulus's.
    table : list of Stimulus
        The descriptor's stimulus table; a row whose stimulus is not in it is an error.
    where : str
        Name of the file in messages; `path` by default.
    reading : Events, optional
        The descriptor's ``events``: which columns say what, and which rows are samples.
    parts : Parts, optional
        The descriptor's ``parts``, where these deal out trials.
    testing : bool, optional
        Whether the test trials are samples, or all others; by default all are.

    Returns
    -------
    list of Event
        Ordered by onset.

    Raises
    ------
    UserError
        Missing columns, times that are not numbers or negative, a stimulus that is not in the
        table or whose path leaves the dataset.
    """
    where, reading = where or str(path), reading or Events()
    known = {composed(row.match or row.path): row for row in table}
    rows = event_rows(path, where)
    _check_columns(rows, reading, where)
    counted = {n: row for n, row in enumerate(rows, start=1) if not _matches(row, reading.ignore)}
    _check_once(counted, where)
    pairs = [(_event(row, known, f"{where}: row {n}", reading), row) for n, row in counted.items()]
    pairs.sort(key=lambda pair: pair[0].onset)
    events = _samples_of([event for event, _ in pairs], reading)
    if reading.without_media_start == "first":
        events = from_first(events)
    if parts is None or testing is None:
        return events
    tests = [_matches(row, parts.items) for _, row in pairs]
    return dealt_out(events, tests, parts.gap, testing)


def _check_columns(rows: Sequence[Mapping[str, str]], reading: Events, where: str) -> None:
    columns = rows[0].keys() if rows else set()
    label = reading.label_column
    if rows and label not in columns and not set(reading.stimulus_columns) <= columns:
        raise UserError(
            f"{where}: has neither {label} nor {' and '.join(reading.stimulus_columns)} "
            f"(columns: {', '.join(columns)}); one of them must say what was shown: fix `events` "
            "in the descriptor"
        )


def _check_once(rows: Mapping[int, Mapping[str, str]], where: str) -> None:
    """Check that no row stands there twice, which a model of the events would count twice."""
    seen: dict[tuple[str, ...], int] = {}
    for number, row in rows.items():
        if (first := seen.setdefault(tuple(row.values()), number)) != number:
            raise UserError(
                f"{where}: row {number} is row {first} once more (onset {row['onset']}); delete one"
            )


def _matches(row: Mapping[str, str], wanted: Mapping[str, Sequence[str]]) -> bool:
    return any(row.get(column) in values for column, values in wanted.items())


def _samples_of(events: Sequence[Event], reading: Events) -> list[Event]:
    """Events that carry over from the run before, or repeat the sample before, are not samples."""
    out: list[Event] = []
    last = None
    for index, event in enumerate(events):
        carried = reading.carry_over and index == 0
        repeated = reading.one_back and event.keep and event.item == last
        out.append(replace(event, keep=False) if carried or repeated else event)
        last = event.item if event.keep else last
    return out


def read_volume_table(path: Path, reading: EventReading, table: VolumeTable) -> Timeline:
    """Read a table with one row a volume: label and run.

    Consecutive volumes of one label within a run are one event; ``table.rest`` is not an event.

    Returns
    -------
    dict of run to list of Event
        The table's runs, in order of appearance, take the names of the descriptor's runs.

    Raises
    ------
    UserError
        A row without two words, or another number of runs than the descriptor lists.
    """
    volumes: dict[str, list[str]] = {}
    for number, line in enumerate(plain_text(path, str(path)).split("\n"), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2:
            raise UserError(f"{path}: line {number}: {line!r} is not `label run`")
        volumes.setdefault(words[1], []).append(unquoted(words[0]))
    if len(volumes) != len(reading.runs):
        raise UserError(
            f"{path}: has {len(volumes)} runs, the descriptor of {reading.dataset} lists "
            f"{len(reading.runs)}: fix `runs:`"
        )
    return {
        run: _blocks(labels, table.tr, table.rest)
        for run, labels in zip(reading.runs, volumes.values(), strict=True)
    }


def read_scan_events(path: Path, reading: EventReading, table: ScanTable) -> Timeline:
    """Read a table of the events of one scan, and deal them out to the runs that it is cut into.

    An event belongs to the run in which it begins, and ends with that run at the latest.

    Parameters
    ----------
    path : Path
        Words separated by blanks, ``table.columns`` in a row; quotes are stripped.
    reading : EventReading
        Its `runs`, and ``events.duration`` if the table's durations are not to be used.
    table : ScanTable
        Columns, volumes a run, and repetition time.

    Raises
    ------
    UserError
        A row with another number of words, times outside of the scan.
    """
    length = table.volumes * table.tr
    runs: Timeline = {run: [] for run in reading.runs}
    for number, line in enumerate(plain_text(path, str(path)).split("\n"), start=1):
        where = f"{path}: line {number}"
        words = [unquoted(word) for word in line.split()]
        if not words:
            continue
        if len(words) != len(table.columns):
            raise UserError(f"{where}: {line!r} is not `{' '.join(table.columns)}`")
        row = dict(zip(table.columns, words, strict=True))
        onset = seconds_in(row["onset"], "onset", where) + reading.events.onset_shift
        duration = reading.events.duration or (
            seconds_in(row["duration"], "duration", where) if "duration" in row else 0.0
        )
        part = math.floor((onset + TOLERANCE) / length)
        if not 0 <= part < len(reading.runs) or duration < 0:
            raise UserError(
                f"{where}: an event of {duration:g} s at {onset:g} s is not in a scan of "
                f"{len(reading.runs) * length:g} s; fix the table, `runs`, `tr` or layout.volumes"
            )
        start = max(onset - part * length, 0.0)
        label = row["trial_type"]
        ends = min(duration, length - start)
        runs[reading.runs[part]].append(Event(start, ends, label, "label", label, label=label))
    return {run: sorted(events, key=lambda event: event.onset) for run, events in runs.items()}


def read_trial_events(
    reading: EventReading, table: TrialTable, subject: str, listing: Receipt
) -> Timeline:
    """Events of a subject from its table of trials, at the times of `trial_table.TrialRow`.

    Raises
    ------
    UserError
        A stimulus that is not in the stimulus table, a film or sound without a duration, a run
        that the table lacks.
    """
    runs = reading.runs_of(subject)
    rows = trial_rows(table, reading.dataset, reading.runs, subject, listing)
    known = {composed(row.match or row.path): row for row in reading.stimuli}
    found: Timeline = {}
    for run in runs:
        own = [row for row in rows if row.run == whole_run(run)]
        own = [row for row in own if not _matches(row.cells, reading.events.ignore)]
        events = _samples_of([_trial(row, known, reading.events) for row in own], reading.events)
        if reading.parts and reading.parts.items:
            tests = [_matches(row.cells, reading.parts.items) for row in own]
            events = dealt_out(events, tests, reading.parts.gap, run.endswith("_part-test"))
        found[run] = events
    return found


def _trial(row: TrialRow, known: Mapping[str, Stimulus], reading: Events) -> Event:
    """The event of a row; without a stimulus table it is its label, or else its stimulus."""
    if not known:
        label = row.cells.get(reading.label_column, "")
        label = _stimulus_name(row.cells, reading) if label in MISSING else label
        keep = bool(label) and not _matches(row.cells, reading.modelled)
        return Event(row.onset, row.duration, label, "label", label, keep=keep, label=label)
    timed = {"onset": f"{row.onset:.6f}", "duration": f"{row.duration:.6f}"}
    event = _event({**row.cells, **timed}, known, row.where, reading)
    if event.timed and not (row.timed or reading.duration):
        raise UserError(
            f"{row.where}: shows the {event.kind} {event.stimulus}, of which features are taken "
            "for as long as it lasts; add a column `duration` (s), or write events.duration"
        )
    return event


def _blocks(labels: Sequence[str], tr: float, rest: str) -> list[Event]:
    events, first = [], 0
    for index in range(1, len(labels) + 1):
        if index < len(labels) and labels[index] == labels[first]:
            continue
        label = labels[first]
        if label != rest:
            length = (index - first) * tr
            events.append(Event(first * tr, length, label, "label", label, label=label))
        first = index
    return events


def event_rows(path: Path, where: str) -> list[dict[str, str]]:
    """Cells of an events file, row by row, quotes stripped.

    Raises
    ------
    UserError
        No text, no column ``onset`` or ``duration``, rows of another length than the header.
    """
    # Other characters that part lines may stand within a cell, such as U+2028 from a web page.
    lines = [line for line in plain_text(path, where).split("\n") if line.strip()]
    if not lines:
        raise UserError(f"{where}: is empty; an events file has at least a header")
    header = [unquoted(word) for word in lines[0].split("\t")]
    missing = [name for name in ("onset", "duration") if name not in header]
    if missing:
        commas = "; separate columns by tabs, as BIDS has them" if "," in lines[0] else ""
        raise UserError(
            f"{where}: no column {' and '.join(missing)} (columns: {', '.join(header)}){commas}"
        )
    if twice := [name for name in header if header.count(name) > 1]:
        raise UserError(f"{where}: has two columns {twice[0]!r}; rename or delete one")
    rows = []
    for number, line in enumerate(lines[1:], start=1):
        cells = [unquoted(cell) for cell in line.split("\t")]
        if len(cells) != len(header):
            raise UserError(
                f"{where}: row {number}: {len(cells)} cells under {len(header)} column names"
            )
        rows.append(dict(zip(header, cells, strict=True)))
    return rows


def _event(
    row: Mapping[str, str], known: Mapping[str, Stimulus], where: str, reading: Events
) -> Event:
    onset = seconds_in(row["onset"], "onset", where) + reading.onset_shift
    duration = reading.duration or seconds_in(row["duration"], "duration", where)
    if duration < 0:
        raise UserError(f"{where}: duration {duration:g} s is negative; fix the events file")
    label = row.get(reading.label_column, "")
    label = "" if label in MISSING else label
    keep = not _matches(row, reading.modelled)
    file = composed(_stimulus_name(row, reading))
    if not file:
        return Event(onset, duration, label, "label", label, keep=keep and bool(label), label=label)
    if file not in known:
        inside(Path(where), file)  # raises where the name leaves the dataset
        some = ", ".join(list(known)[:5]) + (", …" if len(known) > 5 else "")
        raise UserError(
            f"{where}: stimulus {file!r} is not in the stimulus table (stimuli.table of the "
            f"descriptor matches: {some or 'nothing'}); add it there"
        )
    stimulus = known[file]
    name, kind = stimulus.stimulus, stimulus.kind
    stated = bool(reading.label)
    label = (label or stimulus.label) if stated else (stimulus.label or label)
    if kind == "image":
        return Event(onset, duration, name, kind, name, keep=keep, label=label)
    if duration == 0:
        raise UserError(f"{where}: a {kind} of 0 s; give its duration in seconds")
    shown = Event(onset, duration, name, kind, name, keep=keep, label=label)
    column = next((c for c in reading.media_start if row.get(c, "") not in MISSING), "")
    unstated = {"beginning": 0.0, "run": onset}.get(reading.without_media_start or "", math.nan)
    start = seconds_in(row[column], column, where) if column else unstated
    if start < 0:
        raise UserError(f"{where}: {column} {start:g} s is before the {kind} begins")
    return shown if math.isnan(start) else entered_at(shown, start)


def _stimulus_name(row: Mapping[str, str], reading: Events) -> str:
    """The stimulus that a row names; empty if one of its columns is missing."""
    if any(row.get(column, "") in MISSING for column in reading.stimulus_columns):
        return ""
    return FIELD.sub(lambda m: row[m[1]].zfill(int(m[2] or 0)), reading.stimulus)
