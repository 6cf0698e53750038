"""One figure of a comparison of regimes: accuracy, layers, and where the evidence lies."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tristream.encode.brain_and_label import REGIMES
from tristream.encode.regimes import RegimeComparison
from tristream.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"frozen": "#B2B2B2", "staged": "#004488", "joint": "#BB5566"}
WHAT = {"brain": "brain: r of held-out samples", "label": "labels: balanced accuracy"}


def draw_regimes(found: RegimeComparison, sample: int | None = None) -> "Figure":
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
    from matplotlib import pyplot as plt

    if sample is not None and not 0 <= sample < len(found.labels):
        raise UserError(f"sample: {sample}; there are {len(found.labels)}, counted from 0")
    heats = _heats(found, _chosen(found) if sample is None else sample)
    rows = 1 + (found.embedding is not None) + 2 * bool(heats)
    figure = plt.figure(figsize=(10, 2.6 * rows), layout="constrained")
    grid = figure.add_gridspec(rows, 4)
    for place, measure in enumerate(WHAT):
        ax = figure.add_subplot(grid[0, 2 * place : 2 * place + 2])
        _scores(ax, found, measure)
    row = 1
    if found.embedding is not None:
        _embeddings([figure.add_subplot(grid[row, i]) for i in range(4)], found.embedding)
        row += 1
    for (title, maps), at in zip(heats.items(), range(row, rows), strict=False):
        _gradcam([figure.add_subplot(grid[at, i]) for i in range(4)], title, maps)
    return figure


def _scores(ax: Any, found: RegimeComparison, measure: str) -> None:
    table = found.scores.pivot(index="seed", columns="regime", values=measure)[list(REGIMES)]
    for values in table.to_numpy():
        ax.plot(range(len(REGIMES)), values, color="#CCCCCC", linewidth=0.8, zorder=1)
    for place, regime in enumerate(REGIMES):
        colour = COLOURS[regime]
        own = table[regime]
        ax.scatter(np.full(len(own), place), own, s=10, color=colour, alpha=0.6)
        mean, error = (found.summary.loc[regime, name] for name in (measure, f"{measure}_se"))
        ax.errorbar(place + 0.12, mean, error, fmt="o", color=colour, capsize=3)
    level = 0.0 if measure == "brain" else found.chance
    ax.axhline(level, color="#555555", linewidth=0.8, linestyle=":")
    ax.set_xticks(range(len(REGIMES)), REGIMES)
    ax.set(ylabel=WHAT[measure], title=f"{len(table)} seeds, mean ± SE")


def _embeddings(axes: list[Any], embedded: pd.DataFrame) -> None:
    from matplotlib import colormaps

    colours = colormaps["tab10" if embedded["label"].nunique() <= 10 else "tab20"]
    for ax, name in zip(axes, ("first", *REGIMES), strict=True):
        for number, (label, rows) in enumerate(embedded.groupby("label")):
            colour = colours(number % colours.N)
            ax.scatter(rows[f"{name}_x"], rows[f"{name}_y"], s=9, color=colour, label=label)
        title = "before training" if name == "first" else f"after: {name}"
        ax.set(xticks=[], yticks=[], title=f"{title} (t-SNE)")
    axes[-1].legend(fontsize=7, markerscale=0.8, loc="center left", bbox_to_anchor=(1, 0.5))


def _chosen(found: RegimeComparison) -> int:
    """The first stimulus that all regimes name rightly."""
    named = [one.predict_label(found.inputs) for one in found.networks.values()]
    right = np.all([one == found.labels for one in named], axis=0)
    return int(np.argmax(right))


def _heats(found: RegimeComparison, sample: int) -> dict[str, list[np.ndarray]]:
    """The stimulus and its map by each regime, for its label and a voxel; empty without maps."""
    one = tuple(values[sample : sample + 1] for values in found.inputs)
    r = np.nan_to_num(found.correlation["frozen"][0], nan=-1.0)
    voxel, label = int(np.argmax(r)), str(found.labels[sample])
    shown = np.asarray(one[0][0])
    try:
        networks = found.networks.values()
        labels = [network.grad_cam(one, label=label)[0] for network in networks]
        voxels = [network.grad_cam(one, voxel=voxel)[0] for network in networks]
    except UserError:
        return {}
    return {f"label {label}": [shown, *labels], f"voxel {voxel}": [shown, *voxels]}


def _gradcam(axes: list[Any], title: str, maps: list[np.ndarray]) -> None:
    stimulus = maps[0]
    picture = stimulus.ndim == 3
    # Windows of sound: time to the right, low bands below.
    ground = np.moveaxis(stimulus, 0, 2).clip(0, 1) if picture else stimulus.T
    how: dict[str, Any] = {"aspect": "equal" if picture else "auto"}
    how |= {"origin": "upper" if picture else "lower"}
    axes[0].imshow(ground, cmap="gray", **how)
    axes[0].set(xticks=[], yticks=[], title="stimulus")
    for ax, regime, heat in zip(axes[1:], REGIMES, maps[1:], strict=True):
        over = heat if picture else np.broadcast_to(heat.T, ground.shape)
        ax.imshow(ground, cmap="gray", **how)
        ax.imshow(over, cmap="inferno", alpha=0.55, vmin=0, vmax=max(heat.max(), 1e-12), **how)
        ax.set(xticks=[], yticks=[], title=f"{regime}: {title}")
