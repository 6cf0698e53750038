"""Decoders: confusion, areas under the curve, accuracy against the null."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tristream.report import report_figures as figures
from tristream.report.elements import Block, Heading, Section, Table, count, facts
from tristream.report.sections.stimuli import cautions_of
from tristream.report.study_results import Results
from tristream.store import open_h5, read_strings


def names(results: Results, dataset: str) -> list[str]:
    """Decoders of a dataset."""
    decoders = results.resolved.study.decoders
    return [name for name, block in decoders.items() if dataset in block.datasets]


def section(results: Results, dataset: str, subject: str) -> Section:
    """Every decoder of the dataset."""
    blocks: list[Block] = [*cautions_of(results, dataset)]
    for name in names(results, dataset):
        path = results.path("decoding", dataset=dataset, decoder=name, subject=subject)
        blocks.append(Heading(f"Decoder {name}"))
        gone = results.missing(f"Decoder {name}", path)
        blocks += gone or _decoder(results, dataset, subject, name, path)
    return Section("decoding", "Decoding", blocks)


def _decoder(results: Results, dataset: str, subject: str, name: str, path: Path) -> list[Block]:
    with open_h5(path, "decoding") as (file, said):
        notes = results.read(path, said)
        classes = read_strings(file, "classes")
        content = {
            k: file[k][()] for k in ("confusion", "auc", "accuracy_run", "null") if k in file
        }
        attrs = dict(file.attrs)
        runs = list(dict.fromkeys(read_strings(file, "run")))
    where, simulated = f"{dataset}/sub-{subject}", said.simulated
    null = content.get("null", np.empty(0))
    blocks: list[Block] = [_facts(results, name, attrs, null)]
    who = f"{name}, sub-{subject}"
    matrix = content["confusion"].astype(float)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    drawing = figures.heatmap(
        share, classes, classes, ("true class", "predicted class", "share of the row"), (0, 1)
    )
    table = pd.DataFrame(content["confusion"], columns=classes)
    table.insert(0, "true", classes)
    caption = (
        "Each row: what was predicted for samples of one class, as a share of its samples, over "
        "all held-out runs. The diagonal is right."
    )
    title = f"Confusion matrix, {who}"
    file_name = f"{where}/confusion_{name}"
    blocks.append(results.figure(drawing, file_name, title, caption, table, simulated))
    if len(null):
        blocks.append(_null(results, where, name, who, attrs, null, simulated))
    blocks += _areas(results, where, name, who, classes, content["auc"], simulated)
    if "accuracy_run" in content and len(runs) == len(content["accuracy_run"]):
        rows = tuple(zip(runs, (float(a) for a in content["accuracy_run"]), strict=True))
        blocks.append(
            Table("Accuracy in each held-out run.", ("run", "accuracy"), rows, folded=True)
        )
    return [*blocks, *notes]


def _facts(results: Results, name: str, attrs: dict[str, Any], null: np.ndarray) -> Block:
    block = results.resolved.study.decoders[name]
    kind = {"ridge": "ridge classifier", "svm": "linear SVM"}[block.kind]
    theory = attrs.get("chance_theory", attrs["chance"])
    measured = f"{null.mean():.3f} (mean of the permutation null)" if len(null) else None
    return facts(
        {
            "Classifier": f"{kind}, regularisation {block.regularization:g}, on {block.samples}",
            "Scaling": f"each sample z-scored with its {block.standardize}'s mean and variance"
            if block.standardize == "run"
            else "z-scored with mean and variance of the training runs",
            "Accuracy": f"{float(attrs['accuracy']):.3f}",
            "Chance, always naming the commonest class": f"{float(theory):.3f}",
            "Chance, measured": measured,
            "p": float(attrs["p"]) if "p" in attrs else None,
            "Permutations": attrs.get("n_permutations"),
            "Distinct permutations": count(attrs.get("n_distinct")),
        }
    )


def _null(
    results: Results,
    where: str,
    name: str,
    who: str,
    attrs: dict[str, Any],
    null: np.ndarray,
    simulated: bool,
) -> Block:
    marks = {"observed": float(attrs["accuracy"])}
    drawing = figures.histogram(
        {"labels permuted": null}, "accuracy", "permutations", marks=marks, bins=50
    )
    caption = (
        "Accuracy of the same decoder, fitted again after whole exchangeable units were permuted "
        "within runs, and the accuracy with the true labels (red)."
    )
    table = pd.DataFrame({"accuracy": null.round(6)})
    title = f"Accuracy against its null, {who}"
    return results.figure(drawing, f"{where}/null_{name}", title, caption, table, simulated)


def _areas(
    results: Results,
    where: str,
    name: str,
    who: str,
    classes: list[str],
    auc: np.ndarray,
    simulated: bool,
) -> list[Block]:
    drawing = figures.bars(classes, {"AUC": auc}, "area under the ROC curve", line=("chance", 0.5))
    caption = (
        "How well the decision value of a class ranks its samples before those of all others: 1 "
        "always, 0.5 (red) by chance."
    )
    table = pd.DataFrame({"class": classes, "auc": np.round(auc, 5)})
    title = f"Area under the curve by class, {who}"
    return [results.figure(drawing, f"{where}/auc_{name}", title, caption, table, simulated)]
