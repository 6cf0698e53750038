"""What was found, in the sentences that begin a page: one a dataset, each with its numbers."""

from collections.abc import Sequence

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


def _contrasts(found: Sequence[ContrastFinding]) -> list[str]:
    names = list(dict.fromkeys(one.contrast for one in found))
    parts = []
    for name in names[:MOST]:
        own = [one for one in found if one.contrast == name]
        above, below = (np.median([getattr(one, side) for one in own]) for side in SIDES)
        middle = "a median of " if len(own) > 1 else ""
        of = f"{np.median([one.voxels for one in own]):,.0f}"
        rule = f", {own[0].rule}" if len({one.rule for one in own}) == 1 else ""
        parts.append(
            f"contrast {name} finds {middle}{above:,.0f} voxels for its first side and "
            f"{below:,.0f} for its second, of {of}{rule}"
        )
    if len(names) > MOST:
        parts.append(f"{len(names) - MOST} more contrasts are below")
    return parts


def _pairs(found: Sequence[PairFinding]) -> list[str]:
    names = list(dict.fromkeys(one.name for one in found))
    parts = []
    for name in names[:MOST]:
        own = [one for one in found if one.name == name]
        first, second, of = (
            f"{np.median([getattr(one, key) for one in own]):,.0f}"
            for key in ("first", "second", "voxels")
        )
        middle = "a median of " if len(own) > 1 else ""
        parts.append(
            f"comparison {name} finds {middle}{first} voxels that respond more to {own[0].plus} "
            f"and {second} to {own[0].minus}, of {of} (corrected p below .1)"
        )
    if len(names) > MOST:
        parts.append(f"{len(names) - MOST} more comparisons are below")
    return parts


def _identified(found: Sequence[ItemFinding]) -> list[str]:
    names = list(dict.fromkeys((one.name, one.kind) for one in found))
    parts = []
    for name, kind in names[:MOST]:
        own = [one for one in found if (one.name, one.kind) == (name, kind)]
        right = np.median([float(one.best["value"]) for one in own])
        items = int(own[0].best["items"])
        text = (
            f"identification {name} sets {items} {kind} items apart from {right:.0%} of wrong "
            f"candidates {_where(own)}"
        )
        if not all(one.reliable for one in own):
            text += ", though imagined patterns do not repeat over runs"
        parts.append(text)
    if len(names) > MOST:
        parts.append(f"{len(names) - MOST} more identifications are below")
    return parts


def _alike(found: Sequence[ItemFinding]) -> list[str]:
    names = list(dict.fromkeys(one.name for one in found))
    parts = []
    for name in names[:MOST]:
        own = of_all([one for one in found if one.name == name])
        value = np.median([float(one.best["value"]) for one in own])
        parts.append(
            f"similarity {name}: distances between {int(own[0].best['items'])} items in features "
            f"and in the brain agree by {value:.2f} {_where(own)}"
        )
    if len(names) > MOST:
        parts.append(f"{len(names) - MOST} more similarity analyses are below")
    return parts


def _where(own: Sequence[ItemFinding]) -> str:
    """Layer and region of the largest value, chance there and p; of several subjects, how many."""
    chance = np.nanmedian([float(one.best["chance"]) for one in own])
    beside = f"chance {round(chance, 2) + 0:.2f}" if np.isfinite(chance) else "chance not known"
    ps = [float(one.best["p"]) for one in own]
    if len(own) > 1:
        passed = sum(p <= LEVEL for p in ps)
        many = f"corrected p at most {LEVEL:g} in {passed} of {len(own)} subjects"
        return f"at best, as a median over subjects ({beside}; {many})"
    best = own[0].best
    p = f"corrected p {ps[0]:.2g}" if np.isfinite(ps[0]) else "no p value"
    return f"at best ({best['layer']}, {best['region']}; {beside}; {p})"
