"""What was shown, what was held out, and whether the test set leaks."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tristream.report.elements import Block, Caution, Section, Table, Text, shown
from tristream.report.study_results import Results
from tristream.stimuli.tables import LeakageTable, read_inventory, read_leakage, read_splits

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
    return [Text(events), shown_table, *notes]


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
    blocks += _listed("What was compared", audit.checked)
    blocks += _listed("Labels from time alone", audit.baseline)
    blocks += _listed("Labels from the order of other subjects", [audit.across or {}])
    return blocks


def cautions_of(results: Results, dataset: str) -> list[Block]:
    """What the audit says against any decoder of the dataset's labels."""
    path = results.path("leakage", dataset=dataset)
    return cautions(read_leakage(path)) if path.is_file() else []


def cautions(audit: LeakageTable) -> list[Block]:
    """What the audit flags of the order of labels."""
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
