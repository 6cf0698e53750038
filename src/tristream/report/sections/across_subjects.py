"""Decoders across subjects: each subject by what was fitted to the others."""

from pathlib import Path

import pandas as pd

from tristream.decode.decoding_file import VOICES, Decoding, LeftOut, read_decoding
from tristream.report import report_figures as figures
from tristream.report.elements import Block, Heading, Link, Section, Table, Text
from tristream.report.findings import LEVEL, most_of
from tristream.report.report_figures import Dot, Middle
from tristream.report.sections import decoding
from tristream.report.study_results import Results

WHAT = (
    "Each subject was decoded by what was fitted to the others, who lent no showing of what was "
    "tested. The test asks whether other stimuli would do the same in these subjects: labels moved "
    "alike in all. Fits share training data, so that subjects are not a sample of people."
)


def names(results: Results, dataset: str) -> list[str]:
    """Decoders of a dataset that are fitted across subjects, too."""
    decoders = results.resolved.study.decoders
    return [name for name in decoding.names(results, dataset) if decoders[name].across_subjects]


def section(results: Results, dataset: str) -> Section:
    """Every such decoder: left-out subjects side by side, then all of them together."""
    blocks: list[Block] = [Text(WHAT)]
    for name in names(results, dataset):
        path = results.path("across_subjects", dataset=dataset, decoder=name)
        blocks.append(Heading(f"Decoder {name} across subjects"))
        gone = results.missing(f"Decoder {name} across subjects", path)
        blocks += gone or _decoder(results, dataset, path)
    return Section("across-subjects", "Decoding across subjects", blocks)


def _decoder(results: Results, dataset: str, path: Path) -> list[Block]:
    found, provenance = read_decoding(path)
    where = f"{dataset}/across_subjects"
    blocks = decoding.blocks_of(results, where, "across subjects", path)
    if found.subjects is None:
        return blocks
    return [*_each(results, where, dataset, found, found.subjects, provenance.simulated), *blocks]


def _each(
    results: Results,
    where: str,
    dataset: str,
    found: Decoding,
    each: LeftOut,
    simulated: bool,
) -> list[Block]:
    """Accuracy and balanced accuracy in each left-out subject."""
    known = found.p is not None
    dots = zip(each.balanced, each.balanced_low, each.balanced_high, each.p, strict=True)
    balanced = [
        (
            [Dot(value, low, high, filled=bool(known and p <= LEVEL))],
            Middle(chance=found.balanced_chance),
        )
        for value, low, high, p in dots
    ]
    accuracy = [
        (
            [Dot(value, filled=bool(known and p <= LEVEL))],
            Middle(chance=chance, null=most_of(null)),
        )
        for value, p, chance, null in zip(
            each.accuracy, each.p, each.chance, each.null.T, strict=True
        )
    ]
    panels = {"share named right": accuracy, "balanced accuracy": balanced}
    drawing = figures.dots([f"sub-{name}" for name in each.names], panels, (0, 1))
    caption = (
        "Each subject by what was fitted to the others, filled where p is at most "
        f"{LEVEL:g}, not corrected for their number; lines: 95 % interval of balanced accuracy for "
        "other stimuli. Red: chance, the mean under permuted labels; grey: where 95 % of the "
        "permutations lie."
    )
    table = pd.DataFrame({"subject": each.names, **{k: getattr(each, k) for k in VOICES}})
    title = f"Left-out subjects, {found.decoder}"
    figure = results.figure(
        drawing, f"{where}/subjects_{found.decoder}", title, caption, table, simulated
    )
    links = [Link(f"sub-{name}", f"{dataset}_sub-{name}.html") for name in each.names]
    rows = tuple(zip(links, *decoding.columns_of(each), strict=True))
    words = (
        "Each left-out subject. The last p is corrected for all of them, by the largest accuracy "
        "under each permutation."
    )
    return [figure, Table(words, ("subject", *decoding.COLUMNS), rows)]
