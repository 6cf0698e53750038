"""Identification of what was seen or imagined, with what it would score without the brain."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tristream.decode.identification_file import (
    COLUMNS,
    SETS,
    gate_of,
    read_identification,
)
from tristream.report import report_figures as figures
from tristream.report.elements import Block, Caution, Heading, Section, Table, facts
from tristream.report.findings import Findings
from tristream.report.item_findings import (
    DECODERS,
    UNRELIABLE,
    layer_names,
    marked,
    unreliable_regions,
)
from tristream.report.references import resolve
from tristream.report.report_figures import MARK, OTHER_COLOURS
from tristream.report.sections import item_cells
from tristream.report.study_results import Results
from tristream.store import Provenance

TITLES = {"seen": "Seen items", "imagined": "Imagined items"}
COLLAPSED = 0.5
"""Of the dimensions of true features; with fewer, predictions have collapsed."""
CLOSED = f" {UNRELIABLE} imagined patterns from there are not shown to be reliable over runs."

JOINED = (
    " Banded ridge has the regions as bands, so that it takes all of them together; better of "
    "both: for each unit ridge or banded ridge, as left-out training runs tell."
)


def names(results: Results, dataset: str) -> list[str]:
    """Identifications of a dataset."""
    blocks = results.resolved.study.identification
    return [name for name, block in blocks.items() if dataset in block.datasets]


def study(results: Results, findings: Findings) -> list[Block]:
    """Every identification on the first page: all subjects as one figure, and their best layers."""
    blocks: list[Block] = []
    keys = dict.fromkeys((one.dataset, one.name, one.kind) for one in findings.identified)
    for dataset, name, kind in keys:
        own = [
            one
            for one in findings.identified
            if (one.dataset, one.name, one.kind) == (dataset, name, kind)
        ]
        title = f"{dataset}, {name}: {TITLES[kind].lower()}"
        if not all(one.reliable for one in own):
            text = (
                "imagined patterns do not repeat over runs in "
                f"{sum(not one.reliable for one in own)} of {len(own)} subjects: what is "
                "identified there is no evidence of imagery."
            )
            blocks.append(Caution(text))
        caption = (
            "Share of wrong candidates that are less like the prediction than the right one, for "
            "each layer and region."
        )
        file = f"{dataset}/identification_{name}_{kind}"
        blocks.append(item_cells.figure(results, own, file, title, caption, "pairwise share"))
        blocks.append(item_cells.table(own, "#identification"))
    return blocks


def section(results: Results, dataset: str, subject: str) -> Section:
    """Every identification of the dataset."""
    blocks: list[Block] = []
    for name in names(results, dataset):
        blocks.append(Heading(f"Identification {name}"))
        where = {"dataset": dataset, "identification": name, "subject": subject}
        paths = [
            results.path(place, **where) for place in ("identification", "identification_sets")
        ]
        gone = [one for path in paths for one in results.missing(f"Identification {name}", path)]
        blocks += gone or _identification(results, f"{dataset}/sub-{subject}", name, *paths)
    return Section("identification", "Identification", blocks)


def _identification(results: Results, where: str, name: str, path: Path, sets: Path) -> list[Block]:
    rows, provenance = read_identification(path)
    growing, _ = read_identification(sets)
    notes = results.read(path, provenance)
    results.read(sets, provenance)
    simulated = provenance.simulated
    blocks: list[Block] = [facts({"How": resolve(" ".join(provenance.methods))})]
    for kind, own in rows.groupby("set", sort=False):
        own = own.reset_index(drop=True)
        blocks.append(Heading(f"{TITLES[str(kind)]}, {name}"))
        if kind == "imagined":
            blocks += _gate(own, provenance)
        blocks += _cautions(own)
        title = f"{TITLES[str(kind)]}, {name}"
        file = f"{where}/identification_{name}_{kind}"
        blocks.append(_by_region(results, file, title, own, simulated))
        of_kind = growing[growing["set"] == kind].reset_index(drop=True)
        closed = unreliable_regions(own)
        blocks.append(_growing(results, file, title, of_kind, closed, simulated))
        blocks += _tables(results, own, path)
    return [*blocks, *notes]


def _gate(rows: pd.DataFrame, provenance: Provenance) -> list[Block]:
    """Whether imagined patterns repeat, before any figure of identifying them."""
    refusals = {one.what: one.why for one in provenance.omitted}
    gates = rows.drop_duplicates("region")
    columns = ("region", "reliability", "reliability_threshold", "reliability_p", "reliable")
    cells = gates[list(columns)].astype(object)
    shown = tuple(tuple(row) for row in cells.where(cells.notna(), None).to_numpy())
    caption = (
        "Reliability of imagined patterns: the correlation of an item's mean pattern in one half "
        "of the runs with that in the other, and what 5 % of permutations of the items within runs "
        "exceed, by the largest of all regions in each permutation. Only where it is exceeded can "
        "a figure below be of imagery."
    )
    blocks: list[Block] = [
        Table(caption, ("region", "reliability", "threshold", "p", "reliable"), shown)
    ]
    failed = []
    for region in unreliable_regions(rows):
        why = refusals.get(gate_of(region))
        failed.append(f"{region} ({why})" if why else region)
    if failed:
        text = (
            f"imagined patterns are not shown to be reliable over runs in {', '.join(failed)}: "
            "identification of imagined items from there is no evidence of imagery, whatever its p."
        )
        blocks.append(Caution(text))
    return blocks


def _cautions(rows: pd.DataFrame) -> list[Block]:
    """What may make the figures spurious."""
    found: list[Block] = []
    shared = rows["shared_categories"].max()
    if shared > 0:
        found.append(
            Caution(
                f"{shared:.0%} of the items are of categories that were trained; to know the "
                f"category alone scores up to {rows['category_pairwise'].max():.3f} pairwise."
            )
        )
    collapsed = rows[rows["dimensions_predicted"] < COLLAPSED * rows["dimensions_true"]]
    if len(collapsed):
        found.append(
            Caution(
                f"in {len(collapsed)} of {len(rows)} layers and regions predictions have less than "
                "half of the effective dimensions of true features: they can distinguish only "
                "a few kinds of items."
            )
        )
    ignorant = rows[rows["pairwise"] <= rows[["mean_pairwise", "drawn_high"]].max(axis=1)]
    if len(ignorant):
        found.append(
            Caution(
                f"in {len(ignorant)} of {len(rows)} layers and regions a retriever that is not "
                "shown the brain scores as much."
            )
        )
    return found


def _encoded(rows: pd.DataFrame) -> bool:
    """Whether items were identified by the responses that an encoding model predicts."""
    return set(rows["decoder"]) == {"encoder"}


def _notes(rows: pd.DataFrame) -> str:
    """What captions add of decoders and of regions that are marked."""
    joined = JOINED if rows["decoder"].isin(list(DECODERS)).any() else ""
    return joined + (CLOSED if unreliable_regions(rows) else "")


def _by_region(
    results: Results, file: str, title: str, rows: pd.DataFrame, simulated: bool
) -> Block:
    """Pairwise identification of every layer from every region."""
    table = rows.assign(name=layer_names(rows)).pivot(
        index="name", columns="region", values="pairwise"
    )
    table = table.loc[layer_names(rows).unique(), rows["region"].unique()]
    labels = ("layer", "region", "pairwise identification")
    closed = unreliable_regions(rows)
    shown = [marked(region, closed) for region in table.columns]
    drawing = figures.heatmap(table.to_numpy(), list(table.index), shown, labels)
    low, high = rows["pairwise_low"].min(), rows["pairwise_high"].max()
    chance, mean = "", rows["pairwise_chance"]
    if np.isfinite(mean).any():
        chance = f" Under permuted identity the mean is {mean.min():.3f} to {mean.max():.3f}"
        if np.isfinite(low):
            chance += f", and 95 % lie within {low:.3f} to {high:.3f} (the widest interval of all)"
        chance += "."
    like = "measured response" if _encoded(rows) else "predicted features"
    caption = (
        f"Share of wrong candidates that are less like the {like} than the right one, "
        f"mean over {rows['items'].max()} items, for each layer and region.{chance}"
        f"{_notes(rows)}"
    )
    return results.figure(drawing, file, title, caption, rows, simulated, COLUMNS)


def _growing(
    results: Results,
    file: str,
    title: str,
    rows: pd.DataFrame,
    closed: Sequence[str],
    simulated: bool,
) -> Block:
    """Share that is named right among more and more candidates, mean over layers."""
    named = rows.assign(region=rows["region"].map(lambda region: marked(region, closed)))
    if rows["decoder"].nunique() > 1:
        named["region"] += ", " + rows["decoder"].replace(DECODERS)
    means = named.groupby(["region", "n"], sort=False)[["best", "best_chance"]].mean().reset_index()
    sizes = np.sort(rows["n"].unique())
    lines, colours = {}, {}
    for number, region in enumerate(named["region"].unique()):
        own = means[means["region"] == region].set_index("n").reindex(sizes)
        lines[region] = own["best"].to_numpy()
        colours[region] = OTHER_COLOURS[number % len(OTHER_COLOURS)]
    chance = means.groupby("n")["best_chance"].mean().reindex(sizes).to_numpy()
    if np.isfinite(chance).any():
        lines["chance, measured"], colours["chance, measured"] = chance, MARK
    drawing = figures.curves(
        sizes.astype(float), lines, ("candidates", "share named right"), colours
    )
    drawing.axes[0].set_xscale("log")
    caption = (
        "Share of items whose right candidate is the most similar of n, mean over all sets of n "
        "and over layers, for each region and decoder, and the same under permuted identity."
        f"{CLOSED if closed else ''}"
    )
    return results.figure(
        drawing, f"{file}_sets", f"{title}: growing sets", caption, rows, simulated, SETS
    )


def _tables(results: Results, rows: pd.DataFrame, path: Path) -> list[Block]:
    """Figures, each beside what a retriever without the brain scores."""
    columns = {
        "region": "region",
        "pairwise": "pairwise",
        "pairwise_chance": "chance",
        "pairwise_p": "p",
        "pairwise_p_corrected": "corrected p",
        "best": "best of all",
        "best_chance": "its chance",
        "top5": "in the top five",
        "top5_chance": "its chance ",
        "response": "item to response",
        "first_response": "best response",
        "profile": "profile r",
        "profile_p": "its p",
        "mean_pairwise": "mean item",
        "drawn_high": "drawn items",
        "category_pairwise": "category alone",
        "shared_categories": "categories trained",
        "dimensions_predicted": "dimensions predicted",
        "dimensions_true": "true",
    }
    closed = unreliable_regions(rows)
    cells = rows[list(columns)].astype(object)
    cells["region"] = [marked(region, closed) for region in rows["region"]]
    body = cells.where(cells.notna(), None).to_numpy()
    shown = tuple((name, *row) for name, row in zip(layer_names(rows), body.tolist(), strict=True))
    first = rows.iloc[0]
    without = (
        "Mean item, drawn items (97.5th percentile) and category alone: pairwise figures of "
        "predictions that are made without the brain, of the mean training item, of training items "
        "drawn at random, and of the mean training item of the right category."
    )
    if _encoded(rows):
        without = "Mean item: pairwise, of the mean response to all items as that to each."
    caption = (
        f"{first['items']} items ({first['showings']} showings) among {first['candidates']} "
        f"candidates. {without} Item to response: pairwise, of the responses to all items for each "
        f"item. Dimensions: participation ratio over the items.{_notes(rows)}"
    )
    return [Table(caption, ("layer", *columns.values()), shown, results.link(path))]
