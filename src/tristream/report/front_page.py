"""The first page as a list: its sections, what each shows, and why one may be absent.

A study orders and drops them by name (`report.sections`), and adds its own (`report.own`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from tristream.features.show.shown_space import Space
from tristream.maps.style import SIMULATED
from tristream.report import headline, own_sections
from tristream.report.brain_strips import Strips
from tristream.report.elements import Block, Page, Section, Text
from tristream.report.findings import Findings
from tristream.report.sections import (
    brains,
    contrasts,
    features,
    identification,
    mass_univariate,
    methods,
    omissions,
    overview,
    power,
    provenance,
    rsa,
    summary,
    warnings,
)
from tristream.report.study_results import Results
from tristream.report.thresholds import Check


@dataclass(frozen=True)
class Study:
    """All that sections of the first page draw from."""

    results: Results
    findings: Findings
    strips: Strips
    checks: Sequence[Check]
    spaces: Mapping[str, Sequence[Space]]


@dataclass(frozen=True)
class Entry:
    """A section of the first page.

    Attributes
    ----------
    title : str
        Its heading.
    caption : str
        What it shows, in a sentence below the heading; may be empty.
    absent : str
        Why it is not there when it has nothing to show.
    blocks : callable
        Its figures and tables.
    last : bool
        It lists what the others have met.
    """

    title: str
    caption: str
    absent: str
    blocks: Callable[[Study], Sequence[Block]]
    last: bool = False


ENTRIES: Mapping[str, Entry] = {
    "brains": Entry(
        "The brain",
        "",
        "no encoding model has been fitted",
        lambda study: brains.study(study.results, study.findings, study.strips),
    ),
    "models": Entry(
        "Encoding models side by side",
        "",
        "no encoding model has been fitted",
        lambda study: overview.models(study.results, study.findings),
    ),
    "decoders": Entry(
        "Decoders",
        "",
        "no decoder has been fitted",
        lambda study: overview.decoders(study.results, study.findings),
    ),
    "contrasts": Entry(
        "Contrasts",
        "",
        "no contrast has been fitted",
        lambda study: contrasts.study(study.results, study.findings, study.strips),
    ),
    "univariate": Entry(
        "Voxel by voxel",
        "",
        "no two labels were compared",
        lambda study: mass_univariate.study(study.results, study.findings),
    ),
    "identification": Entry(
        "Items identified",
        "",
        "no item was identified",
        lambda study: identification.study(study.results, study.findings),
    ),
    "similarity": Entry(
        "Representational similarity",
        "",
        "no distances between items were compared",
        lambda study: rsa.study(study.results, study.findings),
    ),
    "group": Entry(
        "All subjects together",
        "",
        "no dataset has results of two subjects or more",
        lambda study: overview.group(study.findings),
    ),
    "warnings": Entry(
        "Warnings",
        "What to know before believing the above.",
        "there is no result to warn of",
        lambda study: warnings.study(study.results, study.findings, study.checks),
    ),
    "datasets": Entry(
        "Datasets",
        "",
        "the study names no dataset",
        lambda study: summary.datasets(study.results),
    ),
    "spaces": Entry(
        "Feature spaces",
        "",
        "no features have been computed",
        lambda study: features.index(
            study.results, {name: [one.dataset for one in f] for name, f in study.spaces.items()}
        ),
    ),
    "power": Entry(
        "Power before scanning",
        "",
        "the study names no design under `power`",
        lambda study: power.index(study.results),
    ),
    "methods": Entry(
        "Methods",
        "What was done, by the files of the results; free to be copied.",
        "no file says what was done",
        lambda study: methods.blocks(study.results),
    ),
    "omissions": Entry(
        "Failures and omissions",
        "",
        "nothing was left out",
        lambda study: omissions.section(study.results).blocks,
        last=True,
    ),
    "provenance": Entry(
        "Provenance and rerun",
        "",
        "",
        lambda study: provenance.blocks(study.results),
        last=True,
    ),
}


def banner(results: Results) -> str:
    """Which datasets are simulated, above pages of the whole study."""
    simulated = [d for d in results.resolved.datasets if results.simulated(d)]
    return f"{SIMULATED} in {', '.join(simulated)}" if simulated else ""


def entries(results: Results) -> Mapping[str, Entry]:
    """Sections of the first page by name, with those of the study's own."""
    own = {
        name: Entry(section.title, "", "", partial(_own, name))
        for name, section in results.resolved.study.report.own.items()
    }
    return {**ENTRIES, **own}


def _own(name: str, study: Study) -> Sequence[Block]:
    return own_sections.blocks(study.results, name)


def front_page(study: Study) -> Page:
    """The study as a whole: what was found, then all else."""
    results = study.results
    lead = headline.of_study(results, study.findings)
    names, known = results.resolved.study.report.order, entries(results)
    found: dict[str, Sequence[Block]] = {}
    for name in sorted(names, key=lambda name: known[name].last):
        entry = known[name]
        found[name] = entry.blocks(study)
        if not found[name] and entry.absent:
            results.leave_out(entry.title, entry.absent)
    page = Page(
        "index.html", results.resolved.study.title, "Study report", banner(results), lead=lead
    )
    for name in names:
        if found[name]:
            entry = known[name]
            words = [Text(entry.caption)] if entry.caption else []
            anchor = name if name in ENTRIES else f"own-{name}"
            page.sections.append(Section(anchor, entry.title, [*words, *found[name]]))
    return page
