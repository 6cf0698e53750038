"""What was shown, what was held out, and whether the test set leaks."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tristream.report.declared import model_layers
from tristream.report.elements import Block, Caution, Link, Section, Table, Text, shown
from tristream.report.item_neighbours import NEAR, Neighbour, items_of, neighbours_in
from tristream.report.sections import films
from tristream.report.study_results import Results
from tristream.stimuli.tables import (
    LeakageTable,
    StimulusFile,
    read_inventory,
    read_leakage,
    read_splits,
)

FEW = 12


def section(results: Results, dataset: str) -> Section:
    """Stimuli, splits and the leakage audit of a dataset."""
    blocks = [*_inventory(results, dataset), *_splits(results, dataset), *_audit(results, dataset)]
    return Section("stimuli", "Stimuli and leakage audit", blocks)


def _inventory(results: Results, dataset: str) -> list[Block]:
    path = results.path("inventory", dataset=dataset)
    if gone := results.missing("Inventory of events", path):
        return [*gone]
    inventory = read_inventory(path)
    notes = results.read(path, inventory.provenance)
    table = inventory.table
    rows: tuple[tuple[object, ...], ...]
    if inventory.stimuli:
        rows = tuple((s.stimulus, s.kind, s.duration, s.sha256) for s in inventory.stimuli)
        shown_table = Table("Media files.", ("stimulus", "kind", "seconds", "sha256"), rows)
    else:
        counts = table[table["keep"].astype(bool)]["item"].value_counts().sort_index()
        rows = tuple((item, int(n)) for item, n in counts.items())
        shown_table = Table("Events that are samples, by item.", ("item", "events"), rows)
    events = f"{len(table)} events in {table['run'].nunique()} runs."
    doubts: list[Block] = []
    if told := inventory.counts:
        found, whole = (
            sum(sum(runs.values()) for runs in part.values()) for part in (told.samples, told.of)
        )
        of = f"some {whole} volumes until the last event" if told.rows == "volumes" else whole
        events += f" They give {found} samples of {of}."
        doubts = [Caution(f"{doubt}.") for doubt in told.doubts]
    media = media_files(inventory.stimuli, films.page_of(dataset))
    return [Text(events), *doubts, shown_table, *media, *notes]


def media_files(stimuli: Sequence[StimulusFile], page: str) -> list[Block]:
    """How films and sounds are stored and read: size, frame rate, rotation, colour, tracks.

    Films lead to their part of `page`.
    """
    seen = [film.stimulus for film in films.films_of(stimuli)]
    links = {name: Link(name, f"{page}#{films.anchor(n)}") for n, name in enumerate(seen)}
    found: list[Block] = [Caution(f"{s.path}: {note}.") for s in stimuli for note in s.notes]
    names = list(dict.fromkeys(name for s in stimuli for name in s.facts))
    rows = tuple(
        (links.get(s.stimulus, s.stimulus), *(s.facts.get(name, "") for name in names))
        for s in stimuli
    )
    if names:
        caption = "Films and sounds as they are read: upright, and with square pixels."
        found.append(Table(caption, ("stimulus", *names), rows, folded=len(rows) > FEW))
    return found


def _splits(results: Results, dataset: str) -> list[Block]:
    path = results.path("splits", dataset=dataset)
    if gone := results.missing("Table of splits", path):
        return [*gone]
    splits = read_splits(path)
    notes = results.read(path, splits.provenance)
    words = {"train": "training", "test": "test", "each": "test in turn"}
    counts = splits.table.groupby("split")["run"].nunique()
    repeats = splits.table["repeat"].dropna()
    repeats = repeats[repeats.astype(str) != ""]
    groups = f"{repeats.nunique()} groups of repeats" if len(repeats) else "no repeats"
    text = "; ".join(f"{words.get(str(s), str(s))}: {n} runs" for s, n in counts.items())
    return [Text(f"Split: {text}; {groups}."), *notes]


def _audit(results: Results, dataset: str) -> list[Block]:
    path = results.path("leakage", dataset=dataset)
    if gone := results.missing("Leakage audit", path):
        return [*gone]
    audit = read_leakage(path)
    notes = results.read(path, audit.provenance)
    blocks: list[Block] = [_findings(audit.table, results.link(path)), *notes, *cautions(audit)]
    blocks += _labels(audit)
    blocks += _neighbours(results, dataset)
    blocks += _listed("What was compared", audit.checked)
    blocks += _listed("Labels from time alone", audit.baseline)
    blocks += _listed("Labels from the order of other subjects", [audit.across or {}])
    return blocks


def _labels(audit: LeakageTable) -> list[Block]:
    """Labels and items that training and test runs share, as a list and in words."""
    found: list[Block] = [Text(note) for note in _notes(audit, flagged=False)]
    names = ("shared", "untrained", "shared_items")
    rows = tuple(
        (one["timeline"], *(f"{len(one[name])}: {', '.join(one[name])}" for name in names))
        for one in audit.labels
    )
    if rows:
        columns = ("timeline", "labels in both", "labels never trained on", "items in both")
        caption = "Labels and labelled items of training and of test runs."
        found.append(Table(caption, columns, rows, folded=True))
    return found


def _notes(audit: LeakageTable, flagged: bool) -> list[str]:
    """The notes on labels of all timelines, equal ones once."""
    notes = [one["note"] for one in audit.labels if one["flagged"] == flagged]
    return [f"Of the labels, {note}." for note in dict.fromkeys(notes)]


def _neighbours(results: Results, dataset: str) -> list[Block]:
    """Test items that lie near a training item in a feature space, layer by layer."""
    paths = [results.path(place, dataset=dataset) for place in ("inventory", "splits")]
    if not all(path.is_file() for path in paths):
        return []
    items = items_of(read_inventory(paths[0]), read_splits(paths[1]))
    found = {}
    for space, layer in model_layers(results.targets, dataset):
        path = results.path("features", dataset=dataset, space=space, layer=layer)
        if path.is_file() and (near := neighbours_in(path, items)):
            found[space, layer] = near
    return near_items(found, len(items.train))


def near_items(found: Mapping[tuple[str, str], Sequence[Neighbour]], train: int) -> list[Block]:
    """Test items that lie near one of `train` training items, by space and layer."""
    if not found:
        return []
    near = [
        (*layer, one.item, one.nearest, f"{one.r:.3f}", f"{one.share:.4f}", shown(one.same_label))
        for layer, ones in found.items()
        for one in ones
        if one.is_near
    ]
    blocks: list[Block] = []
    if near:
        text = (
            f"{len({row[2] for row in near})} of {max(map(len, found.values()))} test items lie "
            "unusually near a training item in a feature space; what names them may know that "
            "training item, and no more."
        )
        blocks.append(Caution(text))
    rows = tuple(
        (*layer, sum(one.is_near for one in ones), len(ones), f"{NEAR * len(ones):.1f}")
        for layer, ones in found.items()
    )
    caption = (
        "Near neighbours of test items. A test item is near if so few training items have another "
        f"training item at least as near that its share is {NEAR:g} or less (of {train} training "
        "items; correlation of features, each column scaled by training items). As many are near "
        "by chance if test items were drawn as training items were."
    )
    blocks.append(Table(caption, ("space", "layer", "near", "test items", "by chance"), rows))
    if near:
        head = ("space", "layer", "test item", "training item", "r", "share", "same label")
        folded = len(near) > FEW
        blocks.append(Table("Test items near a training item.", head, tuple(near), folded=folded))
    return blocks


def cautions_of(results: Results, dataset: str) -> list[Block]:
    """What the audit says against any decoder of the dataset's labels."""
    path = results.path("leakage", dataset=dataset)
    return cautions(read_leakage(path)) if path.is_file() else []


def cautions(audit: LeakageTable) -> list[Block]:
    """What the audit flags of labels and of their order."""
    found: list[Block] = []
    for baseline in audit.baseline:
        if baseline.get("flagged"):
            text = (
                f"time in the run alone names {baseline['accuracy']:.1%} of the labels (chance "
                f"{baseline['chance']:.1%}); a decoder has to beat that, not chance."
            )
            found.append(Caution(text))
    if audit.across and audit.across.get("flagged"):
        found.append(Caution(f"{audit.across['note']}."))
    found += [Caution(note) for note in _notes(audit, flagged=True)]
    return found


def _findings(table: pd.DataFrame, tsv: str) -> Block:
    if table.empty:
        return Text("Leakage audit: no test stimulus was found to resemble a training stimulus.")
    columns = tuple(str(c) for c in table.columns)
    rows = tuple(tuple(shown(v) for v in row) for row in table.itertuples(index=False))
    caption = f"Leakage audit: {len(rows)} findings. A row is a segment of a test run (seconds)."
    return Table(caption, columns, rows, tsv, folded=len(rows) > FEW)


def _listed(title: str, entries: Sequence[Mapping[str, Any]]) -> list[Block]:
    """One table of names and values for each thing that was compared."""
    found: list[Block] = []
    for one in entries:
        rows = tuple((str(key).replace("_", " "), shown(value)) for key, value in one.items())
        if rows:
            found.append(Table(f"{title}.", ("", ""), rows, folded=True))
    return found
