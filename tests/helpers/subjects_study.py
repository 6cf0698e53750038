"""A study of a folder of three subjects with fMRIPrep outputs, small enough to be broken often."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import yaml

SUBJECTS = ["01", "02", "03"]
RUNS = ["task-a_run-1", "task-a_run-2", "task-a_run-3"]
TR = 1.5
SHAPE, VOLUMES = (3, 3, 2), 24
EVENTS = "onset\tduration\ttrial_type\n0\t6\tface\n9\t6\thouse\n18\t6\tface\n"
MADE = "derivatives/fmriprep"


def write_study(folder: Path, change: Callable[[dict[str, Any]], None] | None = None) -> Path:
    """Write the dataset, its descriptor and a study of all subjects; `change` the study."""
    for subject in SUBJECTS:
        for run in RUNS:
            events(folder, subject, run).parent.mkdir(parents=True, exist_ok=True)
            events(folder, subject, run).write_text(EVENTS)
            write_images(folder, subject, run)
    about = {"Name": "Subjects", "License": "CC0", "BIDSVersion": "1.9.0", "Simulated": True}
    (folder / "bids/dataset_description.json").write_text(json.dumps(about))
    (folder / "bids/task-a_bold.json").write_text(json.dumps({"RepetitionTime": TR}))
    descriptor = {
        "id": "d",
        "title": "Subjects",
        "licence": "CC0",
        "citation": "none",
        "source": {"kind": "folder", "path": "bids"},
        "layout": {"kind": "fmriprep", "space": "MNI", "confounds": []},
        "tr": TR,
        "subjects": SUBJECTS,
        "runs": RUNS,
        "split": {"scheme": "holdout", "test": ["*run-3"]},
        "exchange": {"unit": "block"},
    }
    place = folder / "workflow/datasets/d.yaml"
    place.parent.mkdir(parents=True)
    place.write_text(yaml.safe_dump(descriptor))
    study: dict[str, Any] = {
        "datasets": {"d": {}},
        "features": {"categories": {"stream": "label", "extractor": "labels"}},
        "models": {"objects": {"datasets": ["d"], "bands": {"categories": ["categories"]}}},
    }
    if change:
        change(study)
    (folder / "config.yaml").write_text(yaml.safe_dump(study))
    return folder


def events(folder: Path, subject: str, run: str) -> Path:
    """The events file of a run."""
    return folder / f"bids/sub-{subject}/func/sub-{subject}_{run}_events.tsv"


def image(folder: Path, subject: str, run: str) -> Path:
    """The preprocessed BOLD of a run."""
    made = folder / "bids" / MADE / f"sub-{subject}/func"
    return made / f"sub-{subject}_{run}_space-MNI_desc-preproc_bold.nii.gz"


def write_images(
    folder: Path, subject: str, run: str, volumes: int = VOLUMES, **sidecar: object
) -> None:
    """BOLD, mask and sidecar of a run; `sidecar` overrides what it says."""
    path = image(folder, subject, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(int(subject) * 10 + int(run[-1]))
    bold = (1000 + 10 * rng.standard_normal((*SHAPE, volumes))).astype(np.float32)
    stated = {"RepetitionTime": TR, "StartTime": TR / 2, **sidecar}
    made = nib.Nifti1Image(bold, np.diag([3.0, 3, 3, 1]))
    made.header.set_zooms((3, 3, 3, stated["RepetitionTime"]))
    made.header.set_xyzt_units("mm", "sec")
    nib.save(made, path)
    mask = nib.Nifti1Image(np.ones(SHAPE, np.uint8), made.affine)
    nib.save(mask, str(path).replace("preproc_bold", "brain_mask"))
    Path(str(path).replace(".nii.gz", ".json")).write_text(json.dumps(stated))


def chosen(*subjects: str) -> Callable[[dict[str, Any]], None]:
    """Change of the study: these subjects alone."""

    def change(study: dict[str, Any]) -> None:
        study["datasets"]["d"]["subjects"] = list(subjects)

    return change


def not_fetched(path: Path, form: str = "link") -> Path:
    """Leave of a file what a clone holds before it is fetched: a link or a pointer."""
    subprocess.run(["git", "init", "-q", path.parents[-3]], check=False)
    key = "MD5E-s1024--d41d8cd98f00b204e9800998ecf8427e" + "".join(path.suffixes)
    path.unlink()
    if form == "link":
        path.symlink_to(f"../../.git/annex/objects/Xx/Yy/{key}/{key}")
    elif form == "pointer":
        path.write_text(f"/annex/objects/{key}\n")
    else:
        version = "version https://git-lfs.github.com/spec/v1"
        path.write_text(f"{version}\noid sha256:{'0' * 64}\nsize 1024\n")
    return path
