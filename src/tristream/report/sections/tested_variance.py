"""Which unique and shared variance is more than nothing, or why that is not known."""

import pandas as pd

from tristream.inference import wording
from tristream.inference.tested_partition import Drawn
from tristream.inference.tested_partition_file import TestedPartition, read_partition_test
from tristream.report import report_figures as figures
from tristream.report.elements import Block, Table, Text, count, facts
from tristream.report.study_results import Results

MOST_ROWS = 12
LEVEL = 0.05
CAPTION = (
    "Tests that the variance of each set of bands is above zero, one-sided; voxels by q (false "
    "discovery rate) and by the family-wise p, and the mean over all voxels."
)
BY_REGION = (
    "Mean unique and shared variance over the voxels of each region, with one-sided p, and over "
    "the regions p of the family-wise error and q."
)


def tested_variance(results: Results, dataset: str, subject: str, model: str) -> list[Block]:
    """Tests of the variance partition of one model."""
    path = results.path("partition_test", dataset=dataset, model=model, subject=subject)
    if gone := results.missing(f"Tests of unique and shared variance of {model}", path):
        return [*gone]
    tested, provenance = read_partition_test(path)
    notes = results.read(path, provenance)
    rows: dict[str, object] = {
        "Statistic": tested.statistic,
        "Null": tested.null,
        "Changes its sign as a whole": tested.unit,
        "Patterns of signs drawn": tested.n_permutations,
        "Distinct patterns": count(tested.n_distinct),
    }
    if not tested.found:
        return [facts(rows), *notes]
    alone = [
        Text(f"{name}: {text}")
        for name, one in tested.found.items()
        for text in wording.alone(Drawn(one.draws, tested.n_permutations, tested.fdr))
    ]
    name = f"{dataset}/sub-{subject}/partition_{model}"
    blocks = [_by_set(results, name, tested, provenance.simulated)]
    if len(tested.regions) > 1:
        blocks.append(_by_region(results, name, tested, provenance.simulated))
    null = _null(results, name, tested, provenance.simulated)
    return [facts(rows), *blocks, null, *alone, *notes]


def _by_set(results: Results, name: str, tested: TestedPartition, simulated: bool) -> Table:
    """A row a set of bands."""
    table = pd.DataFrame(
        {
            "bands": list(tested.found),
            f"voxels, q <= {tested.fdr:g}": [
                int((one.q <= tested.fdr).sum()) for one in tested.found.values()
            ],
            f"voxels, p (FWE) <= {LEVEL}": [
                int((one.p_fwe <= LEVEL).sum()) for one in tested.found.values()
            ],
            "mean": [one.region_value[0].round(5) for one in tested.found.values()],
            "p of the mean": [one.region_p[0] for one in tested.found.values()],
        }
    )
    path = results.table(f"{name}_tests", table, simulated)
    rows = tuple(table.itertuples(index=False, name=None))
    return Table(CAPTION, tuple(table.columns), rows, results.link(path))


def _by_region(results: Results, name: str, tested: TestedPartition, simulated: bool) -> Table:
    """A row a region and set of bands."""
    parts = [
        pd.DataFrame(
            {
                "region": tested.regions,
                "voxels": tested.region_voxels,
                "bands": bands,
                "mean": one.region_value.round(5),
                "p": one.region_p,
                "p (FWE)": one.region_p_fwe,
                "q": one.region_q,
            }
        )
        for bands, one in tested.found.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    path = results.table(f"{name}_regions", table, simulated)
    rows = tuple(table.itertuples(index=False, name=None))
    folded = len(rows) > MOST_ROWS
    return Table(BY_REGION, tuple(table.columns), rows, results.link(path), folded)


def _null(results: Results, name: str, tested: TestedPartition, simulated: bool) -> Block:
    """The largest variance over voxels under each pattern of signs, by set."""
    nulls = {bands: one.null_max for bands, one in tested.found.items()}
    drawing = figures.histogram(nulls, "largest variance over voxels", "patterns of signs")
    caption = (
        "The largest variance over all voxels under each pattern of signs. A voxel above the 95th "
        "percentile of its set is significant after correction for the family-wise error."
    )
    title = "Null distribution of unique and shared variance"
    return results.figure(drawing, f"{name}_null", title, caption, pd.DataFrame(nulls), simulated)
