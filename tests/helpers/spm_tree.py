"""A small dataset with SPM's outputs and region masks, for tests to break."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from helpers.bold_tree import AFFINE, SHAPE, save
from tristream.config.dataset import Dataset

TR, VOLUMES = 3.0, 120
RUNS = ["ses-a_task-see_run-01", "ses-b_task-see_run-01"]
MASKS = {"LH_V1": np.s_[0:2, 1:4], "RH_V1": np.s_[1:3, 1:4], "LH_V2": np.s_[4:6, 2:4]}
VOXELS = 3 * 3 * 4 + 2 * 2 * 4


def dataset(**layout: Any) -> Dataset:
    return Dataset.model_validate(
        {
            "id": "small",
            "title": "small",
            "licence": "CC0",
            "citation": "none",
            "source": {"kind": "folder", "path": "raw"},
            "layout": {
                "kind": "spm",
                "bold": "spm/sub-{subject}/{session}/sub-{subject}_{run}_bold_preproc.nii.gz",
                "rois": "roi/sub-{subject}_mask_{roi}.nii.gz",
                "regions": {"V1": ["LH_V1", "RH_V1"], "V2": ["LH_V2"], "VC": list(MASKS)},
                **layout,
            },
            "tr": TR,
            "subjects": ["01"],
            "runs": RUNS,
            "split": {"scheme": "holdout", "test": ["ses-b_*"]},
            "exchange": {"unit": "item"},
        }
    )


def bold_path(root: Path, run: str = RUNS[0]) -> Path:
    return root / f"spm/sub-01/{run.split('_')[0]}/sub-01_{run}_bold_preproc.nii.gz"


def write_mask(root: Path, name: str, where: Any, affine: np.ndarray = AFFINE) -> None:
    mask = np.zeros(SHAPE, np.uint8)
    if where is not None:
        mask[where] = 1
    nib.save(nib.Nifti1Image(mask, affine), root / f"roi/sub-01_mask_{name}.nii.gz")


def write_spm(root: Path) -> Path:
    """Write two runs of two sessions with events, and overlapping masks of regions."""
    (root / "roi").mkdir(parents=True)
    (root / "task-see_bold.json").write_text(json.dumps({"RepetitionTime": TR}))
    for number, run in enumerate(RUNS):
        rng = np.random.default_rng(number)
        bold = 1000 + 10 * rng.standard_normal((*SHAPE, VOLUMES))
        bold += 40 * np.cos(np.pi * np.arange(VOLUMES) / VOLUMES)
        bold[:1] *= 0.1  # outside of the head
        bold_path(root, run).parent.mkdir(parents=True)
        save(bold_path(root, run), bold, TR)
        func = root / "sub-01" / run.split("_")[0] / "func"
        func.mkdir(parents=True)
        rows = "".join(f"{9 * n}\t9\tface\n" for n in range(39))
        (func / f"sub-01_{run}_events.tsv").write_text(f"onset\tduration\ttrial_type\n{rows}")
    for name, where in MASKS.items():
        write_mask(root, name, where)
    return root
