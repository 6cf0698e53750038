"""Layers by regions on the first page: all subjects of one analysis as one figure, one table."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tristream.report import report_figures as figures
from tristream.report.elements import Block, Link, Table
from tristream.report.findings import LEVEL
from tristream.report.item_findings import UNRELIABLE, ItemFinding, marked
from tristream.report.study_results import Results
from tristream.rsa.similarity_table import ALL

FEW = 8
# As many as stand above the fold of a first page.
MOST_LAYERS = 6
VALUES = (
    f"* p of at most {LEVEL:g}, corrected for all layers and regions; of several subjects the "
    "median, and in how many that is so."
)
CLOSED = (
    f"{UNRELIABLE} imagined patterns from there are not shown to be reliable over runs, so that no "
    "p counts; of several subjects, in how many."
)
WITHOUT_P = (
    "Of several subjects the median. Without p values: the pages of the subjects say why under "
    "“How”."
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
    rows = pd.concat([_of_subject(one) for one in found])
    tested = rows["p"].notna().any()
    caption = f"{caption} {VALUES if tested else WITHOUT_P}"
    rows["passed"] = (rows["p"] <= LEVEL) & rows["reliable"]
    cells = rows.groupby(["layer", "region"], sort=False)
    values, passed = (
        table.loc[rows["layer"].unique(), rows["region"].unique()]
        for table in (cells["value"].median().unstack(), cells["passed"].sum().unstack())
    )
    if len(values) > MOST_LAYERS:
        caption = f"{caption} The {MOST_LAYERS} of {len(values)} layers with the highest values."
        kept = values.max(axis=1).nlargest(MOST_LAYERS).index
        values, passed = (table[table.index.isin(kept)] for table in (values, passed))
    text = figures.cell_text(values.to_numpy(float))
    for place, count in np.ndenumerate(passed.to_numpy()):
        if not text[place]:
            continue
        if tested and len(found) > 1:
            text[place] += f" {count:.0f}/{len(found)}"
        elif count:
            text[place] += "*"
    names = list(map(str, values.index)), [_region(str(name), found) for name in values.columns]
    drawing = figures.heatmap(values.to_numpy(float), *names, ("layer", "region", label), text=text)
    closed = any(one.closed for one in found)
    if closed:
        caption = f"{caption} {CLOSED}"
    table = rows.drop(columns=["passed"] if closed else ["passed", "reliable"])
    table = table.rename(columns={"p": "p_corrected"})
    simulated = results.simulated(found[0].dataset)
    return results.figure(drawing, f"summary/{file}", title, caption, table, simulated)


def _of_subject(one: ItemFinding) -> pd.DataFrame:
    reliable = ~one.cells["region"].isin(one.closed)
    return one.cells.assign(subject=one.subject, reliable=reliable)


def _region(name: str, found: Sequence[ItemFinding]) -> str:
    """The region, and in how many of several subjects its imagined patterns are not reliable."""
    count = sum(name in one.closed for one in found)
    if not count:
        return name
    of_several = f" {count}/{len(found)}" if len(found) > 1 else ""
    return f"{name} {UNRELIABLE}{of_several}"


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
        region = marked(best["region"], one.closed)
        rows.append((Link(who, page), best["layer"], region, int(best["items"]), *shown))
    columns = ("subject", "layer", "region", "items", "value", "chance", "corrected p")
    caption = "The highest of all layers and regions, of every subject; p is corrected for that."
    if any(one.closed for one in found):
        caption += (
            f" Regions where imagined patterns are not shown to be reliable over runs "
            f"({UNRELIABLE}) are left out where a subject has others."
        )
    return Table(caption, columns, tuple(rows), folded=len(rows) > FEW)


def _page(one: ItemFinding, anchor: str) -> str:
    return f"{one.dataset}_sub-{one.subject}.html{anchor}"
