"""BOLD that SPM preprocessed, with region masks: cleaning, regions, faults."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nilearn.signal import clean as nilearn_clean

from helpers import REPOSITORY
from helpers.bold_tree import AFFINE, SHAPE, bold_settings, prepare, receipt_of, save
from helpers.spm_tree import (
    MASKS,
    RUNS,
    TR,
    VOLUMES,
    VOXELS,
    bold_path,
    dataset,
    write_mask,
    write_spm,
)
from tristream.bold.prepare import prepare_run
from tristream.bold.run_file import Run, read_run
from tristream.config.layouts import SpmLayout
from tristream.config.load import descriptor
from tristream.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_spm(tmp_path / "raw")


def prepared(root: Path, **layout: Any) -> Run:
    return prepare(dataset(**layout), "01", RUNS[0], receipt_of(root))


def test_regions_are_unions_of_their_masks(root: Path, tmp_path: Path) -> None:
    receipt_of(root).write(tmp_path / "receipt.json")
    prepare_run(
        bold_settings(dataset(), "01"), RUNS[0], tmp_path / "receipt.json", tmp_path / "run.h5"
    )
    run = read_run(tmp_path / "run.h5")
    assert run.bold.shape == (VOLUMES, VOXELS)
    assert list(run.regions) == ["V1", "V2", "VC"]
    assert len(run.regions["V1"]) == 3 * 3 * 4  # the halves overlap
    np.testing.assert_array_equal(run.regions["VC"], np.arange(VOXELS))
    inside = np.zeros(SHAPE, bool)
    inside[tuple(run.ijk[run.regions["V2"]].T)] = True
    expected = np.zeros(SHAPE, bool)
    expected[MASKS["LH_V2"]] = True
    np.testing.assert_array_equal(inside, expected)
    assert {o.what for o in run.omitted} == {"StartTime", "motion confounds"}
    assert run.time[0] == TR / 2


def test_cleaning_equals_nilearns(root: Path) -> None:
    run = prepared(root)
    raw = np.asarray(nib.load(bold_path(root)).dataobj)[tuple(run.ijk.T)].T
    trend = np.linspace(-1, 1, VOLUMES)[:, None]
    reference = nilearn_clean(
        raw,
        t_r=TR,
        high_pass=1 / 128,
        filter="cosine",
        detrend=False,
        confounds=trend,
        standardize="zscore_sample",
    )
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(reference.T, run.bold.T, strict=True)]
    assert min(r) > 0.99999
    np.testing.assert_allclose(run.bold.std(axis=0, ddof=1), 1, atol=1e-5)
    slow = np.cos(np.pi * (np.arange(VOLUMES) + 0.5) / VOLUMES)
    assert np.abs(slow @ run.bold).max() < 1e-3


def test_without_regions_the_mask_is_of_the_images(root: Path) -> None:
    ball = np.linalg.norm(np.indices((20, 20, 20)) - 10, axis=0) < 7
    for number, run in enumerate(RUNS):
        rng = np.random.default_rng(number)
        bold = 20 * rng.random((20, 20, 20, VOLUMES))
        bold[ball] += 1000
        bold[0, 0, 0] = np.nan  # as SPM writes what lies outside of an image that it moved
        save(bold_path(root, run), bold, TR)
    run = prepared(root, regions={})
    assert run.regions == {}
    found = np.zeros_like(ball)
    found[tuple(run.ijk.T)] = True
    assert (found & ball).sum() > 0.9 * ball.sum()
    assert (found & ~ball).sum() < 0.05 * ball.sum()


def test_a_voxel_that_is_constant_in_another_run_is_left_out(root: Path) -> None:
    image = nib.load(bold_path(root, RUNS[1]))
    bold = image.get_fdata()
    bold[1, 2, 0] = 7
    save(bold_path(root, RUNS[1]), bold, TR)
    run = prepared(root)
    assert run.constant == 1
    assert len(run.ijk) == VOXELS - 1
    assert len(run.regions["V1"]) == 3 * 3 * 4 - 1
    assert run.regions["VC"].max() == VOXELS - 2


def mask_elsewhere(root: Path) -> None:
    write_mask(root, "LH_V2", MASKS["LH_V2"], AFFINE + np.eye(4, k=3))


def mask_empty(root: Path) -> None:
    write_mask(root, "LH_V2", None)


def mask_missing(root: Path) -> None:
    (root / "roi/sub-01_mask_LH_V2.nii.gz").unlink()


def truncated(root: Path) -> None:
    content = bold_path(root).read_bytes()
    bold_path(root).write_bytes(content[: len(content) // 2])


def not_finite(root: Path) -> None:
    bold = nib.load(bold_path(root)).get_fdata()
    bold[1, 2, 0, 30] = np.nan
    save(bold_path(root), bold, TR)


def sidecar_disagrees(root: Path) -> None:
    (root / "task-see_bold.json").write_text(json.dumps({"RepetitionTime": 2.0}))


def header_disagrees(root: Path) -> None:
    save(bold_path(root), nib.load(bold_path(root)).get_fdata(), 2.0)


def grid_differs(root: Path) -> None:
    bold = nib.load(bold_path(root, RUNS[1])).get_fdata()
    save(bold_path(root, RUNS[1]), bold, TR, AFFINE * 1.1)


def run_missing(root: Path) -> None:
    bold_path(root, RUNS[1]).unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (mask_elsewhere, "mask_LH_V2.nii.gz: does not lie on the grid"),
        (mask_empty, "mask_LH_V2.nii.gz: the mask is empty"),
        (mask_missing, "no mask roi/sub-01_mask_LH_V2.nii.gz"),
        (truncated, "bold_preproc.nii.gz: is truncated or damaged"),
        (not_finite, "1 of 52 voxels in the mask hold NaN"),
        (sidecar_disagrees, "header 3 s, descriptor 3 s, sidecar 2 s"),
        (header_disagrees, "header 2 s, descriptor 3 s, sidecar 3 s"),
        (grid_differs, "shape or affine differ"),
        (run_missing, "has no spm/sub-01/ses-b/sub-01_ses-b"),
    ],
)
def test_faults_are_named(root: Path, damage: Any, message: str) -> None:
    damage(root)
    with pytest.raises(UserError, match=message):
        prepared(root)


def test_object_decoding_names_lower_visual_cortex_and_all_of_it() -> None:
    descriptors = REPOSITORY / "workflow/datasets"
    layout = descriptor("ds001246", [descriptors], Path("config.yaml")).layout
    assert isinstance(layout, SpmLayout)
    parts = {name: set(masks) for name, masks in layout.regions.items()}
    assert parts["LVC"] == parts["V1"] | parts["V2"] | parts["V3"]
    assert parts["VC"] == parts["LVC"] | parts["V4"] | parts["HVC"]
