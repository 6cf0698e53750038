"""What was shown, what was held out, and whether the test set leaks."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from tristream.report.elements import Block, Caution, Section, Table, Text, shown
from tristream.report.study_results import Results
from tristream.store import read_json, read_table, sidecar

FEW = 12


def section(results: Results, dataset: str) -> Section:
    """Stimuli, splits and the leakage audit of a dataset."""
    blocks = [*_inventory(results, dataset), *_splits(results, dataset), *_audit(results, dataset)]
    return Section("stimuli", "Stimuli and leakage audit", blocks)


def _inventory(results: Results, dataset: str) -> list[Block]:
    path = results.path("inventory", dataset=dataset)
    if gone := results.missing("Inventory of events", path):
        return [*gone]
    table, said = read_table(path, "inventory")
    notes = results.read(path, said)
    stimuli = read_json(sidecar(path), "inventory")[0].get("stimuli", [])
    if stimuli:
        keys = ("stimulus", "kind", "duration", "sha256")
        rows = tuple(tuple(s.get(k) for k in keys) for s in stimuli)
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
    table, said = read_table(path, "splits")
    notes = results.read(path, said)
    words = {"train": "training", "test": "test", "each": "test in turn"}
    counts = table.groupby("split")["run"].nunique()
    repeats = table["repeat"].dropna()
    repeats = repeats[repeats.astype(str) != ""]
    groups = f"{repeats.nunique()} groups of repeats" if len(repeats) else "no repeats"
    text = "; ".join(f"{words.get(str(s), str(s))}: {n} runs" for s, n in counts.items())
    return [Text(f"Split: {text}; {groups}."), *notes]


def _audit(results: Results, dataset: str) -> list[Block]:
    path = results.path("leakage", dataset=dataset)
    if gone := results.missing("Leakage audit", path):
        return [*gone]
    table, said = read_table(path, "leakage")
    notes = results.read(path, said)
    side = read_json(sidecar(path), "leakage")[0]
    blocks: list[Block] = [_findings(table, results.link(path)), *notes, *cautions(side)]
    for title, key in (
        ("What was compared", "checked"),
        ("Labels from time alone", "baseline"),
        ("Labels from the order of other subjects", "across"),
    ):
        blocks += _said(title, side.get(key))
    return blocks


def cautions_of(results: Results, dataset: str) -> list[Block]:
    """What the audit says against any decoder of the dataset's labels."""
    path = sidecar(results.path("leakage", dataset=dataset))
    return cautions(read_json(path, "leakage")[0]) if path.is_file() else []


def cautions(side: Mapping[str, Any]) -> list[Block]:
    """What the audit's sidecar flags of the order of labels."""
    found: list[Block] = []
    for baseline in side.get("baseline") or []:
        if baseline.get("flagged"):
            text = (
                f"time in the run alone names {baseline['accuracy']:.1%} of the labels (chance "
                f"{baseline['chance']:.1%}); a decoder has to beat that, not chance."
            )
            found.append(Caution(text))
    across = side.get("across") or {}
    if across.get("flagged"):
        found.append(Caution(f"{across['note']}."))
    return found


def _findings(table: pd.DataFrame, tsv: str) -> Block:
    if table.empty:
        return Text("Leakage audit: no test stimulus was found to resemble a training stimulus.")
    columns = tuple(str(c) for c in table.columns)
    rows = tuple(tuple(shown(v) for v in row) for row in table.itertuples(index=False))
    caption = f"Leakage audit: {len(rows)} findings. A row is a stretch of test stimulus (seconds)."
    return Table(caption, columns, rows, tsv, folded=len(rows) > FEW)


def _said(title: str, said: list[dict] | dict | None) -> list[Block]:
    """What the sidecar says: one table of names and values for each thing that was compared."""
    found: list[Block] = []
    for one in said if isinstance(said, list) else [said] if said else []:
        rows = tuple((str(key).replace("_", " "), shown(value)) for key, value in one.items())
        found.append(Table(f"{title}.", ("", ""), rows, folded=True))
    return found
