"""Contrasts between conditions: t maps and the voxels they find, by region."""

import json
from pathlib import Path

from tristream.config.contrast import Contrast
from tristream.report.elements import Block, Heading, Section, Table, facts
from tristream.report.sections.maps import figures_of, files_of
from tristream.report.study_results import Results
from tristream.store import open_h5, read_json, read_table, sidecar

FEW = 12


def names(results: Results, dataset: str) -> list[str]:
    """Contrasts of a dataset."""
    blocks = results.resolved.study.contrasts
    return [name for name, block in blocks.items() if dataset in block.datasets]


def in_words(block: Contrast) -> str:
    """``audio over video``."""
    return f"{' + '.join(block.plus)} over {' + '.join(block.minus) or 'the baseline'}"


def section(results: Results, dataset: str, subject: str) -> Section:
    """Every contrast of the dataset."""
    blocks: list[Block] = []
    for name in names(results, dataset):
        block = results.resolved.study.contrasts[name]
        blocks.append(Heading(f"Contrast {name}: {in_words(block)}"))
        path = results.path("contrast", dataset=dataset, contrast=name, subject=subject)
        if gone := results.missing(f"Contrast {name}", path):
            blocks += gone
            continue
        blocks += _facts(results, block, path)
        blocks += figures_of(results, dataset, name, subject, ("t",))
        table = results.path("contrast_table", dataset=dataset, contrast=name, subject=subject)
        blocks += _regions(results, name, table)
        blocks += files_of(results, dataset, name, subject)
    return Section("contrasts", "Contrasts", blocks)


def _facts(results: Results, block: Contrast, path: Path) -> list[Block]:
    with open_h5(path, "contrast") as (file, said):
        notes = results.read(path, said)
        runs, dof = len(file["runs"]), float(file.attrs["dof"])
        shown = json.loads(file.attrs["conditions"])
    noise = {"ar1": "autoregressive of order one", "ols": "white"}[block.noise]
    length = "each its own" if block.duration is None else f"{block.duration:g} s"
    rows = {
        "Events": ", ".join(f"{label} {count}" for label, count in sorted(shown.items())),
        "Duration of an event": "an instant" if block.duration == 0 else length,
        "Response function": block.hrf,
        "Noise": noise,
        "Runs": f"{runs}, joined as fixed effects" if runs > 1 else runs,
        "Degrees of freedom": f"{dof:.0f}",
    }
    return [facts(rows), *notes]


def _regions(results: Results, name: str, path: Path) -> list[Block]:
    if gone := results.missing(f"Regions of {name}", path):
        return [*gone]
    table, said = read_table(path, "contrast-table")
    results.read(path, said)
    rule = read_json(sidecar(path), "contrast-table")[0]["rule"]
    first, others = table.iloc[:1], table.iloc[1:].copy()
    others["found"] = others["above"] + others["below"]
    others = others.sort_values("found", ascending=False, kind="stable").drop(columns="found")
    rows = [*first.itertuples(index=False, name=None), *others.itertuples(index=False, name=None)]
    columns = ("region", "voxels", "first side", "second side", "highest t", "lowest t")
    caption = f"Voxels with {rule}, by region; those with most come first."
    folded = len(rows) > FEW
    return [Table(caption, columns, tuple(rows), results.link(path), folded)]
