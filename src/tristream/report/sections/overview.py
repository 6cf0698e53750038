"""Models, decoders and groups of the whole study, each as one figure or one table."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import quantile_test

from tristream.report import report_figures as figures
from tristream.report.elements import Block, Link, Table
from tristream.report.findings import (
    LEVEL,
    DecoderFinding,
    Estimate,
    Findings,
    ModelFinding,
)
from tristream.report.report_figures import Dot, Middle
from tristream.report.study_results import Results

FEW = 8


def models(results: Results, findings: Findings) -> list[Block]:
    """Every model: significant voxels, test r, r over its ceiling; subjects and their median."""
    groups = list(dict.fromkeys((one.dataset, one.model) for one in findings.models))
    if not groups:
        return []
    found = {key: findings.of_model(*key) for key in groups}
    panels = {
        "share of voxels significant": {k: [Dot(one.share) for one in v] for k, v in found.items()},
        "mean test r": {k: [_dot(one.r) for one in v] for k, v in found.items()},
        "r over its noise ceiling": {
            k: [_dot(one.over_ceiling) for one in v] for k, v in found.items()
        },
    }
    kept = {
        label: [(rows[key], middle([one.value for one in rows[key]])) for key in groups]
        for label, rows in panels.items()
        if any(np.isfinite(one.value) for dots in rows.values() for one in dots)
    }
    names = _named(groups)
    table = pd.DataFrame([_numbers(one) for ones in found.values() for one in ones])
    caption = (
        "Circles: subjects, with 95 % intervals for other stimuli of the kind; diamond: their "
        "median, with its 95 % interval over subjects from six subjects on. r over its ceiling is "
        "pooled over all voxels, none left out for its score. Controls are shown beside the "
        "models they are for."
    )
    simulated = any(one.simulated for one in findings.models)
    figure = results.figure(
        figures.dots(names, kept),
        "models",
        "Encoding models",
        caption,
        table,
        simulated,
        wide=True,
    )
    return [figure, _medians(found), _of_subjects(figure.tsv, findings.models)]


def _named(keys: Sequence[tuple[str, str]]) -> list[str]:
    """Without the dataset where there is one alone."""
    several = len({dataset for dataset, _ in keys}) > 1
    return [f"{dataset}: {name}" if several else name for dataset, name in keys]


def _dot(found: Estimate | None) -> Dot:
    return Dot(np.nan) if found is None else Dot(found.value, found.low, found.high)


def middle(values: Sequence[float]) -> Middle:
    """Median of the known values, with the interval that their order gives (binomial test)."""
    known = np.array([value for value in values if np.isfinite(value)])
    if len(known) == 0:
        return Middle()
    ends = quantile_test(known, p=0.5).confidence_interval(0.95) if len(known) > 1 else None
    low, high = (float(ends.low), float(ends.high)) if ends is not None else (np.nan, np.nan)
    return Middle(float(np.median(known)), low, high)


def _numbers(one: ModelFinding) -> dict[str, object]:
    over = one.over_ceiling or Estimate(np.nan)
    return {
        "dataset": one.dataset,
        "model": one.model,
        "subject": one.subject,
        "voxels": one.voxels,
        "significant": np.nan if one.significant is None else one.significant,
        "mean_r": one.r.value,
        "r_low": one.r.low,
        "r_high": one.r.high,
        "over_ceiling": over.value,
        "over_ceiling_low": over.low,
        "over_ceiling_high": over.high,
    }


def _medians(found: dict[tuple[str, str], list[ModelFinding]]) -> Table:
    columns = (
        *("dataset", "model", "subjects", "significant voxels", "mean r", "r over ceiling"),
        "corrected",
    )
    rows = []
    for (dataset, model), ones in found.items():
        over = [one.over_ceiling.value if one.over_ceiling else np.nan for one in ones]
        rows.append(
            (
                Link(dataset, f"{dataset}.html"),
                model,
                len(ones),
                _range([one.significant for one in ones if one.significant is not None]),
                _bracketed(middle([one.r.value for one in ones]), ones[0].r),
                _bracketed(middle(over), ones[0].over_ceiling),
                next((one.corrected for one in ones if one.corrected), None)
                or next((f"no p values: {one.why}" for one in ones if one.why), None),
            )
        )
    caption = (
        "Medians over subjects; of significant voxels with the range, of the others in brackets "
        "the 95 % interval: of the median from six subjects on, of one subject for other stimuli."
    )
    return Table(caption, columns, tuple(rows))


def _range(counts: Sequence[int]) -> str | None:
    if not counts:
        return None
    if len(counts) == 1:
        return f"{counts[0]:,}"
    return f"{np.median(counts):,.0f} ({min(counts):,} to {max(counts):,})"


def _bracketed(over: Middle, only: Estimate | None) -> str | None:
    if np.isnan(over.value):
        return None
    if np.isnan(over.low) and only is not None and over.value == only.value:
        return f"{only}"
    return f"{Estimate(over.value, over.low, over.high)}"


def _of_subjects(tsv: str, found: Sequence[ModelFinding]) -> Table:
    columns = (
        *("model", "subject", "voxels", "significant voxels", "regions", "mean r"),
        *("99th percentile of r", "r over ceiling"),
    )
    rows = tuple(
        (
            one.model,
            page_of(one.dataset, one.subject),
            one.voxels,
            one.significant,
            None if one.regions is None else one.regions[0],
            one.r.value,
            one.top,
            None if one.over_ceiling is None else one.over_ceiling.value,
        )
        for one in found
    )
    caption = "Every subject. Regions: of the atlas, with a significant voxel."
    return Table(caption, columns, rows, tsv, folded=len(rows) > FEW)


def page_of(dataset: str, subject: str) -> Link:
    """A subject's page."""
    return Link(f"{dataset} sub-{subject}", f"{dataset}_sub-{subject}.html")


def decoders(results: Results, findings: Findings) -> list[Block]:
    """Every decoder against chance, as one figure."""
    keys = list(dict.fromkeys((one.dataset, one.decoder) for one in findings.decoders))
    if not keys:
        return []
    found = {
        key: [one for one in findings.decoders if (one.dataset, one.decoder) == key] for key in keys
    }
    rows = [
        (
            [Dot(one.accuracy, filled=one.p is not None and one.p <= LEVEL) for one in ones],
            _against_chance(ones),
        )
        for ones in found.values()
    ]
    drawing = figures.dots(_named(keys), {"share of held-out samples named right": rows}, (0, 1))
    table = pd.DataFrame([vars(one) for ones in found.values() for one in ones])
    table["null_low"], table["null_high"] = (
        [np.nan if null is None else null[end] for null in table["null"]] for end in (0, 1)
    )
    caption = (
        f"Circles: subjects, filled where p is at most {LEVEL:g}, not corrected for their number; "
        "diamond: their median, with its 95 % interval from six subjects on. Red: chance, as a "
        "mean over permutations and subjects; grey: where 95 % of the permutations of a subject "
        "lie, as a median over subjects."
    )
    simulated = any(results.simulated(dataset) for dataset, _ in keys)
    figure = results.figure(
        drawing,
        "decoders",
        "Decoders against chance",
        caption,
        table.drop(columns="null"),
        simulated,
    )
    return [figure, _of_decoders(figure.tsv, [one for ones in found.values() for one in ones])]


def _against_chance(ones: Sequence[DecoderFinding]) -> Middle:
    over = middle([one.accuracy for one in ones])
    nulls = [one.null for one in ones if one.null is not None]
    low, high = np.median(nulls, axis=0) if nulls else (np.nan, np.nan)
    chance = float(np.mean([one.chance for one in ones]))
    null = (float(low), float(high)) if nulls else None
    return Middle(over.value, over.low, over.high, chance, null)


def _of_decoders(tsv: str, found: Sequence[DecoderFinding]) -> Table:
    columns = ("decoder", "subject", "classes", "accuracy", "chance", "p")
    rows = tuple(
        (
            one.decoder,
            page_of(one.dataset, one.subject),
            one.classes,
            one.accuracy,
            one.chance,
            one.p,
        )
        for one in found
    )
    return Table("Every decoder and subject.", columns, rows, tsv, folded=len(rows) > FEW)


def group(findings: Findings) -> list[Block]:
    """All subjects together, model by model."""
    if not findings.groups:
        return []
    columns = (
        *("dataset", "model", "subjects", "with an effect", "prevalence", "voxels of all"),
        *("significant, other stimuli", "significant, other people", "regions, other stimuli"),
    )
    rows = tuple(
        (
            Link(one.dataset, f"{one.dataset}.html"),
            one.model,
            one.subjects,
            one.with_effect,
            one.prevalence or None,
            one.voxels or None,
            one.stimuli,
            one.people,
            None if one.regions is None else f"{one.regions[0]} of {one.regions[1]}",
        )
        for one in findings.groups
    )
    caption = (
        "Two questions. Other stimuli: would the mean over these subjects hold for other stimuli? "
        "Other people: would other people show it, given these stimuli (asked from 8 subjects "
        "on)? With an effect: subjects whose best voxel is significant, corrected for all voxels; "
        "prevalence: the share of the population that would show it, given that count. Regions: "
        f"family-wise p at most {LEVEL:g}."
    )
    return [Table(caption, columns, rows)]
