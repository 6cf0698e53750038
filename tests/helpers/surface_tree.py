"""A small dataset whose fMRIPrep outputs lie on surfaces, with signals planted at known places."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from helpers import bold_tree
from tristream.config.dataset import Dataset

RUNS = [f"task-film_run-0{n}" for n in (1, 2, 3, 4)]
VOLUMES, TR = bold_tree.VOLUMES, bold_tree.TR
FSAVERAGE5, FSLR = "fsaverage5", "fsLR_den-91k"
VERTICES = {FSAVERAGE5: 10_242, FSLR: 32_492}
# Of the left and right hemisphere: vertices on the cortex that vary, and those of the signals.
VARY = {"L": [5, 17, 100, 900, 5000], "R": [17, 100, 200, 7000]}
PLANTED = {"sound": ("L", 100), "picture": ("R", 200)}
# Subcortical voxels of the CIFTI; the second has the sound's signal.
VOXELS = np.array([[38, 55, 40], [39, 55, 40], [40, 56, 41]])
AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
CONSTANT = 50  # a vertex of both hemispheres that is in the CIFTI, and does not vary


def dataset(space: str, **changes: Any) -> Dataset:
    """Descriptor of what :func:`write` writes."""
    layout = {"kind": "fmriprep", "space": space, "confounds": ["motion", "high_pass"]}
    split = {"scheme": "leave-one-run-out"}
    return bold_tree.fmriprep_dataset(layout=layout, runs=RUNS, split=split, **changes)


def path(root: Path, run: str, space: str, hemisphere: str = "L") -> Path:
    """The BOLD of a run."""
    start = f"sub-01_{run}_"
    name = f"{start}hemi-{hemisphere}_space-{space}_bold.func.gii"
    cifti = f"{start}space-{space}_bold.dtseries.nii"
    return root / bold_tree.FUNC / (name if space == FSAVERAGE5 else cifti)


def courses(run: str) -> dict[str, np.ndarray]:
    """Courses of the two signals in a run, (volumes,), which change slowly."""
    rng = np.random.default_rng([7, RUNS.index(run)])
    white = rng.standard_normal((VOLUMES + 3, 2))
    slow = np.stack([white[n : n + VOLUMES] for n in range(4)]).sum(0)
    return dict(zip(PLANTED, slow.T, strict=True))


def at_vertices(run: str, hemisphere: str, vertices: int) -> np.ndarray:
    """BOLD of a hemisphere, (vertices, volumes): noise, and the planted signals."""
    rng = np.random.default_rng([RUNS.index(run), ord(hemisphere)])
    bold = np.full((vertices, VOLUMES), 500, np.float32)
    bold[VARY[hemisphere]] += rng.standard_normal((len(VARY[hemisphere]), VOLUMES))
    for name, (side, vertex) in PLANTED.items():
        if side == hemisphere:
            bold[vertex] += 2 * courses(run)[name]
    return bold


def write(root: Path, space: str) -> Path:
    """Write four runs with sidecars and confounds."""
    (root / bold_tree.FUNC).mkdir(parents=True)
    for number, run in enumerate(RUNS):
        if space == FSAVERAGE5:
            for hemisphere in "LR":
                bold = at_vertices(run, hemisphere, VERTICES[space])
                save_gifti(path(root, run, space, hemisphere), bold, hemisphere)
        else:
            save_cifti(path(root, run, space), run)
        sidecar = path(root, run, space).name.split(".")[0] + ".json"
        content = {"RepetitionTime": TR, "StartTime": 0.7}
        (root / bold_tree.FUNC / sidecar).write_text(json.dumps(content))
        table = bold_tree.confounds(np.random.default_rng(number))
        table.to_csv(bold_tree.confounds_path(root, run), sep="\t", index=False, na_rep="n/a")
    return root


def save_gifti(path: Path, bold: np.ndarray, hemisphere: str) -> None:
    """Write BOLD (vertices, volumes) as one array a volume."""
    side = {"L": "CortexLeft", "R": "CortexRight"}[hemisphere]
    meta = nib.gifti.GiftiMetaData(AnatomicalStructurePrimary=side)
    arrays = [
        nib.gifti.GiftiDataArray(volume.copy(), intent="NIFTI_INTENT_TIME_SERIES")
        for volume in bold.T.astype(np.float32)
    ]
    nib.save(nib.GiftiImage(meta=meta, darrays=arrays), path)


def save_cifti(path: Path, run: str, tr: float = TR, structures: str = "LR") -> None:
    """Write a run of a few vertices of each hemisphere and three voxels of the thalamus."""
    rng = np.random.default_rng(RUNS.index(run))
    voxels = 300 + rng.standard_normal((len(VOXELS), VOLUMES)).astype(np.float32)
    voxels[1] += 2 * courses(run)["sound"]
    models, bold = [], []
    for side, name in (("L", "CORTEX_LEFT"), ("R", "CORTEX_RIGHT")):
        if side in structures:
            chosen = sorted([*VARY[side], CONSTANT])
            vertices = VERTICES[FSLR]
            models.append(nib.cifti2.BrainModelAxis.from_surface(chosen, vertices, name))
            bold.append(at_vertices(run, side, vertices)[chosen])
    mask = np.zeros((91, 109, 91), bool)
    mask[tuple(VOXELS.T)] = True
    models.append(nib.cifti2.BrainModelAxis.from_mask(mask, "thalamus_left", AFFINE))
    bold.append(voxels)
    axis = models[0]
    for model in models[1:]:
        axis = axis + model
    time = nib.cifti2.SeriesAxis(0, tr, VOLUMES, "SECOND")
    header = nib.Cifti2Header.from_axes((time, axis))
    nib.save(nib.Cifti2Image(np.concatenate(bold).T, header), path)
