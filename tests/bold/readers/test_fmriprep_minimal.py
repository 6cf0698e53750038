"""Raw BOLD and minimal outputs through the command line: the file that the unmoved head gives."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from nibabel.affines import apply_affine

from helpers import synthetic_head as world
from helpers.bold_tree import index_settings, prepare, receipt_of
from tristream.bold.index_file import read_index, write_index
from tristream.bold.run_file import Run, read_run
from tristream.cli import main
from tristream.config.dataset import Dataset
from tristream.config.layouts import FmriprepLayout
from tristream.store import provenance_of

FIRST, SECOND = world.RUNS
HEADS = [world.Head(volumes=30), world.Head(volumes=20, seed=1, distorted=True)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.write(tmp_path_factory.mktemp("head") / "raw", HEADS)


def study(folder: Path, space: str) -> Path:
    """A study of the dataset, and its descriptor."""
    (folder / "datasets").mkdir(parents=True)
    content = world.descriptor(space=space, resolution=4.0, confounds=["motion", "wm_csf"])
    (folder / "datasets/head.yaml").write_text(yaml.safe_dump(content))
    config = {
        "datasets": ["head"],
        "features": {"acoustics": {"stream": "auditory", "extractor": "acoustics"}},
        "models": {"one": {"datasets": ["head"], "bands": {"auditory": ["acoustics"]}}},
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module", params=["T1w", "MNI152NLin2009cAsym"])
def prepared(
    root: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    folder = tmp_path_factory.mktemp("study")
    config = study(folder, request.param)
    receipt_of(root, simulated=True).write(folder / "receipt.json")
    paths = []
    for run in world.RUNS:
        paths.append(folder / f"{run}.h5")
        call = ["bold", "prepare", "--config", str(config), "--dataset", "head", "--code", "abc"]
        call += ["--datasets", str(folder / "datasets"), "--subject", "01", "--run", run]
        call += ["--receipt", str(folder / "receipt.json"), "--output", str(paths[-1])]
        assert main(call) == 0
    return paths


def direct(run: Run, head: world.Head, folder: Path) -> Run:
    """What fMRIPrep's whole outputs of the same head, seen at rest and undistorted, give."""
    points = apply_affine(run.affine, run.ijk)
    t1w = points if run.space == "T1w" else head.to_t1w(points)
    truth = np.zeros((*run.shape, head.volumes), np.float32)
    mask = np.zeros(run.shape, np.uint8)
    mask[tuple(run.ijk.T)] = 1
    truth[tuple(run.ijk.T)] = (head.gaussians(t1w) @ head.activity.T).astype(np.float32)
    func = folder / world.HOME / "sub-01/func"
    func.mkdir(parents=True)
    stem = f"sub-01_{run.run}"
    base = func / f"{stem}_space-{run.space}"
    image = nib.Nifti1Image(truth, run.affine)
    image.header.set_zooms((*image.header.get_zooms()[:3], world.TR))
    nib.save(image, f"{base}_desc-preproc_bold.nii.gz")
    nib.save(nib.Nifti1Image(mask, run.affine), f"{base}_desc-brain_mask.nii.gz")
    content = {"RepetitionTime": world.TR, "StartTime": 0.35}
    Path(f"{base}_desc-preproc_bold.json").write_text(json.dumps(content))
    table = pd.DataFrame(run.confounds, columns=list(run.confound_names))
    table.to_csv(func / f"{stem}_desc-confounds_timeseries.tsv", sep="\t", index=False)
    content = world.descriptor()
    content["layout"] = {"space": run.space, "kind": "fmriprep", "confounds": ["motion", "wm_csf"]}
    content |= {"runs": [run.run], "split": {"scheme": "holdout", "test": ["none"]}}
    dataset = Dataset.model_construct(**vars(world.dataset()))
    layout = FmriprepLayout.model_validate(content["layout"])
    dataset = dataset.model_copy(update={"layout": layout, "runs": [run.run]})
    return prepare(dataset, "01", run.run, receipt_of(folder))


def test_equals_a_direct_reading_on_the_unmoved_head(prepared: list[Path], tmp_path: Path) -> None:
    for path, head in zip(prepared, HEADS, strict=True):
        run = read_run(path)
        wanted = direct(run, head, tmp_path / run.run)
        np.testing.assert_array_equal(run.ijk, wanted.ijk)
        np.testing.assert_allclose(run.mean, wanted.mean, rtol=0.01)
        r = np.mean(run.bold * wanted.bold, axis=0) * head.volumes / (head.volumes - 1)
        assert r.min() >= 0.99
        assert len(run.ijk) > 300
        assert run.start_time == wanted.start_time == 0.35
        np.testing.assert_allclose(run.time, wanted.time)
        assert set(run.confound_names) == set(wanted.confound_names)
        assert len(run.confound_names) == 8


def test_file_says_what_it_is_and_came_from(prepared: list[Path], tmp_path: Path) -> None:
    first, second = map(read_run, prepared)
    assert first.bold.dtype == np.float32
    assert first.simulated
    assert provenance_of(prepared[0], "bold").code == "abc"
    np.testing.assert_array_equal(first.ijk, second.ijk)
    for run, head in ((first, "head motion"), (second, "distortion")):
        assert run.run in run.sources[head]
        assert run.sources["bold"] == f"sub-01/func/sub-01_{run.run}_bold.nii.gz"
    assert ("normalisation" in first.sources) == (first.space != "T1w")
    assert "distortion" not in first.sources
    assert "coeff0" in second.sources["distortion coefficients 0"]
    left_out = {omission.what for omission in first.omitted}
    assert left_out == {"distortion correction", "slice-time correction"}
    assert first.fd[1] > 2 * world.EDGE
    dataset = world.dataset(space=first.space)
    write_index(index_settings(dataset), prepared, tmp_path / "index.json")
    index = read_index(tmp_path / "index.json")
    assert index.provenance.simulated
    assert index.runs[0].mask_voxels == len(first.ijk)


def test_global_signal_follows_the_head(root: Path) -> None:
    dataset = world.dataset(space="T1w", resolution=6.0, confounds=["motion", "global_signal"])
    run = prepare(dataset, "01", FIRST, receipt_of(root))
    found = run.confounds[:, list(run.confound_names).index("global_signal")]
    assert np.corrcoef(found, HEADS[0].activity.mean(axis=1))[0, 1] > 0.6


def test_same_command_gives_equal_arrays(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = world.dataset(space="T1w", resolution=6.0)
    one = prepare(dataset, "01", SECOND, receipt_of(root))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    again = prepare(dataset, "01", SECOND, receipt_of(root))
    np.testing.assert_array_equal(one.bold, again.bold)


def test_distortion_is_switched_off(root: Path) -> None:
    dataset = world.dataset(space="T1w", resolution=6.0, distortion=False)
    run = prepare(dataset, "01", SECOND, receipt_of(root))
    assert "distortion" not in run.sources
    assert "switched off" in {omission.why for omission in run.omitted}


def test_voxels_that_one_run_does_not_measure_are_left_out_of_all(tmp_path: Path) -> None:
    root = world.write(tmp_path / "raw", [world.Head(volumes=18), world.Head(volumes=18, seed=1)])
    dataset = world.dataset(space="T1w", resolution=5.0)
    before = prepare(dataset, "01", FIRST, receipt_of(root))
    path = root / f"sub-01/func/sub-01_{SECOND}_bold.nii.gz"
    image = nib.load(path)
    dead = image.get_fdata()
    dead[: world.SHAPE[0] // 2] = 0
    world.save_bold(path, dead, image.affine)
    after = prepare(dataset, "01", FIRST, receipt_of(root))
    assert before.constant == 0
    assert after.constant == len(before.ijk) - len(after.ijk)
    assert 0.2 < after.constant / len(before.ijk) < 0.8


def test_slice_timing_is_corrected_to_the_middle_of_the_scan(root: Path) -> None:
    dataset = world.dataset(space="T1w", resolution=6.0, slice_timing=True)
    run = prepare(dataset, "01", FIRST, receipt_of(root))
    assert run.start_time == 0.35
    assert "slice-time correction" not in {omission.what for omission in run.omitted}
    plain = prepare(world.dataset(space="T1w", resolution=6.0), "01", FIRST, receipt_of(root))
    assert not np.allclose(run.bold, plain.bold)
