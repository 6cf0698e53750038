"""Which pages there are, and which sections each holds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from tristream.features.show.shown_space import Space, find_space
from tristream.maps.style import SIMULATED
from tristream.report import cobidas, viewer
from tristream.report.brain_strips import Strips, draw_strips
from tristream.report.elements import Page
from tristream.report.findings import Findings, find
from tristream.report.front_page import Study, banner, front_page
from tristream.report.sections import (
    accuracy,
    across_subjects,
    alignment,
    bold,
    brains,
    compute,
    contrasts,
    costs,
    data,
    decoding,
    decoding_profiles,
    features,
    films,
    group,
    identification,
    inference,
    mass_univariate,
    networks,
    omissions,
    power,
    published,
    rsa,
    space,
    stimuli,
    streams,
    summary,
)
from tristream.report.similarity import Similarity
from tristream.report.study_results import Results
from tristream.report.thresholds import Check
from tristream.report.workers import make

TECHNICAL = "technical.html"


def all_pages(results: Results, checks: Sequence[Check], workers: int = 1) -> list[Page]:
    """The index first, then the feature spaces, then each dataset with its subjects.

    The index is built last: it lists what the others have met.
    """
    spaces = existing_spaces(results)
    findings = find(results, workers)
    strips = draw_strips(results, findings, workers)
    alike = {dataset: Similarity(results, dataset) for dataset in results.resolved.datasets}
    jobs = [partial(space_page, results, name, found, alike) for name, found in spaces.items()]
    for dataset, subjects in results.resolved.subjects.items():
        jobs.append(partial(dataset_page, results, dataset, alike[dataset], findings, strips))
        if films.has_films(results, dataset):
            own = [one for found in spaces.values() for one in found if one.dataset == dataset]
            jobs.append(partial(films.page, results, dataset, own, _banner(results, dataset)))
        jobs += [
            partial(subject_page, results, dataset, subject, checks, findings, strips)
            for subject in subjects
        ]
    jobs += power.jobs(results)
    pages = make(results, jobs, workers)
    technical = technical_page(results, checks, spaces)
    study = Study(results, findings, strips, checks, spaces)
    return [front_page(study), *pages, technical, cobidas.page(results, banner(results))]


def existing_spaces(results: Results) -> dict[str, list[Space]]:
    """Feature spaces that have files, each with the datasets that have them."""
    found: dict[str, list[Space]] = {}
    for name in results.resolved.study.spaces:
        for dataset in results.resolved.datasets:
            paths = {
                one["layer"]: path
                for one, path in results.existing("features", dataset=dataset, space=name)
            }
            if paths:
                space = find_space(results.resolved, dataset, name)
                layers = {layer: paths[layer] for layer in space.wanted if layer in paths}
                found.setdefault(name, []).append(replace(space, layers=layers))
    return found


def _banner(results: Results, dataset: str) -> str:
    return f"{SIMULATED}: no measurement was made" if results.simulated(dataset) else ""


def technical_page(
    results: Results, checks: Sequence[Check], spaces: Mapping[str, Sequence[Space]]
) -> Page:
    """Numbers beside their thresholds, and what the study cost."""
    title = results.resolved.study.title
    page = Page(TECHNICAL, "Thresholds, costs and compute", title, banner(results))
    page.sections = [
        summary.checks_section(checks),
        *costs.sections(results, spaces),
        compute.section(results),
    ]
    return page


def space_page(
    results: Results, name: str, found: Sequence[Space], alike: Mapping[str, Similarity]
) -> Page:
    """One feature space: how it is made, what went in, what came out, for each dataset."""
    page = Page(features.page_of(name), name, "Feature space")
    page.sections = [space.about(results, found[0])]
    for one in found:
        page.sections += [
            space.went_in(results, one),
            space.came_out(results, one, alike[one.dataset]),
        ]
    return page


def dataset_page(
    results: Results, dataset: str, similarity: Similarity, findings: Findings, strips: Strips
) -> Page:
    """What all subjects of a dataset share, and the subjects side by side."""
    title = results.resolved.datasets[dataset].title
    page = Page(f"{dataset}.html", dataset, title, _banner(results, dataset))
    page.sections = [
        *brains.dataset_section(results, dataset, findings, strips),
        group.section(results, dataset, findings),
        data.dataset_section(results, dataset),
        stimuli.section(results, dataset),
    ]
    if published.names(results, dataset):
        page.sections.append(published.section(results, dataset))
    if across_subjects.names(results, dataset):
        page.sections.append(across_subjects.section(results, dataset))
    if rsa.names(results, dataset):
        page.sections.append(rsa.section(results, dataset))
    if results.models(dataset):
        page.sections.append(features.section(results, dataset, similarity))
    return page


def subject_page(
    results: Results,
    dataset: str,
    subject: str,
    checks: Sequence[Check],
    findings: Findings,
    strips: Strips,
) -> Page:
    """One subject: the result, then the quality of the data, then every detail."""
    title = results.resolved.datasets[dataset].title
    file = f"{dataset}_sub-{subject}.html"
    page = Page(file, f"{dataset}, sub-{subject}", title, _banner(results, dataset))
    mine = [c for c in checks if c.dataset == dataset and c.subject in ("", subject)]
    modelled = bool(results.models(dataset))
    result = summary.subject_section(results, dataset, subject, findings, strips)
    result = replace(result, blocks=[*result.blocks, *viewer.offer(results, dataset, subject)])
    page.sections = [
        result,
        bold.section(results, dataset, subject),
        *([alignment.section(results, dataset, subject)] if modelled else []),
        summary.checks_section(mine),
    ]
    if modelled:
        page.sections += [
            accuracy.section(results, dataset, subject),
            streams.section(results, dataset, subject),
            inference.section(results, dataset, subject),
        ]
    for names, section in (
        (contrasts.names, contrasts.section),
        (decoding.names, decoding.section),
        (decoding_profiles.names, decoding_profiles.section),
        (identification.names, identification.section),
        (networks.names, networks.section),
        (mass_univariate.names, mass_univariate.section),
    ):
        if names(results, dataset):
            page.sections.append(section(results, dataset, subject))
    page.sections.append(data.subject_section(results, dataset, subject))
    page.sections.append(omissions.section(results, dataset, subject))
    return page
