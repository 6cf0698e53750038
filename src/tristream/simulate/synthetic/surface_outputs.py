"""Simulated BOLD on surfaces, as fMRIPrep writes it: GIfTI of fsaverage5, CIFTI of fsLR."""

from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from nilearn.datasets import fetch_surf_fsaverage
from nilearn.surface import load_surf_mesh

from tristream.fetch.archive import fetch_archive
from tristream.simulate.synthetic.settings import Array, Brain, region_at
from tristream.space.grayordinates import CORTEX, Grayordinates, from_axis, hemispheres, to_axis
from tristream.space.mesh_faces import FSLR_PLACES

HEMISPHERES = ("Left", "Right")
# The voxels of CIFTI files: MNI152NLin6Asym at 2 mm.
VOXELS = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
VOLUME = (91, 109, 91)
# Of 19 structures of voxels one stands for all: a ball on each side (middle and radius, mm).
DEEP = {"THALAMUS_LEFT": (-12.0, -19.0, 8.0), "THALAMUS_RIGHT": (12.0, -19.0, 8.0)}
RADIUS = 10.0


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


def fslr(data: Path) -> Brain:
    """Vertices of fsLR off the medial wall where they lie on average, and voxels of the thalamus.

    Parameters
    ----------
    data : Path
        Folder of downloads.
    """
    root, _ = fetch_archive(FSLR_PLACES, data)
    *surfaces, cortex = (root / member for member in FSLR_PLACES.members)
    where, ijk = from_axis(nib.Cifti2Image.from_filename(cortex).header.get_axis(1))
    worlds, structure = [], [where.structure]
    for name, path in zip(CORTEX, surfaces, strict=True):
        points = np.asarray(load_surf_mesh(path).coordinates, np.float64)
        worlds.append(points[ijk[where.of(name), 0]])
    voxels = np.argwhere(np.ones(VOLUME, bool))
    points = apply_affine(VOXELS, voxels)
    places = [ijk.astype(np.int64)]
    for number, middle in enumerate(DEEP.values(), start=len(where.names)):
        inside = ((points - middle) ** 2).sum(axis=1) <= RADIUS**2
        worlds.append(points[inside])
        places.append(voxels[inside])
        structure.append(np.full(inside.sum(), number, np.int8))
    names, vertices = (*where.names, *DEEP), (*where.vertices, *(0 for _ in DEEP))
    every = Grayordinates(np.concatenate(structure), names, vertices)
    there = np.concatenate(worlds)
    return Brain(VOXELS, VOLUME, np.concatenate(places), region_at(there), there, every)


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


def save_grayordinates(path: Path, brain: Brain, bold: npt.NDArray[np.integer], tr: float) -> None:
    """Write BOLD (grayordinates, volumes) as CIFTI; the file says ``simulated``."""
    assert brain.grayordinates is not None
    models = to_axis(brain.grayordinates, brain.ijk.astype(np.int32), brain.affine, brain.shape)
    time = nib.cifti2.SeriesAxis(0, tr, bold.shape[1], "SECOND")
    header = nib.Cifti2Header.from_axes((time, models))
    header.matrix.metadata = nib.cifti2.Cifti2MetaData({"Description": "simulated"})
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Cifti2Image(np.ascontiguousarray(bold.T, np.float32), header), path)
