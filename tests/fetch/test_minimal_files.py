"""fMRIPrep's minimal outputs under the names of several versions: fetched as they are read."""

from pathlib import Path

import pytest

from helpers import synthetic_head as world
from helpers.bold_tree import check_settings, receipt_of
from helpers.fetched import files_of
from tristream.bold.readers.minimal_inputs import find_anatomy, find_run
from tristream.config.layouts import MinimalLayout
from tristream.errors import UserError
from tristream.fetch.minimal_files import minimal_anatomy, minimal_run

HOME = "derivatives/fmriprep"
FUNC = f"{HOME}/sub-01/func/sub-01_task-a_run-01"
ANAT = f"{HOME}/sub-01/anat/sub-01"
RAW = "sub-01/func/sub-01_task-a_run-01"
LAYOUT = MinimalLayout()
HMC, COREG, REFERENCE = (
    "_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt",
    "_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt",
    "_desc-hmc_boldref.nii.gz",
)


@pytest.mark.parametrize("number", ["run-01", "run-1", "run-001"])
@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
def test_zeros_of_runs_and_uncompressed_images(number: str, ending: str) -> None:
    start = FUNC.replace("run-01", number)
    reference = start + REFERENCE.replace(".nii.gz", ending)
    there = {start + HMC, start + COREG, reference, start.replace("1_task", "2_task") + HMC}
    found = minimal_run(LAYOUT, "01", RAW, there)
    assert [found.motion, found.coregistration, found.reference] == [
        start + HMC,
        start + COREG,
        reference,
    ]
    assert minimal_run(LAYOUT, "01", RAW, []).motion == FUNC + HMC


@pytest.mark.parametrize("name", ["auto00001", "pepolar0", "B0map"])
def test_fields_of_any_name(name: str) -> None:
    """A field that the dataset names itself (``B0FieldIdentifier``) was taken for none."""
    transform = f"{FUNC}_from-boldref_to-{name}_mode-image_xfm.txt"
    fmap = f"{HOME}/sub-01/fmap/sub-01_run-01_fmapid-{name}_desc-coeff0_fieldmap.nii"
    others = [
        f"{FUNC}_from-boldref_to-T1w_mode-image_xfm.txt",
        f"{HOME}/sub-01/fmap/sub-01_run-01_fmapid-{name}2_desc-coeff0_fieldmap.nii",
        f"{HOME}/sub-02/fmap/sub-02_run-01_fmapid-{name}_desc-coeff0_fieldmap.nii",
    ]
    assert minimal_run(LAYOUT, "01", RAW, [transform, fmap, *others]).fields == {transform: [fmap]}


def test_anatomy_by_acquisition_and_of_the_sessions_that_are_read() -> None:
    mask = f"{ANAT}_acq-MPRAGE_run-1_desc-brain_mask.nii.gz"
    other = f"{ANAT}_space-MNI152NLin2009cAsym_desc-brain_mask.nii.gz"
    assert minimal_anatomy(LAYOUT, "01", ["task-a"], {mask, other}) == {"mask": mask}
    apart = [f"{HOME}/sub-01/ses-{n}/anat/sub-01_ses-{n}_desc-brain_mask.nii.gz" for n in (1, 2)]
    runs = ["ses-2_task-a_run-1", "ses-2_task-a_run-2"]
    assert minimal_anatomy(LAYOUT, "01", runs, apart) == {"mask": apart[1]}
    with pytest.raises(UserError, match=r"holds several …_desc-brain_mask\.nii\.gz .*`runs:`"):
        minimal_anatomy(LAYOUT, "01", ["ses-1_task-a_run-1", *runs], apart)


def test_what_is_fetched_is_what_is_read(tmp_path: Path) -> None:
    """Of a whole dataset whose outputs number runs without zeros."""
    root = tmp_path / "raw"
    world.write(root, [world.Head(volumes=3), world.Head(volumes=3)])
    for path in sorted((root / world.HOME).rglob("*_run-0*")):
        path.rename(path.with_name(path.name.replace("_run-0", "_run-")))
    with_events(root)
    dataset = world.dataset()
    receipt = receipt_of(root)
    wanted = set(files_of(dataset, "01", sorted(receipt.listed)))
    settings = check_settings(dataset)
    for run in dataset.runs:
        inputs = find_run(settings, run, receipt)
        read = [inputs.bold, inputs.motion, inputs.coregistration, inputs.reference]
        read += [*inputs.coefficients, *([inputs.to_fieldmap] if inputs.to_fieldmap else [])]
        assert {receipt.relative(path) for path in read} <= wanted
        assert "run-0" not in inputs.motion.name
    anatomy = find_anatomy(settings, receipt)
    assert receipt.relative(anatomy.brain_mask) in wanted


def with_events(root: Path) -> None:
    for run in world.RUNS:
        path = root / f"sub-01/func/sub-01_{run}_events.tsv"
        path.write_text("onset\tduration\ttrial_type\n0\t1\tface\n")
