"""What was found, in the sentences that begin a page: one a dataset, each with its numbers."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from tristream.phrases import listed
from tristream.report.brain_strips import shown_models
from tristream.report.elements import Lead
from tristream.report.findings import (
    ContrastFinding,
    DecoderFinding,
    Findings,
    ModelFinding,
    PairFinding,
)
from tristream.report.item_findings import ItemFinding, of_all
from tristream.report.study_results import Results

T = TypeVar("T")
LEVEL = 0.05
MOST = 3
SIDES = ("above", "below")


def of_study(results: Results, findings: Findings) -> Lead:
    """A sentence for each dataset that has results; else that there are none."""
    sentences = []
    for dataset, subjects in results.resolved.subjects.items():
        parts = _models(results, findings, dataset)
        parts += _decoders([one for one in findings.decoders if one.dataset == dataset])
        parts += _contrasts([one for one in findings.contrasts if one.dataset == dataset])
        parts += _pairs([one for one in findings.pairs if one.dataset == dataset])
        parts += _identified([one for one in findings.identified if one.dataset == dataset])
        parts += _alike([one for one in findings.alike if one.dataset == dataset])
        if parts:
            people = f"sub-{subjects[0]}" if len(subjects) == 1 else f"{len(subjects)} subjects"
            sentences.append(f"{dataset}, {people}: {'; '.join(parts)}.")
    return Lead(tuple(sentences) or (_nothing(results),))


def of_subject(results: Results, findings: Findings, dataset: str) -> Lead:
    """The same of one subject, whose findings these are."""
    parts = _models(results, findings, dataset) + _decoders(findings.decoders)
    parts += _contrasts(findings.contrasts)
    parts += _pairs(findings.pairs) + _identified(findings.identified) + _alike(findings.alike)
    text = f"{'; '.join(parts)}." if parts else "No analysis of this subject has a result yet."
    return Lead((f"{text[0].upper()}{text[1:]}",))


def _nothing(results: Results) -> str:
    there = sum(one.path(results.layout).is_file() for one in results.inputs)
    return (
        "No model, decoder, contrast, comparison, identification or similarity has a result yet: "
        f"{there:,} of the {len(results.inputs):,} files that the report reads are there."
    )


def _models(results: Results, findings: Findings, dataset: str) -> list[str]:
    found = {name: findings.of_model(dataset, name) for name in shown_models(results, dataset)}
    parts = [_model(name, ones) for name, ones in found.items() if ones]
    if len(parts) > MOST:
        parts = [*parts[:MOST], f"{len(parts) - MOST} more models are below"]
    return parts


def _model(name: str, found: Sequence[ModelFinding]) -> str:
    counts = [one.significant for one in found if one.significant is not None]
    voxels = sorted({one.voxels for one in found})
    of = f"{voxels[0]:,}" if len(voxels) == 1 else f"{voxels[0]:,} to {voxels[-1]:,}"
    if not counts:
        r = np.median([one.r.value for one in found])
        middle = "a median" if len(found) > 1 else "a mean"
        return f"model {name} reaches {middle} test r of {r:.3f} over {of} voxels (no p values)"
    if len(counts) == 1:
        many = f"{counts[0]:,} of {of} voxels"
    elif len(counts) == 2:
        many = f"{counts[0]:,} and {counts[1]:,} of {of} voxels"
    else:
        many = f"a median of {np.median(counts):,.0f} of {of} voxels "
        many += f"({min(counts):,} to {max(counts):,})"
    over = [one.over_ceiling.value for one in found if one.over_ceiling is not None]
    ceiling = f", r at {np.median(over):.0%} of its noise ceiling" if over else ""
    return f"model {name} predicts {many} significantly{ceiling}"


def _decoders(found: Sequence[DecoderFinding]) -> list[str]:
    if not found:
        return []
    names = list(dict.fromkeys(one.decoder for one in found))
    right = [
        float(np.median([one.accuracy for one in found if one.decoder == name])) for name in names
    ]
    chances = sorted({f"{one.chance:.0%}" for one in found})
    if len(names) > MOST:
        who = f"{len(names)} decoders name between {min(right):.0%} and {max(right):.0%}"
    elif len(names) == 1:
        who = f"decoder {names[0]} names {right[0]:.0%}"
    else:
        who = f"decoders {listed(names)} name {listed([f'{one:.0%}' for one in right])}"
    return [f"{who} of held-out samples right (chance {listed(chances)})"]


def _each(
    found: Sequence[T], key: Callable[[T], object], sentence: Callable[[list[T]], str], what: str
) -> list[str]:
    """A sentence about each of the first few that have a name, and how many more there are."""
    groups: dict[object, list[T]] = {}
    for one in found:
        groups.setdefault(key(one), []).append(one)
    parts = [sentence(own) for own in list(groups.values())[:MOST]]
    if len(groups) > MOST:
        parts.append(f"{len(groups) - MOST} more {what} are below")
    return parts


def _contrasts(found: Sequence[ContrastFinding]) -> list[str]:
    def sentence(own: list[ContrastFinding]) -> str:
        above, below = (np.median([getattr(one, side) for one in own]) for side in SIDES)
        middle = "a median of " if len(own) > 1 else ""
        of = f"{np.median([one.voxels for one in own]):,.0f}"
        rule = f", {own[0].rule}" if len({one.rule for one in own}) == 1 else ""
        return (
            f"contrast {own[0].contrast} finds {middle}{above:,.0f} voxels for its first side and "
            f"{below:,.0f} for its second, of {of}{rule}"
        )

    return _each(found, lambda one: one.contrast, sentence, "contrasts")


def _pairs(found: Sequence[PairFinding]) -> list[str]:
    def sentence(own: list[PairFinding]) -> str:
        first, second, of = (
            f"{np.median([getattr(one, key) for one in own]):,.0f}"
            for key in ("first", "second", "voxels")
        )
        middle = "a median of " if len(own) > 1 else ""
        return (
            f"comparison {own[0].name} finds {middle}{first} voxels that respond more to "
            f"{own[0].plus} and {second} to {own[0].minus}, of {of} (corrected p below .1)"
        )

    return _each(found, lambda one: one.name, sentence, "comparisons")


def _identified(found: Sequence[ItemFinding]) -> list[str]:
    def sentence(own: list[ItemFinding]) -> str:
        right = np.median([float(one.best["value"]) for one in own])
        text = (
            f"identification {own[0].name} sets {int(own[0].best['items'])} {own[0].kind} items "
            f"apart from {right:.0%} of wrong candidates {_where(own)}"
        )
        if not all(one.reliable for one in own):
            text += ", though imagined patterns do not repeat over runs"
        elif any(one.closed for one in own):
            text += ", of the regions where imagined patterns repeat over runs"
        return text

    return _each(found, lambda one: (one.name, one.kind), sentence, "identifications")


def _alike(found: Sequence[ItemFinding]) -> list[str]:
    def sentence(own: list[ItemFinding]) -> str:
        subjects = of_all(own)
        value = np.median([float(one.best["value"]) for one in subjects])
        return (
            f"similarity {own[0].name}: distances between {int(subjects[0].best['items'])} items "
            f"in features and in the brain agree by {value:.2f} {_where(subjects)}"
        )

    return _each(found, lambda one: one.name, sentence, "similarity analyses")


def _where(own: Sequence[ItemFinding]) -> str:
    """Layer and region of the largest value, chance there and p; of several subjects, how many."""
    chance = np.nanmedian([float(one.best["chance"]) for one in own])
    beside = f"chance {round(chance, 2) + 0:.2f}" if np.isfinite(chance) else "chance not known"
    ps = [float(one.best["p"]) for one in own]
    if len(own) > 1:
        passed = sum(p <= LEVEL for p in ps)
        many = f"corrected p at most {LEVEL:g} in {passed} of {len(own)} subjects"
        if not np.isfinite(ps).any():
            many = "no p values"
        return f"at best, as a median over subjects ({beside}; {many})"
    best = own[0].best
    p = f"corrected p {ps[0]:.2g}" if np.isfinite(ps[0]) else "no p value"
    return f"at best ({best['layer']}, {best['region']}; {beside}; {p})"
