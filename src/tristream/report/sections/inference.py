"""What is more than chance, where in the brain, and where that can't be said, why."""

from pathlib import Path

import numpy as np
import pandas as pd

from tristream.report import report_figures as figures
from tristream.report.elements import Block, Heading, Section, Table, Text, count, facts
from tristream.report.study_results import Results
from tristream.store import Provenance, open_h5, read_strings, read_table

MOST_ROWS = 12
LEVEL = 0.05
TABLES = {
    "region_table": (
        "regions",
        "regions-table",
        "Regions of the Harvard-Oxford atlas, by their voxels of the mask. x, y, z: MNI "
        "coordinates in mm of the region's best voxel. split_r2: the band's mean share of test R². "
        "A region is as good as its signal: look at the ceiling before comparing two. For BOLD on "
        "surfaces, whole structures without coordinates stand in their place.",
    ),
    "cluster_table": (
        "clusters",
        "clusters-table",
        "Clusters of at least 5 significant voxels that touch by their faces, best first; a number "
        "with a letter is a further peak, 8 mm or more away. x, y, z in mm. The voxels are "
        "significant, not the extent of a cluster.",
    ),
}


def section(results: Results, dataset: str, subject: str) -> Section:
    """Permutation tests of every encoding model."""
    blocks: list[Block] = []
    for name in results.models(dataset):
        path = results.path("inference", dataset=dataset, model=name, subject=subject)
        blocks.append(Heading(f"Model {name}"))
        if gone := results.missing(f"Permutation test of {name}", path):
            blocks += gone
        else:
            blocks += _model(results, dataset, subject, name, path)
            blocks += _tables(results, dataset, subject, name)
    for pair in results.resolved.study.inference.comparisons:
        if {pair.first, pair.second} <= set(results.models(dataset)):
            blocks.append(Heading(f"{pair.first} against {pair.second}"))
            blocks += _comparison(results, dataset, subject, pair.first, pair.second)
    if not blocks:
        blocks.append(Text("The study has no encoding model for this dataset."))
    return Section("inference", "Inference", blocks)


def _model(results: Results, dataset: str, subject: str, model: str, path: Path) -> list[Block]:
    with open_h5(path, "inference") as (file, said):
        notes = results.read(path, said)
        attrs = dict(file.attrs)
        keys = ("p", "p_fwe", "q_by", "significant", "null_max", "observed")
        arrays = {k: file[k][()] for k in keys if k in file}
    rows = {
        "Statistic": attrs.get("statistic"),
        "Null": attrs.get("null"),
        "Permuted unit": attrs.get("unit"),
        "Null widened by": _widening(attrs),
        "Permutations drawn": attrs.get("n_permutations"),
        "Distinct permutations": count(attrs.get("n_distinct")),
    }
    if "p" not in arrays:
        return [facts(rows), *notes]
    significant = arrays["significant"].astype(bool)
    rows["Smallest p"] = float(arrays["p"].min())
    rows["Smallest attainable p"] = attrs.get("smallest_p")
    rows["Significant voxels"] = (
        f"{int(significant.sum())} of {len(significant)} ({significant.mean():.1%}) at a false "
        f"discovery rate of {float(attrs.get('fdr', np.nan)):g} ({attrs.get('procedure', 'bh')})"
    )
    for key, what in (("q_by", "by Benjamini-Yekutieli"), ("p_fwe", "family-wise, largest voxel")):
        if key in arrays:
            rows[f"Significant {what}"] = f"{int((arrays[key] <= LEVEL).sum())} at {LEVEL}"
    if "null_max" not in arrays:
        return [facts(rows), *notes]
    drawing = figures.histogram(
        {"largest voxel under permutation": arrays["null_max"]},
        "largest statistic over voxels",
        "permutations",
        marks={"observed": float(np.nanmax(arrays["observed"]))},
    )
    table = pd.DataFrame({"null_max": np.round(arrays["null_max"], 6)})
    caption = (
        "The largest statistic over all voxels in each permutation of the test data, and the "
        "largest that was observed (red)."
    )
    title = f"Null distribution, model {model}, sub-{subject}"
    name = f"{dataset}/sub-{subject}/null_{model}"
    return [
        facts(rows),
        results.figure(drawing, name, title, caption, table, said.simulated),
        *notes,
    ]


def _widening(attrs: dict) -> str | None:
    """How much the null of a film was stretched, for the reader."""
    if "widening" not in attrs or np.allclose(attrs["widening"], 1):
        return None
    factors = ", ".join(f"{factor:.2f}" for factor in np.atleast_1d(attrs["widening"]))
    return f"{factors} (what moving a film's prediction loses of the noise's dependence in time)"


def _tables(results: Results, dataset: str, subject: str, model: str) -> list[Block]:
    blocks: list[Block] = []
    for place, (name, kind, caption) in TABLES.items():
        path = results.path(place, dataset=dataset, model=model, subject=subject)
        if not path.is_file():
            blocks += results.missing(f"Table of {name} of {model}", path)
            continue
        table, said = read_table(path, kind)
        blocks += results.read(path, said)
        if table.empty:
            continue
        rows = tuple(tuple(_cell(v) for v in row) for row in table.itertuples(index=False))
        title = f"{name.capitalize()}, model {model}. {caption}"
        folded = len(rows) > MOST_ROWS
        blocks.append(
            Table(title, tuple(map(str, table.columns)), rows, results.link(path), folded)
        )
    return blocks


def _cell(value: object) -> object:
    return None if value is None or value != value else value


def _comparison(
    results: Results, dataset: str, subject: str, first: str, second: str
) -> list[Block]:
    path = results.path("comparison", dataset=dataset, first=first, second=second, subject=subject)
    if gone := results.missing(f"Comparison of {first} and {second}", path):
        return [*gone]
    with open_h5(path, "comparison") as (file, said):
        notes = results.read(path, said)
        attrs = dict(file.attrs)
        rows = {
            "Statistic": attrs.get("statistic"),
            "Null": attrs.get("null"),
            "Permutations drawn": attrs.get("n_permutations"),
            "Distinct permutations": count(attrs.get("n_distinct")),
        }
        if "p" not in file:
            return [facts(rows), *notes]
        difference, q = file["difference"][()], file["q"][()]
        keys = ("voxels", "difference", "p", "q")
        regions = {key: file["regions"][key][()] for key in keys}
        names = read_strings(file["regions"], "names")
    level = float(attrs["fdr"])
    rows[f"Voxels where {first} is better"] = int(((q <= level) & (difference > 0)).sum())
    rows[f"Voxels where {second} is better"] = int(((q <= level) & (difference < 0)).sum())
    drawing = figures.histogram(
        {f"{first} - {second}": difference}, "difference of test r", "voxels", marks={"equal": 0.0}
    )
    title = f"{first} against {second}, sub-{subject}"
    caption = (
        f"Test r of {first} less that of {second}, voxel by voxel. Right of the line {first} "
        "predicts better. Both are judged on the same data, so that what is noise to both cancels."
    )
    table = pd.DataFrame({"difference": np.round(difference, 5), "q": np.round(q, 5)})
    name = f"{dataset}/sub-{subject}/{first}_{second}"
    figure = results.figure(drawing, name, title, caption, table, said.simulated)
    by_region = _compared_regions(results, name, pd.DataFrame({"region": names, **regions}), said)
    return [facts(rows), figure, by_region, *notes]


def _compared_regions(results: Results, name: str, table: pd.DataFrame, said: Provenance) -> Table:
    path = results.table(f"{name}_regions", table, said.simulated)
    rows = tuple(table.itertuples(index=False, name=None))
    caption = (
        "Mean difference of test r over the voxels of each region; two-sided p, and q over the "
        "regions."
    )
    columns = ("region", "voxels", "difference of r", "p", "q")
    return Table(caption, columns, rows, results.link(path), folded=len(rows) > MOST_ROWS)
