"""One figure of a training: how it went, what the network confuses, what its last layer is like."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tristream.genre.network_folder import read_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_training(folder: Path) -> "Figure":
    """Learning curves, confusion of held-out tracks, t-SNE of the last layer before and after.

    Parameters
    ----------
    folder : Path
        What :func:`tristream.genre.train_network.train_genre_network` wrote.

    Raises
    ------
    UserError
        If its tables are missing or damaged.
    """
    from matplotlib import pyplot as plt

    tables = read_tables(folder)
    embedded = tables.get("embedding")
    count = 2 if embedded is None else 4
    figure, axes = plt.subplots(1, count, figsize=(3.1 * count, 3.1), layout="constrained")
    _curves(axes[0], tables["curve"])
    _confusion(axes[1], tables["confusion"])
    if embedded is not None:
        for ax, when in zip(axes[2:], ("before", "after"), strict=True):
            _embedding(ax, embedded, when)
        axes[3].legend(fontsize=7, markerscale=0.8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _curves(ax: Any, curve: pd.DataFrame) -> None:
    ax.plot(curve["epoch"], curve["train_loss"], label="training", color="#B2B2B2")
    ax.plot(curve["epoch"], curve["validation_loss"], label="validation", color="#BB5566")
    best = curve["epoch"].to_numpy()[curve["validation_loss"].argmin()]
    ax.axvline(best, color="#555555", linewidth=0.8, linestyle=":")
    ax.set(xlabel="epoch", ylabel="cross-entropy", title="learning curves")
    ax.legend(frameon=False, fontsize=7)


def _confusion(ax: Any, confusion: pd.DataFrame) -> None:
    counts = confusion.drop(columns="genre").to_numpy()
    shares = counts / counts.sum(axis=1, keepdims=True).clip(1)
    ax.imshow(shares, vmin=0, vmax=1, cmap="viridis")
    names = list(confusion["genre"])
    for row, column in zip(*counts.nonzero(), strict=True):
        shade = "black" if shares[row, column] > 0.6 else "white"
        ax.text(column, row, counts[row, column], ha="center", va="center", size=7, color=shade)
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=7)
    ax.set_yticks(range(len(names)), names, fontsize=7)
    ax.set(xlabel="named", ylabel="genre", title="test tracks")


def _embedding(ax: Any, embedded: pd.DataFrame, when: str) -> None:
    from matplotlib import colormaps

    colours = colormaps["tab10" if embedded["genre"].nunique() <= 10 else "tab20"]
    for number, (genre, rows) in enumerate(embedded.groupby("genre")):
        colour = colours(number % colours.N)
        ax.scatter(rows[f"{when}_x"], rows[f"{when}_y"], s=9, color=colour, label=genre)
    ax.set(xticks=[], yticks=[], title=f"last layer {when} training (t-SNE)")
