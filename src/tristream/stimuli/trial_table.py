"""The table of trials whose responses are given: a row a trial, and which run it belongs to."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tristream.config.events import TrialTable
from tristream.config.layouts import BetasLayout
from tristream.config.runs import whole_run
from tristream.errors import UserError
from tristream.fetch.contents import filled_path
from tristream.fetch.receipt import Receipt
from tristream.stimuli.plain_text import plain_text, seconds_in, unquoted

# Seconds of a trial whose duration nobody says, and the least from one onset to the next.
LENGTH = 1.0


@dataclass(frozen=True)
class TrialRow:
    """One trial.

    Responses have no times: trials of a run follow each other without a pause, so that `onset`
    says their order and no more.

    Attributes
    ----------
    run : str or None
        The descriptor's run, of parts the whole; None if it lists none for this trial.
    session : str
        As the table has it; empty without such a column.
    where : str
        Table and row, for messages.
    cells : dict of str to str
        Column to cell.
    onset, duration : float
        Seconds.
    timed : bool
        Whether the table says the duration.
    """

    run: str | None
    session: str
    where: str
    cells: Mapping[str, str]
    onset: float
    duration: float
    timed: bool


def trial_rows(
    table: TrialTable, dataset: str, runs: Sequence[str], subject: str, listing: Receipt
) -> list[TrialRow]:
    """All rows of the subject's tables, in their order.

    Parameters
    ----------
    table : TrialTable
        Template of the path, and names of the columns of run and session.
    dataset : str
        Its id, for messages.
    runs : sequence of str
        The descriptor's, or those that the subject has.
    subject : str
    listing : Receipt
        Lists the tables.

    Raises
    ------
    UserError
        A faulty table; rows whose run can't be known; a run of the descriptor without a row.
    """
    wholes = list(dict.fromkeys(map(whole_run, runs)))
    paths: dict[str, list[str]] = {}
    for whole in wholes:
        paths.setdefault(filled_path(table.path, subject, whole), []).append(whole)
    rows: list[TrialRow] = []
    ends: dict[object, float] = {}
    there = {file.path for file in listing.files}
    for name, own in paths.items():
        if name not in there:
            continue  # of a run that the subject lacks
        path = listing.path(name)
        known: dict[tuple[str, str], str | None] = {}
        for where, cells in _cells(path, name):
            pair = cells.get(table.session, ""), cells.get(table.run, "")
            if pair not in known:
                known[pair] = _run_of(*pair, own, f"{dataset}: {where}", table)
            run = known[pair]
            duration, timed = _duration(cells, where)
            onset = ends.get(run or pair, 0.0)
            ends[run or pair] = onset + max(duration, LENGTH)
            rows.append(TrialRow(run, pair[0], where, cells, onset, duration, timed))
        _check_pairs(known, name)
        met = {row.run for row in rows}
        if lacking := [one for one in own if one not in met]:
            stated = ", ".join(dict.fromkeys(" ".join(filter(None, pair)) for pair in known))
            raise UserError(
                f"{path}: has no trial of {lacking[0]}; its column {table.run} has "
                f"{stated or 'nothing'}: fix `runs` of the descriptor of {dataset}, or `missing`"
            )
    if not rows:
        raise UserError(
            f"{dataset}: has no file {next(iter(paths))}; fix `layout.trials` in the descriptor"
        )
    return rows


def rows_of_files(
    layout: BetasLayout, rows: Sequence[TrialRow], runs: Sequence[str], subject: str
) -> dict[str, list[TrialRow]]:
    """Files of responses of some runs, each with the rows of the table that are its trials."""
    named = {run: filled_path(layout.responses, subject, run) for run in map(whole_run, runs)}
    sessions = {row.session: named[row.run] for row in rows if row.run in named}
    files: dict[str, list[TrialRow]] = {name: [] for name in named.values()}
    for row in rows:
        name = named.get(row.run or "")
        # Of a run that the descriptor does not list: it may stand in a file with others.
        if name is None and "{run}" not in layout.responses:
            split = "{session}" in layout.responses
            name = sessions.get(row.session) if split else next(iter(files))
        if name is not None:
            files[name].append(row)
    return files


def _cells(path: Path, name: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows with their place; comma-separated if the file is called so."""
    delimiter = "," if path.name.lower().endswith(".csv") else "\t"
    lines = plain_text(path, name).split("\n")
    read = csv.reader((line.rstrip("\r") for line in lines if line.strip()), delimiter=delimiter)
    rows = [[unquoted(cell) for cell in row] for row in read]
    if len(rows) < 2:
        raise UserError(f"{path}: has no trial; it needs a header and a row for each")
    header = rows[0]
    if twice := [column for column in header if header.count(column) > 1]:
        raise UserError(f"{path}: has two columns {twice[0]!r}; rename or delete one")
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(header):
            raise UserError(
                f"{path}: row {number}: {len(row)} cells under {len(header)} column names"
            )
        yield f"{path}: row {number}", dict(zip(header, row, strict=True))


def _run_of(
    session: str, number: str, runs: Sequence[str], where: str, table: TrialTable
) -> str | None:
    """The run of these names; None if the descriptor lists none such."""
    if len(runs) == 1 and not number and not session:
        return runs[0]
    if not number and not session:
        raise UserError(
            f"{where}: has neither column {table.run} nor {table.session}, so the run of a trial "
            "is not known; name them in `layout`"
        )
    if number in runs:
        return number
    found = [
        run
        for run in runs
        for entities in [dict(re.findall(r"(?:^|_)([a-z]+)-([A-Za-z0-9]+)", run))]
        if (not number or _same(entities.get("run", ""), number))
        and (not session or "ses" not in entities or _same(entities["ses"], session))
    ]
    if len(found) > 1:
        raise UserError(
            f"{where}: {table.run} {number!r}, {table.session} {session!r} may be "
            f"{' or '.join(found[:3])}; write the run's whole name into the table"
        )
    return found[0] if found else None


def _same(entity: str, stated: str) -> bool:
    """Whether a cell means a label; numbers may have zeros before, and come as ``1.0``."""
    stated = re.sub(r"^(run|ses)-", "", stated)
    whole = re.fullmatch(r"(\d+)(\.0*)?", stated)
    return entity == stated or bool(whole and entity.isdigit() and int(entity) == int(whole[1]))


def _check_pairs(known: Mapping[tuple[str, str], str | None], name: str) -> None:
    """Check that no two runs of the table fall on one of the descriptor."""
    seen: dict[str, tuple[str, str]] = {}
    for pair, run in known.items():
        if run is not None and seen.setdefault(run, pair) != pair:
            both = " and ".join(f"session {s or '(none)'}, run {r}" for s, r in (seen[run], pair))
            raise UserError(
                f"{name}: {both} would both be {run}; name sessions in the descriptor's runs: "
                "`ses-{1..2}_run-{1..5}`"
            )


def _duration(cells: Mapping[str, str], where: str) -> tuple[float, bool]:
    text = cells.get("duration", "")
    if text in ("", "n/a"):
        return LENGTH, False
    value = seconds_in(text, "duration", where)
    if value < 0:
        raise UserError(f"{where}: duration {value:g} s is negative; fix the table")
    return value, True
