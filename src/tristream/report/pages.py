"""Which pages there are, and which sections each holds."""

from collections.abc import Sequence

from tristream.maps.style import SIMULATED
from tristream.report.blocks import Page
from tristream.report.checks import Check
from tristream.report.results import Results
from tristream.report.sections import (
    accuracy,
    alignment,
    compute,
    data,
    decoding,
    features,
    group,
    inference,
    methods,
    omissions,
    provenance,
    stimuli,
    streams,
    summary,
)


def all_pages(results: Results, checks: Sequence[Check]) -> list[Page]:
    """The index first, then each dataset with its subjects.

    The index is built last: it lists what the others have met.
    """
    pages = []
    for dataset, subjects in results.resolved.subjects.items():
        pages.append(dataset_page(results, dataset))
        pages += [subject_page(results, dataset, subject, checks) for subject in subjects]
    return [index_page(results, checks), *pages]


def _banner(results: Results, dataset: str) -> str:
    return f"{SIMULATED}: no measurement was made" if results.simulated(dataset) else ""


def index_page(results: Results, checks: Sequence[Check]) -> Page:
    """The study as a whole."""
    simulated = [d for d in results.resolved.datasets if results.simulated(d)]
    banner = f"{SIMULATED} in {', '.join(simulated)}" if simulated else ""
    page = Page("index.html", results.resolved.study.title, "Study report", banner)
    page.sections = [
        summary.study_section(results, checks),
        summary.checks_section(checks),
        compute.section(results),
        methods.section(results),
        omissions.section(results),
        provenance.section(results),
    ]
    return page


def dataset_page(results: Results, dataset: str) -> Page:
    """What all subjects of a dataset share, and the subjects side by side."""
    title = results.resolved.datasets[dataset].title
    page = Page(f"{dataset}.html", dataset, title, _banner(results, dataset))
    page.sections = [
        group.section(results, dataset),
        data.dataset_section(results, dataset),
        stimuli.section(results, dataset),
    ]
    if results.models(dataset):
        page.sections.append(features.section(results, dataset))
    return page


def subject_page(results: Results, dataset: str, subject: str, checks: Sequence[Check]) -> Page:
    """One subject from runs to maps."""
    title = results.resolved.datasets[dataset].title
    file = f"{dataset}_sub-{subject}.html"
    page = Page(file, f"{dataset}, sub-{subject}", title, _banner(results, dataset))
    page.sections = [
        summary.subject_section(results, dataset, subject, checks),
        data.subject_section(results, dataset, subject),
    ]
    if results.models(dataset):
        page.sections += [
            alignment.section(results, dataset, subject),
            accuracy.section(results, dataset, subject),
            streams.section(results, dataset, subject),
            inference.section(results, dataset, subject),
        ]
    if decoding.names(results, dataset):
        page.sections.append(decoding.section(results, dataset, subject))
    page.sections.append(omissions.section(results, dataset, subject))
    return page
