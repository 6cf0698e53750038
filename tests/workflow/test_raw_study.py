"""A study of raw images plans their registration, goes to its report, and names what it lacks.

The workflow's own commands are run, one after the other in this process, but for those that
register: they take minutes, `tests/bold/readers/test_raw.py` holds them against the truth, and here
their files are written from it.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import yaml
from nibabel.affines import apply_affine

from helpers import raw_head as world
from helpers.methods_facts import lies, study_results
from helpers.small_study import REPO, commands, environment, planned, run_here
from helpers.tiny_dataset import save
from tristream.bold.registration.registration_file import (
    Normalisation,
    Registration,
    write_normalisation,
    write_registration,
)
from tristream.bold.resampling.transforms import Affine

RUNS = list(world.EXPERIMENT)
STUDY = {
    "datasets": ["head"],
    "features": {"conditions": {"stream": "label", "extractor": "labels"}},
    "models": {
        "conditions": {
            "datasets": ["head"],
            "bands": {"conditions": ["conditions"]},
            "delays": ["1 TR", "2 TR", "3 TR", "4 TR"],
            "alphas": {"lowest": -1, "highest": 3, "number": 5},
        }
    },
    "contrasts": {
        "sides": {"datasets": ["head"], "plus": [world.TONE], "minus": [world.LIGHT]},
    },
    "inference": {"permutations": 100, "regions": False},
}


def write(folder: Path) -> None:
    (folder / "workflow/datasets").mkdir(parents=True)
    (folder / "workflow/datasets/head.yaml").write_text(yaml.safe_dump(world.descriptor()))
    (folder / "config.yaml").write_text(yaml.safe_dump({"datasets": ["head"]}))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, program: Callable[..., str]) -> Path:
    """Everything that the workflow makes of an experiment that is a DataLad dataset."""
    folder = tmp_path_factory.mktemp("study")
    root = folder / "upstream"
    program(folder, "datalad", "-l", "critical", "create", "-c", "text2git", root.name)
    world.write(root, experiment=True)
    commit = save(program, root, "Make the dataset")
    write(folder)
    described = world.descriptor(confounds=["motion"])
    described |= {
        "source": {"kind": "datalad", "url": str(root), "commit": commit},
        "runs": RUNS,
        "split": {"scheme": "holdout", "test": ["*run-03"]},
        "exchange": {"unit": "item"},
    }
    (folder / "workflow/datasets/head.yaml").write_text(yaml.safe_dump(described))
    (folder / "config.yaml").write_text(yaml.safe_dump(STUDY))
    calls = commands(folder)
    registering = [call for call in calls if call[1] in ("normalise", "register")]
    assert len(registering) == 1 + len(RUNS)
    register(folder / "results/registration/head/sub-01")
    run_here(folder, [call for call in calls if call not in registering])
    return folder / "results"


def register(home: Path) -> None:
    """The files of the steps that register, from the truth."""
    template, mask, grid = world.template()
    brain = nib.Nifti1Image(template * mask, grid)
    t1w = "sub-01/anat/sub-01_T1w.nii.gz"
    steps = (Affine(world.LINEAR),)
    write_normalisation(
        home.with_suffix(".h5"), Normalisation(t1w, brain, steps, 1.0), True, {}, ""
    )
    points = apply_affine(world.AFFINE, np.indices(world.SHAPE).reshape(3, -1).T)
    there = apply_affine(np.linalg.inv(world.COREGISTRATION @ world.LINEAR), points)
    seen, inside = (world.at(values, there).reshape(world.SHAPE) for values in world.contrast())
    reference = nib.Nifti1Image(seen.astype(np.float32), world.AFFINE)
    for seed, run in enumerate(RUNS):
        motion = world.motion(seed, world.LENGTH)
        made = Registration(run, reference, inside > 0.5, motion, world.COREGISTRATION)
        write_registration(home / f"{run}.h5", made, True, {}, "")


def inner(ijk: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which voxels lie well inside of the brain's left half, and of its right half."""
    where = apply_affine(affine, ijk)
    deep = world.at(world.contrast()[1], where) > 0.9
    return deep & (where[:, 0] < -6), deep & (where[:, 0] > 6)


def test_registration_is_once_a_subject_and_once_a_run(tmp_path: Path) -> None:
    write(tmp_path)
    jobs = planned(tmp_path, "results/bold/head/sub-01/index.json")
    runs = len(world.RUNS)
    assert jobs == {
        "fetch_dataset": 1,
        "fetch_subject": 1,
        "normalise": 1,
        "register": runs,
        "bold": runs,
        "bold_index": 1,
    }


def test_raw_images_go_to_predicted_bold_and_to_a_contrast(results: Path) -> None:
    """Lights drive the left half of the head alone, tones the right one."""
    with h5py.File(results / "encode/head/conditions/sub-01.h5") as file:
        assert file.attrs["simulated"]
        r = file["scores/r"][()]
        left, right = inner(file["ijk"][()], file["affine"][()])
    assert min(left.sum(), right.sum()) > 2000
    assert np.median(r[left]) > 0.7
    assert np.median(r[right]) > 0.7
    with h5py.File(results / "contrast/head/sides/sub-01.h5") as file:
        t = file["t"][()]
    assert (t[right] > 3).mean() > 0.99
    assert (t[left] < -3).mean() > 0.99


def test_the_report_marks_raw_images(results: Path) -> None:
    page = (results / "report/head_sub-01.html").read_text()
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page))
    assert "This BOLD was prepared from raw images by tristream itself" in text
    assert "run fMRIPrep on the dataset" in text
    assert "--participant-label 01" in text
    for figure in ("Temporal signal-to-noise ratio", "Head motion and carpet", "Lag scan"):
        assert f"{figure}, " in text
    for part in ("normalisation all affine and SyN, estimated by ANTs", "coregistration all rigid"):
        assert part in text
    assert "T1w all sub-01/anat/sub-01_T1w.nii.gz" in text
    assert "distortion correction, slice-time correction not produced because" in text
    runs = json.loads((results / "bold/head/sub-01/index.json").read_text())["runs"]
    assert [run["mask_overlap"] for run in runs] == [1.0] * len(RUNS)
    assert min(run["fd_mean"] for run in runs) > 1
    assert "head: was simulated elsewhere" in (results / "report/head.html").read_text()


def test_without_antspyx_nothing_starts(tmp_path: Path) -> None:
    write(tmp_path)
    hidden = "lambda name, *more: None if name == 'ants' else found(name, *more)"
    lines = [
        "import importlib.util as util",
        "found = util.find_spec",
        f"util.find_spec = {hidden}",
    ]
    (tmp_path / "sitecustomize.py").write_text("\n".join(lines))
    call = [sys.executable, "-m", "snakemake", "-s", str(REPO / "Snakefile"), "--dry-run"]
    paths = os.pathsep.join([str(tmp_path), str(REPO / "src")])
    done = subprocess.run(
        [*call, "--configfile", "config.yaml"],
        cwd=tmp_path,
        env={**environment(), "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert (
        "head: layout raw needs the package antspyx; run `pip install" in done.stdout + done.stderr
    )


def test_the_methods_text_is_what_the_files_hold(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(results.parent)
    assert lies(study_results(results.parent, results.parent / "workflow/datasets")) == []
