"""Decoders: confusion, areas under the curve, accuracy against the null."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.decode.decoding_file import Decoding, Voices, read_decoding
from tristream.report import report_figures as figures
from tristream.report.elements import Block, Heading, Section, Table, Text, count, facts
from tristream.report.references import resolve
from tristream.report.sections.stimuli import cautions_of
from tristream.report.study_results import Results
from tristream.store import Provenance

COLUMNS = ("accuracy", "chance", "balanced accuracy", "p", "p of all")


def names(results: Results, dataset: str) -> list[str]:
    """Decoders of a dataset."""
    decoders = results.resolved.study.decoders
    return [name for name, block in decoders.items() if dataset in block.datasets]


def section(results: Results, dataset: str, subject: str) -> Section:
    """Every decoder of the dataset."""
    blocks: list[Block] = [*cautions_of(results, dataset), *_family(results, dataset, subject)]
    for name in names(results, dataset):
        path = results.path("decoding", dataset=dataset, decoder=name, subject=subject)
        blocks.append(Heading(f"Decoder {name}"))
        gone = results.missing(f"Decoder {name}", path)
        blocks += gone or blocks_of(results, f"{dataset}/sub-{subject}", f"sub-{subject}", path)
    return Section("decoding", "Decoding", blocks)


def _family(results: Results, dataset: str, subject: str) -> list[Block]:
    """How many tests were made of the subject's labels, and what that makes of their p values."""
    found = {}
    for name in names(results, dataset):
        path = results.path("decoding", dataset=dataset, decoder=name, subject=subject)
        if path.is_file() and (p := read_decoding(path)[0].p) is not None:
            found[name] = p
    if len(found) < 2:
        return [Text("One decoder of this subject was tested: its p is of one test.")] * len(found)
    corrected = holm(np.array(list(found.values())))
    rows = tuple((name, found[name], float(p)) for name, p in zip(found, corrected, strict=True))
    caption = (
        f"{len(found)} decoders of this subject were tested. The family-wise p is corrected for "
        "all of them (Holm 1979), whatever they share. Other subjects, and decoders that were "
        "tried and taken out of the study, are not counted."
    )
    return [Table(caption, ("decoder", "p", "family-wise p"), rows)]


def holm(p: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Family-wise p values (Holm 1979, Scand J Stat 6:65), in the order of those given."""
    order = np.argsort(p)
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    out = np.empty(len(p))
    out[order] = np.minimum(raised, 1)
    return out


def blocks_of(results: Results, where: str, whose: str, path: Path) -> list[Block]:
    """All that a file of kind `decoding` holds.

    Parameters
    ----------
    results : Results
    where : str
        Folder of the figures.
    whose : str
        Of which subjects it is, in words.
    path : Path
    """
    found, provenance = read_decoding(path)
    notes, simulated, name = results.read(path, provenance), provenance.simulated, found.decoder
    blocks: list[Block] = [_facts(found, provenance), *_voices(found)]
    who = f"{name}, {whose}"
    share = found.confusion / np.maximum(found.confusion.sum(axis=1, keepdims=True), 1)
    classes = found.classes
    labels = ("true class", "predicted class", "share of the row")
    # Of 50 classes nearly all cells are zero.
    text = np.where(found.confusion > 0, np.vectorize("{:.2f}".format)(share), "")
    drawing = figures.heatmap(share, classes, classes, labels, (0, 1), text)
    table = pd.DataFrame(found.confusion, columns=classes)
    table.insert(0, "true", classes)
    caption = (
        "Each row: what was predicted for samples of one class, as a share of its samples, over "
        "all held-out runs; in empty cells, of none. The diagonal is right."
    )
    title = f"Confusion matrix, {who}"
    file_name = f"{where}/confusion_{name}"
    blocks.append(results.figure(drawing, file_name, title, caption, table, simulated))
    if len(found.null):
        blocks.append(_null(results, where, who, found, simulated))
    blocks += _areas(results, where, who, found, simulated)
    blocks += [_recalls(found), _top(found)]
    blocks += _patterns(results, where, who, found, simulated)
    rows = tuple(zip(found.runs, map(float, found.accuracy_run), strict=True))
    blocks.append(Table("Accuracy in each held-out run.", ("run", "accuracy"), rows, folded=True))
    return [*blocks, *notes]


def _facts(found: Decoding, provenance: Provenance) -> Block:
    """What the file says of the classifier, its accuracy and its null."""
    tested = len(found.null) > 0
    balanced = f"{found.balanced:.3f}"
    if np.isfinite(found.balanced_low):
        balanced += (
            f" (95 % interval {found.balanced_low:.3f} to {found.balanced_high:.3f}, from "
            f"{found.n_units:,} units)"
        )
    return facts(
        {
            "How": resolve(" ".join(provenance.methods)),
            "Accuracy": f"{found.accuracy:.3f}",
            "Chance, always naming the commonest class": f"{found.chance_theory:.3f}",
            "Chance, measured": f"{found.chance:.3f} (mean of the permutation null)"
            if tested
            else None,
            "Balanced accuracy": balanced,
            "Chance of balanced accuracy, measured": f"{found.balanced_chance:.3f}"
            if tested
            else None,
            "p": found.p,
            "Permutations": len(found.null) or None,
            "Distinct permutations": count(10.0 ** min(found.log10_distinct, 300)),
        }
    )


def _voices(found: Decoding) -> list[Block]:
    """The classifiers of an ensemble beside what they decide together."""
    voices = found.voices
    if len(voices.names) < 2:
        return []
    caption = (
        "Each classifier of the ensemble, and what they decide together, on the same held-out "
        "samples; chance is the mean under permuted labels. The last p is corrected for all rows, "
        "by the largest accuracy under each permutation."
    )
    rows = tuple(zip(voices.names, *columns_of(voices), strict=True))
    return [Table(caption, ("classifier", *COLUMNS), rows)]


def columns_of(voices: Voices) -> Iterator[list[object]]:
    """Columns of a table of classifiers or subjects, named by `COLUMNS`."""
    yield [float(value) for value in voices.accuracy]
    yield [float(value) for value in voices.chance]
    intervals = zip(voices.balanced, voices.balanced_low, voices.balanced_high, strict=True)
    yield [
        f"{value:.3f} ({low:.3f} to {high:.3f})" if np.isfinite(low) else f"{value:.3f}"
        for value, low, high in intervals
    ]
    for p in (voices.p, voices.p_any):
        yield [float(value) if np.isfinite(value) else None for value in p]


def _top(found: Decoding) -> Block:
    """How near the right class is to the first place."""
    rows = tuple(
        (k + 1, float(share), float(chance))
        for k, (share, chance) in enumerate(zip(found.top, found.top_chance, strict=True))
    )
    caption = (
        "Share of held-out samples whose class is among the k with the largest decision values; "
        "chance is the mean under permuted labels, without these k of the number of classes."
    )
    return Table(caption, ("k", "share", "chance"), rows, folded=True)


def _patterns(
    results: Results, where: str, who: str, found: Decoding, simulated: bool
) -> list[Block]:
    """How alike the classes' patterns are."""
    if len(found.patterns) < 3:  # of two classes, one is the other's negative
        return []
    alike = np.corrcoef(found.patterns - found.patterns.mean(0))
    classes = found.classes
    labels = ("class", "class", "correlation")
    drawing = figures.heatmap(alike, classes, classes, labels, (-1, 1))
    caption = (
        "Correlation over voxels of the patterns of two classes, each without the mean of all. A "
        "pattern says how a class shows in the voxels, where weights say how it is read out of "
        f"them. The patterns of {found.patterns.shape[1]:,} voxels are in the decoding file."
    )
    table = pd.DataFrame(alike.round(4), columns=classes)
    table.insert(0, "class", classes)
    title = f"Patterns of the classes, {who}"
    name = f"{where}/patterns_{found.decoder}"
    return [results.figure(drawing, name, title, caption, table, simulated)]


def _recalls(found: Decoding) -> Block:
    """Each class for itself."""
    samples = found.confusion.sum(axis=1)
    rows = tuple(
        (name, float(recall) if shown else None, int(shown))
        for name, recall, shown in zip(found.classes, found.recall, samples, strict=True)
    )
    caption = (
        "Recall of each class: the share of its held-out samples that were named right. Balanced "
        "accuracy is their mean."
    )
    return Table(caption, ("class", "recall", "samples"), rows, folded=True)


def _null(results: Results, where: str, who: str, found: Decoding, simulated: bool) -> Block:
    drawing = figures.histogram(
        {"labels permuted": found.null},
        "accuracy",
        "permutations",
        marks={"observed": found.accuracy},
        bins=50,
    )
    caption = (
        f"Accuracy of the same decoder, fitted again each time after labels were permuted "
        f"({found.permuted}), and the accuracy with the true labels (red): "
        f"{(found.null >= found.accuracy - 1e-12).sum():,} of {len(found.null):,} reach it."
    )
    table = pd.DataFrame({"accuracy": found.null.round(6)})
    title = f"Accuracy against its null, {who}"
    return results.figure(
        drawing, f"{where}/null_{found.decoder}", title, caption, table, simulated
    )


def _areas(results: Results, where: str, who: str, found: Decoding, simulated: bool) -> list[Block]:
    drawing = figures.bars(
        found.classes, {"AUC": found.auc}, "area under the ROC curve", line=("chance", 0.5)
    )
    caption = (
        "How well the decision value of a class ranks its samples before those of all others: 1 "
        "always, 0.5 (red) by chance."
    )
    table = pd.DataFrame({"class": found.classes, "auc": np.round(found.auc, 5)})
    title = f"Area under the curve by class, {who}"
    name = f"{where}/auc_{found.decoder}"
    return [results.figure(drawing, name, title, caption, table, simulated)]
