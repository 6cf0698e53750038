"""What a reader wants first: what was studied, what came out, what was promised."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.decode.decoding_file import read_decoding
from tristream.encode.encoding_file import read_left_out, read_scores
from tristream.encode.over_ceiling import over_regions
from tristream.report.elements import Block, Link, Section, Table, Text, facts
from tristream.report.sections.decoding import names
from tristream.report.study_results import Results
from tristream.report.thresholds import Check

INTERVALS = (
    "In brackets: 95 % intervals; of best streams in the shifted control, what chance gives in "
    "95 % of draws."
)


def study_section(results: Results, checks: Sequence[Check]) -> Section:
    """Datasets of the study with links to their pages."""
    rows = []
    for dataset, descriptor in results.resolved.datasets.items():
        subjects = results.resolved.subjects[dataset]
        rows.append(
            (
                Link(dataset, f"{dataset}.html"),
                descriptor.title,
                "simulated" if results.simulated(dataset) else "measured",
                len(subjects),
                ", ".join(results.models(dataset)) or "–",
                ", ".join(names(results, dataset)) or "–",
            )
        )
    columns = ("dataset", "title", "BOLD", "subjects", "encoding models", "decoders")
    blocks: list[Block] = [Text(count_checks(checks))]
    blocks.append(Table("Datasets of the study.", columns, tuple(rows)))
    return Section("summary", "Summary", blocks)


def subject_section(
    results: Results, dataset: str, subject: str, checks: Sequence[Check]
) -> Section:
    """The main numbers of one subject."""
    rows: list[tuple[str, str]] = []
    for name in results.models(dataset):
        path = results.path("encoding", dataset=dataset, model=name, subject=subject)
        if path.is_file():
            r = read_scores(path)[0].scores.r
            scores = (
                f"mean test r {np.nanmean(r):.3f}{_interval(path, r)}, 99th percentile "
                f"{np.nanpercentile(r, 99):.3f}"
            )
            rows.append((f"Encoding model {name}", scores))
    for name in names(results, dataset):
        path = results.path("decoding", dataset=dataset, decoder=name, subject=subject)
        if path.is_file():
            found = read_decoding(path)[0]
            scores = f"accuracy {found.accuracy:.3f} (chance {found.chance:.3f})"
            rows.append((f"Decoder {name}", scores))
    mine = [c for c in checks if c.dataset == dataset and c.subject in ("", subject)]
    text = Text(count_checks(mine))
    return Section("summary", "Summary", [facts(rows), text, checks_table(mine)])


def _interval(path: Path, r: npt.NDArray[np.floating]) -> str:
    """The 95 % interval of the mean over voxels; empty where exchange units are too few."""
    if (left_out := read_left_out(path)) is None:
        return ""
    mean = over_regions(r, left_out, [np.ones(len(r), bool)]).r
    return f" [95 % interval {mean.low[0]:.3f}, {mean.high[0]:.3f}]"


def checks_section(checks: Sequence[Check]) -> Section:
    """Every number that has a threshold."""
    blocks: list[Block] = [Text("Each number stands beside its threshold.")]
    return Section("checks", "Checks", [*blocks, checks_table(checks)])


def checks_table(checks: Sequence[Check]) -> Table:
    """Checks as a table."""
    rows = tuple(
        (
            Link(c.dataset, f"{c.dataset}.html"),
            Link(f"sub-{c.subject}", f"{c.dataset}_sub-{c.subject}.html") if c.subject else "all",
            c.what,
            c.value,
            c.threshold,
            c.word,
        )
        for c in checks
    )
    columns = ("dataset", "subject", "number", "value", "threshold", "threshold is")
    caption = INTERVALS if any("[" in c.value for c in checks) else ""
    return Table(caption, columns, rows)


def count_checks(checks: Sequence[Check]) -> str:
    """``9 of 10 thresholds are met.``"""
    compared = [c for c in checks if c.met is not None]
    unmet = [c for c in compared if not c.met]
    if not compared:
        return "No threshold could be compared with a number."
    text = f"{len(compared) - len(unmet)} of {len(compared)} thresholds are met."
    which = "; ".join(f"{c.dataset} {c.subject} {c.what}".replace("  ", " ") for c in unmet)
    return f"{text} Not met: {which}." if unmet else text
