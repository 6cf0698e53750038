"""A raw dataset of nilearn's template brain: a head in a T1w, and BOLD in which it moves.

The brain is the template's, carried by a known affine into the T1w, and by known rigid motions into
each volume. In the BOLD its contrast is turned round, and every voxel's level follows its side of
the head: a slow wave, or, in an experiment, lights on the left and tones on the right.
"""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template
from scipy import ndimage, stats

from helpers.synthetic_head import save_bold
from tristream.config.dataset import Dataset
from tristream.simulate.synthetic.transform_files import rigid

RUNS = ["task-film_run-01", "task-film_run-02"]
TR = 2.0
EDGE = 5.0
SHAPE = (38, 46, 36)
VOLUMES = 12
# From the template's points to the T1w's, from those to the reference's.
LINEAR = rigid([4, -11, 14], [7, -3, 4]) @ np.diag([0.94, 1.04, 0.96, 1])
COREGISTRATION = rigid([3, -5, 2], [-3, 2, 4])
AFFINE = (
    rigid([2, -30, 12], [5, 0, 2])
    @ np.diag([-EDGE, EDGE, EDGE, 1])
    @ rigid([-(n - 1) / 2 for n in SHAPE], [0, 0, 0])
)


# An experiment: blocks of 8 s from 4 s on, one every 16 s.
LIGHT, TONE = "light", "tone"
START, BLOCK, EVERY = 4.0, 8.0, 16.0
EXPERIMENT = {
    "task-film_run-01": (TONE, LIGHT, LIGHT, TONE),
    "task-film_run-02": (LIGHT, TONE, TONE, LIGHT),
    "task-film_run-03": (TONE, LIGHT, TONE, LIGHT),
}
LENGTH = 36


def motion(seed: int = 0, volumes: int = VOLUMES) -> np.ndarray:
    """Positions of the head; three of them a voxel and some degrees away, the first at rest."""
    rng = np.random.default_rng(seed)
    moved, turned = rng.normal(0, 0.5, (2, volumes, 3))
    moved[0], turned[0] = 0, 0
    moved[3], turned[3] = (1.1 * EDGE, -2, 1), (1, 4, -2)
    moved[6], turned[6] = (0, 1.2 * EDGE, 2), (-4, 0, 3)
    moved[9], turned[9] = (-1, 2, -1.1 * EDGE), (3, 3, 4)
    return np.stack([rigid(m, t) for m, t in zip(moved, turned, strict=True)])


@cache
def template() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The template's brain (0 to 1), its mask and their affine."""
    image = load_mni152_template(resolution=2)
    mask = np.asarray(load_mni152_brain_mask(resolution=2).dataobj, np.float32)
    return np.asarray(image.dataobj, np.float32), mask, image.affine


@cache
def contrast() -> tuple[np.ndarray, np.ndarray]:
    """The brain as BOLD shows it, and its mask, as blurred as voxels of 5 mm make them."""
    brain, mask, _ = template()
    turned = (1.4 - brain) * mask
    return ndimage.gaussian_filter(turned, 1.75), ndimage.gaussian_filter(mask, 1.75)


def at(volume: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A volume of the template's grid at RAS mm of the template."""
    index = apply_affine(np.linalg.inv(template()[2]), points).T
    return ndimage.map_coordinates(volume, index, order=1)


def waves() -> np.ndarray:
    """Change of the signal on the left and on the right, (volumes, 2)."""
    phase = 2 * np.pi * np.arange(VOLUMES)[:, None] / 8 + [0, np.pi / 2]
    return 0.02 * np.sin(phase)


def responses(order: Sequence[str]) -> np.ndarray:
    """The same in an experiment: of lights on the left, of tones on the right."""
    grid = np.arange(0, LENGTH * TR, 0.1)
    seen = np.zeros((len(grid), 2))
    for number, label in enumerate(order):
        onset = START + number * EVERY
        seen[(grid >= onset) & (grid < onset + BLOCK), int(label == TONE)] = 1
    response = 0.1 * stats.gamma.pdf(np.arange(0, 20, 0.1), 6)
    slow = [np.convolve(column, response)[: len(grid)] for column in seen.T]
    # A volume is acquired in the middle of its repetition time.
    middles = (np.arange(LENGTH) + 0.5) * TR
    return 0.03 * np.stack([np.interp(middles, grid, column) for column in slow], axis=1)


def events(order: Sequence[str]) -> str:
    """The events file of a run of an experiment."""
    rows = [f"{START + n * EVERY:g}\t{BLOCK:g}\t{label}" for n, label in enumerate(order)]
    return "\n".join(["onset\tduration\ttrial_type", *rows, ""])


def level(points: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The signal at points of the template, whose halves have changed."""
    return 800 * at(contrast()[0], points) * (1 + change[(points[:, 0] > 0).astype(int)])


def bold(seed: int = 0, changes: np.ndarray | None = None) -> np.ndarray:
    """A run's volumes."""
    ijk = np.indices(SHAPE).reshape(3, -1).T
    rng = np.random.default_rng(10 + seed)
    changes = waves() if changes is None else changes
    volumes = []
    for moved, change in zip(motion(seed, len(changes)), changes, strict=True):
        chain = np.linalg.inv(moved @ COREGISTRATION @ LINEAR) @ AFFINE
        clean = level(apply_affine(chain, ijk), change)
        volumes.append((clean + 20 + rng.normal(0, 3, len(ijk))).reshape(SHAPE))
    return np.stack(volumes, axis=-1)


def t1w(edge: float = 2.0) -> nib.Nifti1Image:
    """The head: brain, dark skull, bright scalp, a neck; brighter on one side, noisy."""
    shape = tuple(int(n / edge) for n in (200, 240, 280))
    affine = np.diag([edge, edge, edge, 1])
    affine[:3, 3] = [-98, -140, -150]
    points = apply_affine(affine, np.indices(shape).reshape(3, -1).T)
    there = apply_affine(np.linalg.inv(LINEAR), points)
    brain, mask, grid = template()
    index = apply_affine(np.linalg.inv(grid), there).T.reshape(3, *shape)
    inside = ndimage.map_coordinates(mask, index, order=1) > 0.5
    far = edge * ndimage.distance_transform_edt(~inside)
    head = 100 * at(brain, there).reshape(shape)
    head[(far > 6) & (far < 13)] = 110
    x, y, z = there.T.reshape(3, *shape)
    head[((x / 50) ** 2 + ((y + 30) / 55) ** 2 < 1) & (z < -75) & (far > 6)] = 70
    bias = 1 + 0.15 * np.linspace(-1, 1, shape[0])[:, None, None]
    return nib.Nifti1Image(
        (head * bias + np.random.default_rng(1).normal(0, 2, shape)).astype(np.float32), affine
    )


def write(root: Path, anatomy: bool = True, experiment: bool = False) -> Path:
    """Write the dataset; its further runs lie as the first does."""
    func = root / "sub-01/func"
    func.mkdir(parents=True)
    runs = EXPERIMENT if experiment else dict.fromkeys(RUNS)
    for seed, (run, order) in enumerate(runs.items()):
        data = bold(seed, responses(order) if order else None)
        save_bold(func / f"sub-01_{run}_bold.nii.gz", data, AFFINE, tr=TR)
        text = events(order) if order else "onset\tduration\ttrial_type\n2\t4\ttone\n"
        (func / f"sub-01_{run}_events.tsv").write_text(text)
    (root / "task-film_bold.json").write_text(json.dumps({"RepetitionTime": TR}))
    content = {"Name": "head", "BIDSVersion": "1.10.0", "License": "CC0", "Simulated": True}
    (root / "dataset_description.json").write_text(json.dumps(content))
    if anatomy:
        (root / "sub-01/anat").mkdir()
        nib.save(t1w(), root / "sub-01/anat/sub-01_T1w.nii.gz")
    return root


def descriptor(**layout: Any) -> dict[str, Any]:
    """What the dataset's file says."""
    return {
        "id": "head",
        "title": "head",
        "licence": "CC0",
        "citation": "none",
        "source": {"kind": "folder", "path": "raw"},
        "layout": {"kind": "raw", "resolution": 6.0, "confounds": [], **layout},
        "tr": TR,
        "subjects": ["01"],
        "runs": RUNS,
        "split": {"scheme": "holdout", "test": ["*run-02"]},
        "exchange": {"unit": "time"},
    }


def dataset(**layout: Any) -> Dataset:
    """The dataset's descriptor."""
    return Dataset.model_validate(descriptor(**layout))
