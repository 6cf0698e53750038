"""Networks trained on brain and label together: regimes over seeds, layers, where evidence lies."""

from pathlib import Path

import numpy as np
import pandas as pd

from tristream.encode.regime_figure import draw_embedding, draw_picture, draw_scores
from tristream.encode.regime_pictures import Picture
from tristream.networks.regimes_file import NetworkRegimes, read_regimes
from tristream.report.elements import Block, Heading, Section, Table, facts
from tristream.report.references import resolve
from tristream.report.study_results import Results

ONE_SEED = "Of the first seed."


def names(results: Results, dataset: str) -> list[str]:
    """Networks of a dataset."""
    blocks = results.resolved.study.networks
    return [name for name, block in blocks.items() if dataset in block.datasets]


def section(results: Results, dataset: str, subject: str) -> Section:
    """Every network of the dataset."""
    blocks: list[Block] = []
    for name in names(results, dataset):
        path = results.path("network_regimes", dataset=dataset, network=name, subject=subject)
        blocks.append(Heading(f"Network {name}"))
        gone = results.missing(f"Network {name}", path)
        blocks += gone or _network(results, dataset, subject, path)
    return Section("networks", "Networks trained on brain and label", blocks)


def _network(results: Results, dataset: str, subject: str, path: Path) -> list[Block]:
    found, provenance = read_regimes(path)
    notes = results.read(path, provenance)
    where, who = f"{dataset}/sub-{subject}", f"{found.name}, sub-{subject}"
    what = {
        "How": resolve(" ".join(provenance.methods)),
        "Runs held out": ", ".join(found.test),
        "Samples learned from, held out": f"{found.learnt:,}, {found.tested:,}",
        "Voxels": len(found.column),
        "Labels": len(found.classes),
    }
    seeds = found.scores["seed"].nunique()
    caption = (
        f"Each of {seeds} seeds (lines), and means with standard errors over seeds, which are of "
        "first weights, batches and the run that ends training, not of people or stimuli. Left: r "
        "of predicted with measured responses to held-out samples, mean over voxels. Right: "
        "balanced accuracy of their labels, told from the stimulus; dotted: chance."
    )
    drawing = draw_scores(found.scores, found.chance)
    name, title = f"{where}/regimes_{found.name}", f"Regimes, {who}"
    scores = found.scores.rename(columns={"label": "balanced accuracy"})
    figure = results.figure(drawing, name, title, caption, scores, provenance.simulated, wide=True)
    blocks: list[Block] = [facts(what), figure, _table(found)]
    blocks += _layers(results, where, who, found, provenance.simulated)
    for number, (shown, where_shown) in enumerate(zip(found.pictures, found.titles, strict=True)):
        name = f"{where}/gradcam_{found.name}_{number}"
        title = f"Grad-CAM of {shown.label} ({where_shown}), {who}"
        blocks.append(
            results.figure(
                draw_picture(shown),
                name,
                title,
                f"{ONE_SEED} The stimulus, and over it what raises the score of its label (above), "
                f"or the predicted response of the voxel that the frozen network predicts best "
                f"(below), by regime. {_axes(shown)}",
                _map_table(shown),
                provenance.simulated,
                wide=True,
            )
        )
    return [*blocks, *notes]


def _table(found: NetworkRegimes) -> Table:
    rows = tuple(
        (
            regime,
            _with_error(row, "brain"),
            _with_error(row, "brain_gain"),
            _with_error(row, "label"),
            _with_error(row, "label_gain"),
            _chance(null),
        )
        for (regime, row), (_, null) in zip(
            found.summary.iterrows(), found.null.iterrows(), strict=True
        )
    )
    caption = (
        "Means ± standard errors over seeds; gains are on the frozen network of the same seed. "
        "Chance of labels: mean and central 95 % of permutations of the labels of held-out items."
    )
    columns = ("regime", "r", "gain", "balanced accuracy", "gain in it", "chance, measured")
    return Table(caption, columns, rows)


def _chance(row: pd.Series) -> str:
    return f"{row['mean']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def _with_error(row: pd.Series, name: str) -> str:
    return f"{row[name]:.3f} ± {row[f'{name}_se']:.3f}"


def _layers(
    results: Results, where: str, who: str, found: NetworkRegimes, simulated: bool
) -> list[Block]:
    if found.embedding is None:
        return []
    caption = (
        f"{ONE_SEED} The held-out samples in the layers that voxels are read from, by t-SNE: with "
        "first weights, and after each regime; coloured by label. Distances between far groups "
        "mean little."
    )
    name, title = f"{where}/layers_{found.name}", f"Layers before and after training, {who}"
    drawing = draw_embedding(found.embedding)
    return [
        results.figure(
            drawing, name, title, caption, found.embedding.round(4), simulated, wide=True
        )
    ]


def _axes(shown: Picture) -> str:
    if shown.stimulus.ndim == 3:
        return ""
    return "Time goes to the right, low bands are below."


def _map_table(shown: Picture) -> pd.DataFrame:
    """Values of the maps, by their place."""
    first = next(iter(shown.of_label.values()))
    places = np.indices(first.shape).reshape(first.ndim, -1)
    axes = ("row", "column") if shown.stimulus.ndim == 3 else ("frame", "band")
    table = pd.DataFrame(dict(zip(axes, places, strict=False)))
    for what, maps in (("label", shown.of_label), ("voxel", shown.of_voxel)):
        for regime, heat in maps.items():
            table[f"{what}_{regime}"] = [float(f"{value:.4g}") for value in heat.ravel()]
    return table
