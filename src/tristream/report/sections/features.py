"""The feature spaces: sizes, how alike they are, how they run in time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.align.aligned import read_aligned, read_info
from tristream.features.core.feature_file import open_features
from tristream.maps.style import SIMULATED_DATA, STREAM_COLOURS
from tristream.report import report_figures as figures
from tristream.report.declared import model_layers
from tristream.report.elements import Block, Link, Section, Table
from tristream.report.similarity import Similarity, aligned_layers, scaled
from tristream.report.study_results import Results

FIRST_VOLUMES = 300


def section(results: Results, dataset: str, similarity: Similarity) -> Section:
    """Dimensions, similarity between spaces, and traces, for one dataset."""
    blocks: list[Block] = [*_table(results, dataset)]
    aligned: dict[str, list[Path]] = {}
    for (space, _), path in aligned_layers(results, dataset).items():
        aligned.setdefault(space, []).append(path)
    for one in results.inputs:
        if one.place == "aligned" and one["dataset"] == dataset:
            what = f"Aligned features {one['space']}/{one['layer']}"
            results.missing(what, one.path(results.layout))
    if aligned:
        blocks += _alike(results, dataset, similarity, aligned) if len(aligned) > 1 else []
        blocks += _traces(results, dataset, aligned)
    return Section("features", "Features", blocks)


def page_of(space: str) -> str:
    """File of a feature space's own page."""
    return f"space_{space}.html"


def index(results: Results, pages: dict[str, list[str]]) -> list[Block]:
    """Links to the pages of the feature spaces; `pages` maps a space to its datasets."""
    rows = tuple(
        (Link(name, page_of(name)), results.stream(name), _made(results, name), datasets)
        for name, datasets in pages.items()
    )
    caption = "What went into each feature space and what came out, on a page of its own."
    return [Table(caption, ("space", "stream", "made by", "datasets"), rows)] if rows else []


def _made(results: Results, name: str) -> str:
    study = results.resolved.study
    if name in study.fusion:
        return f"{study.fusion[name].method} of {', '.join(study.fusion[name].parents)}"
    return study.features[name].extractor


def _table(results: Results, dataset: str) -> list[Block]:
    rows, notes = [], []
    for space, layer in model_layers(results.targets, dataset):
        path = results.path("features", dataset=dataset, space=space, layer=layer)
        if gone := results.missing(f"Features {space}/{layer}", path):
            notes += gone
            continue
        with open_features(path) as file:
            notes += results.read(path, file.provenance)
            row = (layer, results.stream(space), file.width, file.about.extractor)
            rows.append((Link(space, page_of(space)), *row, _weights(file.about.weights)))
    columns = ("space", "layer", "stream", "dimensions", "extractor", "pretrained weights")
    caption = "Feature spaces of this dataset's encoding models, before delays."
    return [Table(caption, columns, tuple(rows)), *notes]


def _weights(files: Sequence[Mapping[str, Any]]) -> str:
    named = [w for w in files if w.get("sha256")]
    parts = [
        f"{w.get('file', '')} sha256 {w['sha256'][:12]}… {w.get('licence', '')}" for w in named
    ]
    return "; ".join(p.strip() for p in parts) or "none"


def _alike(
    results: Results, dataset: str, similarity: Similarity, aligned: dict[str, list[Path]]
) -> list[Block]:
    names, alike = similarity.of_spaces()
    drawing = figures.heatmap(
        alike, names, names, ("feature space", "feature space", "linear CKA"), (0, 1)
    )
    table = pd.DataFrame(alike.round(4), columns=names)
    table.insert(0, "space", names)
    caption = (
        "Correlation of the volume-by-volume kernels of two feature spaces (linear centred kernel "
        "alignment; all layers, each dimension z-scored). 1: the same geometry; 0: nothing in "
        "common. Spaces with a high value compete for the same variance in the encoder."
    )
    title = f"Similarity of feature spaces, {dataset}"
    simulated = _simulated(aligned)
    name, words = f"{dataset}/similarity", SIMULATED_DATA
    return [results.figure(drawing, name, title, caption, table, simulated, words=words)]


def _traces(results: Results, dataset: str, aligned: dict[str, list[Path]]) -> list[Block]:
    rows, colours, run, tr = {}, {}, "", 1.0
    for space, paths in aligned.items():
        parts = []
        for path in paths:
            tr, values = read_info(path).tr, read_aligned(path)
            run = run or next(iter(values))
            parts.append(values[run][:FIRST_VOLUMES])
        rows[space] = _first_component(scaled(np.concatenate(parts, axis=1)))
        colours[space] = STREAM_COLOURS[results.stream(space)]
    time = tr * np.arange(len(next(iter(rows.values()))))
    drawing = figures.traces(time, rows, "seconds from the first volume", colours)
    table = pd.DataFrame({"seconds": time, **{k: v.round(4) for k, v in rows.items()}})
    caption = (
        f"First principal component of each feature space at the times of the volumes of {run}, "
        "not delayed, each on its own scale; colour: stream. Its sign is arbitrary."
    )
    title = f"Features in time, {dataset}"
    simulated, words = _simulated(aligned), SIMULATED_DATA
    return [
        results.figure(
            drawing,
            f"{dataset}/traces",
            title,
            caption,
            table,
            simulated,
            wide=True,
            words=words,
        )
    ]


def _simulated(aligned: dict[str, list[Path]]) -> bool:
    """Whether features or the volumes whose times they stand at are simulated."""
    return any(read_info(path).simulated for paths in aligned.values() for path in paths)


def _first_component(x: npt.NDArray) -> npt.NDArray[np.float64]:
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    trace = u[:, 0] * s[0]
    return trace * np.sign(trace[np.argmax(np.abs(trace))] or 1)
