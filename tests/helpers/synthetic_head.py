"""A head of known shape, scanned while it moves: raw BOLD and the minimal outputs that undo it.

The head is a sum of Gaussians, each with a time course of its own, so that its intensity is known
at any point and needs no interpolation. Raw volumes are evaluated where head motion, coregistration
and distortion put their voxels; the transform files are written by the simulation's own code.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine

from tristream.config.dataset import Dataset
from tristream.simulate.synthetic import transform_files
from tristream.simulate.synthetic.transform_files import CoefficientField, rigid, write_affines

RUNS = ["task-film_run-01", "task-film_run-02"]
TR = 1.5
EDGE = 3.2
SHAPE = (32, 36, 28)
BRAIN = np.array([26.0, 30.0, 20.0])
HOME = "derivatives/fmriprep"
ECHO_SPACING = 0.0007


def head_motion(volumes: int, seed: int = 0) -> np.ndarray:
    """Positions that wander, some of them by more than two voxels and 5°; the first is at rest."""
    rng = np.random.default_rng(seed)
    moved, turned = rng.normal(0, 1.0, (2, volumes, 3))
    moved[0], turned[0] = 0, 0
    moved[1], turned[1] = (2.1 * EDGE, -2.0, 1.5), (1.0, 5.5, -2.0)
    moved[2], turned[2] = (1.0, -2.2 * EDGE, 2.0), (-5.2, 1.0, 3.0)
    return np.stack([rigid(m, t) for m, t in zip(moved, turned, strict=True)])


@dataclass(frozen=True)
class Head:
    """What was scanned, and how it lay.

    `motion` maps RAS mm of the reference volume to RAS mm of each volume, `coregistration` RAS mm
    of the T1w to those of the reference, `linear` the displaced template to the T1w; `knots` (Hz)
    of the distortion field lie on a grid of 18 mm in the fieldmap's space.
    """

    volumes: int = 12
    seed: int = 0
    distorted: bool = False
    direction: str = "j-"
    affine: np.ndarray = field(
        default_factory=lambda: (
            rigid([4, -8, 6], [9, 2, 3])
            @ np.diag([-EDGE, EDGE, EDGE, 1])
            @ rigid([-(n - 1) / 2 for n in SHAPE], [0, 0, 0])
        )
    )
    coregistration: np.ndarray = field(default_factory=lambda: rigid([5, -9, 7], [6, 2, -3]))
    to_reference: np.ndarray = field(default_factory=lambda: rigid([0.7, -4, 2], [2, 0, 1]))

    @property
    def motion(self) -> np.ndarray:
        return head_motion(self.volumes, self.seed)

    @property
    def linear(self) -> np.ndarray:
        return rigid([2, -3, 4], [2, -3, 1]) @ np.diag([1.03, 0.97, 1.02, 1])

    @property
    def activity(self) -> np.ndarray:
        """Amplitude of each Gaussian at each volume."""
        rng = np.random.default_rng(100 + self.seed)
        return 1 + 0.1 * rng.standard_normal((self.volumes, 60))

    def gaussians(self, t1w: np.ndarray) -> np.ndarray:
        """Each Gaussian at points in RAS mm of the T1w, of shape (n, 60)."""
        rng = np.random.default_rng(7)
        centres = rng.uniform(-1.2, 1.2, (60, 3)) * BRAIN
        widths = rng.uniform(7, 11, 60)
        heights = rng.uniform(20, 60, 60)
        distance = (t1w**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1) - 2 * t1w @ centres.T
        return heights * np.exp(-distance / (2 * widths**2))

    def intensity(self, t1w: np.ndarray, volume: int) -> np.ndarray:
        """Intensity at points in RAS mm of the T1w."""
        return self.gaussians(t1w) @ self.activity[volume]

    def to_t1w(self, template: np.ndarray) -> np.ndarray:
        """Points of the template in the T1w."""
        return apply_affine(self.linear, template + warp(template))

    def hertz(self, reference: np.ndarray) -> np.ndarray:
        """The distortion field at points of the reference volume, B-spline by B-spline."""
        there = apply_affine(np.linalg.inv(self.to_reference), reference)
        return CoefficientField(self.knots, self.knots_affine)(there)

    @property
    def knots(self) -> np.ndarray:
        return np.random.default_rng(3).normal(0, 100, (10, 10, 10))

    @property
    def knots_affine(self) -> np.ndarray:
        return rigid([-75, -82, -70], [4, 1, 2]) @ np.diag([18, 18, 18, 1])

    @property
    def readout(self) -> float:
        """Voxels per Hz along the second axis."""
        seconds = ECHO_SPACING * (SHAPE[1] - 1)
        return -seconds if self.direction.endswith("-") else seconds

    def raw(self, volume: int) -> np.ndarray:
        """A raw volume."""
        seen = np.indices(SHAPE).reshape(3, -1).T.astype(float)
        back = np.linalg.inv(self.motion[volume]) @ self.affine
        true, off = seen.copy(), float(self.distorted)
        while off > 1e-3:
            before = true[:, 1].copy()
            true[:, 1] = seen[:, 1] - self.readout * self.hertz(apply_affine(back, true))
            off = np.abs(true[:, 1] - before).max()
        t1w = apply_affine(np.linalg.inv(self.coregistration) @ back, true)
        return self.intensity(t1w, volume).reshape(SHAPE)

    def in_brain(self, t1w: np.ndarray) -> np.ndarray:
        return ((t1w / BRAIN) ** 2).sum(axis=-1) < 1


def warp(points: np.ndarray) -> np.ndarray:
    """Displacement (mm) of template points before the affine."""
    x, y, z = points.T
    parts = [
        3 * np.sin(y / 25 + 0.3) * np.cos(z / 30),
        3 * np.cos(x / 28) * np.sin(z / 22),
        2.5 * np.sin(x / 30) * np.cos(y / 27),
    ]
    return np.stack(parts, axis=1)


def write_composite(path: Path, linear: np.ndarray) -> None:
    """Write ITK's composite of `warp` and an affine."""
    start = np.array([-66.0, -72.0, -63.0])
    transform_files.write_composite(path, linear, warp, 3.0, (44, 48, 42), start)


def write(root: Path, heads: Sequence[Head] | None = None) -> Path:
    """Write the dataset: a head a run, with all of fMRIPrep's minimal outputs."""
    heads = heads or [Head(volumes=40), Head(volumes=40, seed=1)]
    func, made = root / "sub-01/func", root / HOME / "sub-01/func"
    anat, fmap = root / HOME / "sub-01/anat", root / HOME / "sub-01/fmap"
    for folder in (func, made, anat, fmap):
        folder.mkdir(parents=True)
    write_anatomy(anat, heads[0])
    for number, (run, head) in enumerate(zip(RUNS, heads, strict=False)):
        stem = f"sub-01_{run}"
        data = np.stack([head.raw(t) for t in range(head.volumes)], axis=-1)
        save_bold(func / f"{stem}_bold.nii.gz", data, head.affine)
        write_sidecar(func / f"{stem}_bold.json", head)
        write_affines(
            made / f"{stem}_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt", head.motion
        )
        one = [head.coregistration]
        write_affines(made / f"{stem}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt", one)
        reference = nib.Nifti1Image(data[..., 0].astype(np.float32), head.affine)
        for kind in ("hmc", "coreg"):
            nib.save(reference, made / f"{stem}_desc-{kind}_boldref.nii.gz")
        if head.distorted:
            label = f"auto{number:05}"
            field_file = made / f"{stem}_from-boldref_to-{label}_mode-image_xfm.txt"
            write_affines(field_file, [head.to_reference])
            name = f"sub-01_run-{number + 1:02}_fmapid-{label}_desc-coeff0_fieldmap.nii.gz"
            CoefficientField(head.knots, head.knots_affine).write(fmap / name)
    return root


def write_anatomy(anat: Path, head: Head) -> None:
    """Brain mask, tissue maps and the transform to the template."""
    affine = np.diag([2.5, 2.5, 2.5, 1.0])
    affine[:3, 3] = [-40, -45, -35]
    shape = (33, 37, 29)
    points = apply_affine(affine, np.indices(shape).reshape(3, -1).T)
    radius = np.sqrt(((points / BRAIN) ** 2).sum(axis=1)).reshape(shape)
    right = points[:, 0].reshape(shape) > 2
    maps = {
        "desc-brain_mask": head.in_brain(points).reshape(shape),
        "label-CSF_probseg": (radius < 0.75) & right,
        "label-WM_probseg": (radius < 0.75) & ~right,
        "label-GM_probseg": (radius >= 0.97) & (radius < 1.0),
    }
    for name, values in maps.items():
        image = nib.Nifti1Image(values.astype(np.float32), affine)
        nib.save(image, anat / f"sub-01_{name}.nii.gz")
    xfm = anat / "sub-01_from-T1w_to-MNI152NLin2009cAsym_mode-image_xfm.h5"
    write_composite(xfm, head.linear)


def write_sidecar(path: Path, head: Head, **changes: Any) -> None:
    """The raw BOLD's sidecar: interleaved slices that fill 0.7 of 1.5 s."""
    times = np.linspace(0, 0.7, SHAPE[2])
    content = {
        "RepetitionTime": TR,
        "SliceTiming": [*times[::2], *times[1::2]],
        "PhaseEncodingDirection": head.direction,
        "EffectiveEchoSpacing": ECHO_SPACING,
    }
    path.write_text(json.dumps({**content, **changes}))


def save_bold(path: Path, data: np.ndarray, affine: np.ndarray, tr: float = TR) -> None:
    """Write 4-D data as scanners' converters do: integers with a slope."""
    slope = 0.05
    image = nib.Nifti1Image(np.round(data / slope).astype(np.int16), affine)
    image.header.set_slope_inter(slope, 0)
    image.header.set_zooms((*image.header.get_zooms()[:3], tr))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def descriptor(**layout: Any) -> dict[str, Any]:
    """What the dataset's file says."""
    return {
        "id": "head",
        "title": "head",
        "licence": "CC0",
        "citation": "none",
        "source": {"kind": "folder", "path": "raw"},
        "layout": {"kind": "fmriprep_minimal", "confounds": ["motion"], **layout},
        "tr": TR,
        "subjects": ["01"],
        "runs": RUNS,
        "split": {"scheme": "holdout", "test": ["*run-02"]},
        "exchange": {"unit": "time"},
    }


def dataset(**layout: Any) -> Dataset:
    """The dataset's descriptor."""
    return Dataset.model_validate(descriptor(**layout))
