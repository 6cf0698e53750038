"""Representational similarity of layers and regions, beside what noise allows."""

from pathlib import Path

import numpy as np
import pandas as pd

from tristream.report import report_figures as figures
from tristream.report.declared import rsa_of
from tristream.report.elements import Block, Heading, Section, Table, facts
from tristream.report.findings import Findings
from tristream.report.item_findings import of_all
from tristream.report.references import resolve
from tristream.report.sections import item_cells
from tristream.report.study_results import Results
from tristream.rsa.similarity_table import ALL, COLUMNS, read_similarity

LEVEL = 0.05
COLUMNS_SHOWN = {
    "subject": "subject",
    "region": "region",
    "items": "items",
    "similarity": "similarity",
    "chance": "chance",
    "p": "p",
    "p_corrected": "corrected p",
    "ceiling_low": "ceiling, low",
    "ceiling_high": "ceiling, high",
}


def names(results: Results, dataset: str) -> list[str]:
    """Analyses of a dataset."""
    return rsa_of(results.resolved, dataset)


def study(results: Results, findings: Findings) -> list[Block]:
    """Every analysis on the first page: all subjects as one figure, and their best layers."""
    blocks: list[Block] = []
    for dataset, name in dict.fromkeys((one.dataset, one.name) for one in findings.alike):
        own = [one for one in findings.alike if (one.dataset, one.name) == (dataset, name)]
        title = f"{dataset}, {name}: similarity of items"
        caption = (
            "Agreement of the distances between items in each layer with those in the patterns of "
            "each region."
        )
        file = f"{dataset}/similarity_{name}"
        drawn = item_cells.figure(results, of_all(own), file, title, caption, "similarity")
        blocks += [drawn, item_cells.table(own)]
    return blocks


def section(results: Results, dataset: str) -> Section:
    """Every analysis of the dataset."""
    blocks: list[Block] = []
    for name in names(results, dataset):
        blocks.append(Heading(f"Analysis {name}"))
        path = results.path("rsa", dataset=dataset, rsa=name)
        gone = results.missing(f"Representational similarity {name}", path)
        blocks += gone or _analysis(results, dataset, name, path)
    return Section("rsa", "Representational similarity", blocks)


def _analysis(results: Results, dataset: str, name: str, path: Path) -> list[Block]:
    rows, provenance = read_similarity(path)
    notes = results.read(path, provenance)
    rows["name"] = rows["space"] + "/" + rows["layer"]
    shown = rows[rows["subject"] == ALL]
    if shown.empty:
        shown = rows[rows["subject"] == rows["subject"].iloc[0]]
    blocks: list[Block] = [facts({"How": resolve(" ".join(provenance.methods))})]
    if np.isfinite(shown["similarity"]).any():
        file = f"{dataset}/rsa_{name}"
        blocks.append(_heatmap(results, file, name, shown, provenance.simulated))
    return [*blocks, _table(results, rows, path), *notes]


def _heatmap(results: Results, file: str, name: str, rows: pd.DataFrame, simulated: bool) -> Block:
    """Every layer with every region, the noise ceiling below, and what is significant."""

    def grid(column: str) -> pd.DataFrame:
        table = rows.pivot(index="name", columns="region", values=column)
        return table.loc[rows["name"].unique(), rows["region"].unique()]

    values, passed = grid("similarity"), grid("p_corrected") <= LEVEL
    ceiling = rows.drop_duplicates("region").set_index("region").loc[values.columns]
    heights = np.vstack([values.to_numpy(), ceiling["ceiling_low"].to_numpy(float)])
    text = np.vectorize("{:.2f}".format)(heights)
    text[:-1][passed.to_numpy()] = [f"{one}*" for one in text[:-1][passed.to_numpy()]]
    labels = ("layer", "region", "similarity")
    drawing = figures.heatmap(
        heights, [*values.index, "noise ceiling, low"], list(values.columns), labels, text=text
    )
    subject = rows["subject"].iloc[0]
    who = "Mean over subjects" if subject == ALL else f"sub-{subject}"
    caption = (
        f"{who}: agreement of the distances between {rows['items'].max()} items in each layer "
        "and in the patterns of each region; * corrected p of at most .05. Last row: the lower "
        "bound of the noise ceiling, which a model that explains the distances fully would reach."
    )
    table = rows[list(COLUMNS)]
    return results.figure(
        drawing, file, f"Representational similarity {name}", caption, table, simulated, COLUMNS
    )


def _table(results: Results, rows: pd.DataFrame, path: Path) -> Block:
    cells = rows[list(COLUMNS_SHOWN)].astype(object)
    body = cells.where(cells.notna(), None).to_numpy().tolist()
    shown = tuple((name, *row) for name, row in zip(rows["name"], body, strict=True))
    caption = (
        "Agreement of distances in a layer with those in a region. Chance: its mean when items, "
        "with all their showings, change places. Ceiling: of a subject from halves of its runs, "
        f"of `{ALL}` from the agreement of subjects with one another; a dash where neither exists."
    )
    return Table(caption, ("layer", *COLUMNS_SHOWN.values()), shown, results.link(path))
