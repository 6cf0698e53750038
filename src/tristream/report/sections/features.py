"""The feature spaces: sizes, how alike they are, how they run in time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.features.core.feature_file import open_features
from tristream.features.show.shown_space import find_space
from tristream.maps.style import SIMULATED_DATA, STREAM_COLOURS
from tristream.report import report_figures as figures
from tristream.report.elements import Block, Link, Section, Table, Text
from tristream.report.study_results import Results
from tristream.store import open_h5, provenance_of

MOST_VOLUMES = 1500
FIRST_VOLUMES = 300


def section(results: Results, dataset: str) -> Section:
    """Dimensions, similarity between spaces, and traces, for one dataset."""
    spaces = spaces_of(results, dataset)
    blocks: list[Block] = [*_table(results, dataset, spaces)]
    timeline = results.resolved.datasets[dataset].timeline_names[0]
    aligned = {
        space: paths
        for space, layers in spaces.items()
        if (paths := list(_existing(results, dataset, timeline, space, layers)))
    }
    if aligned:
        blocks += _alike(results, dataset, aligned) if len(aligned) > 1 else []
        blocks += _traces(results, dataset, aligned)
    return Section("features", "Features", blocks)


def page_of(space: str) -> str:
    """File of a feature space's own page."""
    return f"space_{space}.html"


def index_section(results: Results, pages: dict[str, list[str]]) -> Section:
    """Links to the pages of the feature spaces; `pages` maps a space to its datasets."""
    if not pages:
        return Section("spaces", "Feature spaces", [Text("No features have been computed.")])
    study = results.resolved.study
    rows = tuple(
        (Link(name, page_of(name)), study.spaces[name].stream, _made(results, name), datasets)
        for name, datasets in pages.items()
    )
    caption = "What went into each feature space and what came out, on a page of its own."
    table = Table(caption, ("space", "stream", "made by", "datasets"), rows)
    return Section("spaces", "Feature spaces", [table])


def _made(results: Results, name: str) -> str:
    study = results.resolved.study
    if name in study.fusion:
        return f"{study.fusion[name].method} of {', '.join(study.fusion[name].parents)}"
    return study.features[name].extractor


def spaces_of(results: Results, dataset: str) -> dict[str, tuple[str, ...]]:
    """Layers of each feature space that a model of the dataset uses."""
    names = [
        s.split("/")[0]
        for model in results.models(dataset).values()
        for band in model.bands.values()
        for s in band
    ]
    resolved = results.resolved
    return {n: find_space(resolved, dataset, n).wanted for n in dict.fromkeys(names)}


def _table(results: Results, dataset: str, spaces: dict[str, tuple[str, ...]]) -> list[Block]:
    rows, notes = [], []
    for space, layers in spaces.items():
        for layer in layers:
            path = results.path("features", dataset, space, f"{layer}.h5")
            if gone := results.missing(f"Features {space}/{layer}", path):
                notes += gone
                continue
            with open_features(path) as file:
                notes += results.read(path, file.provenance)
                stream = results.resolved.study.spaces[space].stream
                row = (layer, stream, file.width, file.about.extractor)
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


def _existing(
    results: Results, dataset: str, timeline: str, space: str, layers: tuple[str, ...]
) -> Iterator:
    for layer in layers:
        path = results.path("align", dataset, timeline, space, f"{layer}.h5")
        if not results.missing(f"Aligned features {space}/{layer}", path):
            yield path


def _load(paths: list, runs: list[str] | None = None) -> tuple[npt.NDArray, list[str], float]:
    """All layers of a space side by side, the given runs (default: up to a limit) on each other."""
    parts = []
    for path in paths:
        with open_h5(path, "aligned") as (file, _):
            if runs is None:
                runs, total = [], 0
                for run in file["runs"]:
                    runs.append(run)
                    total += file["runs"][run].shape[0]
                    if total >= MOST_VOLUMES:
                        break
            tr = float(file.attrs["tr"])
            parts.append(np.concatenate([file["runs"][run][()] for run in runs]))
    return np.concatenate(parts, axis=1), runs or [], tr


def _alike(results: Results, dataset: str, aligned: dict[str, list]) -> list[Block]:
    values = {space: _scaled(_load(paths)[0]) for space, paths in aligned.items()}
    names = list(values)
    alike = np.array([[linear_cka(values[a], values[b]) for b in names] for a in names])
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


def linear_cka(x: npt.NDArray, y: npt.NDArray) -> float:
    """Linear centred kernel alignment of column-centred features (Kornblith et al. 2019, eq. 1).

    Parameters
    ----------
    x, y : (n, p), (n, q)
        Features of the same n volumes.

    Returns
    -------
    float
        ``|y'x|² / (|x'x| |y'y|)`` in Frobenius norms; NaN where a space does not vary.
    """
    gram_x, gram_y = x @ x.T, y @ y.T
    scale = np.linalg.norm(gram_x) * np.linalg.norm(gram_y)
    return float((gram_x * gram_y).sum() / scale) if scale > 0 else float("nan")


def _scaled(x: npt.NDArray) -> npt.NDArray[np.float64]:
    x = np.asarray(x, float)
    x = x - x.mean(axis=0)
    spread = x.std(axis=0)
    return np.divide(x, spread, out=np.zeros_like(x), where=spread > 0)


def _traces(results: Results, dataset: str, aligned: dict[str, list]) -> list[Block]:
    run = _load(next(iter(aligned.values())))[1][0]
    rows, colours, tr = {}, {}, 1.0
    for space, paths in aligned.items():
        values, _, tr = _load(paths, [run])
        rows[space] = _first_component(_scaled(values[:FIRST_VOLUMES]))
        colours[space] = STREAM_COLOURS[results.resolved.study.spaces[space].stream]
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


def _simulated(aligned: dict[str, list]) -> bool:
    """Whether features or the volumes whose times they stand at are simulated."""
    return any(provenance_of(p, "aligned").simulated for paths in aligned.values() for p in paths)


def _first_component(x: npt.NDArray) -> npt.NDArray[np.float64]:
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    trace = u[:, 0] * s[0]
    return trace * np.sign(trace[np.argmax(np.abs(trace))] or 1)
