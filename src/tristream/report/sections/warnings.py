"""What a reader must know before believing a result, in words, from the files that say it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tristream.align.lagscan import read_lagscan
from tristream.bold.check_subject import read_checked
from tristream.bold.copied_images import copies_between
from tristream.config.layouts import RawLayout
from tristream.phrases import counted, listed
from tristream.report.elements import Block, Caution, Link, Text
from tristream.report.findings import Findings
from tristream.report.sections.alignment import best_layers, missed_peaks
from tristream.report.sections.stimuli import cautions_of
from tristream.report.sections.summary import count_checks
from tristream.report.study_results import Results
from tristream.report.thresholds import Check
from tristream.stimuli.tables import read_inventory, read_leakage

DONE = {"warn": "kept", "drop": "left out of the test"}
# What is counted, and the words for one and for several.
RESEMBLE = {
    "picture": ("test clip", "looks like a training clip", "look like training clips"),
    "sound": ("test clip", "sounds like a training clip", "sound like training clips"),
    "overlap": ("test clip", "is shown in training, too", "are shown in training, too"),
    "gap": ("test clip", "lies close to a training clip", "lie close to training clips"),
    "order": ("test run", "has the order of a training run", "have the order of training runs"),
    "known": (
        "test clip",
        "is known to be in the training set",
        "are known to be in the training set",
    ),
}
OTHER = ("test clip", "resembles a training clip", "resemble training clips")
FEW = 5


def study(results: Results, findings: Findings, checks: Sequence[Check]) -> list[Block]:
    """All warnings, dataset by dataset; nothing where there are none."""
    blocks: list[Block] = []
    for dataset in results.resolved.datasets:
        page = f"{dataset}.html"
        for text, anchor in _of_dataset(results, findings, dataset):
            more = Link("more", f"{page}{anchor}")
            blocks.append(Caution(f"{dataset}: {text}", more))
    if any(check.met is False for check in checks):
        blocks.append(Caution(count_checks(checks), Link("thresholds", "technical.html#checks")))
    if not blocks:
        text = "None: audits of stimuli, labels and delays flagged nothing; no test was refused."
        found = findings.models or findings.decoders or findings.contrasts
        return [Text(text)] if found else []
    return blocks


def _of_dataset(results: Results, findings: Findings, dataset: str) -> Iterator[tuple[str, str]]:
    """Texts, and the part of the dataset's page that says more."""
    path = results.path("leakage", dataset=dataset)
    if path.is_file():
        for text in resembling(read_leakage(path).table):
            yield text, "#stimuli"
    for block in cautions_of(results, dataset):
        if isinstance(block, Caution):
            yield block.text, "#stimuli"
    path = results.path("inventory", dataset=dataset)
    if path.is_file() and (counts := read_inventory(path).counts):
        for doubt in counts.doubts:
            yield f"{doubt}.", "#stimuli"
    checked = [read_checked(path) for _, path in results.existing("checked", dataset=dataset)]
    doubts = [doubt for one in checked for doubt in one.doubts]
    for doubt in doubts + copies_between({one.subject: one.prints for one in checked}):
        yield f"{doubt}.", "#data"
    missed: dict[str, list[str]] = {}
    for one, scan in results.existing("lagscan", dataset=dataset):
        for text in _missed(results, dataset, scan):
            missed.setdefault(text, []).append(f"sub-{one['subject']}")
    for text, whose in missed.items():
        yield f"{some(whose)}: {text}", ""
    without: dict[str, list[str]] = {}
    for found in findings.models:
        if found.dataset == dataset and found.why:
            name = f"{found.model} of sub-{found.subject}"
            without.setdefault(found.why, []).append(name)
    for why, whose in without.items():
        yield f"no p values for {some(whose)}: {why}.", "#subjects"
    if isinstance(results.resolved.datasets[dataset].layout, RawLayout):
        yield "its BOLD was prepared by tristream itself, without fMRIPrep.", "#data"


def some(names: Sequence[str]) -> str:
    """``a, b and c``, or the first of many and how many more."""
    if len(names) <= FEW:
        return listed(names)
    return f"{', '.join(names[: FEW - 1])} and {len(names) - FEW + 1} more"


def _missed(results: Results, dataset: str, path: Path) -> list[str]:
    scan = read_lagscan(path)
    layers = zip(scan.layers, scan.r, strict=True)
    rows = {layer: row for layer, row in layers if np.isfinite(row).any()}
    at = dict(zip(scan.layers, map(float, scan.peak), strict=True))
    return missed_peaks(results, dataset, best_layers(rows), at)


def resembling(table: pd.DataFrame) -> list[str]:
    """How many parts of the test resemble the training set, by kind, and what was done."""
    found = []
    for (check, action), rows in table.groupby(["check", "action"], sort=False):
        number = len(rows.drop_duplicates(["timeline", "test", "test_start"]))
        noun, one, many = RESEMBLE.get(str(check), OTHER)
        words, they = (one, "it was") if number == 1 else (many, "they were")
        done = DONE.get(str(action), str(action))
        found.append(f"{counted(number, noun)} {words}; {they} {done}.")
    return found
