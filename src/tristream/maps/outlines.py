"""Borders of an atlas's regions on a flat map.

nilearn's ``plot_surf_contours`` recolours the faces of a mesh in three dimensions at a region's
edge, for each figure anew; here a border is a line through the faces of the plane, which stays
sharp in an SVG and leaves the map's colours as they are.
"""

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_rgba
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from tristream.maps.surface import HEMISPHERES, Hemisphere, View, cortex
from tristream.space.atlas import NOWHERE, Regions
from tristream.space.meshes import fsaverage5_middle as middle

NAMED = 5
# Letters of a line below a flat map.
WIDE = 74
INK, HALO = "#1a1a1a", "#ffffff"
SIDE = ("Left ", "Right ")
Drawer = Callable[[Any, Hemisphere, View], None]
SENTENCE = (
    "Borders on flat maps are those of the regions of the Harvard-Oxford atlas [@desikan2006], a "
    "vertex belonging to the region half-way between the white and the pial surface of fsaverage5."
)


@dataclass(frozen=True)
class Outlines:
    """Regions of an atlas at the vertices of fsaverage5.

    Attributes
    ----------
    labels : mapping
        Hemisphere to the place of each vertex's region among `names`, -1 for none, (vertices,).
    names : sequence of str
    """

    labels: Mapping[Hemisphere, npt.NDArray[np.int16]]
    names: list[str]

    @classmethod
    def of(cls, atlas: Regions) -> "Outlines":
        """The cortex's; an atlas lies in MNI space, and a vertex in the middle of the cortex."""
        labels = {
            side: np.where(cortex(side), atlas.at(middle(side)), np.int16(NOWHERE))
            for side in HEMISPHERES
        }
        return cls(labels, atlas.names)

    @property
    def number(self) -> int:
        """How many regions have a vertex."""
        found = np.unique(np.concatenate(list(self.labels.values())))
        return int((found != NOWHERE).sum())

    def highest(self, side: Hemisphere, values: npt.NDArray) -> list[int]:
        """The regions of a side with the largest means of values (vertices,), most first."""
        label, known = self.labels[side], np.isfinite(values)
        means = {
            int(one): float(values[inside].mean())
            for one in np.unique(label[label != NOWHERE])
            if (inside := (label == one) & known).any()
        }
        return sorted(means, key=means.__getitem__, reverse=True)[:NAMED]

    def drawer(self, values: Mapping[Hemisphere, npt.NDArray]) -> Drawer:
        """Draws on a side, with the names of the regions where values (vertices,) are highest."""
        named = {side: self.highest(side, values[side]) for side in HEMISPHERES}

        def draw(axes: Any, side: Hemisphere, view: View) -> None:
            self.draw(axes, side, view, named[side])

        return draw

    def draw(self, axes: Any, side: Hemisphere, view: View, named: list[int]) -> None:
        """Lines on a picture of a side, numbers in some regions, and their names below."""
        lines = borders(self.labels[side], view.points, view.faces)
        # One path: as many as lines would be most of an SVG, and of the time to write it.
        path = Outline(lines.reshape(-1, 2), [Outline.MOVETO, Outline.LINETO] * len(lines))
        for colour, width, opacity in ((HALO, 1.1, 0.7), (INK, 0.45, 1.0)):
            line = to_rgba(colour, opacity)
            axes.add_patch(PathPatch(path, fill=False, edgecolor=line, linewidth=width))
        drawn = np.zeros(len(view.points), bool)
        drawn[view.faces] = True
        seen = [one for one in named if ((self.labels[side] == one) & drawn).any()]
        # A disc: figures with a stroke about them would be shapes in an SVG, not text.
        disc = {"boxstyle": "circle,pad=0.15", "facecolor": HALO, "alpha": 0.8, "linewidth": 0}
        place = {"ha": "center", "va": "center", "size": 4.5, "color": INK}
        for number, region in enumerate(seen, start=1):
            inside = (self.labels[side] == region) & drawn
            at = np.median(view.points[inside], axis=0)
            axes.text(*at, str(number), bbox=disc, **place)
        key = ", ".join(f"{n} {short(self.names[one])}" for n, one in enumerate(seen, start=1))
        below = {"transform": axes.transAxes, "ha": "center", "va": "top", "size": 5.5}
        axes.text(0.5, -0.01, textwrap.fill(key, WIDE), color=INK, **below)

    def words(self, what: str = "test r") -> str:
        """What was drawn, for a caption; `what` the names were chosen by."""
        return (
            f"Lines: borders of the {self.number} regions of the Harvard-Oxford atlas that reach "
            f"the cortex here. Numbers: the {NAMED} of each side, or fewer, with the largest mean "
            f"{what}, from 1 down."
        )


def short(name: str) -> str:
    """A region's name without its side and what is in brackets."""
    for side in SIDE:
        name = name.removeprefix(side)
    return name.split(" (")[0]


def borders(
    labels: npt.NDArray[np.integer], points: npt.NDArray[np.floating], faces: npt.NDArray
) -> npt.NDArray[np.float64]:
    """Lines between the vertices of different labels.

    A face of two labels has a line between the middles of the edges where they meet; one of three
    has a line from the middle of each edge to its own middle.

    Parameters
    ----------
    labels : ndarray of shape (vertices,)
    points : ndarray of shape (vertices, 2)
    faces : ndarray of shape (faces, 3)

    Returns
    -------
    ndarray of shape (lines, 2, 2)
        Start and end of each.
    """
    following = np.roll(faces, -1, axis=1)
    differs = labels[faces] != labels[following]
    middles = (points[faces] + points[following]) / 2
    two = differs.sum(axis=1) == 2
    pairs = middles[two][differs[two]].reshape(-1, 2, 2)
    three = differs.all(axis=1)
    centres = np.repeat(points[faces[three]].mean(axis=1), 3, axis=0)
    stars = np.stack([middles[three].reshape(-1, 2), centres], axis=1)
    return np.concatenate([pairs, stars])
