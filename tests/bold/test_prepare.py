"""Runs from fMRIPrep outputs and from a table of volumes, their files and their index."""

from dataclasses import replace
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn import signal
from nilearn.maskers import NiftiMasker

from helpers import REPOSITORY
from helpers import bold_tree as tree
from tristream.bold.index_file import read_index, write_index
from tristream.bold.readers import fmriprep
from tristream.bold.run_file import read_run, read_runs, write_run
from tristream.cli import main
from tristream.errors import UserError
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.store import provenance_of

FIRST, SECOND = tree.RUNS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree.write_fmriprep(tmp_path / "raw")


def test_equals_nilearns_masker_with_the_same_confounds(root: Path) -> None:
    run = tree.prepare(tree.fmriprep_dataset(), "01", FIRST, tree.receipt_of(root))
    table = pd.read_csv(tree.confounds_path(root, FIRST), sep="\t", na_values="n/a")
    names = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "cosine00", "cosine01"]
    settings = tree.bold_settings(tree.fmriprep_dataset())
    files = fmriprep.find_runs(settings, tree.receipt_of(root))
    mask, _ = fmriprep.shared_mask(list(files.values()), 0)
    masker = NiftiMasker(
        nib.Nifti1Image(mask.astype(np.uint8), tree.AFFINE),
        detrend=True,
        standardize="zscore_sample",
    )
    reference = masker.fit().transform(tree.image_path(root, FIRST), confounds=table[names])
    np.testing.assert_allclose(run.bold, reference, atol=1e-4)
    assert sorted(run.confound_names) == sorted(names)


def test_mask_time_and_censoring(root: Path) -> None:
    table = tree.confounds(np.random.default_rng(9))
    table.loc[20, "framewise_displacement"] = 2.0
    table["non_steady_state_outlier00"] = np.eye(tree.VOLUMES)[0]
    table.to_csv(tree.confounds_path(root, FIRST), sep="\t", index=False, na_rep="n/a")
    layout = {"kind": "fmriprep", "confounds": ["motion", "scrub"]}
    dataset = tree.fmriprep_dataset(layout=layout, trims={"start": 3, "end": 2})
    run = tree.prepare(dataset, "01", FIRST, tree.receipt_of(root, simulated=True))
    assert run.n_volumes == tree.VOLUMES - 5
    np.testing.assert_allclose(run.time, 0.7 + tree.TR * np.arange(3, 58))
    np.testing.assert_array_equal(np.flatnonzero(run.censor), [17])
    assert run.fd[17] == 2.0
    assert not run.bold[17].any()
    np.testing.assert_allclose(run.bold[~run.censor].std(axis=0, ddof=1), 1, rtol=1e-5)
    assert set(run.ijk[:, 0]) == {2, 3, 4, 5}
    assert run.simulated


def test_volumes_before_the_steady_state_are_censored(root: Path) -> None:
    table = tree.confounds(np.random.default_rng(9))
    table["non_steady_state_outlier00"] = np.eye(tree.VOLUMES)[0]
    table.to_csv(tree.confounds_path(root, FIRST), sep="\t", index=False, na_rep="n/a")
    run = tree.prepare(tree.fmriprep_dataset(), "01", FIRST, tree.receipt_of(root))
    np.testing.assert_array_equal(np.flatnonzero(run.censor), [0])


def test_missing_start_time_is_assumed_and_said(root: Path) -> None:
    tree.write_sidecar(root, FIRST, {"RepetitionTime": tree.TR, "SliceTimingCorrected": True})
    run = tree.prepare(tree.fmriprep_dataset(), "01", FIRST, tree.receipt_of(root))
    assert run.start_time == tree.TR / 2
    assert [o.what for o in run.omitted] == ["StartTime"]


def test_voxels_constant_in_one_run_are_left_out_of_all(root: Path, tmp_path: Path) -> None:
    path = tree.image_path(root, SECOND)
    bold = nib.load(path).get_fdata()
    bold[3, 3, 3] = 0
    bold[3, 3, 2] = 1200
    tree.save(path, bold)
    dataset, receipt = tree.fmriprep_dataset(), tree.receipt_of(root)
    paths = []
    for name in tree.RUNS:
        paths.append(tmp_path / f"{name}.h5")
        write_run(paths[-1], tree.prepare(dataset, "01", name, receipt), {})
    write_index(tree.index_settings(dataset), paths[::-1], tmp_path / "index.json")
    index = read_index(tmp_path / "index.json")
    assert index.constant_voxels == 2
    assert [run.run for run in index.runs] == tree.RUNS
    assert index.files == paths
    first = index.runs[0]
    assert first.tsnr_median == pytest.approx(100, rel=0.1)
    assert first.fd_mean == pytest.approx(0.04, abs=0.02)
    assert first.mask_voxels == 4 * 5 * 4 - 2
    assert (first.tr, first.start_time) == (tree.TR, 0.7)


def test_resolution_entity_and_uncompressed_images_are_found(root: Path) -> None:
    for path in [*(root / tree.FUNC).glob("*space*")]:
        new = path.with_name(path.name.replace("_desc-", "_res-2_desc-").removesuffix(".gz"))
        if path.suffix == ".gz":
            nib.save(nib.load(path), new)
            path.unlink()
        else:
            path.rename(new)
    run = tree.prepare(tree.fmriprep_dataset(), "01", FIRST, tree.receipt_of(root))
    assert run.bold.shape == (tree.VOLUMES, 80)


def test_no_confounds(root: Path) -> None:
    tree.confounds_path(root, FIRST).unlink()
    dataset = tree.fmriprep_dataset(layout={"kind": "fmriprep", "confounds": []})
    run = tree.prepare(dataset, "01", FIRST, tree.receipt_of(root))
    assert run.confounds.shape == (tree.VOLUMES, 0)
    assert run.projection.shape == (tree.VOLUMES, 2)
    assert np.isnan(run.fd).all()


def test_run_file_round_trip(root: Path, tmp_path: Path) -> None:
    run = tree.prepare(tree.fmriprep_dataset(), "01", FIRST, tree.receipt_of(root))
    path = tmp_path / "run.h5"
    write_run(path, run, {"tr": tree.TR}, "abc")
    again = read_run(path)
    for name, value in vars(run).items():
        np.testing.assert_array_equal(getattr(again, name), value, err_msg=name)
    part = read_run(path, voxels=slice(3, 7))
    np.testing.assert_array_equal(part.bold, run.bold[:, 3:7])
    np.testing.assert_array_equal(part.ijk, run.ijk[3:7])
    assert read_run(path, signal=False).bold.shape == (tree.VOLUMES, 0)
    with h5py.File(path) as file:
        assert file["bold"].dtype == np.float32
        assert file["bold"].chunks == (tree.VOLUMES, 80)
        assert file.attrs["standardized"] == "run"
    write_run(path, replace(run, simulated=True), {})
    assert read_runs([path])[0].simulated


def test_real_haxby_slice_by_the_command_line(haxby: Path, tmp_path: Path) -> None:
    root = haxby.parents[1]
    files = ("bold.nii.gz", "mask.nii.gz", "attributes_literal.txt")
    listed = tuple(FetchedFile(f"mvpa2/data/{name}", None) for name in files)
    receipt = tmp_path / "receipt.json"
    Receipt("haxby2001_slice", "1", {}, "", root, "", "", listed, False).write(receipt)
    output = tmp_path / "run-02.h5"
    config = str(REPOSITORY / "config.yaml")
    call = ["bold", "prepare", "--config", config, "--dataset", "haxby2001_slice"]
    call += ["--run", "run-02", "--receipt", str(receipt), "--output", str(output)]
    assert main([*call, "--subject", "9"]) == 2
    assert main([*call, "--subject", "1", "--code", "abc"]) == 0
    assert provenance_of(output, "bold").code == "abc"
    run = read_run(output)
    assert run.bold.shape == (121, 530)
    assert run.constant == 0
    assert not run.simulated
    np.testing.assert_allclose(run.time, 2.5 * np.arange(121))
    image = nib.load(haxby / "bold.nii.gz").get_fdata()
    raw = image[tuple(run.ijk.T)].T[121:242]
    reference = signal.clean(raw, detrend=True, standardize="zscore_sample")
    np.testing.assert_allclose(run.bold, reference, atol=1e-5)


def test_volume_table_runs_are_named_in_order_of_appearance(tmp_path: Path) -> None:
    root = tree.write_volume_table(tmp_path / "raw")
    receipt = tree.receipt_of(root, "1")
    runs = [
        tree.prepare(tree.table_dataset(), "1", name, receipt)
        for name in ("run-01", "run-02", "run-03")
    ]
    assert [run.n_volumes for run in runs] == [20, 20, 20]
    assert all(run.start_time == 0 for run in runs)
    assert not np.allclose(runs[0].bold, runs[1].bold)
    trimmed = tree.prepare(tree.table_dataset(trims={"start": 2}), "1", "run-03", receipt)
    np.testing.assert_allclose(trimmed.time, tree.TR * np.arange(2, 20))


def test_outputs_may_write_runs_without_zeros(root: Path) -> None:
    for path in sorted((root / tree.FUNC).iterdir()):
        path.rename(path.with_name(path.name.replace("run-0", "run-")))
    layout = {"kind": "fmriprep", "padded_runs": False}
    dataset = tree.fmriprep_dataset(layout=layout)
    files = fmriprep.find_runs(tree.bold_settings(dataset), tree.receipt_of(root))
    assert list(files) == tree.RUNS
    assert "task-film_run-1_space-" in files[FIRST].bold.name
    assert files[FIRST].confounds is not None


def test_data_without_a_mean_are_in_percent_of_nothing(tmp_path: Path) -> None:
    """Z-scores as BOLD: percent of their means were values up to 813,635."""
    root = tree.write_fmriprep(tmp_path / "raw")
    rng = np.random.default_rng(0)
    for run in tree.RUNS:
        tree.save(tree.image_path(root, run), rng.standard_normal((*tree.SHAPE, tree.VOLUMES)))
        events = root / f"sub-01/func/sub-01_{run}_events.tsv"
        events.parent.mkdir(parents=True, exist_ok=True)
        rows = "".join(f"{9 * n}\t3\t{'ab'[n % 2]}\n" for n in range(9))
        events.write_text(f"onset\tduration\ttrial_type\n{rows}")
    trials = {"estimate": "mean", "window": 4.5}
    percent = tree.fmriprep_dataset(trials=trials)
    with pytest.raises(UserError, match=r"no mean signal to be in percent of .*`scale: run` under"):
        tree.prepare(percent, "01", FIRST, tree.receipt_of(root))
    scaled = tree.fmriprep_dataset(trials={**trials, "scale": "run"})
    run = tree.prepare(scaled, "01", FIRST, tree.receipt_of(root))
    assert np.abs(run.bold).max() < 5
