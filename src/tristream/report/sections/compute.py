"""What the study cost in time and memory."""

import pandas as pd

from tristream.report.elements import Block, Section, Table, Text
from tristream.report.study_results import Results


def section(results: Results) -> Section:
    """Sums over Snakemake's benchmark files, stage by stage."""
    found = results.benchmarks()
    if not found:
        why = "Snakemake wrote no benchmark file: the stages were run by hand"
        return Section("compute", "Compute", [Text(f"Not produced: {why}.")])
    jobs = pd.concat(
        [
            pd.read_csv(path, sep="\t", na_values=["-", "NA"]).tail(1).assign(stage=one.stage)
            for one, path in found
        ]
    )
    stages = jobs.groupby("stage", sort=False).agg(
        jobs=("s", "size"), total=("s", "sum"), longest=("s", "max"), memory=("max_rss", "max")
    )
    rows = tuple(
        (stage, int(n), round(float(total), 1), round(float(longest), 1), float(memory))
        for stage, n, total, longest, memory in stages.itertuples()
    )
    columns = ("stage", "jobs", "seconds, all jobs", "seconds, longest job", "peak memory (MB)")
    caption = "Wall time and resident memory of the jobs as Snakemake measured them."
    blocks: list[Block] = [Table(caption, columns, rows)]
    total = float(jobs["s"].sum())
    peak = float(jobs["max_rss"].max())
    blocks.append(
        Text(f"{len(jobs)} jobs, {total:,.0f} s in sum; the largest took {peak:,.0f} MB.")
    )
    return Section("compute", "Compute", blocks)
