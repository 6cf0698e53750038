"""Layers by regions on the first page: all subjects of one analysis as one figure, one table."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tristream.report import report_figures as figures
from tristream.report.elements import Block, Link, Table
from tristream.report.findings import LEVEL
from tristream.report.item_findings import ItemFinding
from tristream.report.study_results import Results
from tristream.rsa.similarity_table import ALL

FEW = 8
# As many as stand above the fold of a first page.
MOST_LAYERS = 6
VALUES = (
    f"* p of at most {LEVEL:g}, corrected for all layers and regions; of several subjects the "
    "median, and in how many that is so."
)


def figure(
    results: Results,
    found: Sequence[ItemFinding],
    file: str,
    title: str,
    caption: str,
    label: str,
) -> Block:
    """Medians over subjects of every layer in every region; of many layers the highest ones."""
    rows = pd.concat([one.cells.assign(subject=one.subject) for one in found])
    rows["passed"] = rows["p"] <= LEVEL
    cells = rows.groupby(["layer", "region"], sort=False)
    values, passed = (
        table.loc[rows["layer"].unique(), rows["region"].unique()]
        for table in (cells["value"].median().unstack(), cells["passed"].sum().unstack())
    )
    if len(values) > MOST_LAYERS:
        caption = f"{caption} The {MOST_LAYERS} of {len(values)} layers with the highest values."
        kept = values.max(axis=1).nlargest(MOST_LAYERS).index
        values, passed = (table[table.index.isin(kept)] for table in (values, passed))
    text = np.vectorize("{:.2f}".format)(values.to_numpy(float)).astype(object)
    for place, count in np.ndenumerate(passed.to_numpy()):
        if len(found) > 1:
            text[place] += f" {count:.0f}/{len(found)}"
        elif count:
            text[place] += "*"
    names = list(map(str, values.index)), list(map(str, values.columns))
    drawing = figures.heatmap(values.to_numpy(float), *names, ("layer", "region", label), text=text)
    table = rows.drop(columns="passed").rename(columns={"p": "p_corrected"})
    simulated = results.simulated(found[0].dataset)
    return results.figure(drawing, f"summary/{file}", title, caption, table, simulated)


def table(found: Sequence[ItemFinding], anchor: str = "") -> Table:
    """The layer and region with the largest value of each subject."""
    rows = []
    for one in found:
        best = one.best
        page = f"{one.dataset}.html" if one.subject == ALL else _page(one, anchor)
        who = "all subjects" if one.subject == ALL else f"sub-{one.subject}"
        p = float(best["p"])
        cells = (float(best["value"]), float(best["chance"]))
        shown = tuple(value if np.isfinite(value) else None for value in (*cells, p))
        rows.append((Link(who, page), best["layer"], best["region"], int(best["items"]), *shown))
    columns = ("subject", "layer", "region", "items", "value", "chance", "corrected p")
    caption = "The highest of all layers and regions, of every subject; p is corrected for that."
    return Table(caption, columns, tuple(rows), folded=len(rows) > FEW)


def _page(one: ItemFinding, anchor: str) -> str:
    return f"{one.dataset}_sub-{one.subject}.html{anchor}"
