"""All subjects of a dataset side by side."""

import numpy as np
import pandas as pd

from tristream.decode.decoding_file import read_decoding
from tristream.encode.encoding_file import read_scores
from tristream.report.elements import Block, Link, Section, Table, Text
from tristream.report.sections.decoding import names
from tristream.report.study_results import Results
from tristream.store import open_h5, read_table

FDR = 0.05


def section(results: Results, dataset: str) -> Section:
    """Scores by subject; for simulated data, what was recovered."""
    blocks: list[Block] = []
    for table in (_encoding(results, dataset), _decoding(results, dataset)):
        if table.rows:
            blocks.append(table)
    if len(results.resolved.subjects[dataset]) < 8 and blocks:
        blocks.append(
            Text(
                "With fewer than 8 subjects no group test is made: the subjects stand for "
                "themselves, each tested on its own."
            )
        )
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
    for name in results.models(dataset):
        path = results.path("group", dataset=dataset, model=name)
        if gone := results.missing(f"Group level of {name}", path):
            notes += gone
            continue
        with open_h5(path, "group") as (file, said):
            notes += results.read(path, said)
            subjects = len(file["subjects"])
            best, low, high = file.attrs.get("prevalence", (None, None, None))
            everywhere = file["count"][()] if "count" in file else None
            q = file["q"][()] if "q" in file else None
            smallest = file.attrs.get("smallest_p")
            counted = file.attrs.get("count")
        rows.append(
            (
                name,
                subjects,
                None if counted is None else int(counted),
                None if best is None else float(best),
                None if low is None else f"{low:.2f} to {high:.2f}",
                None if everywhere is None else int((everywhere == subjects).sum()),
                None if q is None else int((q <= FDR).sum()),
                None if smallest is None else float(smallest),
            )
        )
    if not rows:
        return notes
    columns = (
        "model",
        "subjects",
        "with an effect",
        "prevalence",
        "95 % interval",
        "voxels in all subjects",
        "voxels of the group test",
        "smallest attainable p",
    )
    caption = (
        "Group level. With an effect: subjects whose best voxel is significant at .05, corrected "
        "for all voxels. Prevalence: the share of the population that would show it, given that "
        "count (Bayesian, uniform prior; Ince et al. 2021). Voxels in all subjects: p at most .05 "
        "in every subject, uncorrected. The group test flips the signs of the subjects' Fisher z, "
        f"from 8 subjects on; voxels at a false discovery rate of {FDR}."
    )
    table = pd.DataFrame(rows, columns=list(columns))
    path = results.table(f"{dataset}/group", table, results.simulated(dataset))
    # Models share their reasons.
    return [Table(caption, columns, tuple(rows), results.link(path)), *dict.fromkeys(notes)]


def _significant(results: Results, dataset: str, model: str, subject: str) -> int | None:
    path = results.path("inference", dataset=dataset, model=model, subject=subject)
    if not path.is_file():
        return None
    with open_h5(path, "inference") as (file, _):
        return int(file["significant"][()].sum()) if "significant" in file else None


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
    table, said = read_table(path, "recovery")
    notes = results.read(path, said)
    caption = "What was simulated and what was found again; low and high: interval of the value."
    columns = tuple("threshold is" if c == "passed" else str(c) for c in table.columns)
    rows = tuple(tuple(_cell(v) for v in row) for row in table.itertuples(index=False))
    return [Table(caption, columns, rows, results.link(path)), *notes]


def _cell(value: object) -> object:
    words = {"True": "met", "False": "not met", "nan": None}
    return words.get(str(value), value)
