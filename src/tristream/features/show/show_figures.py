"""Figures of a feature space: what went in, what came out over time, where a network looks."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tristream.features.core.registry import Preview
from tristream.features.show.gradcam import Attention
from tristream.features.show.look import Look
from tristream.features.show.traces import Traces

INK = "#222222"
MOST_COLOURS = 20


def input_figure(looks: Sequence[Look]) -> Figure:
    """A row a moment or image: the original picture, the original sound, what the extractor got."""
    columns = [
        name
        for name, there in (
            ("picture", any(look.picture is not None for look in looks)),
            ("sound", any(look.sound is not None for look in looks)),
            ("seen", any(look.seen is not None for look in looks)),
        )
        if there
    ]
    figure, grid = plt.subplots(
        len(looks),
        len(columns),
        figsize=(3.3 * len(columns) + 0.2, 2.2 * len(looks) + 0.4),
        squeeze=False,
        layout="constrained",
    )
    for row, look in zip(grid, looks, strict=True):
        for axes, column in zip(row, columns, strict=True):
            if column == "picture" and look.picture is not None:
                _picture(axes, look.picture, look.title)
            elif column == "sound" and look.sound is not None:
                _waveform(axes, look.sound, look.span, "original sound")
            elif column == "seen" and look.seen is not None:
                _seen(axes, look.seen)
            else:
                axes.set_axis_off()
    return figure


def _picture(axes: Axes, picture: npt.NDArray[Any], title: str) -> None:
    axes.imshow(picture, cmap="gray", interpolation="nearest")
    axes.set_title(title, fontsize=8, color=INK)
    axes.set_axis_off()


def _waveform(axes: Axes, sound: npt.NDArray[Any], span: tuple[float, float], title: str) -> None:
    # The envelope of segments: a curve of 100,000 points is a large file and looks the same.
    number = min(len(sound), 600)
    parts = np.array_split(np.asarray(sound, float), max(number, 1))
    low, high = ([f(part) for part in parts] for f in (np.min, np.max))
    time = np.linspace(*span, len(parts))
    axes.fill_between(time, low, high, color="#3A6978", linewidth=0)
    axes.set_title(title, fontsize=8, color=INK)
    axes.set_xlabel("seconds")
    axes.locator_params(axis="x", nbins=5)
    axes.margins(x=0)


def _seen(axes: Axes, seen: Preview) -> None:
    values = np.asarray(seen.values, float)
    title = f"as computed from: {seen.what}"
    if values.ndim == 1:
        _waveform(axes, values, (seen.start, seen.stop), title)
    elif seen.stop > seen.start:
        axes.imshow(
            values,
            aspect="auto",
            origin="lower",
            cmap="magma",
            extent=(seen.start, seen.stop, 0, len(values)),
            interpolation="nearest",
        )
        axes.set(xlabel="seconds", ylabel="band")
        axes.locator_params(axis="x", nbins=5)
        axes.set_title(title, fontsize=8, color=INK)
    else:
        _picture(axes, _stretched(values), title)


def _stretched(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """A picture of any range, from 0 to 1."""
    low, high = values.min(), values.max()
    return np.asarray((values - low) / (high - low) if high > low else np.zeros_like(values))


def trace_figure(
    found: Traces,
    colour: str,
) -> Figure:
    """Traces over the film's time, each on its own scale, under a strip of its frames."""
    pictures, (first, last) = found.pictures, found.span
    strip = [0.5] if pictures else []
    heights = [*strip, *([0.55] * len(found.rows))]
    figure, grid = plt.subplots(
        len(heights),
        1,
        figsize=(9.5, sum(heights) + 0.9),
        gridspec_kw={"height_ratios": heights},
        squeeze=False,
        layout="constrained",
    )
    if pictures:
        axes = grid[0, 0]
        width = (last - first) / len(pictures)
        for number, picture in enumerate(pictures):
            left = first + number * width
            axes.imshow(
                picture, extent=(left, left + 0.98 * width, 0, 1), aspect="auto", cmap="gray"
            )
        axes.set(xlim=(first, last), ylim=(0, 1))
        axes.set_axis_off()
    for axes, (name, trace) in zip(grid[len(strip) :, 0], found.rows.items(), strict=True):
        axes.plot(found.times, trace, color=colour, linewidth=0.9)
        axes.set(xlim=(first, last), yticks=[])
        axes.spines[["left", "top", "right"]].set_visible(False)
        axes.set_ylabel(name, rotation=0, ha="right", va="center", color=INK)
        if axes is not grid[-1, 0]:
            axes.set_xticklabels([])
    grid[-1, 0].set_xlabel("seconds of the stimulus")
    return figure


def point_figure(points: npt.NDArray[np.float64], labels: Sequence[str]) -> Figure:
    """Points in the plane, coloured by label."""
    figure, axes = plt.subplots(figsize=(5.2, 3.8), layout="constrained")
    names = list(dict.fromkeys(labels))
    colours = plt.get_cmap("tab20" if len(names) > 10 else "tab10").colors  # type: ignore[attr-defined]
    for name, colour in zip(names, cycle(colours), strict=False):
        mine = np.array([label == name for label in labels])
        axes.scatter(points[mine, 0], points[mine, 1], s=9, color=colour, label=name, linewidths=0)
    axes.set(xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2")
    if len(names) <= MOST_COLOURS:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.8)
    return figure


def attention_figure(found: Sequence[Attention]) -> Figure:
    """Pictures with the heat of Grad-CAM over them, beside the plain ones."""
    figure, grid = plt.subplots(
        len(found),
        2,
        figsize=(5.2, 2.5 * len(found) + 0.4),
        squeeze=False,
        layout="constrained",
    )
    for row, one in zip(grid, found, strict=True):
        plain = _stretched(np.asarray(one.picture, float))
        _picture(row[0], plain, "the network's input")
        _picture(row[1], plain, f"class {one.label}, probability {one.probability:.2f}")
        row[1].imshow(one.heat, cmap="inferno", alpha=0.55, vmin=0, vmax=1)
    return figure
