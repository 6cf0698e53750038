"""What the report shows of BOLD: head motion, carpet, masks, files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.bold_tree import (
    RUNS,
    SPACE,
    bold_settings,
    fmriprep_dataset,
    index_settings,
    receipt_of,
    write_fmriprep,
)
from tristream.bold.index_file import write_index
from tristream.bold.prepare import prepare_run
from tristream.bold.run_file import read_run, write_run
from tristream.report.sections.bold import MOST_COLUMNS, MOST_VOXELS, read_carpet, short_names
from tristream.store import read_json


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    receipt_of(write_fmriprep(tmp_path / "raw")).write(tmp_path / "receipt.json")
    paths = [tmp_path / f"{run}.h5" for run in RUNS]
    for run, path in zip(RUNS, paths, strict=True):
        prepare_run(bold_settings(fmriprep_dataset(), "01"), run, tmp_path / "receipt.json", path)
    return paths


def test_masks_of_the_runs_are_compared_with_the_shared_one(runs: list[Path], tmp_path: Path):
    write_index(index_settings(fmriprep_dataset()), runs, tmp_path / "index.json")
    index = read_json(tmp_path / "index.json", "bold-index")[0]
    # Each run's mask lacks a slab of 20 of 120 voxels, and not the same one.
    assert [run["mask_voxels"] for run in index["runs"]] == [80, 80]
    assert [run["mask_overlap"] for run in index["runs"]] == [round(160 / 180, 4)] * 2


def test_a_run_says_which_files_it_is_made_from(runs: list[Path]):
    said = read_run(runs[0]).sources
    func = f"derivatives/fmriprep/sub-01/func/sub-01_{RUNS[0]}"
    assert said["bold"] == f"{func}_space-{SPACE}_desc-preproc_bold.nii.gz"
    assert said["brain mask"] == f"{func}_space-{SPACE}_desc-brain_mask.nii.gz"
    assert said["confounds"] == f"{func}_desc-confounds_timeseries.tsv"
    assert said["pipeline"] == f"fMRIPrep's outputs in {SPACE}; confounds: motion, high_pass"


def test_a_carpet_is_the_bold_averaged_over_neighbouring_volumes(runs: list[Path], tmp_path: Path):
    rng = np.random.default_rng(0)
    first = read_run(runs[0])
    volumes, voxels = 1250, 3000
    shared = rng.standard_normal((volumes, 1))
    follow = np.linspace(1, 0, voxels)
    bold = follow * shared + 0.1 * rng.standard_normal((volumes, voxels))
    fd, censor = np.full(volumes, 0.1), np.zeros(volumes, bool)
    fd[700], censor[700] = 0.9, True
    long = replace(
        first,
        bold=bold.astype("f4"),
        time=0.5 * np.arange(volumes),
        ijk=np.argwhere(np.ones((30, 10, 10))).astype("i4"),
        mean=np.ones(voxels, "f4"),
        tsnr=np.ones(voxels, "f4"),
        censor=censor,
        fd=fd,
        projection=np.empty((volumes, 0)),
    )
    write_run(tmp_path / "long.h5", long, {})
    carpet = read_carpet([long], [tmp_path / "long.h5"])
    columns, shown = carpet.values.shape
    assert columns <= MOST_COLUMNS
    assert MOST_VOXELS / 2 < shown <= MOST_VOXELS + 8
    assert carpet.table["volumes"].tolist() == [3] * 416 + [2]
    moved = carpet.table[carpet.table["fd"] > 0.5]
    assert moved["first"].tolist() == [699]
    assert carpet.table["censored"].sum() == moved["censored"].sum() == 1
    places = np.ravel_multi_index(tuple(carpet.ijk.T), (30, 10, 10))
    expected = bold[:3, places].mean(axis=0)
    np.testing.assert_allclose(carpet.values[0], expected, atol=1e-6)
    # Those that follow the mean stand at the top.
    assert np.corrcoef(np.arange(shown), places)[0, 1] > 0.95


def test_runs_are_called_by_what_differs():
    assert short_names(["task-film_run-01", "task-film_run-02"]) == ["01", "02"]
    assert short_names(["task-train_run-1", "task-test_run-1"]) == ["train", "test"]
    assert short_names(["ses-a_task-x_run-1", "task-x"]) == ["a x 1", "x"]
    assert short_names(["task-film"]) == ["film"]
