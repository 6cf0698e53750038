"""Scores on surfaces, and how a surface looks from a few sides.

The meshes of fsaverage5 come with nilearn; those of fsLR are fetched, see
:mod:`tristream.space.mesh_faces`. A
view is rendered once into an image of face numbers; every map is then a lookup in it, which is
fifty times quicker than drawing the mesh anew.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import numpy.typing as npt
from matplotlib.collections import PolyCollection
from nilearn.datasets import fetch_surf_fsaverage
from nilearn.surface import load_surf_data, load_surf_mesh, vol_to_surf

from tristream.config.layouts import FSLR
from tristream.maps.score_maps import Scores, Voxels
from tristream.space.grayordinates import CORTEX, Grayordinates
from tristream.space.mesh_faces import fslr_files
from tristream.space.meshes import FSAVERAGE5_VERTICES, FSLR_VERTICES
from tristream.space.meshes import fsaverage5_cortex as cortex

Hemisphere = Literal["left", "right"]
Side = Literal["lateral", "medial", "flat"]
HEMISPHERES: tuple[Hemisphere, Hemisphere] = ("left", "right")
MIN_COVERAGE = 0.05
# The space in which fsLR's voxels below the cortex lie.
BELOW = "MNI152NLin6Asym"
PROJECTED = (
    "For display, volumes in MNI space were sampled between the white and the pial surface of "
    "fsaverage5 [@fischl1999], as a mean over the depth, with nilearn [@nilearn]."
)
NO_MESHES = "the meshes of fsLR were not given (--meshes)"


class Places(Protocol):
    """Where values on surfaces lie, as `ijk` and `grayordinates` of a file say."""

    @property
    def ijk(self) -> npt.NDArray[np.int32]:
        """(vertex, 0, 0), or indices of a voxel, (n, 3)."""

    @property
    def affine(self) -> npt.NDArray[np.floating]:
        """Voxel to millimetres, (4, 4)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the volume."""

    @property
    def grayordinates(self) -> Grayordinates | None:
        """Their structures."""


@dataclass(frozen=True)
class Template:
    """Meshes that maps are drawn on, and the folds that are drawn under them.

    Attributes
    ----------
    name : str
        For captions.
    vertices : int
        Of a hemisphere.
    inflated, flat, folds : tuple of Path
        Files of the left and right hemisphere; `folds` may be one CIFTI of both, in which, as the
        HCP has it, gyri are positive.
    """

    name: str
    vertices: int
    inflated: tuple[str, str]
    flat: tuple[str, str]
    folds: tuple[str, ...]


def _fsaverage5() -> Template:
    paths = fetch_surf_fsaverage("fsaverage5")
    inflated, flat, folds = (
        (str(paths[f"{kind}_left"]), str(paths[f"{kind}_right"]))
        for kind in ("infl", "flat", "sulc")
    )
    return Template("fsaverage5", FSAVERAGE5_VERTICES, inflated, flat, folds)


FSAVERAGE5 = _fsaverage5()


def fslr(receipt: Path) -> Template:
    """The meshes of fsLR from their receipt.

    Raises
    ------
    UserError
        If the receipt is of something else.
    """
    left, right, flat_left, flat_right, *_, folds = fslr_files(receipt)
    return Template("fsLR 32k", FSLR_VERTICES, (left, right), (flat_left, flat_right), (folds,))


@cache
def mesh_of(template: Template, kind: str, side: Hemisphere) -> tuple[npt.NDArray, npt.NDArray]:
    """Coordinates (vertices, 3) and faces (m, 3) of a hemisphere, ``inflated`` or ``flat``."""
    files = template.flat if kind == "flat" else template.inflated
    mesh = load_surf_mesh(files[HEMISPHERES.index(side)])
    return np.asarray(mesh.coordinates), np.asarray(mesh.faces)


def template_of(space: str | None, meshes: Path | None) -> Template | None:
    """The meshes that BOLD in a space is drawn on; None for fsLR without a receipt of them."""
    if space == FSLR:
        return fslr(meshes) if meshes else None
    return FSAVERAGE5


def whole(
    places: Places, values: npt.NDArray, template: Template
) -> dict[Hemisphere, npt.NDArray[np.float32]]:
    """Values (…, n) in their places of whole hemispheres (…, vertices); NaN elsewhere."""
    where = places.grayordinates
    assert where is not None
    out = {}
    for side, name in zip(HEMISPHERES, CORTEX, strict=True):
        texture = np.full((*values.shape[:-1], template.vertices), np.nan, np.float32)
        texture[..., places.ijk[where.of(name), 0]] = values[..., where.of(name)]
        out[side] = texture
    return out


def sides(places: Places) -> npt.NDArray[np.str_]:
    """Hemisphere of each vertex."""
    where = places.grayordinates
    assert where is not None
    return np.where(where.of(CORTEX[0]), *HEMISPHERES)


def at_vertices(voxels: Voxels, template: Template) -> dict[Hemisphere, Scores]:
    """Scores of vertices in their places of whole hemispheres; NaN where nothing was measured."""
    scores = voxels.scores
    textures = whole(voxels, scores.stacked(), template)
    return {side: scores.unstacked(texture) for side, texture in textures.items()}


def project(voxels: Voxels) -> dict[Hemisphere, Scores]:
    """Sample MNI volumes between white and pial surface of fsaverage5 (mean over the depth).

    The measured scores are projected, and ratios and best streams derived on the surface, so that a
    voxel without a usable ceiling does not punch a hole into its neighbours.

    Returns
    -------
    dict
        Hemisphere to scores of 10242 vertices; NaN on the medial wall and outside the mask.
    """
    textures = sampled(voxels, voxels.scores.stacked())
    return {side: voxels.scores.unstacked(texture) for side, texture in textures.items()}


def sampled(places: Places, rows: npt.NDArray) -> dict[Hemisphere, npt.NDArray[np.float32]]:
    """Rows (k, n) of MNI voxels on fsaverage5, as :func:`project` does: (k, vertices) a side."""
    paths = fetch_surf_fsaverage("fsaverage5")
    image = np.full((*places.shape, len(rows)), np.nan, np.float32)
    image[tuple(places.ijk.T)] = rows.T
    volume = nib.Nifti1Image(image, places.affine)
    out = {}
    for side in HEMISPHERES:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Mean of empty slice")
            texture = vol_to_surf(
                volume, paths[f"pial_{side}"], inner_mesh=paths[f"white_{side}"], kind="depth"
            )
        out[side] = np.where(cortex(side)[:, None], texture, np.nan).astype(np.float32).T
    return out


def coverage(surfaces: dict[Hemisphere, Scores]) -> float:
    """Share of cortical vertices that the volume reaches."""
    return reached({side: scores.r for side, scores in surfaces.items()})


def reached(values: Mapping[Hemisphere, npt.NDArray]) -> float:
    """Share of cortical vertices that have a value, (vertices,) a side."""
    found = [np.isfinite(values[side][cortex(side)]) for side in HEMISPHERES]
    return float(np.concatenate(found).mean())


@dataclass(frozen=True)
class View:
    """One hemisphere from one side.

    Attributes
    ----------
    face_of_pixel : (height, width)
        Which face each pixel shows; -1 for none.
    faces : (m, 3)
        Vertices of the faces.
    points : (vertices, 2)
        Where the vertices stand in the picture, in pixels from the upper left.
    """

    face_of_pixel: npt.NDArray[np.int64]
    faces: npt.NDArray[np.int64]
    points: npt.NDArray[np.float64]

    def image(self, colours: npt.NDArray) -> npt.NDArray[np.float32]:
        """RGBA picture from vertex colours (n, 3); transparent where no surface is."""
        of_face = colours[self.faces].mean(axis=1)
        picture = np.zeros((*self.face_of_pixel.shape, 4), np.float32)
        shown = self.face_of_pixel >= 0
        picture[shown, :3] = of_face[self.face_of_pixel[shown]]
        picture[shown, 3] = 1
        return picture


@cache
def view(
    hemisphere: Hemisphere, side: Side, template: Template = FSAVERAGE5, width: int = 420
) -> View:
    """Render which face is seen at each pixel of an orthographic view."""
    coordinates, faces = mesh_of(template, side, hemisphere)
    across, up, depth = _camera(coordinates, hemisphere, side)
    plane = np.stack([across, up], axis=1)
    order = np.argsort(depth[faces].mean(axis=1))
    low, high = plane.min(axis=0), plane.max(axis=0)
    height = round(width * (high[1] - low[1]) / (high[0] - low[0]))
    numbers = order + 1
    code = np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], axis=1) / 255
    buffer = _draw(plane[faces[order]], code, low, high, width, height)
    seen = (buffer[..., 0] << 16 | buffer[..., 1] << 8 | buffer[..., 2]) - 1
    seen[seen >= len(faces)] = -1
    points = (plane - [low[0], high[1]]) / (high - low) * [width, -height] - 0.5
    return View(seen, faces, points)


def _camera(xyz: npt.NDArray, hemisphere: Hemisphere, side: Side) -> tuple[npt.NDArray, ...]:
    """Right, up and towards-the-viewer coordinates."""
    x, y, z = xyz.T
    if side == "flat":
        return x, y, np.zeros_like(x)
    from_left = (hemisphere == "left") == (side == "lateral")
    return (-y, z, -x) if from_left else (y, z, x)


def _draw(
    polygons: npt.NDArray,
    colours: npt.NDArray,
    low: npt.NDArray,
    high: npt.NDArray,
    width: int,
    height: int,
) -> npt.NDArray[np.int64]:
    with plt.rc_context({"path.simplify": False}):
        figure = plt.figure(figsize=(width / 100, height / 100), dpi=100, facecolor="black")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        axes.add_collection(PolyCollection(list(polygons), facecolors=colours, antialiased=False))
        canvas: Any = figure.canvas
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3].astype(np.int64)
        plt.close(figure)
    return pixels


@cache
def relief(hemisphere: Hemisphere, template: Template = FSAVERAGE5) -> npt.NDArray[np.float64]:
    """Grey of each vertex, (vertices, 3): sulci darker than gyri."""
    number = HEMISPHERES.index(hemisphere)
    if len(template.folds) == 1:
        depth = -_of_hemisphere(Path(template.folds[0]), number, template.vertices)
    else:
        depth = load_surf_data(template.folds[number])
    return np.repeat(np.where(depth > 0, 0.70, 0.84)[:, None], 3, axis=1)


def _of_hemisphere(path: Path, number: int, vertices: int) -> npt.NDArray[np.float64]:
    """The first map of a CIFTI on one hemisphere, 0 where it holds nothing."""
    image: Any = nib.load(path)
    out = np.zeros(vertices)
    for name, columns, models in image.header.get_axis(1).iter_structures():
        if name.endswith(CORTEX[number]):
            out[models.vertex] = image.get_fdata()[0, columns]
    return out
