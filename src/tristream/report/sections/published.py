"""Published numbers of a dataset, and one's own of the same measures."""

from collections.abc import Iterator

import pandas as pd

from tristream.config.dataset import Published
from tristream.decode.identification_file import read_identification
from tristream.report.elements import Block, Section, Table
from tristream.report.item_findings import DECODERS
from tristream.report.sections.identification import names as identifications
from tristream.report.study_results import Results

MEASURES = {"pairwise": "pairwise", "best": "named right", "top5": "in the top five"}
KEYS = ["space", "layer", "region", "decoder"]
COLUMNS = ("whose", "measure", "candidates", "value", "chance", "how", "source", "comparable")


def names(results: Results, dataset: str) -> list[str]:
    """Identifications that published numbers can stand beside."""
    known = results.resolved.datasets[dataset].published
    return identifications(results, dataset) if known else []


def section(results: Results, dataset: str) -> Section:
    """Each published number, then all of one's own that are of its measure: none is picked."""
    published = results.resolved.datasets[dataset].published
    rows = [_theirs(one) for one in published]
    wanted: set[tuple[str, int]] = {(one.measure, one.candidates) for one in published}
    for name in names(results, dataset):
        rows += _ours(results, dataset, name, wanted)
    caption = (
        "Published numbers as their sources give them, and this study's own of the same measures: "
        "means over subjects of seen items, of every layer, region and decoder. Pairwise "
        "identification depends on which candidates there are, and is shown where these are the "
        "tested items; shares named right are of sets of the same size. Chance of one's own is "
        "measured."
    )
    blocks: list[Block] = [Table(caption, COLUMNS, tuple(rows))]
    return Section("published", "Yours beside published", blocks)


def _theirs(one: Published) -> tuple[object, ...]:
    value = f"{one.value:.3f} {one.spread}".strip()
    measure = MEASURES[one.measure]
    return ("published", measure, one.candidates, value, "", one.how, one.source, one.comparable)


def _ours(
    results: Results, dataset: str, name: str, wanted: set[tuple[str, int]]
) -> Iterator[tuple[object, ...]]:
    """Rows of one identification, means over the subjects that have run."""
    block = results.resolved.study.identification[name]
    among_tested = block.candidates == "tested"
    tables = [
        _seen(results, dataset, name, "identification"),
        _seen(results, dataset, name, "sets"),
    ]
    for measure in MEASURES:
        sizes = {n for one, n in wanted if one == measure}
        if not sizes or (measure == "pairwise" and not among_tested):
            continue
        rows = tables[1 if measure == "best" else 0]
        if measure == "best" and len(rows):
            rows = rows[rows["n"].isin(sizes)].rename(columns={"n": "candidates"})
        elif measure == "top5" and len(rows):
            rows = rows[rows["candidates"].isin(sizes)]
        if not len(rows):
            continue
        found = rows.groupby([*KEYS, "candidates"], sort=False)[[measure, f"{measure}_chance"]]
        for own in found.mean().reset_index().to_dict("records"):
            chance = own[f"{measure}_chance"]
            decoder = DECODERS.get(own["decoder"], own["decoder"])
            where = f"{own['space']}/{own['layer']}, {own['region']}, {decoder}"
            shown = (f"{own[measure]:.3f}", "" if pd.isna(chance) else f"{chance:.3f}")
            n = int(own["candidates"])
            yield ("own", MEASURES[measure], n, *shown, f"{name}: {where}", "", "")


def _seen(results: Results, dataset: str, name: str, which: str) -> pd.DataFrame:
    """Rows of seen items of all subjects that have run."""
    place = "identification_sets" if which == "sets" else "identification"
    paths = [
        results.path(place, dataset=dataset, identification=name, subject=subject)
        for subject in results.resolved.subjects[dataset]
    ]
    found = [read_identification(path)[0] for path in paths if path.is_file()]
    if not found:
        return pd.DataFrame()
    rows = pd.concat(found, ignore_index=True)
    return rows[rows["set"] == "seen"]
