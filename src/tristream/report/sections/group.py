"""All subjects of a dataset side by side."""

import numpy as np
import pandas as pd

from tristream.decode.decoding_file import read_decoding
from tristream.encode.encoding_file import read_scores
from tristream.inference.group_file import GroupLevel, read_group
from tristream.inference.inference_file import read_inference
from tristream.inference.recovery_file import read_recovery
from tristream.report.elements import Block, Link, Section, Table
from tristream.report.sections.decoding import names
from tristream.report.study_results import Results

FDR = 0.05


def section(results: Results, dataset: str) -> Section:
    """Scores by subject; for simulated data, what was recovered."""
    blocks: list[Block] = []
    for table in (_encoding(results, dataset), _decoding(results, dataset)):
        if table.rows:
            blocks.append(table)
    blocks += _group(results, dataset)
    return Section("subjects", "Subjects", blocks + _recovery(results, dataset))


def _page(dataset: str, subject: str) -> Link:
    return Link(f"sub-{subject}", f"{dataset}_sub-{subject}.html")


def _encoding(results: Results, dataset: str) -> Table:
    rows = []
    for name in results.models(dataset):
        for subject in results.resolved.subjects[dataset]:
            path = results.path("encoding", dataset=dataset, model=name, subject=subject)
            if results.missing(f"Encoding model {name}", path):
                continue
            r = read_scores(path)[0].scores.r
            numbers = (float(np.nanmean(r)), float(np.nanpercentile(r, 99)))
            found = _significant(results, dataset, name, subject)
            rows.append((name, _page(dataset, subject), len(r), *numbers, found))
    columns = ("model", "subject", "voxels", "mean r", "99th percentile of r", "significant voxels")
    caption = "Encoding models. r: test correlation; a dash where no p values could be written."
    return Table(caption, columns, tuple(rows))


def _group(results: Results, dataset: str) -> list[Block]:
    """How many subjects show an effect, and what that says of the population."""
    rows: list[tuple[object, ...]] = []
    notes: list[Block] = []
    levels: set[tuple[float, float]] = set()
    for name in results.models(dataset):
        path = results.path("group", dataset=dataset, model=name)
        if gone := results.missing(f"Group level of {name}", path):
            notes += gone
            continue
        level, provenance = read_group(path)
        notes += results.read(path, provenance)
        rows.append(_group_row(name, level))
        levels |= {(level.level, level.credible)}
    if not rows:
        return notes
    ((alpha, credible), *_) = levels
    columns = (
        "model",
        "subjects",
        "with an effect",
        "prevalence",
        f"{credible:.0%} interval",
        "voxels in all subjects",
        "voxels of the group test",
        "smallest attainable p",
    )
    caption = (
        f"Group level. With an effect: subjects whose best voxel is significant at {alpha:g}, "
        "corrected for all voxels. Prevalence: the share of the population that would show it, "
        "given that count (Bayesian, uniform prior; Ince et al. 2021). Voxels in all subjects: p "
        f"at most {alpha:g} in every subject, uncorrected."
    )
    if any(row[-1] is not None for row in rows):
        caption += (
            " The group test flips the signs of the subjects' Fisher z; voxels at a false "
            f"discovery rate of {FDR}."
        )
    table = pd.DataFrame(rows, columns=list(columns))
    path = results.table(f"{dataset}/group", table, results.simulated(dataset))
    # Models share their reasons.
    return [Table(caption, columns, tuple(rows), results.link(path)), *dict.fromkeys(notes)]


def _group_row(name: str, level: GroupLevel) -> tuple[object, ...]:
    share, voxels = level.prevalence, level.voxels
    test = voxels.test if voxels else None
    everywhere = voxels.count if voxels else None
    return (
        name,
        len(level.subjects),
        level.count,
        None if share is None else float(share.map),
        None if share is None else f"{share.low:.2f} to {share.high:.2f}",
        None if everywhere is None else int((everywhere == len(level.subjects)).sum()),
        None if test is None else int((test.q <= FDR).sum()),
        None if test is None else test.smallest,
    )


def _significant(results: Results, dataset: str, model: str, subject: str) -> int | None:
    path = results.path("inference", dataset=dataset, model=model, subject=subject)
    if not path.is_file():
        return None
    found = read_inference(path)[0].found
    return None if found is None else int(found.significant.sum())


def _decoding(results: Results, dataset: str) -> Table:
    rows = []
    for name in names(results, dataset):
        for subject in results.resolved.subjects[dataset]:
            path = results.path("decoding", dataset=dataset, decoder=name, subject=subject)
            if path.is_file():
                found = read_decoding(path)[0]
                numbers = (found.accuracy, found.chance, found.p)
                rows.append((name, _page(dataset, subject), *numbers))
    columns = ("decoder", "subject", "accuracy", "chance", "p")
    return Table("Decoders.", columns, tuple(rows))


def _recovery(results: Results, dataset: str) -> list[Block]:
    if not results.simulated(dataset):
        return []
    what = "Recovery of the simulated truth"
    if not results.expects("recovery", dataset=dataset):
        why = f"{dataset}: was simulated elsewhere, as its files say, or has no encoding model"
        return [*results.leave_out(what, why)]
    path = results.path("recovery", dataset=dataset)
    if gone := results.missing(what, path):
        return [*gone]
    table, provenance = read_recovery(path)
    notes = results.read(path, provenance)
    caption = "What was simulated and what was found again; low and high: interval of the value."
    columns = tuple("threshold is" if c == "passed" else str(c) for c in table.columns)
    rows = tuple(tuple(_cell(v) for v in row) for row in table.itertuples(index=False))
    return [Table(caption, columns, rows, results.link(path)), *notes]


def _cell(value: object) -> object:
    words = {"True": "met", "False": "not met", "nan": None}
    return words.get(str(value), value)
