"""The few kinds of drawing that the report uses, in the house style."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from tristream.maps.style import OTHER_COLOURS

INK = "#222222"
MARK = "#B3122E"
MOST_LETTERS = 24
# With more subjects the lines of their intervals hide one another.
MOST_LINES = 12
DASHES = ("-", "--", ":", "-.")


def panel(width: float = 5.2, height: float = 3.4) -> tuple[Figure, plt.Axes]:
    """One pair of axes."""
    return plt.subplots(figsize=(width, height), layout="constrained")


def panels(number: int, width: float, height: float) -> tuple[Figure, Sequence[plt.Axes]]:
    """Several pairs of axes beside each other."""
    figure, axes = plt.subplots(1, number, figsize=(width, height), layout="constrained")
    return figure, list(np.ravel(axes))


def histogram(
    values: Mapping[str, npt.ArrayLike],
    label: str,
    counted: str,
    colours: Mapping[str, str] | None = None,
    marks: Mapping[str, float] | None = None,
    bins: int = 40,
) -> Figure:
    """Outlined histograms on one scale; vertical marks with their names.

    Parameters
    ----------
    values : mapping
        Name to numbers; NaN is left out.
    label, counted : str
        Of the axes.
    colours : mapping, optional
        Name to colour.
    marks : mapping, optional
        Name to position.
    bins : int
        How many, over the range of all values.
    """
    figure, axes = panel()
    finite = {name: _finite(v) for name, v in values.items()}
    everything = np.concatenate([*finite.values(), _finite(list((marks or {}).values()))])
    low, high = (everything.min(), everything.max()) if len(everything) else (0.0, 1.0)
    edges = list(np.linspace(low, high if high > low else low + 1, bins + 1))
    for number, (name, v) in enumerate(finite.items()):
        colour = (colours or {}).get(name, OTHER_COLOURS[number % len(OTHER_COLOURS)])
        axes.hist(v, edges, histtype="stepfilled", color=colour, alpha=0.18)
        axes.hist(v, edges, histtype="step", color=colour, linewidth=1.3, label=name)
    for name, position in (marks or {}).items():
        axes.axvline(position, color=MARK, linewidth=1.2, label=name)
    axes.set(xlabel=label, ylabel=counted)
    axes.margins(x=0.01)
    axes.legend()
    return figure


def curves(
    x: npt.NDArray,
    rows: Mapping[str, npt.NDArray],
    labels: tuple[str, str],
    colours: Mapping[str, str],
    band: tuple[float, float] | None = None,
) -> Figure:
    """Lines over `x` with a dot at their maxima; a grey band for an expected range.

    Lines of one colour differ in their dashes.
    """
    dashes: dict[str, Iterator[str]] = {}
    figure, axes = panel(6.2, 3.6)
    if band:
        axes.axvspan(*band, color="#EEEEEE", zorder=0)
    for name, row in rows.items():
        dash = next(dashes.setdefault(colours[name], cycle(DASHES)))
        axes.plot(x, row, dash, color=colours[name], label=name, linewidth=1.4)
        best = int(np.nanargmax(row))
        axes.plot(x[best], row[best], "o", color=colours[name], markersize=4)
    axes.axhline(0, color="#999999", linewidth=0.7)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def traces(
    x: npt.NDArray, rows: Mapping[str, npt.NDArray], label: str, colours: Mapping[str, str]
) -> Figure:
    """One line a row, stacked, each with its own scale."""
    figure, grid = plt.subplots(
        len(rows),
        1,
        figsize=(9.5, 0.62 * len(rows) + 1.0),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, (name, row) in zip(grid[:, 0], rows.items(), strict=True):
        axes.plot(x, row, color=colours[name], linewidth=1.0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_ylabel(name, rotation=0, ha="right", va="center", color=INK)
        axes.margins(x=0)
    grid[-1, 0].set_xlabel(label)
    return figure


def cell_text(values: npt.NDArray) -> npt.NDArray:
    """Values of a matrix with two decimals, (m, n) of object; empty where there is none."""
    text = np.vectorize("{:.2f}".format)(values)
    return np.where(np.isfinite(values), text, "").astype(object)


def heatmap(
    values: npt.NDArray,
    rows: Sequence[str],
    columns: Sequence[str],
    labels: tuple[str, str, str],
    limits: tuple[float, float] | None = None,
    text: npt.NDArray | None = None,
) -> Figure:
    """A matrix with its numbers written in.

    Parameters
    ----------
    values : (m, n)
        Colours.
    rows, columns : sequence of str
        Names.
    labels : tuple of 3
        Of the rows' axis, the columns' axis and the colour scale.
    limits : tuple, optional
        Ends of the colour scale.
    text : (m, n) of str, optional
        Written into the cells; by default the values, nothing where there is none. Each takes
        time, but for empty ones.
    """
    height = 0.36 * len(rows) + 1.7
    figure, axes = panel(max(4.6, 0.46 * len(columns) + 2.0), height)
    low, high = limits or (float(np.nanmin(values)), float(np.nanmax(values)))
    image = axes.imshow(values, cmap="Blues", vmin=low, vmax=high, aspect="auto")
    written = cell_text(values) if text is None else text
    middle = low + 0.6 * (high - low)
    for (i, j), value in np.ndenumerate(values):
        if not written[i, j]:
            continue
        colour = "white" if value > middle else INK
        axes.text(j, i, str(written[i, j]), ha="center", va="center", fontsize=7, color=colour)
    below, beside = ([_short(name) for name in names] for names in (columns, rows))
    axes.set_xticks(range(len(columns)), below, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), beside)
    axes.set(ylabel=labels[0], xlabel=labels[1])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label(labels[2])
    bar.outline.set_visible(False)
    return figure


def bars(
    names: Sequence[str],
    groups: Mapping[str, npt.ArrayLike],
    label: str,
    colours: Sequence[str] | None = None,
    line: tuple[str, float] | None = None,
    intervals: Mapping[str, tuple[npt.NDArray, npt.NDArray]] | None = None,
) -> Figure:
    """Horizontal bars, one block a name; the second group is drawn lighter.

    `intervals` are ends of a line across each bar, by group.
    """
    figure, axes = panel(5.2, 0.34 * len(names) * len(groups) + 1.3)
    thick = 0.8 / len(groups)
    for number, (group, values) in enumerate(groups.items()):
        place = np.arange(len(names)) + (number - (len(groups) - 1) / 2) * thick
        colour = list(colours) if colours else OTHER_COLOURS[0]
        alpha = 1 - 0.55 * number / max(1, len(groups) - 1)
        axes.barh(place, np.asarray(values), thick * 0.92, color=colour, alpha=alpha, label=group)
        if intervals:
            axes.hlines(place, *intervals[group], color=INK, linewidth=1.0)
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.invert_yaxis()
    axes.axvline(0, color="#999999", linewidth=0.7)
    axes.set_xlabel(label)
    if line:
        axes.axvline(line[1], color=MARK, linewidth=1.2, label=line[0])
    if line or len(groups) > 1:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=3)
    return figure


@dataclass(frozen=True)
class Dot:
    """One subject in :func:`dots`; ends of its interval may be NaN, and so may the value."""

    value: float
    low: float = np.nan
    high: float = np.nan
    filled: bool = True


@dataclass(frozen=True)
class Middle:
    """A median over subjects with its 95 % interval, and what chance gives."""

    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    chance: float = np.nan
    null: tuple[float, float] | None = None


def dots(
    names: Sequence[str],
    panels: Mapping[str, Sequence[tuple[Sequence[Dot], Middle]]],
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Subjects as dots, a row a name, a panel a measure; diamond: their median.

    Parameters
    ----------
    names : sequence of str
        Of the rows.
    panels : mapping
        Label of the axis to the rows' dots and medians.
    limits : tuple, optional
        Of all axes.
    """
    figure, grid = plt.subplots(
        1,
        len(panels),
        sharey=True,
        squeeze=False,
        figsize=(2.0 + 3.0 * len(panels), 0.42 * len(names) + 1.1),
        layout="constrained",
    )
    for axes, (label, rows) in zip(grid[0], panels.items(), strict=True):
        for place, (subjects, middle) in enumerate(rows):
            _row_of_dots(axes, place, subjects, middle)
        axes.axvline(0, color="#999999", linewidth=0.7)
        axes.set(xlabel=label, ylim=(len(names) - 0.5, -0.5))
        axes.grid(axis="y", color="#EEEEEE")
        axes.set_axisbelow(True)
        if limits:
            axes.set_xlim(*limits)
    grid[0, 0].set_yticks(range(len(names)), names)
    return figure


def _row_of_dots(axes: plt.Axes, place: int, subjects: Sequence[Dot], middle: Middle) -> None:
    colour, known = OTHER_COLOURS[0], [one for one in subjects if np.isfinite(one.value)]
    if middle.null is not None:
        axes.barh(place, middle.null[1] - middle.null[0], 0.7, left=middle.null[0], color="#DDDDDD")
    if np.isfinite(middle.chance):
        axes.vlines(middle.chance, place - 0.4, place + 0.4, color=MARK, linewidth=1.2)
    spread = 0.0 if len(known) < 2 else 0.3
    heights = place + np.linspace(-spread, spread, max(1, len(known)))
    for height, one in zip(heights, known, strict=False):
        if len(known) <= MOST_LINES:
            axes.hlines(height, one.low, one.high, color=colour, linewidth=0.8, alpha=0.6)
        face = colour if one.filled else "white"
        axes.plot(one.value, height, "o", markersize=4, color=colour, markerfacecolor=face)
    if len(known) > 1:
        axes.hlines(place, middle.low, middle.high, color=INK, linewidth=1.6)
        axes.plot(middle.value, place, "D", markersize=6, color=INK)


def density(x: npt.NDArray, y: npt.NDArray, labels: tuple[str, str]) -> Figure:
    """How many points lie where, with the identity line."""
    figure, axes = panel(4.6, 4.0)
    good = np.isfinite(x) & np.isfinite(y)
    hexes = axes.hexbin(
        x[good], y[good], gridsize=45, bins="log", mincnt=1, cmap="viridis", rasterized=True
    )
    low = min(0.0, float(np.min(y[good], initial=0)))
    axes.plot([0, 1], [0, 1], color=MARK, linewidth=1.0)
    axes.set(xlabel=labels[0], ylabel=labels[1], xlim=(0, 1), ylim=(low, 1))
    bar = figure.colorbar(hexes, ax=axes, shrink=0.8, format="%g")
    bar.set_label("voxels")
    bar.outline.set_visible(False)
    return figure


def _short(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"


def _finite(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=float).ravel()
    return array[np.isfinite(array)]
