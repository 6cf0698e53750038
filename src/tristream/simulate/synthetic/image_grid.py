"""Grids that no transform leads to, and the images on them."""

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine

from tristream.simulate.synthetic.settings import Array, Brain, Responses, in_brain, region_at

BLOCK = 20_000  # points whose BOLD is asked for at once


def brain_on(corner: Sequence[float], edge: float, shape: Sequence[int], scale: float) -> Brain:
    """The voxels of the brain on a grid that is coarser by `scale` and covers the same.

    Parameters
    ----------
    corner : sequence of 3 floats
        Outer corner of the image (MNI mm).
    edge : float
        Of a voxel at scale 1 (mm).
    shape : sequence of 3 ints
        At scale 1.
    scale : float
        Factor on the edge.
    """
    i, j, k = (int(np.ceil(n / scale)) for n in shape)
    affine = np.diag([edge * scale] * 3 + [1.0])
    affine[:3, 3] = np.asarray(corner) + edge * scale / 2
    everywhere = np.argwhere(np.ones((i, j, k), bool))
    ijk = everywhere[in_brain(apply_affine(affine, everywhere))]
    return Brain(affine, (i, j, k), ijk, region_at(apply_affine(affine, ijk)))


def bold_of(brain: Brain, responses: Responses, run: str) -> npt.NDArray[np.float32]:
    """BOLD of a run in all voxels, (volumes, v)."""
    at = brain.worlds
    worlds: Array = apply_affine(brain.affine, brain.ijk) if at is None else at
    parts = [responses(run, worlds[n : n + BLOCK]) for n in range(0, len(worlds), BLOCK)]
    return np.concatenate(parts, axis=1)


def save_image(path: Path, brain: Brain, values: npt.NDArray, tr: float | None = None) -> None:
    """Write voxels (v,), or (v, volumes) with their TR (s); the header says ``simulated``."""
    image = nib.Nifti1Image(brain.image(values), brain.affine)
    image.header.set_xyzt_units("mm", "sec")
    if tr is not None:
        image.header.set_zooms((*image.header.get_zooms()[:3], tr))
    image.header["descrip"] = b"simulated"
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)


def integers(bold: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """BOLD (volumes, v) as whole numbers, (v, volumes); noise is 15 of them."""
    return np.rint(bold.T).clip(0, np.iinfo(np.int16).max).astype(np.int16)
