"""Contrasts between conditions: t maps and the voxels they find, by region."""

from pathlib import Path

from tristream.config.contrast import Contrast
from tristream.contrast.contrast_file import read_contrast, read_contrast_table
from tristream.report.elements import Block, Heading, Section, Table, facts
from tristream.report.references import resolve
from tristream.report.sections.maps import figures_of, files_of
from tristream.report.study_results import Results

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
        blocks += _facts(results, path)
        blocks += figures_of(results, dataset, name, subject, ("t",))
        table = results.path("contrast_table", dataset=dataset, contrast=name, subject=subject)
        blocks += _regions(results, name, table)
        blocks += files_of(results, dataset, name, subject)
    return Section("contrasts", "Contrasts", blocks)


def _facts(results: Results, path: Path) -> list[Block]:
    found = read_contrast(path)
    notes = results.read(path, found.provenance)
    rows = {
        "How": resolve(" ".join(found.provenance.methods)),
        "Events": ", ".join(f"{name} {count}" for name, count in sorted(found.conditions.items())),
        "Runs": len(found.runs),
        "Degrees of freedom": f"{found.dof:.0f}",
    }
    return [facts(rows), *notes]


def _regions(results: Results, name: str, path: Path) -> list[Block]:
    if gone := results.missing(f"Regions of {name}", path):
        return [*gone]
    found = read_contrast_table(path)
    results.read(path, found.provenance)
    first, others = found.table.iloc[:1], found.table.iloc[1:].copy()
    others["found"] = others["above"] + others["below"]
    others = others.sort_values("found", ascending=False, kind="stable").drop(columns="found")
    rows = [*first.itertuples(index=False, name=None), *others.itertuples(index=False, name=None)]
    columns = ("region", "voxels", "first side", "second side", "highest t", "lowest t")
    caption = f"Voxels with {found.rule}, by region; those with most come first."
    folded = len(rows) > FEW
    return [Table(caption, columns, tuple(rows), results.link(path), folded)]
