"""What is more than chance, and where that can't be said, why."""

from pathlib import Path

import numpy as np
import pandas as pd

from tristream.report import figures
from tristream.report.blocks import Block, Heading, Section, Text, count, facts
from tristream.report.results import Results
from tristream.store import open_h5


def section(results: Results, dataset: str, subject: str) -> Section:
    """Permutation tests of every encoding model."""
    blocks: list[Block] = []
    for name in results.models(dataset):
        path = results.path("inference", dataset, name, f"sub-{subject}.h5")
        blocks.append(Heading(f"Model {name}"))
        if gone := results.missing(f"Permutation test of {name}", path):
            blocks += gone
        else:
            blocks += _model(results, dataset, subject, name, path)
    if not blocks:
        blocks.append(Text("The study has no encoding model for this dataset."))
    return Section("inference", "Inference", blocks)


def _model(results: Results, dataset: str, subject: str, model: str, path: Path) -> list[Block]:
    with open_h5(path, "inference") as (file, said):
        notes = results.read(path, said)
        attrs = dict(file.attrs)
        arrays = {k: file[k][()] for k in ("p", "significant", "null_max", "observed") if k in file}
    rows = {
        "Statistic": attrs.get("statistic"),
        "Permuted unit": attrs.get("unit"),
        "Permutations drawn": attrs.get("n_permutations"),
        "Distinct permutations": count(attrs.get("n_distinct")),
    }
    if "p" not in arrays:
        return [facts(rows), *notes]
    significant = arrays["significant"].astype(bool)
    rows["Smallest p"] = float(arrays["p"].min())
    rows["Significant voxels"] = (
        f"{int(significant.sum())} of {len(significant)} ({significant.mean():.1%}) at a false "
        f"discovery rate of {float(attrs.get('fdr', np.nan)):g}"
    )
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
