"""Contrasts between conditions: t maps and the voxels they find, by region."""

from pathlib import Path

from tristream.config.contrast import Contrast
from tristream.contrast.contrast_file import read_contrast, read_contrast_table
from tristream.report.brain_strips import FEW_CONTRASTS, T_MAP, Strips, contrast_key
from tristream.report.elements import (
    Block,
    Heading,
    Link,
    Multiple,
    Multiples,
    Section,
    Table,
    facts,
)
from tristream.report.findings import ContrastFinding, Findings
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


def study(results: Results, findings: Findings, strips: Strips) -> list[Block]:
    """Every contrast on the first page: t maps of the first subjects, numbers of all."""
    blocks: list[Block] = []
    for dataset in results.resolved.datasets:
        for name in names(results, dataset):
            own = [o for o in findings.contrasts if (o.dataset, o.contrast) == (dataset, name)]
            if own:
                words = in_words(results.resolved.study.contrasts[name])
                blocks.append(Heading(f"{dataset}, contrast {name}: {words}"))
                blocks += _maps(strips, own)
                blocks.append(_of_subjects(own))
    return blocks


def _maps(strips: Strips, found: list[ContrastFinding]) -> list[Block]:
    rows = []
    for one in found[:FEW_CONTRASTS]:
        drawn = strips.get(contrast_key(one.dataset, one.contrast, one.subject), {})
        if figure := drawn.get(T_MAP):
            link = Link(f"sub-{one.subject}", f"{one.dataset}_sub-{one.subject}.html#contrasts")
            numbers = (
                f"{one.above:,} of {one.voxels:,} voxels for the first side",
                f"{one.below:,} for the second",
            )
            rows.append(Multiple(link, numbers, (figure,)))
    if not rows:
        return []
    caption = f"Red: the first side; blue: the second. Counted: {found[0].rule}; else faint."
    if len(found) > len(rows):
        caption += f" The first {len(rows)} of {len(found)} subjects."
    return [Multiples(caption, ("of", "t"), tuple(rows))]


def _of_subjects(found: list[ContrastFinding]) -> Table:
    columns = ("subject", "voxels", "first side", "second side", "highest t", "lowest t")
    rows = tuple(
        (
            Link(f"sub-{one.subject}", f"{one.dataset}_sub-{one.subject}.html#contrasts"),
            *(one.voxels, one.above, one.below, one.highest, one.lowest),
        )
        for one in found
    )
    caption = f"Voxels with {found[0].rule}, of every subject."
    return Table(caption, columns, rows, folded=len(rows) > FEW)


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
