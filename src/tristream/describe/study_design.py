"""Who saw the same, what repeats, what may be held out: read off the events alone."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from tristream.config.base import LONGEST_TIME
from tristream.describe.events_profile import EventTables
from tristream.describe.run_list import RunList, entity
from tristream.rounds import are_rounds, rounds_of

Rows = Sequence[Mapping[str, str]]
Item = Callable[[Mapping[str, str]], str]
# Events of one label that follow each other within this time are one block (s).
PAUSE = 4.0
# Of the events of a design of blocks so many at least have the label of the one before.
MOST = 0.6
# Share of the runs with several rounds that must fit.
NEARLY_ALL = 0.9
# A film or story; shorter ones are clips.
LONG = 60.0
# An event that repeats the one before it, for the subject's task, is rare.
RARE = (0.02, 0.2)
MOST_GROUPS = 5
TEST = re.compile(r"test|heldout|valid(ation)?|^val\d*$", re.IGNORECASE)
TRAIN = re.compile(r"train|learn", re.IGNORECASE)


@dataclass(frozen=True)
class Repeats:
    """How often items are shown to the first subject.

    Attributes
    ----------
    counts : dict of int to int
        Number of showings to how many items have it.
    one_back : int
        Showings that repeat the one before.
    carried : bool
        Whether the first event of each run is an item that the run before (or this run) ends with.
    """

    counts: dict[int, int]
    one_back: int
    carried: bool

    @property
    def words(self) -> str:
        """In a few words."""
        some = sorted(self.counts.items(), key=lambda pair: -pair[1])[:3]
        return ", ".join(f"{items} shown {times} ×" for times, items in some)


def item_of(columns: Sequence[str]) -> Item:
    """A function that gives the item of a row, by some columns; empty where it has none."""

    def item(row: Mapping[str, str]) -> str:
        values = [row.get(column, "") for column in columns]
        values = ["" if value == "n/a" else value for value in values]
        return "|".join(values) if any(values) else ""

    return item


def repeats(tables: EventTables, runs: RunList, item: Item) -> Repeats:
    """Showings of items to the first subject."""
    subject = next((s for s in runs.of if any(who == s for who, _ in tables.rows)), "")
    own = [tables.rows[subject, r] for r in runs.of.get(subject, []) if (subject, r) in tables.rows]
    shown = [[item(row) for row in rows if item(row)] for rows in own]
    shown = [items for items in shown if items]
    counted = Counter(name for items in shown for name in items)
    back = sum(a == b for items in shown for a, b in pairwise(items))
    total = sum(map(len, shown))
    one_back = back if RARE[0] * total <= back <= RARE[1] * total else 0
    return Repeats(dict(Counter(counted.values())), one_back, _carried(shown))


def _carried(shown: Sequence[Sequence[str]]) -> bool:
    """Whether every run begins with an item that a run ended with."""
    if len(shown) < 3 or len({name for items in shown for name in items}) < 10:
        return False
    ends = {items[-1] for items in shown}
    return all(items[0] in ends for items in shown)


def timelines(
    tables: EventTables, runs: RunList, columns: Sequence[str]
) -> dict[str, list[str]] | Literal["own", "all"]:
    """Subjects by the events that they saw.

    Returns
    -------
    dict of name to list of str, "own" or "all"
        ``all``: nobody met other events than another in a run that both have; ``own``: everybody,
        or most, did.
    """
    groups: list[tuple[dict[str, tuple[object, ...]], list[str]]] = []
    for subject, own in runs.of.items():
        seen = {r: _print(tables.rows.get((subject, r), ()), columns) for r in own}
        for known, members in groups:
            if all(known.get(run, events) == events for run, events in seen.items()):
                known |= seen
                members.append(subject)
                break
        else:
            groups.append((seen, [subject]))
    if len(groups) <= 1:
        return "all"
    if len(groups) > min(MOST_GROUPS, len(runs.of) / 2):
        return "own"
    return {f"group{n}": members for n, (_, members) in enumerate(groups, start=1)}


def _print(rows: Rows, columns: Sequence[str]) -> tuple[object, ...]:
    """What a run showed when, to the millisecond."""
    return tuple(
        (_rounded(row, "onset"), _rounded(row, "duration"), *(row.get(c, "") for c in columns))
        for row in rows
    )


def time_of(row: Mapping[str, str], column: str) -> float:
    """The time that a cell states (s).

    Raises
    ------
    ValueError
        If it states none, or one that no run reaches.
    """
    value = float(row[column])
    if not abs(value) <= LONGEST_TIME:
        raise ValueError(f"{column} {value:g}")
    return value


def _pause(one: Mapping[str, str], other: Mapping[str, str]) -> float:
    """Seconds from the end of one event to the onset of another."""
    return time_of(other, "onset") - time_of(one, "onset") - time_of(one, "duration")


def _rounded(row: Mapping[str, str], column: str) -> object:
    try:
        return round(time_of(row, column), 3)
    except (KeyError, ValueError):
        return row.get(column)


def test_patterns(runs: Sequence[str]) -> list[str]:
    """Patterns of runs whose names say that they test; empty if none or all do."""
    for name in ("task", "ses"):
        values = list(dict.fromkeys(entity(run, name) for run in runs))
        tests = [value for value in values if TEST.search(value)]
        if not tests or len(tests) == len(values) or not any(map(TRAIN.search, values)):
            continue
        stems = dict.fromkeys(re.sub(r"\d+$", "", value) for value in tests)
        start = "*task-" if any(run.startswith("ses-") for run in runs) else "task-"
        if name == "task":
            return [f"{start}{stem}_*" if stem in tests else f"{start}{stem}*" for stem in stems]
        return [f"ses-{stem}*" for stem in stems]
    return []


def test_values(tables: EventTables) -> dict[str, list[str]]:
    """Column to the values that say that a trial tests; training trials are in the same runs."""
    for column in tables.of_role("kind of event"):
        tests = [value for value in column.values if TEST.fullmatch(value)]
        if tests and len(column.values) > len(tests):
            return {column.name: tests}
    return {}


def pause_of_blocks(tables: EventTables, item: Item, ignored: Mapping[str, list[str]]) -> float:
    """The pause between two events of one label within a block; 0 if the design has no blocks.

    Parameters
    ----------
    tables : EventTables
    item : callable
        The label of a row.
    ignored : dict of str to list of str
        Column to values of rows that are not events.

    Returns
    -------
    float
        Seconds; longer than all but one in a hundred pauses between events that follow each other
        and have one label, if most have the label of the event before.
    """
    pauses: list[float] = []
    total = 0
    for rows in _kept(tables, ignored):
        for one, other in pairwise(rows):
            try:
                pause = _pause(one, other)
            except ValueError:
                continue
            total += 1
            if item(one) and item(one) == item(other):
                pauses.append(pause)
    if not total or len(pauses) < MOST * total:
        return 0.0
    usual = sorted(pauses)[int(0.99 * (len(pauses) - 1))]
    return PAUSE if usual < PAUSE else 10.0 * math.ceil((usual + 1) / 10)


def _kept(tables: EventTables, ignored: Mapping[str, list[str]]) -> Iterator[Rows]:
    """Rows of each table that are events."""
    for table in tables.rows.values():
        yield [r for r in table if not any(r.get(c) in values for c, values in ignored.items())]


def in_rounds(
    tables: EventTables, item: Item, ignored: Mapping[str, list[str]], pause: float
) -> bool:
    """Whether blocks come in rounds that show each label once, in nearly all runs with several.

    Parameters
    ----------
    tables, item, ignored
        As of :func:`pause_of_blocks`.
    pause : float
        What that found.
    """
    several = fit = 0
    for rows in _kept(tables, ignored):
        try:
            blocks = [item(row) for row in rows[:1]] + [
                item(other)
                for one, other in pairwise(rows)
                if item(one) != item(other) or _pause(one, other) >= pause
            ]
        except ValueError:
            return False
        # One label alone makes rounds of anything.
        if len(set(blocks)) > 1 and rounds_of(blocks)[-1] > 0:
            several += 1
            fit += are_rounds(blocks)
    return several > 0 and fit >= NEARLY_ALL * several


def longest(tables: EventTables) -> float:
    """Seconds of the longest event."""
    found = [0.0]
    for rows in tables.rows.values():
        for row in rows:
            try:
                found.append(time_of(row, "duration"))
            except ValueError:
                continue
    return max(found)


def odd_durations(tables: EventTables) -> str:
    """Why durations are to be doubted; empty if they are not."""
    zeros = total = 0
    for rows in tables.rows.values():
        for row in rows:
            total += 1
            zeros += row["duration"] in ("0", "0.0", "n/a", "")
    if total and zeros == total:
        return "all durations are 0 or n/a: how long were events?"
    firsts = [rows[0]["duration"] for rows in tables.rows.values() if len(rows) > 1]
    if zeros and firsts and all(first in ("0", "0.0") for first in firsts):
        return "the first event of each run lasts 0 s, and the others do not: is it a row late?"
    return f"{zeros} of {total} events last 0 s: is the column wrong?" if zeros else ""
