"""The columns of all events files, and what each seems to be."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from tristream.describe.run_list import RunList, entity
from tristream.errors import UserError
from tristream.fetch.contents import inherited, raw_run
from tristream.fetch.receipt import Receipt
from tristream.media.file_kinds import MEDIA_SUFFIXES
from tristream.stimuli.events import MISSING, event_rows

Role = Literal[
    "onset",
    "duration",
    "stimulus",
    "label",
    "kind of event",
    "media time",
    "response",
    "number",
    "text",
]
# Names that columns have in public datasets, the likelier one first.
STIMULUS = re.compile(
    r"(stim|stimulus|image|picture|film|movie|video|sound|audio|clip|trial)?_?(file|filename|"
    r"file_?path|path)|stim_?name|stimulus_?name|image_?name|stimulus|stim|image|movie|video|clip",
    re.IGNORECASE,
)
LABEL = re.compile(
    r"(category|class|genre|condition|label)(_?(name|label))?|\w+_(category|class|condition)_name",
    re.IGNORECASE,
)
RESPONSE = re.compile(
    r".*(resp|response|reaction|\brt\b|button|accuracy|correct|answer|rating|evaluation|keypress)"
    r".*|rt|key|acc",
    re.IGNORECASE,
)
MEDIA_TIME = re.compile(r"(media|stim|clip|film|movie|video|audio)_?(start|onset)|start", re.I)
COUNTS = re.compile(r".*(_|^)(no|nr|id|index|idx|number|num|weight|block|trial)$", re.IGNORECASE)
GENERIC = ("trial_type", "event_type")
REST = re.compile(r"(inter_?)?(rest|iti|isi|fixation|fix|baseline|blank|null)\d*", re.IGNORECASE)
ASIDE = re.compile(
    r"cue|evaluation|catch|response|button\w*|feedback|instructions?|instruct|key\w*|question",
    re.IGNORECASE,
)
# Values that tell kinds of trials apart, not what was shown.
KINDS = re.compile(
    r"exp(eriment(al)?)?|main|stim(ulus)?|train(ing)?|test|target|story|music|movie|film|video|audio"
    r"|trial|task|on",
    re.IGNORECASE,
)
# A label is met again and again; more values than this are items.
MOST_LABELS = 200


@dataclass(frozen=True)
class Column:
    """A column of the events files.

    Attributes
    ----------
    name : str
    role : str
        What it seems to be.
    values : Counter of str
        Its values and how often each occurs.
    tasks : tuple of str
        Tasks whose files have it.
    """

    name: str
    role: Role
    values: Counter[str]
    tasks: tuple[str, ...]

    @property
    def looks(self) -> str:
        """Its values in a few words."""
        some = ", ".join(value for value, _ in self.values.most_common(4))
        return f"{len(self.values)} values ({some}{', …' if len(self.values) > 4 else ''})"


@dataclass(frozen=True)
class EventTables:
    """All events files, read.

    Attributes
    ----------
    rows : dict of (subject, run) to list of dict
        Cells of each run's events file, quotes stripped.
    columns : dict of str to Column
    faults : list of str
        Files that can't be read, in a line each.
    without : list of str
        Runs for which no subject has an events file.
    """

    rows: dict[tuple[str, str], list[dict[str, str]]]
    columns: dict[str, Column]
    faults: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)

    def of_role(self, role: Role) -> list[Column]:
        """Columns that seem to be this, the likelier first."""
        return [column for column in self.columns.values() if column.role == role]


def read_event_tables(listing: Receipt, runs: RunList) -> EventTables:
    """Read the events files of all runs."""
    listed = listing.find("_events.tsv")
    rows: dict[tuple[str, str], list[dict[str, str]]] = {}
    faults: list[str] = []
    read: dict[str, list[dict[str, str]]] = {}
    for subject, own in runs.of.items():
        for run in own:
            found = inherited(f"{raw_run(subject, run)}_events.tsv", _near(listed, subject))
            if not found:
                continue
            try:
                if found[-1] not in read:
                    read[found[-1]] = event_rows(listing.path(found[-1]), found[-1])
                rows[subject, run] = read[found[-1]]
            except UserError as error:
                faults.append(str(error))
    there = {run for _, run in rows}
    return EventTables(rows, _columns(rows), faults, [run for run in runs.runs if run not in there])


def _near(listed: Sequence[str], subject: str) -> list[str]:
    """Events files that a subject may have: its own, and those at the root."""
    return [path for path in listed if path.startswith(f"sub-{subject}/") or "/" not in path]


def _columns(rows: Mapping[tuple[str, str], Sequence[Mapping[str, str]]]) -> dict[str, Column]:
    values: dict[str, Counter[str]] = {}
    tasks: dict[str, dict[str, None]] = {}
    spans = True
    for (_, run), table in rows.items():
        for row in table:
            spans = spans and _is_span(row)
            for name, cell in row.items():
                counter = values.setdefault(name, Counter())
                tasks.setdefault(name, {})[entity(run, "task")] = None
                if cell not in MISSING:
                    counter[cell] += 1
    roles = {name: _role(name, counter, spans) for name, counter in values.items()}
    order = sorted(values, key=lambda name: (_rank(name), list(values).index(name)))
    return {n: Column(n, roles[n], values[n], tuple(tasks[n])) for n in order}


def _rank(name: str) -> int:
    """Likelier names first: of files, then of names; of categories, then generic ones."""
    if re.search(r"file|path", name, re.IGNORECASE):
        return 0
    if re.search(r"name", name, re.IGNORECASE):
        return 1
    return 3 if name in GENERIC else 2


def _is_span(row: Mapping[str, str]) -> bool:
    """Whether `start` and `end` of a row, if it has them, are seconds of a file."""
    try:
        return abs(float(row["end"]) - float(row["start"]) - float(row["duration"])) < 0.1
    except (KeyError, ValueError):
        return False


def _role(name: str, values: Counter[str], spans: bool) -> Role:
    if name in ("onset", "duration"):
        return name  # type: ignore[return-value]
    numbers = bool(values) and all(map(_is_number, values))
    files = sum(PurePosixPath(v).suffix.lower() in MEDIA_SUFFIXES for v in values)
    if values and files > len(values) / 2:
        return "stimulus"
    kinds = (any(kind.fullmatch(v) for kind in (REST, ASIDE, KINDS)) for v in values)
    if name == "event_type" or (name in GENERIC and values and all(kinds)):
        return "kind of event"
    if name == "trial_type":
        return "label"
    if name == "end" and spans:
        return "number"
    if numbers and (MEDIA_TIME.fullmatch(name) and (name != "start" or spans)):
        return "media time"
    if RESPONSE.fullmatch(name):
        return "response"
    if numbers or COUNTS.fullmatch(name):
        return "number"
    if LABEL.fullmatch(name) and 1 < len(values) <= MOST_LABELS:
        return "label"
    if STIMULUS.fullmatch(name) and values:
        return "stimulus"
    return "text"


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def rest_values(columns: Iterable[Column]) -> dict[str, list[str]]:
    """Column to its values that name rest: rows that are not events."""
    return _values_like(REST, columns)


def aside_values(columns: Iterable[Column]) -> dict[str, list[str]]:
    """Column to its values that name cues, catch trials and the like: modelled, not samples."""
    return _values_like(ASIDE, columns)


def _values_like(pattern: re.Pattern[str], columns: Iterable[Column]) -> dict[str, list[str]]:
    found = {c.name: [v for v in c.values if pattern.fullmatch(v)] for c in columns}
    return {name: values for name, values in found.items() if values}
