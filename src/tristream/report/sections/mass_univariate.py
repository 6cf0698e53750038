"""Two labels compared in every voxel: a map of what passes, and how many by which correction."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from tristream.decode.mass_univariate_file import SHOWN, MassUnivariate, read_mass_univariate
from tristream.report import report_figures as figures
from tristream.report.elements import Block, Heading, Link, Section, Table, facts
from tristream.report.findings import Findings
from tristream.report.references import resolve
from tristream.report.study_results import Results

FEW = 3


def names(results: Results, dataset: str) -> list[str]:
    """Comparisons of a dataset."""
    blocks = results.resolved.study.univariate
    return [name for name, block in blocks.items() if dataset in block.datasets]


def study(results: Results, findings: Findings) -> list[Block]:
    """Every comparison on the first page: maps of the first subjects, counts of all."""
    blocks: list[Block] = []
    for dataset, name in dict.fromkeys((one.dataset, one.name) for one in findings.pairs):
        own = [one for one in findings.pairs if (one.dataset, one.name) == (dataset, name)]
        for one in own[:FEW]:
            where = {"dataset": dataset, "pair": name, "subject": one.subject}
            found, provenance = read_mass_univariate(results.path("mass_univariate", **where))
            blocks.append(_figure(results, dataset, one.subject, found, provenance.simulated))
        columns = ("subject", "voxels", f"more for {own[0].plus}", f"more for {own[0].minus}")
        rows = []
        for one in own:
            link = Link(f"sub-{one.subject}", f"{dataset}_sub-{one.subject}.html#univariate")
            rows.append((link, one.voxels, one.first, one.second))
        caption = f"Comparison {name}: voxels with a corrected p below .1 (largest t, two-sided)."
        blocks.append(Table(caption, columns, tuple(rows), folded=len(rows) > 2 * FEW))
    return blocks


def section(results: Results, dataset: str, subject: str) -> Section:
    """Every comparison of the dataset."""
    blocks: list[Block] = []
    for name in names(results, dataset):
        block = results.resolved.study.univariate[name]
        blocks.append(Heading(f"Comparison {name}: {block.plus} over {block.minus}"))
        path = results.path("mass_univariate", dataset=dataset, pair=name, subject=subject)
        gone = results.missing(f"Comparison {name}", path)
        blocks += gone or _pair(results, dataset, subject, path)
    return Section("univariate", "Voxel by voxel", blocks)


def _pair(results: Results, dataset: str, subject: str, path: Path) -> list[Block]:
    found, provenance = read_mass_univariate(path)
    notes = results.read(path, provenance)
    what = {
        "How": resolve(" ".join(provenance.methods)),
        "Voxels": len(found.t),
        "Runs": len(found.runs),
    }
    figure = _figure(results, dataset, subject, found, provenance.simulated)
    return [facts(what), figure, _passed(found), *notes]


def _figure(
    results: Results, dataset: str, subject: str, found: MassUnivariate, simulated: bool
) -> Block:
    place = f"{dataset}/sub-{subject}/univariate_{found.pair}"
    plane = _plane(found)
    caption = (
        f"−log10 of the corrected p in slice {plane} (k), with the sign of t: red where the "
        f"response to {found.plus} is larger, blue where that to {found.minus} is. Corrected by "
        "the largest t under permutations, and by Bonferroni."
    )
    table = pd.DataFrame(found.ijk, columns=list("ijk"))
    for key in ("t", "log_p", "bonferroni", "within_runs"):
        table[key] = np.round(getattr(found, key), 4)
    title = f"{found.plus} over {found.minus}, sub-{subject}"
    drawing = _slices(found, plane)
    return results.figure(drawing, place, title, caption, table, simulated)


def _plane(found: MassUnivariate) -> int:
    """The slice with the most voxels that pass, of several the one with the most voxels."""
    planes = found.ijk[:, 2]
    order = 1e6 * np.bincount(planes, np.abs(found.log_p) > SHOWN) + np.bincount(planes)
    return int(order.argmax())


def _slices(found: MassUnivariate, plane: int) -> Drawing:
    own = found.ijk[:, 2] == plane
    i, j = found.ijk[own, 0], found.ijk[own, 1]
    figure, (left, right) = figures.panels(2, width=6.4, height=3.2)
    limit = max(float(np.nanmax(np.abs([found.log_p, found.bonferroni]))), SHOWN)
    for axes, name, values in (
        (left, "largest t", found.log_p),
        (right, "Bonferroni", found.bonferroni),
    ):
        image = np.full((j.max() + 1, i.max() + 1), np.nan)
        image[j, i] = values[own]
        drawn = axes.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit, origin="lower")
        axes.set(title=name, xticks=[], yticks=[])
        axes.set_xlim(i.min() - 1, i.max() + 1)
        axes.set_ylim(j.min() - 1, j.max() + 1)
    figure.colorbar(drawn, ax=(left, right), shrink=0.7, label="−log10 p, signed")
    return figure


def _passed(found: MassUnivariate) -> Block:
    tests = {
        "largest t under permutations of all means": found.log_p,
        "largest t under swaps within runs": found.within_runs,
        "Bonferroni": found.bonferroni,
    }
    rows = tuple(
        (name, int((values > SHOWN).sum()), int((values < -SHOWN).sum()))
        for name, values in tests.items()
        if np.isfinite(values).any()
    )
    caption = "Voxels with a corrected p below .1 (two-sided), by the way of correction."
    columns = ("correction", f"more for {found.plus}", f"more for {found.minus}")
    return Table(caption, columns, rows)
