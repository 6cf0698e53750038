"""Figures of maps: slices of a volume, the inflated surface, the flat map."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.colors import Colormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tristream.maps.style import SEQUENTIAL
from tristream.maps.surface import (
    FSAVERAGE5,
    HEMISPHERES,
    Hemisphere,
    Side,
    Template,
    View,
    relief,
    view,
)

SLICES = 12
TWO_SIDED = "RdBu_r"
# Inches for three lines of names between a flat map and its key.
NAMES = 0.28
SIDES: Mapping[str, tuple[tuple[Hemisphere, Side, str], ...]] = {
    "inflated": (
        ("left", "lateral", "left, lateral"),
        ("right", "lateral", "right, lateral"),
        ("left", "medial", "left, medial"),
        ("right", "medial", "right, medial"),
    ),
    "flat": (("left", "flat", "left hemisphere"), ("right", "flat", "right hemisphere")),
}


@dataclass(frozen=True)
class Paint:
    """How values become colours, the same in slices and on surfaces.

    Attributes
    ----------
    rgba : callable
        Values of n places, (n,) or (k, n), to RGBA (n, 4); alpha 0 where nothing is shown.
    legend : callable
        Draws the key into the given axes.
    """

    rgba: Callable[[npt.NDArray], npt.NDArray]
    legend: Callable[[Any], None]


def scale(low: float, high: float, label: str) -> Paint:
    """A sequential colour scale; values outside take its end colours, NaN is not painted."""
    norm = Normalize(low, high)
    colours = plt.get_cmap(SEQUENTIAL)

    def rgba(values: npt.NDArray) -> npt.NDArray:
        out = colours(np.clip(norm(np.nan_to_num(values)), 0, 1))
        out[..., 3] = np.isfinite(values)
        return out

    return Paint(rgba, partial(_bar, norm, colours, label))


def _bar(norm: Normalize, colours: Colormap, label: str, axes: Any) -> None:
    mappable = plt.cm.ScalarMappable(norm, colours)
    bar = axes.figure.colorbar(mappable, cax=axes, orientation="horizontal", extend="both")
    bar.set_label(label)
    bar.outline.set_visible(False)


def two_sided(full: float, label: str) -> Paint:
    """A scale from -`full` (blue) to `full` (red); values outside take its end colours."""
    norm = Normalize(-full, full)
    colours = plt.get_cmap(TWO_SIDED)

    def rgba(values: npt.NDArray) -> npt.NDArray:
        out = colours(np.clip(norm(np.nan_to_num(values)), 0, 1))
        out[..., 3] = np.isfinite(values)
        return out

    return Paint(rgba, partial(_bar, norm, colours, label))


def labelled(colours: Mapping[str, str], full: float) -> Paint:
    """Labels (row 0; 0 is none) painted with opacity r / `full` (row 1: r)."""
    table = np.array([to_rgb("white"), *(to_rgb(c) for c in colours.values())])

    def rgba(values: npt.NDArray) -> npt.NDArray:
        label = np.nan_to_num(values[0]).astype(int)
        opacity = np.clip(np.nan_to_num(values[1]) / full, 0, 1)
        alpha = np.where(label > 0, opacity, 0)
        return np.concatenate([table[label], alpha[..., None]], axis=-1)

    def legend(axes: Any) -> None:
        axes.axis("off")
        handles = [Patch(color=colour, label=band) for band, colour in colours.items()]
        axes.legend(
            handles=handles,
            loc="center",
            ncols=len(handles),
            title=f"opacity: test r, none at 0, full at {full:.2g}",
            title_fontsize=8,
        )

    return Paint(rgba, legend)


def volume(
    title: str, rgba: npt.NDArray, background: npt.NDArray, zooms: Sequence[float]
) -> Figure:
    """Axial slices through the painted part, or the one slice that there is.

    Parameters
    ----------
    title : str
        Above the figure.
    rgba : (x, y, z, 4)
        Painted volume in RAS+ order.
    background : (x, y, z)
        Grey levels, 0 black to 1 white; NaN is white.
    zooms : sequence of 3
        Voxel sizes in mm.
    """
    pictures, (wide, high) = slices(rgba, background, zooms)
    columns = min(4, len(pictures))
    rows = -(-len(pictures) // columns)
    ratio = pictures[0].shape[0] * high / (pictures[0].shape[1] * wide)
    cell = 5.6 if len(pictures) == 1 else 1.5
    figure, legend, grid = _frame(title, columns * cell, rows * cell * ratio)
    cells = grid.subgridspec(rows, columns, wspace=0.02, hspace=0.02)
    for picture, place in zip(pictures, cells, strict=False):
        panel = figure.add_subplot(place)
        panel.axis("off")
        panel.imshow(picture, origin="lower", aspect=high / wide)
    figure.add_subplot(legend)
    return figure


def slices(
    rgba: npt.NDArray, background: npt.NDArray, zooms: Sequence[float], most: int = SLICES
) -> tuple[list[npt.NDArray], tuple[float, float]]:
    """Pictures of axial slices through the painted part, or of the one slice that there is.

    Parameters
    ----------
    rgba, background, zooms
        As those of :func:`volume`.
    most : int
        How many slices, evenly spaced.

    Returns
    -------
    list of (up, across, 3)
        The first row is the lowest.
    tuple of float
        Width and height of a pixel in mm.
    """
    axis = 2 if 1 not in background.shape else background.shape.index(1)
    across, up = (a for a in range(3) if a != axis)
    shown = np.isfinite(background) | (rgba[..., 3] > 0)
    window = tuple(_extent(shown if a != axis else rgba[..., 3] > 0, a) for a in range(3))
    picture = over(rgba, np.repeat(np.nan_to_num(background, nan=1.0)[..., None], 3, axis=-1))
    picture = picture[window]
    number = min(most, picture.shape[axis])
    planes = ((np.arange(number) + 0.5) / number * picture.shape[axis]).astype(int)
    found = [picture.take(plane, axis=axis).swapaxes(0, 1) for plane in planes]
    return found, (zooms[across], zooms[up])


def surface(
    title: str,
    kind: str,
    rgba: Mapping[Hemisphere, npt.NDArray],
    template: Template = FSAVERAGE5,
    over_view: Callable[[Any, Hemisphere, View], None] | None = None,
) -> Figure:
    """Both hemispheres, inflated (four views) or flat (two).

    Parameters
    ----------
    title : str
        Above the figure.
    kind : str
        ``inflated`` or ``flat``.
    rgba : mapping
        Hemisphere to painted vertices, (vertices, 4).
    template : Template
        The meshes.
    over_view : callable, optional
        Draws on the axes of a side, given its view, and writes up to three lines below.
    """
    colours = {side: over(rgba[side], relief(side, template)) for side in HEMISPHERES}
    views = SIDES[kind]
    rows = len(views) // 2
    height = 2.1 * rows if kind == "inflated" else 2.9
    figure, legend, grid = _frame(title, 6.2, height, NAMES if over_view else 0.0)
    for cell, (side, angle, name) in zip(
        grid.subgridspec(rows, 2, wspace=0.04, hspace=0.12), views, strict=True
    ):
        axes = figure.add_subplot(cell)
        seen = view(side, angle, template)
        axes.imshow(seen.image(colours[side]), interpolation="antialiased")
        if over_view is not None:
            over_view(axes, side, seen)
        axes.axis("off")
        axes.set_title(name, fontsize=8, color="#555555")
    figure.add_subplot(legend)
    return figure


def finish(figure: Figure, paint: Paint) -> Figure:
    """Draw the key into the strip that the figure keeps for it (its last axes)."""
    paint.legend(figure.axes[-1])
    return figure


def _frame(title: str, width: float, height: float, below: float = 0.0) -> tuple[Figure, Any, Any]:
    """A figure, where its key goes, and the grid of pictures with `below` (inches) under it."""
    total = height + below + 1.25
    figure = plt.figure(figsize=(max(width, 5.5), total), layout=None)
    gap = below + 0.08
    outer = figure.add_gridspec(
        2,
        3,
        height_ratios=[height, 0.13],
        width_ratios=[1, 1.6, 1],
        left=0.02,
        right=0.98,
        top=1 - 0.5 / total,
        bottom=0.5 / total,
        hspace=2 * gap / (total - 1 - gap),
    )
    figure.suptitle(title, y=1 - 0.08 / total, va="top")
    return figure, outer[1, 1], outer[0, :]


def _extent(shown: npt.NDArray, axis: int) -> slice:
    where = np.flatnonzero(shown.any(axis=tuple(a for a in range(3) if a != axis)))
    return slice(where[0], where[-1] + 1) if len(where) else slice(None)


def faded(rgba: npt.NDArray, opacity: npt.NDArray | None) -> npt.NDArray:
    """Painted places (n, 4), as opaque as `opacity` (n,) says; None changes nothing."""
    if opacity is None:
        return rgba
    return np.concatenate([rgba[:, :3], rgba[:, 3:] * np.nan_to_num(opacity)[:, None]], axis=1)


def over(rgba: npt.NDArray, below: npt.NDArray) -> npt.NDArray:
    """`rgba` (…, 4) painted on opaque colours (…, 3)."""
    alpha = rgba[..., 3:]
    return np.clip(rgba[..., :3] * alpha + below * (1 - alpha), 0, 1)
