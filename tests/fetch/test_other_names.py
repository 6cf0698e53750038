"""One file under the names of several versions of fMRIPrep, and what a message says of others."""

import pytest

from tristream.config.layouts import FmriprepLayout
from tristream.fetch.contents import run_files
from tristream.fetch.other_names import as_listed, similar

HOME = "made/sub-01/func/sub-01_task-film_run-1"


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("_desc-confounds_timeseries.tsv", "_desc-confounds_regressors.tsv"),
        ("_space-MNI_desc-preproc_bold.nii.gz", "_space-MNI_desc-preproc_bold.nii"),
        ("_space-MNI_desc-preproc_bold.nii.gz", "_space-MNI_res-2_desc-preproc_bold.nii.gz"),
        ("_hemi-L_space-fsaverage5_bold.func.gii", "_space-fsaverage5_hemi-L_bold.func.gii"),
        ("_space-T1w_desc-brain_mask.nii.gz", "_space-T1w_desc-brain_mask.nii"),
    ],
)
def test_names_of_other_versions(asked: str, there: str) -> None:
    others = [f"{HOME}_space-T1w_desc-aseg_dseg.nii.gz", f"{HOME[:-1]}2{there}"]
    assert as_listed(HOME + asked, {*others, HOME + there}) == HOME + there
    assert as_listed(HOME + asked, {*others}) == HOME + asked
    # What has the newest name is taken, whatever lies beside it.
    assert as_listed(HOME + asked, {*others, HOME + there, HOME + asked}) == HOME + asked


def test_two_resolutions_are_not_chosen_from() -> None:
    there = {f"{HOME}_space-MNI_res-{n}_desc-preproc_bold.nii.gz" for n in (1, 2)}
    path = f"{HOME}_space-MNI_desc-preproc_bold.nii.gz"
    assert as_listed(path, there) == path
    for one in there:
        assert one in similar(path, there)


def test_all_files_of_a_run_of_an_old_version() -> None:
    there = {
        f"{HOME}_desc-confounds_regressors.tsv",
        f"{HOME}_space-MNI_desc-preproc_bold.nii",
        f"{HOME}_space-MNI_desc-brain_mask.nii.gz",
    }
    layout = FmriprepLayout(derivatives="made", space="MNI")
    found = run_files(layout, "01", "task-film_run-1").as_listed(there)
    assert {found.bold, found.confounds, found.mask} == there
    assert found.sidecar == f"{HOME}_space-MNI_desc-preproc_bold.json"


def test_a_space_with_a_cohort() -> None:
    layout = FmriprepLayout(derivatives="made", space="MNIPediatricAsym_cohort-2_res-1")
    assert "_space-MNIPediatricAsym_cohort-2_res-1_" in run_files(layout, "01", "task-a").bold


def test_the_space_of_each_run_has_no_name() -> None:
    layout = FmriprepLayout(derivatives="made", space="func")
    there = {f"{HOME}_desc-preproc_bold.nii", f"{HOME}_desc-brain_mask.nii.gz"}
    found = run_files(layout, "01", "task-film_run-1").as_listed(there)
    assert {found.bold, found.mask} == there


def test_similar_files_are_of_the_subject_and_the_kind() -> None:
    there = {
        f"{HOME}_bold.nii.gz",
        f"{HOME}_space-T1w_desc-preproc_bold.nii.gz",
        f"{HOME}_space-T1w_desc-brain_mask.nii.gz",
        f"{HOME.replace('01', '02')}_space-MNI_desc-preproc_bold.nii.gz",
    }
    told = similar(f"{HOME}_space-MNI_desc-preproc_bold.nii.gz", there)
    assert f"{HOME}_space-T1w_desc-preproc_bold.nii.gz" in told
    assert "sub-02" not in told
    assert "mask" not in told
    assert similar("sub-09_bold.nii.gz", there) == ""
