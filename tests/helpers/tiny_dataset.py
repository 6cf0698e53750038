"""A DataLad dataset of one subject with fMRIPrep outputs, made on the spot, and a study of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tristream.config.load import Resolved, resolve

Program = Callable[..., str]
RUNS = ["task-film_run-1", "task-film_run-2"]
MADE = "derivatives/fmriprep/sub-01/func/sub-01_{run}_space-MNI_desc-preproc_bold.nii.gz"
ANNEXED = 4  # files of the subject: BOLD and mask of two runs


def save(program: Program, at: Path, message: str) -> str:
    """Save what has changed; the commit."""
    program(at, "datalad", "-l", "critical", "save", "-m", message)
    return program(at, "git", "rev-parse", "HEAD")


def write(root: Path, path: str, content: bytes) -> None:
    """Write a file of the dataset."""
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def make_dataset(program: Program, root: Path) -> str:
    """A BIDS dataset with fMRIPrep outputs of one subject; images are annexed."""
    program(root.parent, "datalad", "-l", "critical", "create", "-c", "text2git", root.name)
    about = {"Name": "Tiny", "License": "CC0", "BIDSVersion": "1.9.0", "Simulated": True}
    write(root, "dataset_description.json", json.dumps(about).encode())
    write(root, "derivatives/fmriprep/dataset_description.json", b'{"Name": "fMRIPrep"}')
    write(root, "task-film_bold.json", b'{"RepetitionTime": 1.0}')
    write(root, "sub-02/func/sub-02_task-film_run-1_bold.nii.gz", bytes(range(256)) * 8)
    for run in RUNS:
        made = f"derivatives/fmriprep/sub-01/func/sub-01_{run}"
        write(root, MADE.format(run=run), run.encode() + bytes(range(256)) * 100)
        write(root, f"{made}_space-MNI_desc-preproc_bold.json", b'{"StartTime": 0.5}')
        write(root, f"{made}_space-MNI_desc-brain_mask.nii.gz", run.encode() + bytes(512))
        write(root, f"{made}_desc-confounds_timeseries.tsv", b"trans_x\n0\n")
        write(root, f"sub-01/func/sub-01_{run}_events.tsv", b"onset\tduration\n0\t1\n")
    return save(program, root, "Make the dataset")


def study(tmp: Path, url: str, choice: dict[str, Any] | None = None, **source: str) -> Resolved:
    """The study of the dataset at `url`, written into `tmp` and read; `choice` of the dataset."""
    folder = tmp / "descriptors"
    folder.mkdir(exist_ok=True)
    descriptor = {
        "id": "tiny",
        "title": "Tiny",
        "licence": "CC0",
        "citation": "none",
        "source": {"kind": "datalad", "url": url, **source},
        "layout": {"kind": "fmriprep", "space": "MNI"},
        "tr": 1.0,
        "subjects": ["01"],
        "runs": RUNS,
        "split": {"scheme": "holdout", "test": ["*run-2"]},
        "exchange": {"unit": "time"},
    }
    (folder / "tiny.yaml").write_text(json.dumps(descriptor), encoding="utf-8")  # JSON is YAML
    content = {
        "datasets": {"tiny": choice or {}},
        "data": str(tmp / "data"),
        "results": str(tmp / "results"),
    }
    (tmp / "config.yaml").write_text(json.dumps(content), encoding="utf-8")
    return resolve(content, tmp / "config.yaml", [folder])
