"""What is more than chance, where in the brain, or why that is not known."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.inference import wording
from tristream.inference.comparison_file import Difference, read_comparison
from tristream.inference.inference_file import TestedModel, read_inference
from tristream.inference.table_files import read_by_cluster, read_by_region
from tristream.report import report_figures as figures
from tristream.report.elements import Block, Heading, Section, Table, Text, count, facts
from tristream.report.sections.tests_made import tests_made
from tristream.report.study_results import Results

MOST_ROWS = 12
LEVEL = 0.05
SPATIAL = {
    "cluster_mass": "by the mass of their cluster",
    "tfce": "by threshold-free cluster enhancement",
}
TABLES = {
    "region_table": (
        "regions",
        read_by_region,
        "Regions of the Harvard-Oxford atlas, by their voxels of the mask. x, y, z: MNI "
        "coordinates in mm of the region's best voxel. split_r2: the band's mean share of test R². "
        "A region is as good as its signal: over_ceiling is r over the noise ceiling, pooled over "
        "all voxels of the region (the root of r², less what noise makes, over explainable "
        "variance), where enough of it is explainable; low and high: 95 % intervals. For BOLD on "
        "surfaces, whole structures without coordinates stand in their place.",
    ),
    "cluster_table": (
        "clusters",
        read_by_cluster,
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
    if made := tests_made(results, dataset, subject):
        blocks.insert(0, Text(made))
    return Section("inference", "Inference", blocks)


def _model(results: Results, dataset: str, subject: str, model: str, path: Path) -> list[Block]:
    tested, provenance = read_inference(path)
    notes = results.read(path, provenance)
    rows: dict[str, object] = {
        "Statistic": tested.statistic,
        "Null": tested.null,
        "Permuted unit": tested.unit,
        "Null widened by": _widening(tested),
        "Permutations drawn": tested.n_permutations,
        "Distinct permutations": count(tested.n_distinct),
    }
    if (found := tested.found) is None:
        return [facts(rows), *notes]
    if (draws := tested.draws) is not None:
        rows["Permutations of the voxels that got most"] = draws.most
        rows["Voxels that stopped before"] = f"{draws.stopped:,} of {len(draws.permutations):,}"
        rows["Permutations that one voxel needs to pass alone"] = draws.needed
        rows["p from a fitted tail"] = f"{int(draws.tail.sum()):,} of {len(draws.tail):,} voxels"
    significant = found.significant
    rows["Smallest p"] = float(found.p.min())
    rows["Smallest attainable p"] = tested.smallest_p
    rows["Significant voxels"] = (
        f"{int(significant.sum())} of {len(significant)} ({significant.mean():.1%}) at a false "
        f"discovery rate of {tested.fdr:g} ({tested.procedure})"
    )
    for p, what in ((found.q_by, "by Benjamini-Yekutieli"), (found.p_fwe, "family-wise")):
        rows[f"Significant {what}"] = f"{int((p <= LEVEL).sum())} at {LEVEL}"
    for name, test in tested.spatial.items():
        what = SPATIAL[name]
        rows[f"Voxels significant {what}"] = (
            f"{int((test.p <= LEVEL).sum())} at {LEVEL}, family-wise"
        )
    named = (
        f"{dataset}/sub-{subject}/null_{model}",
        f"Null distribution, model {model}, sub-{subject}",
    )
    largest = float(np.nanmax(found.observed))
    figure = _null(results, named, found.null_max, largest, provenance.simulated)
    return [facts(rows), figure, *map(Text, wording.alone(tested)), *notes]


def _null(
    results: Results,
    named: tuple[str, str],
    null_max: npt.NDArray[np.floating],
    observed: float,
    simulated: bool,
) -> Block:
    """The largest statistic of each permutation, and the one that was observed."""
    drawing = figures.histogram(
        {"largest voxel under permutation": null_max},
        "largest statistic over voxels",
        "permutations",
        marks={"observed": observed},
    )
    table = pd.DataFrame({"null_max": np.round(null_max, 6)})
    caption = (
        "The largest statistic over all voxels in each permutation of the test data, and the "
        "largest that was observed (red)."
    )
    return results.figure(drawing, *named, caption, table, simulated)


def _widening(tested: TestedModel) -> str | None:
    """How much the null of a film was widened, for the reader."""
    if np.allclose(tested.widening, 1):
        return None
    factors = ", ".join(f"{factor:.2f}" for factor in tested.widening)
    return f"{factors} (what moving a film's prediction loses of the noise's dependence in time)"


def _tables(results: Results, dataset: str, subject: str, model: str) -> list[Block]:
    blocks: list[Block] = []
    for place, (name, read, caption) in TABLES.items():
        path = results.path(place, dataset=dataset, model=model, subject=subject)
        if not path.is_file():
            blocks += results.missing(f"Table of {name} of {model}", path)
            continue
        table, provenance = read(path)
        blocks += results.read(path, provenance)
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
    compared, provenance = read_comparison(path)
    notes = results.read(path, provenance)
    rows: dict[str, object] = {
        "Statistic": compared.statistic,
        "Null": compared.null,
        "Changes its sign as a whole": compared.unit,
        "Null widened by": None if compared.widening == 1 else f"{compared.widening:.2f}",
        "Patterns of signs drawn": compared.n_permutations,
        "Distinct patterns": count(compared.n_distinct),
    }
    if (found := compared.found) is None:
        return [facts(rows), *notes]
    difference, passed = found.difference, found.q <= compared.fdr
    rows[f"Voxels where {first} is better"] = int((passed & (difference > 0)).sum())
    rows[f"Voxels where {second} is better"] = int((passed & (difference < 0)).sum())
    alone = found.p_fwe <= LEVEL
    rows["Significant family-wise"] = f"{int(alone.sum())} at {LEVEL}"
    drawing = figures.histogram(
        {f"{first} - {second}": difference}, "difference of test r", "voxels", marks={"equal": 0.0}
    )
    title = f"{first} against {second}, sub-{subject}"
    caption = (
        f"Test r of {first} less that of {second}, voxel by voxel. Right of the line {first} "
        "predicts better. Both are judged on the same data, so that what is noise to both cancels."
    )
    table = pd.DataFrame({"difference": np.round(difference, 5), "q": np.round(found.q, 5)})
    name = f"{dataset}/sub-{subject}/{first}_{second}"
    figure = results.figure(drawing, name, title, caption, table, provenance.simulated)
    named = f"{name}_null", f"Null distribution, {first} against {second}, sub-{subject}"
    largest = float(np.abs(difference).max())
    null = _null(results, named, found.null_max, largest, provenance.simulated)
    by_region = _compared_regions(results, name, found, provenance.simulated)
    return [facts(rows), figure, null, by_region, *map(Text, wording.alone(compared)), *notes]


def _compared_regions(results: Results, name: str, found: Difference, simulated: bool) -> Table:
    columns = ("region", "voxels", "difference", "p", "p_fwe", "q")
    values = (found.regions, *(getattr(found, f"region_{column}") for column in columns[1:]))
    table = pd.DataFrame(dict(zip(columns, values, strict=True)))
    path = results.table(f"{name}_regions", table, simulated)
    rows = tuple(table.itertuples(index=False, name=None))
    caption = (
        "Mean difference of test r over the voxels of each region; two-sided p, and over the "
        "regions p of the family-wise error and q."
    )
    shown = ("region", "voxels", "difference of r", "p", "p (FWE)", "q")
    return Table(caption, shown, rows, results.link(path), folded=len(rows) > MOST_ROWS)
