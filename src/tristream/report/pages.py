"""Which pages there are, and which sections each holds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from tristream.features.show.shown_space import Space, find_space
from tristream.maps.style import SIMULATED
from tristream.report.elements import Page
from tristream.report.sections import (
    accuracy,
    alignment,
    bold,
    compute,
    contrasts,
    costs,
    data,
    decoding,
    features,
    films,
    group,
    identification,
    inference,
    mass_univariate,
    methods,
    omissions,
    power,
    provenance,
    space,
    stimuli,
    streams,
    summary,
)
from tristream.report.similarity import Similarity
from tristream.report.study_results import Results
from tristream.report.thresholds import Check
from tristream.report.workers import make


def all_pages(results: Results, checks: Sequence[Check], workers: int = 1) -> list[Page]:
    """The index first, then the feature spaces, then each dataset with its subjects.

    The index is built last: it lists what the others have met.
    """
    spaces = existing_spaces(results)
    alike = {dataset: Similarity(results, dataset) for dataset in results.resolved.datasets}
    jobs = [partial(space_page, results, name, found, alike) for name, found in spaces.items()]
    for dataset, subjects in results.resolved.subjects.items():
        jobs.append(partial(dataset_page, results, dataset, alike[dataset]))
        if films.has_films(results, dataset):
            own = [one for found in spaces.values() for one in found if one.dataset == dataset]
            jobs.append(partial(films.page, results, dataset, own, _banner(results, dataset)))
        jobs += [partial(subject_page, results, dataset, subject, checks) for subject in subjects]
    jobs += power.jobs(results)
    pages = make(results, jobs, workers)
    return [index_page(results, checks, spaces), *pages]


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


def index_page(
    results: Results, checks: Sequence[Check], spaces: Mapping[str, Sequence[Space]]
) -> Page:
    """The study as a whole."""
    simulated = [d for d in results.resolved.datasets if results.simulated(d)]
    banner = f"{SIMULATED} in {', '.join(simulated)}" if simulated else ""
    page = Page("index.html", results.resolved.study.title, "Study report", banner)
    page.sections = [
        summary.study_section(results, checks),
        summary.checks_section(checks),
        features.index_section(results, {n: [s.dataset for s in f] for n, f in spaces.items()}),
        *costs.sections(results, spaces),
        *power.index_sections(results),
        compute.section(results),
        methods.section(results),
        omissions.section(results),
        provenance.section(results),
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


def dataset_page(results: Results, dataset: str, similarity: Similarity) -> Page:
    """What all subjects of a dataset share, and the subjects side by side."""
    title = results.resolved.datasets[dataset].title
    page = Page(f"{dataset}.html", dataset, title, _banner(results, dataset))
    page.sections = [
        group.section(results, dataset),
        data.dataset_section(results, dataset),
        stimuli.section(results, dataset),
    ]
    if results.models(dataset):
        page.sections.append(features.section(results, dataset, similarity))
    return page


def subject_page(results: Results, dataset: str, subject: str, checks: Sequence[Check]) -> Page:
    """One subject from runs to maps."""
    title = results.resolved.datasets[dataset].title
    file = f"{dataset}_sub-{subject}.html"
    page = Page(file, f"{dataset}, sub-{subject}", title, _banner(results, dataset))
    page.sections = [
        summary.subject_section(results, dataset, subject, checks),
        data.subject_section(results, dataset, subject),
        bold.section(results, dataset, subject),
    ]
    if results.models(dataset):
        page.sections += [
            alignment.section(results, dataset, subject),
            accuracy.section(results, dataset, subject),
            streams.section(results, dataset, subject),
            inference.section(results, dataset, subject),
        ]
    if contrasts.names(results, dataset):
        page.sections.append(contrasts.section(results, dataset, subject))
    if decoding.names(results, dataset):
        page.sections.append(decoding.section(results, dataset, subject))
    if identification.names(results, dataset):
        page.sections.append(identification.section(results, dataset, subject))
    if mass_univariate.names(results, dataset):
        page.sections.append(mass_univariate.section(results, dataset, subject))
    page.sections.append(omissions.section(results, dataset, subject))
    return page
