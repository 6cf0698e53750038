"""All subjects of a dataset side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tristream.inference.group_file import GroupLevel, GroupTest, read_group
from tristream.inference.recovery_file import read_recovery
from tristream.report.elements import Block, Heading, Link, Section, Table
from tristream.report.findings import DecoderFinding, Findings, ModelFinding
from tristream.report.sections.intersubject import others
from tristream.report.sections.maps import figures_at, files_at
from tristream.report.study_results import Results

LEVEL = 0.05
# Group files beside those of models, and what they are called.
OTHERS = {
    "group_comparison": "{first} less {second}",
    "group_partition": "unique variance of {band} in {model}",
    "group_decoding": "decoder {decoder}",
    "group_contrast": "contrast {contrast}",
}
STIMULI = (
    "Other stimuli, these subjects. The same rearrangement of exchange units went through all "
    "subjects, so that what they share stays shared; it asks whether the mean over subjects would "
    "hold for other stimuli, and says nothing of other people."
)
PEOPLE = (
    "Other people, these stimuli. Subjects are counted and, from 8 on, their signs flipped; this "
    "asks whether other people would show the effect given these stimuli. A response to the "
    "stimuli that people share passes this test, whether the features are its reason or not."
)


def section(results: Results, dataset: str, findings: Findings) -> Section:
    """Scores by subject; what all subjects show; for simulated data, what was recovered."""
    blocks: list[Block] = []
    mine = [one for one in findings.models if one.dataset == dataset]
    read = [one for one in findings.decoders if one.dataset == dataset]
    for table in (_encoding(mine), _decoding(read)):
        if table.rows:
            blocks.append(table)
    for name in results.models(dataset):
        for subject in results.resolved.subjects[dataset]:
            path = results.path("encoding", dataset=dataset, model=name, subject=subject)
            results.missing(f"Encoding model {name}", path)
    blocks += others(results, dataset)
    blocks += _group(results, dataset)
    return Section("subjects", "Subjects", blocks + _recovery(results, dataset))


def _page(dataset: str, subject: str) -> Link:
    return Link(f"sub-{subject}", f"{dataset}_sub-{subject}.html")


def _encoding(found: Sequence[ModelFinding]) -> Table:
    rows = [
        (
            one.model,
            _page(one.dataset, one.subject),
            one.voxels,
            one.r.value,
            one.top,
            one.over_ceiling and one.over_ceiling.value,
            one.significant,
        )
        for one in found
    ]
    columns = (
        *("model", "subject", "voxels", "mean r", "99th percentile of r", "r over ceiling"),
        "significant voxels",
    )
    caption = "Encoding models. r: test correlation; a dash where no p values could be written."
    return Table(caption, columns, tuple(rows))


@dataclass(frozen=True)
class _Level:
    """A group file and the name of what it is of."""

    name: str
    group: GroupLevel


def _places(results: Results, dataset: str) -> Iterator[tuple[str, Path]]:
    """What has a group file: its name, and the file."""
    for name in results.models(dataset):
        yield f"model {name}", results.path("group", dataset=dataset, model=name)
    for place, words in OTHERS.items():
        for one in results.inputs:
            if one.place == place and one["dataset"] == dataset:
                yield words.format(**dict(one.wildcards)), one.path(results.layout)


def _group(results: Results, dataset: str) -> list[Block]:
    """Both questions, each in a table of its own, and regions."""
    levels: list[_Level] = []
    notes: list[Block] = []
    for name, path in _places(results, dataset):
        if gone := results.missing(f"Group level of {name}", path):
            notes += gone
            continue
        group, provenance = read_group(path)
        notes += results.read(path, provenance)
        levels.append(_Level(name, group))
    if not levels:
        return notes
    blocks: list[Block] = [Heading("Group level")]
    for key, made in (
        ("group", _people(levels)),
        ("group_stimuli", _stimuli(levels, results.resolved.study.inference.fdr)),
        ("group_regions", _regions(levels)),
    ):
        table = pd.DataFrame(list(made.rows), columns=list(made.columns))
        path = results.table(f"{dataset}/{key}", table, results.simulated(dataset))
        blocks.append(Table(made.caption, made.columns, made.rows, results.link(path), made.folded))
    for place, key in (("group_maps", "model"), ("group_contrast_maps", "contrast")):
        for one in results.inputs:
            if one.place == place and one["dataset"] == dataset:
                path, name = one.path(results.layout), f"all subjects, {key} {one[key]}"
                blocks += figures_at(results, path, name, ("mean", "sd"))
                blocks += files_at(results, path, name)
    # Models share their reasons.
    return [*blocks, *dict.fromkeys(notes)]


def _people(levels: list[_Level]) -> Table:
    first = levels[0].group
    columns = (
        "what",
        "subjects",
        "with an effect",
        "prevalence",
        f"{first.credible:.0%} interval",
        "voxels in all subjects",
        "voxels, q",
        "voxels, family-wise",
        "smallest attainable p",
    )
    caption = (
        f"{PEOPLE} With an effect: subjects whose best voxel is significant at {first.level:g}, "
        "corrected for all voxels, or whose decoder is. Prevalence: the share of the population "
        "that would show it, given that count (Bayesian, uniform prior; Ince et al. 2021). Voxels "
        f"in all subjects: p at most {first.level:g} in every subject, uncorrected."
    )
    rows = []
    for one in levels:
        share, voxels = one.group.prevalence, one.group.voxels
        everywhere = voxels.count if voxels else None
        number = len(one.group.subjects)
        rows.append(
            (
                one.name,
                number,
                one.group.count,
                None if share is None else float(share.map),
                None if share is None else f"{share.low:.2f} to {share.high:.2f}",
                None if everywhere is None else int((everywhere == number).sum()),
                *_found(voxels.means.people if voxels else None, first.level),
            )
        )
    return Table(caption, columns, tuple(rows))


def _stimuli(levels: list[_Level], fdr: float) -> Table:
    columns = (
        "what",
        "measure",
        "subjects",
        "mean over voxels",
        "SD over subjects",
        "rearrangements",
        "voxels, q",
        "voxels, family-wise",
        "smallest attainable p",
    )
    caption = (
        f"{STIMULI} Mean over voxels and its standard deviation (SD) over subjects, the latter on "
        f"the scale of the measure. Voxels: q at most {fdr:g}; family-wise p at most {LEVEL:g}."
    )
    rows = []
    for one in levels:
        voxels, regions = one.group.voxels, one.group.regions
        test = voxels.means.stimuli if voxels else None
        rows.append(
            (
                one.name,
                one.group.measure,
                len(one.group.subjects),
                None if regions is None else float(regions.means.mean[0]),
                None if regions is None else _number(regions.means.sd[0]),
                None if test is None else test.used,
                *_found(test, fdr),
            )
        )
    return Table(caption, columns, tuple(rows))


def _found(test: GroupTest | None, rate: float) -> tuple[object, ...]:
    """Voxels by rate, voxels family-wise, smallest p."""
    if test is None:
        return (None, None, None)
    return (int((test.q <= rate).sum()), int((test.p_fwe <= LEVEL).sum()), test.smallest)


def _regions(levels: list[_Level]) -> Table:
    columns = (
        "what",
        "region",
        "fewest voxels",
        "mean",
        "SD over subjects",
        "p, other stimuli",
        "family-wise",
        "p, other people",
        "family-wise p",
    )
    caption = (
        "Means over regions that all subjects have, tested over subjects; family-wise p is "
        "corrected for all regions. SD over subjects: on the scale of the measure."
    )
    rows: list[tuple[object, ...]] = []
    for one in levels:
        if (regions := one.group.regions) is None:
            continue
        means, fewest = regions.means, regions.voxels.min(0)
        for k, name in enumerate(regions.names):
            tests = [
                (None, None) if test is None else (float(test.p[k]), float(test.p_fwe[k]))
                for test in (means.stimuli, means.people)
            ]
            numbers = int(fewest[k]), float(means.mean[k]), _number(means.sd[k])
            rows.append((one.name, name, *numbers, *tests[0], *tests[1]))
    return Table(caption, columns, tuple(rows), folded=len(rows) > 12)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _decoding(found: Sequence[DecoderFinding]) -> Table:
    rows = [
        (one.decoder, _page(one.dataset, one.subject), one.accuracy, one.chance, one.p)
        for one in found
    ]
    columns = ("decoder", "subject", "accuracy", "chance", "p")
    return Table("Decoders.", columns, tuple(rows))


def _recovery(results: Results, dataset: str) -> list[Block]:
    if not results.simulated(dataset):
        return []
    what = "Recovery of the simulated truth"
    if not results.expects("recovery", dataset=dataset):
        why = f"{dataset}: was simulated elsewhere, as its files say, or has no encoding model"
        return [*results.leave_out(what, why)]
    path = results.path("recovery", dataset=dataset)
    if gone := results.missing(what, path):
        return [*gone]
    table, provenance = read_recovery(path)
    notes = results.read(path, provenance)
    caption = "What was simulated and what was found again; low and high: interval of the value."
    columns = tuple("threshold is" if c == "passed" else str(c) for c in table.columns)
    rows = tuple(tuple(_cell(v) for v in row) for row in table.itertuples(index=False))
    return [Table(caption, columns, rows, results.link(path)), *notes]


def _cell(value: object) -> object:
    words = {"True": "met", "False": "not met", "nan": None}
    return words.get(str(value), value)
