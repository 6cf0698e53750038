"""Scores on the fsaverage5 surface, and how that surface looks from a few sides.

nilearn ships the meshes, so nothing is downloaded. A view is rendered once into an image of face
numbers; every map is then a lookup in it, which is fifty times quicker than drawing the mesh anew.
"""

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import numpy.typing as npt
from matplotlib.collections import PolyCollection
from nilearn.datasets import fetch_surf_fsaverage
from nilearn.surface import load_surf_data, load_surf_mesh, vol_to_surf

from tristream.maps.scores import Scores, Voxels

Hemisphere = Literal["left", "right"]
Side = Literal["lateral", "medial", "flat"]
HEMISPHERES: tuple[Hemisphere, Hemisphere] = ("left", "right")
MIN_COVERAGE = 0.05


@cache
def _mesh(kind: str, hemisphere: Hemisphere) -> tuple[npt.NDArray, npt.NDArray]:
    mesh = load_surf_mesh(fetch_surf_fsaverage("fsaverage5")[f"{kind}_{hemisphere}"])
    return np.asarray(mesh.coordinates), np.asarray(mesh.faces)


@cache
def cortex(hemisphere: Hemisphere) -> npt.NDArray[np.bool_]:
    """Vertices that the flat map shows: all but the medial wall, (10242,)."""
    coordinates, faces = _mesh("flat", hemisphere)
    shown = np.zeros(len(coordinates), bool)
    shown[faces.ravel()] = True
    return shown


def project(voxels: Voxels) -> dict[Hemisphere, Scores]:
    """Sample MNI volumes between white and pial surface of fsaverage5 (mean over the depth).

    The measured scores are projected, and ratios and winners derived on the surface, so that a
    voxel without a usable ceiling does not punch a hole into its neighbours.

    Returns
    -------
    dict
        Hemisphere to scores of 10242 vertices; NaN on the medial wall and outside the mask.
    """
    paths = fetch_surf_fsaverage("fsaverage5")
    rows = voxels.scores.stacked().astype(np.float32)
    image = np.stack([voxels.volume(row) for row in rows], axis=-1)
    volume = nib.Nifti1Image(image, voxels.affine)
    out = {}
    for side in HEMISPHERES:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Mean of empty slice")
            texture = vol_to_surf(
                volume, paths[f"pial_{side}"], inner_mesh=paths[f"white_{side}"], kind="depth"
            )
        texture = np.where(cortex(side)[:, None], texture, np.nan).astype(np.float32)
        out[side] = voxels.scores.unstacked(texture.T)
    return out


def coverage(surfaces: dict[Hemisphere, Scores]) -> float:
    """Share of cortical vertices that the volume reaches."""
    reached = [np.isfinite(surfaces[side].r[cortex(side)]) for side in HEMISPHERES]
    return float(np.concatenate(reached).mean())


@dataclass(frozen=True)
class View:
    """One hemisphere from one side.

    Attributes
    ----------
    face_of_pixel : (height, width)
        Which face each pixel shows; -1 for none.
    faces : (m, 3)
        Vertices of the faces.
    """

    face_of_pixel: npt.NDArray[np.int64]
    faces: npt.NDArray[np.int64]

    def image(self, colours: npt.NDArray) -> npt.NDArray[np.float32]:
        """RGBA picture from vertex colours (n, 3); transparent where no surface is."""
        of_face = colours[self.faces].mean(axis=1)
        picture = np.zeros((*self.face_of_pixel.shape, 4), np.float32)
        shown = self.face_of_pixel >= 0
        picture[shown, :3] = of_face[self.face_of_pixel[shown]]
        picture[shown, 3] = 1
        return picture


@cache
def view(hemisphere: Hemisphere, side: Side, width: int = 420) -> View:
    """Render which face is seen at each pixel of an orthographic view."""
    coordinates, faces = _mesh("flat" if side == "flat" else "infl", hemisphere)
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
    return View(seen, faces)


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
def relief(hemisphere: Hemisphere) -> npt.NDArray[np.float64]:
    """Grey of each vertex, (10242, 3): sulci darker than gyri."""
    sulc = load_surf_data(fetch_surf_fsaverage("fsaverage5")[f"sulc_{hemisphere}"])
    return np.repeat(np.where(sulc > 0, 0.70, 0.84)[:, None], 3, axis=1)
