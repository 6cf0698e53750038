"""A small dataset with fMRIPrep outputs and one with a table of volumes, for tests to break."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from tristream.bold.image_checks import Images
from tristream.bold.prepare import read_and_clean
from tristream.bold.readers.reader import open_reader
from tristream.bold.run_file import Run
from tristream.config.dataset import Dataset
from tristream.config.settings.bold import BoldSettings, CheckSettings, IndexSettings
from tristream.fetch.receipt import FetchedFile, Receipt

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
SHAPE = (6, 5, 4)
VOLUMES = 60
TR = 1.5
RUNS = ["task-film_run-01", "task-film_run-02"]
SPACE = "MNI152NLin2009cAsym"
FUNC = "derivatives/fmriprep/sub-01/func"


def fmriprep_dataset(**changes: Any) -> Dataset:
    """Descriptor of the dataset that :func:`write_fmriprep` writes."""
    content: dict[str, Any] = {
        "id": "small",
        "title": "small",
        "licence": "CC0",
        "citation": "none",
        "source": {"kind": "folder", "path": "raw"},
        "layout": {"kind": "fmriprep", "confounds": ["motion", "high_pass"]},
        "tr": TR,
        "subjects": ["01"],
        "runs": RUNS,
        "split": {"scheme": "holdout", "test": ["*run-02"]},
        "exchange": {"unit": "time"},
    }
    return Dataset.model_validate({**content, **changes})


def image_path(root: Path, run: str) -> Path:
    """Where the run's preprocessed BOLD lies."""
    return root / FUNC / f"sub-01_{run}_space-{SPACE}_desc-preproc_bold.nii.gz"


def write_fmriprep(root: Path) -> Path:
    """Write two runs with masks, sidecars and confounds; the runs' masks differ."""
    (root / FUNC).mkdir(parents=True)
    for number, run in enumerate(RUNS):
        rng = np.random.default_rng(number)
        bold = 1000 + 10 * rng.standard_normal((*SHAPE, VOLUMES))
        bold += np.linspace(0, 30, VOLUMES)
        save(image_path(root, run), bold)
        mask = np.ones(SHAPE)
        mask[number] = 0
        save_mask(root, run, mask)
        write_sidecar(root, run, {"RepetitionTime": TR, "StartTime": 0.7})
        confounds(rng).to_csv(confounds_path(root, run), sep="\t", index=False, na_rep="n/a")
    return root


def save(path: Path, bold: np.ndarray, tr: float = TR, affine: np.ndarray = AFFINE) -> None:
    """Write a 4-D image."""
    image = nib.Nifti1Image(bold.astype(np.float32), affine)
    image.header.set_zooms((*image.header.get_zooms()[:3], tr)[: bold.ndim])
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def save_mask(root: Path, run: str, mask: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    """Write the run's brain mask."""
    path = str(image_path(root, run)).replace("preproc_bold", "brain_mask")
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), path)


def write_sidecar(root: Path, run: str, content: dict[str, Any]) -> None:
    """Write the run's JSON sidecar."""
    path = Path(str(image_path(root, run)).replace(".nii.gz", ".json"))
    path.write_text(json.dumps(content))


def confounds_path(root: Path, run: str) -> Path:
    """Where the run's confounds lie."""
    return root / FUNC / f"sub-01_{run}_desc-confounds_timeseries.tsv"


def confounds(rng: np.random.Generator) -> pd.DataFrame:
    """A table as fMRIPrep writes it."""
    names = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "csf", "white_matter"]
    names += ["global_signal", "framewise_displacement", "std_dvars"]
    table = pd.DataFrame(rng.normal(size=(VOLUMES, len(names))), columns=names)
    table["framewise_displacement"] = np.abs(table["framewise_displacement"]) / 20
    table["std_dvars"] = 1.0
    table.loc[0, ["framewise_displacement", "std_dvars"]] = np.nan
    for order in (1, 2):
        phase = np.pi * order * (np.arange(VOLUMES) + 0.5) / VOLUMES
        table[f"cosine{order - 1:02d}"] = np.cos(phase)
    return table


def receipt_of(root: Path, subject: str = "01", simulated: bool = False) -> Receipt:
    """A receipt that lists every file under `root`."""
    files = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    listed = tuple(FetchedFile(path, None) for path in files)
    return Receipt("small", subject, {}, "", root, "small", "CC0", listed, simulated)


def table_dataset(**changes: Any) -> Dataset:
    """Descriptor of the dataset that :func:`write_volume_table` writes."""
    content = {
        "layout": {
            "kind": "volume_table",
            "bold": "bold.nii.gz",
            "mask": "mask.nii.gz",
            "table": "table.txt",
        },
        "subjects": ["1"],
        "runs": ["run-{01..03}"],
        "split": {"scheme": "leave-one-run-out"},
        "exchange": {"unit": "block"},
    }
    return fmriprep_dataset(**{**content, **changes})


def write_volume_table(root: Path) -> Path:
    """Write three runs of 20 volumes as one image, with mask and table."""
    root.mkdir(parents=True)
    rng = np.random.default_rng(5)
    save(root / "bold.nii.gz", 500 + 5 * rng.standard_normal((*SHAPE, 60)))
    mask = np.zeros(SHAPE)
    mask[1:4] = 1
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), AFFINE), root / "mask.nii.gz")
    labels = ["rest"] * 5 + ["face"] * 5 + ["rest"] * 5 + ["house"] * 5
    lines = [f"{label} {run}" for run in range(3) for label in labels]
    (root / "table.txt").write_text("\n".join(lines) + "\n")
    return root


def index_settings(dataset: Dataset, subject: str = "01") -> IndexSettings:
    """What `bold index` may know of the dataset."""
    return IndexSettings.of_dataset(dataset, subject)


def bold_settings(dataset: Dataset, subject: str = "01") -> BoldSettings:
    """What `bold prepare` may know of the dataset."""
    return BoldSettings.of_dataset(dataset, subject)


def check_settings(dataset: Dataset, subject: str = "01") -> CheckSettings:
    """What checking a subject may know of the dataset."""
    return CheckSettings.of_dataset(dataset, subject)


def prepare(
    dataset: Dataset, subject: str, run: str, receipt: Receipt, registered: Sequence[Path] = ()
) -> Run:
    """The content of a run's file."""
    return read_and_clean(bold_settings(dataset, subject), run, receipt, registered)


def inspect_images(dataset: Dataset, subject: str, receipt: Receipt) -> Images:
    """What the reader of the dataset's layout finds without reading data."""
    return open_reader(bold_settings(dataset, subject), receipt).inspect()
