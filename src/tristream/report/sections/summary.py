"""What a subject's page begins with; the study's datasets; numbers beside their thresholds."""

from collections.abc import Sequence

from tristream.report import headline
from tristream.report.brain_strips import Strips
from tristream.report.elements import Block, Link, Section, Table, Text, facts, shown
from tristream.report.findings import Findings
from tristream.report.sections import brains
from tristream.report.sections.decoding import names
from tristream.report.study_results import Results
from tristream.report.thresholds import Check

INTERVALS = (
    "In brackets: 95 % intervals; of best streams in the shifted control, what chance gives in "
    "95 % of draws."
)


def datasets(results: Results) -> list[Block]:
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
    return [Table("Datasets of the study.", columns, tuple(rows))] if rows else []


def subject_section(
    results: Results, dataset: str, subject: str, findings: Findings, strips: Strips
) -> Section:
    """What was found in one subject: a sentence, the brain, all models and decoders."""
    mine = findings.of_subject(dataset, subject)
    blocks: list[Block] = [headline.of_subject(results, mine, dataset)]
    blocks += brains.of_subject(mine, strips)
    rows = [(f"Encoding model {one.model}", "; ".join(brains.numbers(one))) for one in mine.models]
    for one in mine.decoders:
        p = "no p value" if one.p is None else f"p {shown(one.p)}"
        scores = f"accuracy {one.accuracy:.3f} (chance {one.chance:.3f}), {p}"
        rows.append((f"Decoder {one.decoder}", scores))
    return Section("summary", "Result", [*blocks, facts(rows)] if rows else blocks)


def checks_section(checks: Sequence[Check]) -> Section:
    """Every number that has a threshold."""
    text = f"Each number stands beside its threshold. {count_checks(checks)}"
    return Section("checks", "Thresholds", [Text(text), checks_table(checks)])


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
