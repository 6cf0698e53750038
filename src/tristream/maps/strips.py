"""One row of the brain: four views of the surface where the data reach it, else a few slices.

Small enough for many to stand below each other, and on no background of its own, so that a page
may be dark. What is not significant is drawn fainter, not left out: a threshold hides how near to
it a voxel is (Taylor et al. 2023, NeuroImage 274:120138).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tristream.maps.background import grey_levels, to_ras
from tristream.maps.brain_figures import (
    TWO_SIDED,
    Paint,
    labelled,
    over,
    scale,
    slices,
    two_sided,
)
from tristream.maps.style import SEQUENTIAL
from tristream.maps.surface import (
    HEMISPHERES,
    MIN_COVERAGE,
    Hemisphere,
    Side,
    Template,
    reached,
    relief,
    sampled,
    template_of,
    view,
    whole,
)
from tristream.maps.transparency import FAINT
from tristream.space.grayordinates import Grayordinates

VIEWS: tuple[tuple[Hemisphere, Side], ...] = (
    ("left", "lateral"),
    ("left", "medial"),
    ("right", "medial"),
    ("right", "lateral"),
)
VIEW_PIXELS = 230
FEW_SLICES = 6
# Readable on white and on a dark page.
TEXT = "#767676"
# Inches; pages show strips at about their size.
WIDTH, KEY, HEAD, DPI = 4.6, 0.85, 0.2, 190


@dataclass(frozen=True)
class Brain:
    """Where the values of a subject, or of a group, lie.

    Attributes
    ----------
    ijk, affine, shape, grayordinates
        As files say.
    space : str
        The space of the volumes.
    run : Path or None
        A run whose mean lies under slices of volumes that are in no template.
    meshes : Path or None
        Receipt of the meshes of fsLR.
    """

    ijk: npt.NDArray[np.int32]
    affine: npt.NDArray[np.floating]
    shape: tuple[int, int, int]
    grayordinates: Grayordinates | None
    space: str
    run: Path | None = None
    meshes: Path | None = None

    @cached_property
    def template(self) -> Template | None:
        """The meshes that it is drawn on; None for slices."""
        if self.grayordinates is not None:
            return template_of(self.space, self.meshes)
        if not self.space.startswith("MNI"):
            return None
        everywhere = self._textures(np.ones((1, len(self.ijk)), np.float32))
        enough = reached({side: rows[0] for side, rows in everywhere.items()}) >= MIN_COVERAGE
        return template_of(None, None) if enough else None

    def _textures(self, rows: npt.NDArray) -> dict[Hemisphere, npt.NDArray]:
        if self.grayordinates is None:
            return dict(sampled(self, rows))
        assert self.template is not None
        return dict(whole(self, rows, self.template))

    def pictures(self, paint: Paint, rows: npt.NDArray) -> tuple[list[npt.NDArray], float]:
        """Pictures from left to right, and how much higher than wide their pixels are.

        Parameters
        ----------
        paint : Paint
            Takes all rows but the last.
        rows : (k + 1, n)
            The last is the opacity.
        """
        if self.template is not None:
            textures = self._textures(rows)
            colours = {
                side: over(_painted(paint, textures[side]), relief(side, self.template))
                for side in HEMISPHERES
            }
            shown = [
                view(side, angle, self.template, VIEW_PIXELS).image(colours[side])
                for side, angle in VIEWS
            ]
            return shown, 1.0
        image = np.zeros((*self.shape, 4), np.float32)
        image[tuple(self.ijk.T)] = _painted(paint, rows)
        rgba, zooms = to_ras(image, self.affine)
        found, (wide, high) = slices(rgba, self._grey, zooms, FEW_SLICES)
        return [picture[::-1] for picture in found], high / wide

    @cached_property
    def _grey(self) -> npt.NDArray:
        if self.space.startswith("MNI") or self.run is not None:
            return grey_levels(self, self.space, self.run)
        mask = np.zeros(self.shape)
        mask[tuple(self.ijk.T)] = 1
        return to_ras(np.where(mask > 0, 0.85, np.nan), self.affine)[0]

    @property
    def is_drawn(self) -> bool:
        """Whether there is anything to draw it on."""
        return self.grayordinates is None or self.template is not None

    @property
    def words(self) -> str:
        """What is seen, from left to right."""
        if self.template is not None:
            return (
                f"Left hemisphere from outside and from the middle, right hemisphere from the "
                f"middle and from outside ({self.template.name}, inflated)."
            )
        return "Slices from below; the brain's left is on the left."


def _painted(paint: Paint, rows: npt.NDArray) -> npt.NDArray:
    """Colours of all rows but the last, which is their opacity."""
    values = rows[0] if len(rows) == 2 else rows[:-1]
    colours = paint.rgba(values)
    colours[..., 3] *= np.clip(np.nan_to_num(rows[-1], nan=1.0), 0, 1)
    return colours


def opacity(significant: npt.NDArray[np.bool_] | None, number: int) -> npt.NDArray[np.float32]:
    """Full where significant, and everywhere if that is not known, (n,)."""
    if significant is None:
        return np.ones(number, np.float32)
    return np.where(significant, 1.0, FAINT).astype(np.float32)


def strip_of_values(
    brain: Brain,
    values: npt.NDArray,
    shown: npt.NDArray,
    full: float,
    label: str,
    head: str,
    signed: bool = False,
) -> Figure:
    """Values from 0 to `full`, or of both signs, with their key.

    Parameters
    ----------
    brain : Brain
        Where they lie.
    values, shown : (n,)
        Values and their opacity.
    full : float
        End of the scale; larger values have its colour.
    label, head : str
        Beside the key; above the strip.
    signed : bool
        From -`full` to `full`.
    """
    paint = two_sided(full, label) if signed else scale(0, full, label)
    pictures, ratio = brain.pictures(paint, np.stack([values, shown]).astype(np.float32))
    figure, axes = _row(pictures, ratio, head)
    low, colours = (-full, TWO_SIDED) if signed else (0, SEQUENTIAL)
    bar = figure.colorbar(
        ScalarMappable(Normalize(low, full), colours), cax=axes.inset_axes((0.08, 0.1, 0.12, 0.8))
    )
    bar.set_ticks([low, full], labels=[f"{low:.2g}", f"{full:.2g}"])
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=TEXT, length=0, labelsize=7.5, pad=2)
    axes.text(0.75, 0.5, label, color=TEXT, fontsize=7.5, rotation=90, va="center", ha="center")
    return figure


def strip_of_labels(
    brain: Brain,
    labels: npt.NDArray,
    strength: npt.NDArray,
    shown: npt.NDArray,
    full: float,
    colours: Mapping[str, str],
    head: str,
) -> Figure:
    """Labels (0: none) with opacity `strength` / `full` and their key.

    Parameters
    ----------
    brain : Brain
        Where they lie.
    labels, strength, shown : (n,)
        Index + 1 in `colours`; what makes a colour stronger; opacity.
    full : float
        Strength at which a colour is full.
    colours : mapping of str to str
        Label to colour.
    head : str
        Above the strip.
    """
    paint = labelled(colours, full)
    if brain.template is not None and brain.grayordinates is None:
        paint = _commonest(paint)
        each = [labels == number + 1 for number in range(len(colours))]
    else:
        each = [labels]
    rows = np.stack([*each, strength, shown]).astype(np.float32)
    pictures, ratio = brain.pictures(paint, rows)
    figure, axes = _row(pictures, ratio, head)
    axes.legend(
        handles=[Patch(color=colour, label=label) for label, colour in colours.items()],
        loc="center left",
        bbox_to_anchor=(-0.05, 0.5),
        fontsize=7.5,
        labelcolor=TEXT,
        handlelength=0.8,
        handletextpad=0.4,
        borderpad=0,
    )
    return figure


def _commonest(paint: Paint) -> Paint:
    """Of shares of labels: a vertex between voxels has the label that most of its depth has."""

    def rgba(values: npt.NDArray) -> npt.NDArray:
        shares = np.nan_to_num(values[:-1])
        most = np.where(shares.max(axis=0) > 0, shares.argmax(axis=0) + 1, 0)
        return paint.rgba(np.stack([most, values[-1]]))

    return Paint(rgba, paint.legend)


def _row(pictures: list[npt.NDArray], ratio: float, head: str) -> tuple[Figure, plt.Axes]:
    """Pictures of one height side by side, and empty axes for the key at the right."""
    wide = [picture.shape[1] / (picture.shape[0] * ratio) for picture in pictures]
    gap = 0.03
    room = WIDTH - KEY - gap * len(pictures)
    high = min(room / sum(wide), 1.5)
    total = high * sum(wide) + gap * len(pictures) + KEY
    figure = plt.figure(figsize=(total, high + HEAD), facecolor="none")
    left = 0.0
    for picture, width in zip(pictures, wide, strict=True):
        axes = figure.add_axes((left / total, 0, width * high / total, high / (high + HEAD)))
        axes.imshow(_opaque(picture), aspect="auto", interpolation="antialiased")
        axes.axis("off")
        left += width * high + gap
    figure.text(0.004, 0.99, head, color=TEXT, fontsize=8, va="top")
    key = figure.add_axes((left / total, 0, KEY / total, high / (high + HEAD)))
    key.axis("off")
    return figure, key


def _opaque(picture: npt.NDArray) -> npt.NDArray:
    """A picture with an alpha channel: white paper around slices becomes transparent."""
    if picture.shape[-1] == 4:
        return picture
    blank = (picture >= 1).all(axis=-1)
    return np.concatenate([picture, np.where(blank, 0.0, 1.0)[..., None]], axis=-1)
