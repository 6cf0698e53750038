"""Figures of a comparison of regimes: accuracy, layers, and where the evidence lies."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tristream.encode.regime_pictures import Picture, picture, rightly_named
from tristream.encode.regime_summary import summarise
from tristream.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tristream.encode.regimes import RegimeComparison

COLOURS = {"frozen": "#B2B2B2", "staged": "#004488", "joint": "#BB5566"}
WHAT = {"brain": "brain: r of held-out samples", "label": "labels: balanced accuracy"}
WIDTH, HEIGHT = 10, 2.6
"""Of a row of panels, inches."""


def draw_regimes(found: "RegimeComparison", sample: int | None = None) -> "Figure":
    """Draw what the regimes predict, t-SNE of their layers, and Grad-CAM of one stimulus.

    Parameters
    ----------
    found : RegimeComparison
        From :func:`tristream.encode.regimes.compare_regimes`.
    sample : int, optional
        Place of the stimulus among the held-out ones. Default: the first that all regimes name
        rightly, else the first.

    Returns
    -------
    Figure
        Above: each seed as a dot, means over seeds and their standard errors. Then, of the first
        seed, t-SNE of the layers that voxels are read from, with first weights and after each
        regime; and, for networks with convolutions, Grad-CAM of the stimulus' label and of the
        voxel that the frozen network predicts best.

    Raises
    ------
    UserError
        If there is no such sample.
    """
    if sample is not None and not 0 <= sample < len(found.labels):
        raise UserError(f"sample: {sample}; there are {len(found.labels)}, counted from 0")
    shown = _picture(found, int(np.argmax(rightly_named(found))) if sample is None else sample)
    rows = 1 + (found.embedding is not None) + 2 * (shown is not None)
    figure, grid = _rows(rows)
    _scores(figure, grid[0], found.scores, found.chance)
    if found.embedding is not None:
        _embeddings(figure, grid[1], found.embedding)
    if shown is not None:
        _pictures(figure, grid[-2:], shown)
    return figure


def draw_scores(scores: pd.DataFrame, chance: float) -> "Figure":
    """Each seed as a dot, means over seeds and their standard errors, brain and label."""
    figure, grid = _rows(1)
    _scores(figure, grid[0], scores, chance)
    return figure


def draw_embedding(embedding: pd.DataFrame) -> "Figure":
    """t-SNE with first weights and after each regime."""
    figure, grid = _rows(1)
    _embeddings(figure, grid[0], embedding)
    return figure


def draw_picture(shown: Picture) -> "Figure":
    """A stimulus, and Grad-CAM of its label and of a voxel in each regime."""
    figure, grid = _rows(2)
    _pictures(figure, grid, shown)
    return figure


def _rows(number: int) -> tuple["Figure", list[Any]]:
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(WIDTH, HEIGHT * number), layout="constrained")
    grid = figure.add_gridspec(number, 1)
    return figure, [grid[place] for place in range(number)]


def _axes(figure: "Figure", place: Any, number: int) -> list[Any]:
    row = place.subgridspec(1, number)
    return [figure.add_subplot(row[column]) for column in range(number)]


def _scores(figure: "Figure", place: Any, scores: pd.DataFrame, chance: float) -> None:
    summary = summarise(scores)
    regimes = list(summary.index)
    for ax, measure in zip(_axes(figure, place, 2), WHAT, strict=True):
        table = scores.pivot(index="seed", columns="regime", values=measure)[regimes]
        for values in table.to_numpy():
            ax.plot(range(len(regimes)), values, color="#CCCCCC", linewidth=0.8, zorder=1)
        for column, regime in enumerate(regimes):
            colour = COLOURS[regime]
            own = table[regime]
            ax.scatter(np.full(len(own), column), own, s=10, color=colour, alpha=0.6)
            mean, error = (summary.loc[regime, name] for name in (measure, f"{measure}_se"))
            ax.errorbar(column + 0.12, mean, error, fmt="o", color=colour, capsize=3)
        level = 0.0 if measure == "brain" else chance
        ax.axhline(level, color="#555555", linewidth=0.8, linestyle=":")
        ax.set_xticks(range(len(regimes)), regimes)
        ax.set(ylabel=WHAT[measure], title=f"{len(table)} seeds, mean ± SE")


def _embeddings(figure: "Figure", place: Any, embedded: pd.DataFrame) -> None:
    from matplotlib import colormaps

    names = [one.removesuffix("_x") for one in map(str, embedded) if one.endswith("_x")]
    axes = _axes(figure, place, len(names))
    colours = colormaps["tab10" if embedded["label"].nunique() <= 10 else "tab20"]
    for ax, name in zip(axes, names, strict=True):
        for number, (label, rows) in enumerate(embedded.groupby("label")):
            colour = colours(number % colours.N)
            ax.scatter(rows[f"{name}_x"], rows[f"{name}_y"], s=9, color=colour, label=label)
        title = "before training" if name == "first" else f"after: {name}"
        ax.set(xticks=[], yticks=[], title=f"{title} (t-SNE)")
    axes[-1].legend(fontsize=7, markerscale=0.8, loc="center left", bbox_to_anchor=(1, 0.5))


def _picture(found: "RegimeComparison", sample: int) -> Picture | None:
    """None for a network without maps."""
    try:
        return picture(found, sample)
    except UserError:
        return None


def _pictures(figure: "Figure", places: list[Any], shown: Picture) -> None:
    heats = {f"label {shown.label}": shown.of_label, f"voxel {shown.voxel}": shown.of_voxel}
    for place, (title, maps) in zip(places, heats.items(), strict=True):
        _gradcam(_axes(figure, place, 1 + len(maps)), title, shown.stimulus, maps)


def _gradcam(axes: list[Any], title: str, stimulus: np.ndarray, maps: dict[str, Any]) -> None:
    picture = stimulus.ndim == 3
    # Windows of sound: time to the right, low bands below.
    ground = np.moveaxis(stimulus, 0, 2).clip(0, 1) if picture else stimulus.T
    how: dict[str, Any] = {"aspect": "equal" if picture else "auto"}
    how |= {"origin": "upper" if picture else "lower"}
    axes[0].imshow(ground, cmap="gray", **how)
    axes[0].set(xticks=[], yticks=[], title="stimulus")
    for ax, (regime, heat) in zip(axes[1:], maps.items(), strict=True):
        over = heat if picture else np.broadcast_to(heat.T, ground.shape)
        ax.imshow(ground, cmap="gray", **how)
        ax.imshow(over, cmap="inferno", alpha=0.55, vmin=0, vmax=max(heat.max(), 1e-12), **how)
        ax.set(xticks=[], yticks=[], title=f"{regime}: {title}")
