"""A folder of responses to single trials (betas): arrays, and tables of as many rows as trials."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from tristream.bold.stored_arrays import ENDINGS, open_array
from tristream.describe.yaml_lines import Line, listed, quoted
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.phrases import counted
from tristream.stimuli.plain_text import plain_text, unquoted

# How columns of tables are called, the likeliest first.
COLUMNS = {
    "run": ("run", "run_id", "runs"),
    "session": ("session", "ses", "session_id"),
    "stimulus": ("stimulus", "image", "stim_file", "item", "picture", "file", "filename", "stim"),
    "label": ("label", "category", "condition", "class", "trial_type", "concept"),
}
TEXTS = (".tsv", ".csv")
SUBJECT, SESSION = re.compile(r"sub-([A-Za-z0-9]+)"), re.compile(r"ses-[A-Za-z0-9]+")
RUN = re.compile(r"(?:ses-[A-Za-z0-9]+_)?(?:task-[A-Za-z0-9]+_)?run-[A-Za-z0-9]+")


@dataclass(frozen=True)
class Betas:
    """Responses and their table.

    Attributes
    ----------
    responses, trials : str
        Templates of their paths.
    subjects : list of str
    columns : dict of str to str
        ``run``, ``session``, ``stimulus``, ``label`` to the column that seems to be it.
    header : list of str
        All columns.
    runs : list of str
        Of the first subject, in order.
    axes : tuple of str
        Ends of the array's shape that are as long as the table: ``first``, ``last``.
    voxels, most : int
        Of an array; trials of the longest run.
    repeated : int
        Items that the first subject saw more than once.
    """

    responses: str
    trials: str
    subjects: list[str]
    columns: dict[str, str]
    header: list[str]
    runs: list[str]
    axes: tuple[str, ...]
    voxels: int
    most: int
    repeated: int = 0

    @property
    def words(self) -> str:
        """In a line."""
        subjects = counted(len(self.subjects), "subject")
        return f"{subjects}, {counted(len(self.runs), 'run')}, layout betas"


@dataclass
class _Group:
    """Files of one template: subject to their paths, and runs that paths name."""

    template: str
    files: dict[str, list[str]] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)


def find_betas(listing: Receipt) -> Betas | None:
    """The first array, by name, that has as many trials as a table has rows; None if none has.

    Parameters
    ----------
    listing : Receipt
        Lists the files of the dataset, which are here.
    """
    names = sorted(name for name in listing.listed if name.lower().endswith(ENDINGS))
    groups = _groups(names)
    tables = [group for group in groups if group.template.lower().endswith(TEXTS)]
    for array in groups:
        for table in tables:
            if table is not array and array.files.keys() == table.files.keys():
                found = _pair(listing, array, table)
                if found is not None:
                    return found
    return None


def _groups(names: Sequence[str]) -> list[_Group]:
    """Files whose paths differ in subject, session and run alone."""
    found: dict[str, _Group] = {}
    for name in names:
        subject, run = SUBJECT.search(name), RUN.search(name)
        template = RUN.sub("{run}", SUBJECT.sub("sub-{subject}", name))
        template = SESSION.sub("{session}", template)
        group = found.setdefault(template, _Group(template))
        group.files.setdefault(subject[1] if subject else "01", []).append(name)
        if run and run[0] not in group.runs:
            group.runs.append(run[0])
    return list(found.values())


def _pair(listing: Receipt, array: _Group, table: _Group) -> Betas | None:
    """What both are together, if their numbers agree."""
    subject = next(iter(array.files))
    try:
        rows = [row for name in table.files[subject] for row in _rows(listing, name)]
        shapes = []
        for name in array.files[subject]:
            with open_array(listing.path(name)) as stored:
                shapes.append(stored.shape)
    except (UserError, ValueError):
        return None  # not of numbers, not here, or not a table
    ends = {"first": 0, "last": -1}
    total = {end: sum(shape[at] for shape in shapes) for end, at in ends.items()}
    axes = tuple(end for end in ends if rows and total[end] == len(rows))
    if not axes or any(len(shape) not in (2, 4) for shape in shapes):
        return None
    header = list(rows[0])
    columns = _roles(header)
    items = Counter(row.get(columns.get("stimulus", columns.get("label", "")), "") for row in rows)
    runs = Counter(_run(row, columns) for row in rows)
    image = array.template.lower().endswith((".nii", ".nii.gz"))
    axes = ("last",) if image else axes
    trials = shapes[0][ends[axes[0]]]
    return Betas(
        responses=array.template,
        trials=table.template,
        subjects=list(array.files),
        columns=columns,
        header=header,
        runs=array.runs or list(runs),
        axes=axes,
        voxels=prod(shapes[0]) // trials,
        most=max(runs.values()),
        repeated=sum(n > 1 for n in items.values()),
    )


def _roles(header: Sequence[str]) -> dict[str, str]:
    """What columns seem to be, by their names."""
    spelled = {column.lower(): column for column in reversed(header)}
    likely = {role: [n for n in names if n in spelled] for role, names in COLUMNS.items()}
    return {role: spelled[names[0]] for role, names in likely.items() if names}


def _rows(listing: Receipt, name: str) -> Iterator[dict[str, str]]:
    """Rows of a table with words in its header."""
    lines = plain_text(listing.path(name), name).split("\n")
    delimiter = "," if name.lower().endswith(".csv") else "\t"
    read = csv.reader((line.rstrip("\r") for line in lines if line.strip()), delimiter=delimiter)
    header, *rows = [[unquoted(cell) for cell in row] for row in read]
    for row in rows:
        yield dict(zip(header, row, strict=True))


def _run(row: Mapping[str, str], columns: Mapping[str, str]) -> str:
    """A run's name, from the numbers or labels of run and session."""
    cells = {role: row[columns[role]] for role in ("session", "run") if role in columns}
    parts = []
    for entity, role in (("ses", "session"), ("run", "run")):
        if text := cells.get(role, ""):
            text = re.sub(rf"^({entity}-)|\.0*$", "", text)
            parts.append(text if "-" in text else f"{entity}-{text}")
    return "_".join(parts) or "run-1"


def betas_lines(found: Betas) -> Iterator[Line]:
    """Lines of the descriptor below those that say what the dataset is."""
    yield Line("layout:\n  kind: betas", "responses to single trials that were estimated before")
    yield Line(f"  responses: {quoted(found.responses)}", f"{found.voxels:,} voxels")
    yield Line(f"  trials: {quoted(found.trials)}", f"columns {', '.join(found.header)}")
    if len(found.axes) > 1:
        yield Line(
            "  trial_axis: first", "", "which axis is that of trials? both are as long as the table"
        )
    for role in ("run", "session"):
        column = found.columns.get(role)
        if column and column != role:
            yield Line(f"  {role}: {quoted(column)}")
    yield Line(f"size: {{volumes: {found.most}, voxels: {found.voxels}}}", "trials of a run")
    asked = found.responses.count("{subject}") == 0
    yield Line(
        f"subjects: {listed(found.subjects)}",
        "",
        "what is the subject called? no path names one" if asked else "",
    )
    known = {"run", "session"} & found.columns.keys()
    yield Line(
        f"runs: {listed(found.runs)}",
        "by the table" if known else "",
        "" if known else "which runs are there? the table has no column of runs or sessions",
    )
    yield from _events(found)
    yield from _split(found)


def _events(found: Betas) -> Iterator[Line]:
    stimulus, label = (found.columns.get(role) for role in ("stimulus", "label"))
    one = stimulus or label or found.header[0]
    guessed = "" if stimulus or label else "which column says what was shown, and which its label?"
    text = f'events:\n  stimulus: "{{{one}}}"\n  label: {quoted(label or one)}'
    yield Line(text, "" if guessed else "what was shown, and its label", guessed)


def _split(found: Betas) -> Iterator[Line]:
    asked = f"which runs test? {counted(found.repeated, 'item')} came more than once"
    if len(found.runs) > 2:
        yield Line("split: {scheme: leave-one-run-out}", "", asked)
    elif len(found.runs) == 2:
        yield Line(f"split: {{scheme: holdout, test: {listed(found.runs[1:])}}}", "", asked)
    else:
        column = next(iter([*found.columns.values(), *found.header]))
        yield Line(
            f"parts: {{items: {{{quoted(column)}: [TEST]}}, gap: 0}}",
            "",
            "there is one run: which column says which trials test, and by which value?",
        )
        yield Line('split: {scheme: holdout, test: ["*_part-test"]}')
    yield Line("exchange: {unit: item}", "an item changes places with all its showings")
