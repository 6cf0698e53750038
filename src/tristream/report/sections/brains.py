"""The brain of each subject and model, small enough to compare."""

from collections.abc import Sequence
from dataclasses import replace

from tristream.report.brain_strips import ACCURACY, COUNT, STREAM, Strips, shown_models
from tristream.report.elements import Block, Heading, Link, Missing, Multiple, Multiples, Section
from tristream.report.findings import Findings, GroupFinding, ModelFinding
from tristream.report.study_results import Results

FEW = 4


def study(results: Results, findings: Findings, strips: Strips) -> list[Block]:
    """Every dataset and model: all subjects where they are few, else three of them."""
    blocks: list[Block] = []
    for dataset in results.resolved.datasets:
        for model in shown_models(results, dataset):
            if found := findings.of_model(dataset, model):
                blocks.append(Heading(f"{dataset}, model {model}"))
                blocks.append(_multiples(findings, strips, found, some(found)))
    return blocks


def dataset_section(
    results: Results, dataset: str, findings: Findings, strips: Strips
) -> list[Section]:
    """All subjects of a dataset; nothing without a model."""
    blocks: list[Block] = []
    for model in shown_models(results, dataset):
        if found := findings.of_model(dataset, model):
            whose = {one.subject: f"sub-{one.subject}" for one in found}
            blocks += [Heading(f"Model {model}"), _multiples(findings, strips, found, whose)]
    return [Section("brains", "What was found", blocks)] if blocks else []


def of_subject(findings: Findings, strips: Strips) -> list[Block]:
    """All models of one subject, whose findings these are."""
    return [
        _multiples(findings, strips, [one], {one.subject: one.model})
        for one in findings.models
        if strips.get((one.dataset, one.model, one.subject))
    ]


def some(found: Sequence[ModelFinding]) -> dict[str, str]:
    """Subjects that are shown and what they are called: all of a few, else three by rank."""
    if len(found) <= FEW:
        return {one.subject: f"sub-{one.subject}" for one in found}
    ordered = sorted(found, key=lambda one: one.r.value)
    names = ("lowest", "median", "highest")
    chosen = (ordered[0], ordered[(len(ordered) - 1) // 2], ordered[-1])
    return {
        one.subject: f"sub-{one.subject}, {name} mean r of {len(found)}"
        for one, name in zip(chosen, names, strict=True)
    }


def _multiples(
    findings: Findings, strips: Strips, found: Sequence[ModelFinding], shown: dict[str, str]
) -> Block:
    dataset, model = found[0].dataset, found[0].model
    rows, group = [], findings.group(dataset, model)
    together = strips.get((dataset, model, ""), {})
    grouped = group is not None and bool(together)
    if group is not None and grouped:
        link = Link(f"{group.subjects} subjects together", f"{dataset}.html")
        figures = together.get(ACCURACY), together.get(COUNT)
        rows.append(Multiple(link, numbers_of_group(group), figures))
    by_subject = {one.subject: one for one in found}
    for subject, name in shown.items():
        if own := strips.get((dataset, model, subject)):
            link = Link(name, f"{dataset}_sub-{subject}.html")
            figures = own.get(ACCURACY), own.get(STREAM)
            rows.append(Multiple(link, numbers(by_subject[subject]), figures))
    if not rows:
        why = "there is nothing to draw its vertices on: the meshes of fsLR are not there"
        return Missing(f"The brain of model {model}", why)
    streams = any(one.figures[1] is not None for one in rows)
    columns = ["of", "accuracy"]
    if streams:
        columns.append("winning stream" + "; of all subjects, how many show it" * grouped)
    else:
        rows = [replace(one, figures=one.figures[:1]) for one in rows]
    return Multiples(_caption(found, len(shown), streams), tuple(columns), tuple(rows))


def _caption(found: Sequence[ModelFinding], shown: int, streams: bool) -> str:
    test = next((f"{one.test}; {one.corrected}" for one in found if one.test), "")
    why = next((one.why for one in found if one.why), "")
    parts = [
        "Test r in data that were not used for fitting, all rows on one scale, 95 % intervals in "
        "brackets."
    ]
    if streams:
        parts.append("Winning stream: that with the largest share of test R².")
    if test:
        parts.append(f"Significant: {test}. What is not is drawn faint.")
    if why:
        parts.append(f"No p values: {why}.")
    if shown < len(found):
        parts.append(f"All {len(found)} subjects are on the page of {found[0].dataset}.")
    return " ".join(parts)


def numbers(one: ModelFinding) -> tuple[str, ...]:
    """What stands beside a subject's strip."""
    lines = []
    if one.significant is not None:
        lines.append(f"{one.significant:,} of {one.voxels:,} voxels significant")
    if one.regions is not None:
        lines.append(f"in {one.regions[0]} of {one.regions[1]} regions")
    lines.append(f"mean r {one.r}")
    if one.over_ceiling is not None:
        lines.append(f"r / ceiling {one.over_ceiling:.2f}")
    return tuple(lines)


def numbers_of_group(one: GroupFinding) -> tuple[str, ...]:
    """What stands beside the strip of all subjects."""
    lines = []
    if one.with_effect is not None:
        lines.append(f"{one.with_effect} of {one.subjects} with an effect")
    if one.stimuli is not None:
        lines.append(f"mean significant in {one.stimuli:,} of {one.voxels:,} voxels")
    if one.regions is not None:
        lines.append(f"and in {one.regions[0]} of {one.regions[1]} regions (family-wise)")
    return tuple(lines)
