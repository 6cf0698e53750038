"""Faulty BOLD: each fault is one line that names the file and what is wrong."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from helpers import bold_tree as tree
from tristream.bold.index_file import write_index
from tristream.bold.run_file import read_run, write_run
from tristream.errors import UserError

FIRST, SECOND = tree.RUNS


def truncate(root: Path) -> None:
    path = tree.image_path(root, FIRST)
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[: len(content) // 2]))


def cut_stream(root: Path) -> None:
    path = tree.image_path(root, FIRST)
    path.write_bytes(path.read_bytes()[:-2000])


def not_nifti(root: Path) -> None:
    tree.image_path(root, FIRST).write_bytes(b"this is a page, not an image")


def one_volume(root: Path) -> None:
    tree.save(tree.image_path(root, FIRST), np.ones(tree.SHAPE))


def other_tr(root: Path) -> None:
    bold = nib.load(tree.image_path(root, FIRST)).get_fdata()
    tree.save(tree.image_path(root, FIRST), bold, tr=2.0)


def other_sidecar_tr(root: Path) -> None:
    tree.write_sidecar(root, FIRST, {"RepetitionTime": 1.6, "StartTime": 0.5})


def late_start(root: Path) -> None:
    tree.write_sidecar(root, FIRST, {"RepetitionTime": tree.TR, "StartTime": 7.5})


def broken_sidecar(root: Path) -> None:
    Path(str(tree.image_path(root, FIRST)).replace(".nii.gz", ".json")).write_text("{")


def with_nan(root: Path) -> None:
    bold = nib.load(tree.image_path(root, FIRST)).get_fdata()
    bold[2, 2, 1:3, 50] = np.nan
    bold[0, 0, 0, 0] = np.nan  # not in the mask
    tree.save(tree.image_path(root, FIRST), bold)


def moved(root: Path) -> None:
    bold = nib.load(tree.image_path(root, SECOND)).get_fdata()
    tree.save(tree.image_path(root, SECOND), bold, affine=tree.AFFINE + np.eye(4, k=3))


def moved_mask(root: Path) -> None:
    tree.save_mask(root, FIRST, np.ones(tree.SHAPE), tree.AFFINE * 2)


def empty_mask(root: Path) -> None:
    tree.save_mask(root, SECOND, np.zeros(tree.SHAPE))


def all_constant(root: Path) -> None:
    tree.save(tree.image_path(root, SECOND), np.ones((*tree.SHAPE, tree.VOLUMES)))


def short_confounds(root: Path) -> None:
    path = tree.confounds_path(root, FIRST)
    pd.read_csv(path, sep="\t").iloc[:-1].to_csv(path, sep="\t", index=False)


def no_motion(root: Path) -> None:
    path = tree.confounds_path(root, FIRST)
    pd.read_csv(path, sep="\t").drop(columns="trans_x").to_csv(path, sep="\t", index=False)


def gap_in_confounds(root: Path) -> None:
    path = tree.confounds_path(root, FIRST)
    table = pd.read_csv(path, sep="\t")
    table.loc[7, "rot_y"] = np.nan
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")


def confounds_by_commas(root: Path) -> None:
    path = tree.confounds_path(root, FIRST)
    path.write_text(path.read_text().replace("\t", ","))


def words_in_confounds(root: Path) -> None:
    path = tree.confounds_path(root, FIRST)
    table = pd.read_csv(path, sep="\t").astype({"rot_y": object})
    table.loc[7, "rot_y"] = "0,1"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")


def complex_numbers(root: Path) -> None:
    values = np.ones((*tree.SHAPE, tree.VOLUMES), np.complex64)
    nib.save(nib.Nifti1Image(values, np.eye(4)), tree.image_path(root, FIRST))


def in_colours(root: Path) -> None:
    values = np.zeros((*tree.SHAPE, tree.VOLUMES), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(values, np.eye(4)), tree.image_path(root, FIRST))


def no_confounds(root: Path) -> None:
    tree.confounds_path(root, FIRST).unlink()


def no_run(root: Path) -> None:
    tree.image_path(root, SECOND).unlink()


def no_mask(root: Path) -> None:
    Path(str(tree.image_path(root, FIRST)).replace("preproc_bold", "brain_mask")).unlink()


FAULTS: dict[Callable[[Path], None], str] = {
    truncate: r"run-01.*preproc_bold.nii.gz: is truncated or damaged",
    cut_stream: r"run-01.*preproc_bold.nii.gz: is truncated or damaged",
    not_nifti: r"run-01.*preproc_bold.nii.gz: can't be read as NIfTI",
    one_volume: r"has 3 dimensions \(6, 5, 4\), expected 4",
    other_tr: r"TR is not the same everywhere \(header 2 s, descriptor 1.5 s, sidecar 1.5 s\)",
    other_sidecar_tr: r"header 1.5 s, descriptor 1.5 s, sidecar 1.6 s",
    late_start: r"preproc_bold.json: StartTime 7.5 lies outside of the acquisition of 1.5 s",
    broken_sidecar: r"preproc_bold.json: not a usable sidecar",
    with_nan: r"preproc_bold.nii.gz: 2 of 80 voxels in the mask hold NaN",
    moved: r"run-02.*: shape or affine differ from .*run-01",
    moved_mask: r"brain_mask.nii.gz: does not lie on the grid of",
    empty_mask: r"no voxel lies in the masks of all 2 runs",
    all_constant: r"no voxel of the mask varies in every run",
    short_confounds: r"confounds_timeseries.tsv: has 59 rows, but .* has 60 volumes",
    no_motion: r"confounds_timeseries.tsv: does not serve layout.confounds .*trans_x",
    gap_in_confounds: r"confounds_timeseries.tsv: rot_y hold n/a after the first row",
    confounds_by_commas: r"confounds_timeseries.tsv: has one column; separate columns by tabs",
    words_in_confounds: r"confounds_timeseries.tsv: column rot_y holds words",
    complex_numbers: r"preproc_bold.nii.gz: holds complex numbers",
    in_colours: r"preproc_bold.nii.gz: holds colours",
    no_confounds: r"has no desc-confounds_timeseries.tsv beside it",
    no_run: r"no derivatives/.*sub-01_task-film_run-02_space-MNI152NLin2009cAsym_desc-preproc_bold",
    no_mask: r"has no brain mask beside it",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_fmriprep_fault_is_one_line(fault: Callable[[Path], None], tmp_path: Path) -> None:
    root = tree.write_fmriprep(tmp_path / "raw")
    fault(root)
    with pytest.raises(UserError, match=FAULTS[fault]) as caught:
        tree.prepare(tree.fmriprep_dataset(), "01", FIRST, tree.receipt_of(root))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("header", [1.0, 1500.0])
def test_a_header_that_nobody_filled_in_or_in_milliseconds_does_not_count(
    tmp_path: Path, header: float
) -> None:
    root = tree.write_fmriprep(tmp_path / "raw")
    path = tree.image_path(root, FIRST)
    tree.save(path, nib.load(path).get_fdata(), tr=header)
    run = tree.prepare(tree.fmriprep_dataset(), "01", FIRST, tree.receipt_of(root))
    assert run.tr == 1.5
    (noted,) = [omission for omission in run.omitted if "header" in omission.what]
    assert noted.why == f"it holds {header:g}; the sidecar's 1.5 s was taken"
    tree.write_sidecar(root, FIRST, {"StartTime": 0.7})
    with pytest.raises(UserError, match="the TR is not the same everywhere"):
        tree.prepare(tree.fmriprep_dataset(), "01", FIRST, tree.receipt_of(root))


def test_voxels_that_are_nan_in_one_run_are_left_out_of_all_on_request(tmp_path: Path) -> None:
    root = tree.write_fmriprep(tmp_path / "raw")
    before = tree.prepare(tree.fmriprep_dataset(), "01", FIRST, tree.receipt_of(root))
    with_nan(root)
    dataset = tree.fmriprep_dataset()
    layout = dataset.layout.model_copy(update={"drop_nan": True})
    dataset = dataset.model_copy(update={"layout": layout})
    for name in tree.RUNS:
        run = tree.prepare(dataset, "01", name, tree.receipt_of(root))
        gone = {tuple(place) for place in before.ijk} - {tuple(place) for place in run.ijk}
        assert gone == {(2, 2, 1), (2, 2, 2)}
        assert np.isfinite(run.bold).all()


def test_too_many_confounds_name_the_image(tmp_path: Path) -> None:
    root = tree.write_fmriprep(tmp_path / "raw")
    dataset = tree.fmriprep_dataset(trims={"start": 30, "end": 18})
    with pytest.raises(UserError, match=r"run-01.*nii.gz: mean, trend, 8 confounds .* of 12 vol"):
        tree.prepare(dataset, "01", FIRST, tree.receipt_of(root))


def test_trims_that_leave_nothing(tmp_path: Path) -> None:
    root = tree.write_fmriprep(tmp_path / "raw")
    dataset = tree.fmriprep_dataset(trims={"start": 40, "end": 20})
    with pytest.raises(UserError, match="has 60 volumes; trims of 40 at the start and 20 at the"):
        tree.prepare(dataset, "01", FIRST, tree.receipt_of(root))


def test_faults_of_a_volume_table(tmp_path: Path) -> None:
    root = tree.write_volume_table(tmp_path / "raw")
    receipt = tree.receipt_of(root, "1")

    def prepare(**changes: object) -> None:
        tree.prepare(tree.table_dataset(**changes), "1", "run-01", receipt)

    with pytest.raises(UserError, match=r"table.txt: has 3 runs, the descriptor of small lists 4"):
        prepare(runs=["run-{01..04}"])
    with pytest.raises(UserError, match=r"header 1.5 s, descriptor 2 s"):
        prepare(tr=2.0)
    table = root / "table.txt"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1]))
    with pytest.raises(UserError, match=r"table.txt: has 59 rows, but bold.nii.gz has 60 volumes"):
        prepare()
    table.write_text("\n".join([*lines[30:], *lines[:30]]))
    with pytest.raises(UserError, match=r"the volumes of a run don't stand together"):
        prepare()
    table.write_text("\n".join(lines))
    nib.save(nib.Nifti1Image(np.zeros(tree.SHAPE), tree.AFFINE), root / "mask.nii.gz")
    with pytest.raises(UserError, match=r"mask.nii.gz: the mask is empty"):
        prepare()


def test_runs_that_do_not_fit_together(tmp_path: Path) -> None:
    root = tree.write_fmriprep(tmp_path / "raw")
    dataset, receipt = tree.fmriprep_dataset(), tree.receipt_of(root)
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
    for path, name in zip(paths, tree.RUNS, strict=True):
        write_run(path, tree.prepare(dataset, "01", name, receipt), {})
    with pytest.raises(UserError, match="was given task-film_run-01; prepare the missing ones"):
        write_index(tree.index_settings(dataset), paths[:1], tmp_path / "index.json")
    tree.save_mask(root, SECOND, np.eye(6, 5)[:, :, None] * np.ones(4))
    write_run(paths[1], tree.prepare(dataset, "01", SECOND, receipt), {})
    with pytest.raises(UserError, match=r"b.h5: differs from .*a.h5 in its voxels \(16, not 80\)"):
        write_index(tree.index_settings(dataset), paths, tmp_path / "index.json")
    assert not (tmp_path / "index.json").exists()


def test_damaged_run_file(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(b"\x89HDF" + json.dumps({}).encode())
    with pytest.raises(UserError, match="can't be read as HDF5"):
        read_run(path)


def test_images_in_the_space_of_each_run_are_read_and_told(tmp_path: Path) -> None:
    """fMRIPrep's names have no space then; runs of other spaces are aligned."""
    root = tree.write_fmriprep(tmp_path / "raw")
    expected = tree.prepare(tree.fmriprep_dataset(), "01", FIRST, tree.receipt_of(root))
    assert not any("alignment" in omission.what for omission in expected.omitted)
    for path in sorted(root.rglob("*_space-MNI152NLin2009cAsym_*")):
        path.rename(path.with_name(path.name.replace("_space-MNI152NLin2009cAsym", "")))
    dataset = tree.fmriprep_dataset()
    layout = dataset.layout.model_copy(update={"space": "func"})
    own = dataset.model_copy(update={"layout": layout})
    run = tree.prepare(own, "01", FIRST, tree.receipt_of(root))
    np.testing.assert_array_equal(run.bold, expected.bold)
    assert [o.what for o in run.omitted if o.what == "alignment of runs"] == ["alignment of runs"]
    assert "in the space of each run" in run.methods[0]
