"""Simulated BOLD on fsaverage5, as fMRIPrep writes it: one GIfTI a hemisphere."""

from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nilearn.datasets import fetch_surf_fsaverage
from nilearn.surface import load_surf_mesh

from tristream.simulate.synthetic.settings import Array, Brain, region_at
from tristream.space.grayordinates import hemispheres

HEMISPHERES = ("Left", "Right")


def fsaverage5() -> Brain:
    """All vertices of fsaverage5, the left hemisphere first; a point lies amid the grey matter."""
    worlds = np.concatenate([_middle(side.lower()) for side in HEMISPHERES])
    ijk = np.zeros((len(worlds), 3), np.int64)
    half = len(worlds) // 2
    ijk[:, 0] = np.tile(np.arange(half), 2)
    places = hemispheres(range(half), range(half), half)
    return Brain(np.eye(4), (0, 0, 0), ijk, region_at(worlds), worlds, places)


def _middle(side: str) -> Array:
    paths = fetch_surf_fsaverage("fsaverage5")
    pial, white = (
        np.asarray(load_surf_mesh(paths[f"{kind}_{side}"]).coordinates, np.float64)
        for kind in ("pial", "white")
    )
    return (pial + white) / 2


def save_hemispheres(left: Path, right: Path, bold: npt.NDArray[np.integer]) -> None:
    """Write BOLD (vertices of both hemispheres, volumes); the files say ``simulated``."""
    left.parent.mkdir(parents=True, exist_ok=True)
    for path, side, values in zip((left, right), HEMISPHERES, np.split(bold, 2), strict=True):
        meta = nib.gifti.GiftiMetaData(
            AnatomicalStructurePrimary=f"Cortex{side}", Description="simulated"
        )
        arrays = [
            nib.gifti.GiftiDataArray(
                np.ascontiguousarray(volume, np.float32), intent="NIFTI_INTENT_TIME_SERIES"
            )
            for volume in values.T
        ]
        path.write_bytes(nib.gifti.GiftiImage(meta=meta, darrays=arrays).to_bytes())
