"""The lines of a descriptor that come from the events: columns, stimuli, split, exchange unit."""

from collections.abc import Iterator, Mapping

from tristream.describe.dataset_findings import Found
from tristream.describe.events_profile import Column, aside_values, rest_values
from tristream.describe.media_files import Medium
from tristream.describe.run_list import ranged
from tristream.describe.study_design import (
    LONG,
    PAUSE,
    in_rounds,
    item_of,
    longest,
    odd_durations,
    pause_of_blocks,
    repeats,
    test_patterns,
    test_values,
    time_of,
    timelines,
)
from tristream.describe.yaml_lines import Line, listed, quoted

FEWEST_RUNS = 3
# Volumes of the end of one part are far from the response to the next (s).
GAP = 20.0


def stimulus_column(found: Found) -> Column | None:
    """The column that names the rows of the stimulus table."""
    for column in found.tables.of_role("stimulus"):
        if any(medium.match in column.values for medium in found.media):
            return column
    return next(iter(found.tables.of_role("stimulus")), None)


def item_columns(found: Found) -> list[str]:
    """Columns that together say what was shown."""
    if column := stimulus_column(found):
        return [column.name]
    labels = [column.name for column in found.tables.of_role("label")]
    texts = [column.name for column in found.tables.of_role("text")]
    counts = found.tables.of_role("number")
    numbers = [c.name for c in counts if c.name in ("track", "exemplar", "item", "image", "token")]
    return [*labels, *texts, *numbers]


def events_lines(found: Found) -> Iterator[Line]:
    """Timelines, and how events files are read."""
    tables = found.tables
    if not tables.rows:
        yield from _shown(found)
        return
    columns = item_columns(found)
    groups = timelines(tables, found.runs, columns)
    if groups == "own":
        yield Line("timelines: own", "subjects met other events, or at other times")
    elif isinstance(groups, dict):
        rows = "\n".join(f"  {name}: {listed(ranged(own))}" for name, own in groups.items())
        yield Line(f"timelines:\n{rows}", "who saw the same at the same times")
    yield Line("", "Columns of the events files, and what each seems to be:")
    for column in tables.columns.values():
        yield Line("", f"  {column.name}: {column.role}; {column.looks}")
    for fault in tables.faults[:5]:
        yield Line("", "", f"this events file can't be read; leave its run out? {fault}")
    if tables.without:
        some = ", ".join(tables.without[:5])
        yield Line("", "", f"runs without events, which can't be read so: {some}; leave them out?")
    inner = list(_events(found, columns))
    if inner:
        yield Line("events:")
        yield from inner


def _events(found: Found, columns: list[str]) -> Iterator[Line]:
    tables = found.tables
    labels = tables.of_role("label")
    specific = [c for c in labels if c.name != "trial_type"] or labels
    labelled = not found.media or not any(medium.label for medium in found.media)
    if specific and labelled:
        others = [c.name for c in labels if c.name != specific[0].name]
        what = f"what a decoder names: {specific[0].looks}"
        ask = f"`{specific[0].name}` or {' or '.join(others)}: which is the label?"
        yield Line(f"  label: {quoted(specific[0].name)}", what, ask if others else "")
    column = stimulus_column(found)
    if column is not None and found.media:
        yield Line(f'  stimulus: "{{{column.name}}}"', "what names the stimulus")
    if times := tables.of_role("media time"):
        names = listed([c.name for c in times])
        yield Line(f"  media_start: {names}", "second of the film or sound at which it is entered")
    elif _enters_twice(found):
        yield Line(
            "  without_media_start: first",
            "",
            "one film or sound is shown by several events of a run, or later than the run begins: "
            "did the file begin with its `first` event, with the `run`, does each event show its "
            "`beginning`, or does it `continues` where the event before left off?",
        )
    kinds = [*tables.of_role("kind of event"), *labels]
    if ignored := rest_values(kinds):
        yield Line(f"  ignore: {_mapping(ignored)}", "rows that are not events")
    if aside := aside_values(kinds):
        yield Line(f"  modelled: {_mapping(aside)}", "modelled, but no samples")
    if why := odd_durations(tables):
        yield Line("", "", f"{why} If so, write `duration:` (s of every event) under `events`")
    again = repeats(tables, found.runs, item_of(columns))
    if again.carried:
        yield Line("  carry_over: true", "each run begins with an item that a run ended with")
    if again.one_back and not pause_of_blocks(tables, item_of(columns), ignored):
        what = f"{again.one_back} events repeat the one before, for the subject's task"
        yield Line("  one_back: true", f"{what}: modelled, no samples")


def _mapping(values: dict[str, list[str]]) -> str:
    return "{" + ", ".join(f"{quoted(k)}: {listed(v)}" for k, v in values.items()) + "}"


def _enters_twice(found: Found) -> bool:
    """Whether long films or sounds are entered at times that no column states."""
    column = stimulus_column(found)
    if column is None or not any(medium.kind != "image" for medium in found.media):
        return False
    return any(
        row.get(column.name, "n/a") != "n/a" and time_of(row, "onset") > 0
        for rows in found.tables.rows.values()
        for row in rows
        if longest(found.tables) > LONG and _is_time(row, "onset")
    )


def _is_time(row: Mapping[str, str], column: str) -> bool:
    try:
        return time_of(row, column) >= 0
    except ValueError:
        return False


def _shown(found: Found) -> Iterator[Line]:
    """Films of runs without events."""
    media = found.media or [Medium("film", "film", "film.mp4", "", "", False)]
    rows = []
    for run in found.runs.runs:
        parts = [part.partition("-")[2].lower() for part in run.split("_")]
        named = [m for m in media if any(len(p) > 2 and p in m.stimulus.lower() for p in parts)]
        rows.append((run, named[0] if len(named) == 1 else media[0]))
    if len({medium.stimulus for _, medium in rows}) == 1:
        rows = [("*", rows[0][1])]
    text = "\n".join(
        f"    - {{runs: {quoted(run)}, stimulus: {medium.stimulus}, onset: 0, media_start: 0}}"
        for run, medium in rows
    )
    yield Line(
        f"events:\n  shown:\n{text}",
        "",
        "no run has events: which stimulus was shown in which runs, from which second of the run "
        "(onset) and of the file (media_start)?",
    )


def stimuli_lines(found: Found) -> Iterator[Line]:
    """The stimulus table, and where its files lie."""
    tables, media = found.tables, found.media
    if not media and tables.rows:
        hints = [c.name for c in (*tables.of_role("stimulus"), *tables.of_role("media time"))]
        if hints:
            yield Line(
                "",
                "",
                f"the events speak of stimuli ({', '.join(hints)}), of which no file is here: for "
                "features of them write `stimuli:` (table, get) and `events.stimulus`; without, "
                "labels alone are analysed",
            )
        return
    media = media or [Medium("film", "film", "film.mp4", "", "", False)]
    here = [medium for medium in media if medium.found]
    yield Line("stimuli:")
    if len(here) == len(media):
        yield Line("  source: {kind: dataset}", "the dataset ships all of them")
    else:
        names = [m.match or m.path for m in media if not m.found]
        lacking = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        what = f"{len(media) - len(here)} of {len(media)} stimuli are not in the dataset"
        yield Line(
            "  get: ask the authors of the dataset",
            "",
            f"{what} ({lacking}): where can they be had? your own folder is named in config.yaml",
        )
    if found.table_file:
        yield Line(f"  table: {found.table_file}", _kinds(media))
        return
    rows = "\n".join(
        f"    - {{stimulus: {m.stimulus}, kind: {m.kind}, path: {quoted(m.path)}"
        + (f", match: {quoted(m.match)}" if m.match else "")
        + (f", label: {quoted(m.label)}" if m.label else "")
        + "}"
        for m in media
    )
    yield Line(f"  table:\n{rows}", _kinds(media))


def _kinds(media: list[Medium]) -> str:
    kinds = [medium.kind for medium in media]
    counts = ", ".join(f"{kinds.count(kind)} {kind}s" for kind in dict.fromkeys(kinds))
    return f"{counts}; labels are folders" if any(m.label for m in media) else counts


def split_lines(found: Found) -> Iterator[Line]:
    """What is held out, and what permutations move."""
    tables, runs = found.tables, found.runs
    item = item_of(item_columns(found))
    again = repeats(tables, runs, item) if tables.rows else None
    told = f"first subject: {again.words}. " if again and again.words else ""
    patterns, values = test_patterns(runs.runs), test_values(tables)
    if patterns:
        yield Line(
            f"split:\n  scheme: holdout\n  test: {listed(patterns)}",
            f"{told}The names of these runs say so.",
            "are these the runs to hold out?",
        )
    elif values:
        yield Line(
            f"parts:\n  items: {_mapping(values)}\n  gap: 9.0   # s: nearer responses overlap",
            f"{told}Test trials stand in every run, among the others.",
        )
        yield Line(
            'split:\n  scheme: holdout\n  test: ["*_part-test"]',
            "",
            "are these trials to be held out? training trials within `gap` seconds are left out",
        )
    elif min(map(len, runs.of.values())) >= FEWEST_RUNS:
        yield Line(
            "split:\n  scheme: leave-one-run-out",
            f"{told}No name says which runs test.",
            "is every run to be held out in turn? else `scheme: holdout` and `test: [patterns]`",
        )
    else:
        end = round(_shortest(found) * 0.75)
        yield Line(
            f"parts:\n  times: [{end}]\n  gap: {GAP}",
            f"{told}Some subjects have fewer than {FEWEST_RUNS} runs.",
        )
        yield Line(
            'split:\n  scheme: holdout\n  test: ["*_part-2"]',
            "",
            f"is all from {end} s of each run to be held out? whole runs of other stimuli "
            "are better",
        )
    yield from _exchange(found)


def _exchange(found: Found) -> Iterator[Line]:
    tables = found.tables
    long = not tables.rows or (
        longest(tables) > LONG and any(m.kind != "image" for m in found.media)
    )
    if long:
        yield Line("exchange: {unit: time, seconds: 20}", "films or stories: intervals of time")
        return
    labels = tables.of_role("label")
    ignored = rest_values([*tables.of_role("kind of event"), *labels])
    item = item_of([c.name for c in labels])
    pause = pause_of_blocks(tables, item, ignored) if labels else 0
    rounds = pause and in_rounds(tables, item, ignored, pause)
    if rounds:
        written = f", pause: {pause:g}" if pause > PAUSE else ""
        yield Line(
            f"exchange: {{unit: round{written}}}",
            "",
            "every label comes once, then every label again: were groups of events put in random "
            "order within these rounds? if not, `unit: block`",
        )
    elif pause > PAUSE:
        yield Line(
            f"exchange: {{unit: block, pause: {pause:g}}}",
            "",
            "events of one label follow each other, with rest between them: were these groups put "
            "in random order? if single events were, `{unit: item}`",
        )
    elif pause:
        yield Line("exchange: {unit: block}", "events of one label follow each other")
    else:
        yield Line("exchange: {unit: item}", "an item with all its showings")


def _shortest(found: Found) -> float:
    """Second at which the events of the shortest run end."""
    ends = [
        max(float(row["onset"]) + float(row["duration"]) for row in rows)
        for rows in found.tables.rows.values()
        if rows and all(_is_time(row, "onset") and _is_time(row, "duration") for row in rows)
    ]
    return min(ends, default=400.0)
