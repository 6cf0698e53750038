"""The files of a simulated BIDS dataset with fMRIPrep-named derivatives inside it."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from tristream import __version__
from tristream.simulate.bids_text import save_json, save_text
from tristream.simulate.preset import Preset, Run
from tristream.simulate.simulated_confounds import confounds, describe
from tristream.simulate.subject import Subject
from tristream.simulate.voxels import Voxels

BIDS_VERSION = "1.10.0"
SPACE = "MNI152NLin2009cAsym"
DERIVATIVES = "derivatives/fmriprep"
GENERATED_BY = [
    {
        "Name": "tristream simulate",
        "Version": __version__,
        "Description": "Simulated BOLD with known ground truth; nothing here was measured.",
    }
]
SLOPE = 0.1  # of the stored integers
SCANNER, MNI = 1, 4  # NIfTI codes of what world coordinates mean
README = """\
# {title}

**Simulated BOLD: nothing in this dataset was measured.** It was written by `tristream simulate`
from the preset `{name}` (seed {seed}): signals that follow from features of a real film, with
haemodynamic responses, a nonlinear readout, autocorrelated and smooth noise, drifts and head
motion on top. What is true of each voxel stands in `truth.h5`, beside this dataset.

Volumes are acquired at {start_time:g} s after the start of their TR of {tr:g} s. The first
{dummies} volumes come before the steady state. The film starts {onset:g} s after the first volume.
Events name it in `stim_file` (the film itself is not included) and `media_start`, the second at
which it is entered.
"""


def write_shared(root: Path, preset: Preset, licence: str, credit: str) -> None:
    """Write what belongs to the whole dataset."""
    common = {
        "BIDSVersion": BIDS_VERSION,
        "License": "CC0",
        "Authors": ["tristream simulate"],
        "Simulated": True,
        "GeneratedBy": GENERATED_BY,
    }
    save_json(
        root / "dataset_description.json",
        {
            "Name": preset.title,
            "DatasetType": "raw",
            **common,
            "Acknowledgements": f"Stimulus: {credit or preset.film.file} ({licence})",
        },
    )
    save_json(
        root / DERIVATIVES / "dataset_description.json",
        {
            "Name": f"{preset.title}: preprocessed images",
            "DatasetType": "derivative",
            **common,
        },
    )
    film = preset.film
    save_text(
        root / "README.md",
        README.format(
            title=preset.title,
            name=preset.name,
            seed=preset.seed,
            start_time=preset.start_time,
            tr=preset.tr,
            dummies=preset.dummies,
            onset=film.onset,
        ),
    )
    save_text(root / DERIVATIVES / "README.md", "Simulated. Named as fMRIPrep names its outputs.\n")
    # As fMRIPrep does: BIDS has no place for confounds tables yet.
    save_text(root / DERIVATIVES / ".bidsignore", "*_timeseries.tsv\n*_timeseries.json\n")
    # BIDS wants a file for each stim_file; the film has its own source.
    save_text(
        root / "stimuli" / film.file, f"A note in place of {film.file}, which is not included.\n"
    )
    save_text(root / "CHANGES", f"{__version__} 2026-01-01\n  - Simulated.\n")
    rows = [f"sub-{label}\tn/a\tn/a\tn/a\n" for label in preset.subjects]
    save_text(root / "participants.tsv", "participant_id\tage\tsex\thandedness\n" + "".join(rows))
    save_json(
        root / "participants.json",
        {name: {"Description": "Subjects are simulated"} for name in ("age", "sex", "handedness")},
    )
    for run in preset.runs:
        task = run.run.split("_")[0]
        save_json(root / f"{task}_bold.json", _timing(preset, run))
    save_json(root / "task-training_events.json", EVENTS)
    save_json(root / "task-test_events.json", EVENTS)


EVENTS = {
    "trial_type": {"Description": "Name of the film"},
    "stim_file": {"Description": "File of the film; it is not part of this dataset"},
    "media_start": {"Description": "Where the film is entered", "Units": "s"},
}


def write_subject(root: Path, preset: Preset, brain: Voxels, subject: Subject, number: int) -> None:
    """Write the images, events and confounds of one subject."""
    who = f"sub-{subject.label}"
    raw, derived = root / who / "func", root / DERIVATIVES / who / "func"
    for index, run in enumerate(preset.runs):
        bold = subject.bold(preset, run.run)
        stem = f"{who}_{run.run}"
        _image(raw / f"{stem}_bold.nii.gz", brain, bold, preset.tr, SCANNER)
        save_json(raw / f"{stem}_bold.json", _timing(preset, run))
        _events(raw / f"{stem}_events.tsv", preset, run)
        space = f"{stem}_space-{SPACE}"
        _image(derived / f"{space}_desc-preproc_bold.nii.gz", brain, bold, preset.tr, MNI)
        save_json(
            derived / f"{space}_desc-preproc_bold.json",
            {
                **_timing(preset, run),
                "StartTime": preset.start_time,
                "SliceTimingCorrected": True,
                "SkullStripped": True,
                "Sources": [f"bids:raw:{who}/func/{stem}_bold.nii.gz"],
            },
        )
        _mask(derived / f"{space}_desc-brain_mask.nii.gz", brain)
        save_json(derived / f"{space}_desc-brain_mask.json", {"Type": "Brain", "RawSources": []})
        rng = np.random.default_rng([preset.seed, 3, number, index])
        table = confounds(preset, bold, subject.runs[run.run].head, rng)
        path = derived / f"{stem}_desc-confounds_timeseries.tsv"
        table.to_csv(
            path, sep="\t", index=False, na_rep="n/a", float_format="%.9g", lineterminator="\n"
        )
        save_json(path.with_suffix(".json"), describe(table))


def _timing(preset: Preset, run: Run) -> dict[str, Any]:
    return {
        "TaskName": run.run.split("_")[0].removeprefix("task-"),
        "TaskDescription": "Watching a film (simulated)",
        "RepetitionTime": preset.tr,
        "Manufacturer": "none (simulated)",
    }


def _events(path: Path, preset: Preset, run: Run) -> None:
    what = f"{run.duration:g}\t{preset.film.stimulus}\t{preset.film.file}\t{run.media_start:g}"
    rows = [f"{onset:g}\t{what}\n" for onset in preset.onsets(run)]
    save_text(path, "onset\tduration\ttrial_type\tstim_file\tmedia_start\n" + "".join(rows))


def _image(path: Path, brain: Voxels, bold: np.ndarray, tr: float, code: int) -> None:
    """Write voxels as a compressed 4-D image of 16-bit integers."""
    values = np.rint(bold.T / SLOPE).clip(-32768, 32767).astype(np.int16)
    image = nib.Nifti1Image(brain.image(values), brain.affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((*image.header.get_zooms()[:3], tr))
    image.header.set_slope_inter(SLOPE, 0)
    _save(image, path, code)


def _mask(path: Path, brain: Voxels) -> None:
    image = nib.Nifti1Image(brain.mask, brain.affine)
    image.header.set_xyzt_units("mm")
    _save(image, path, MNI)


def _save(image: nib.Nifti1Image, path: Path, code: int) -> None:
    image.set_sform(image.affine, code)
    image.set_qform(image.affine, code)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)
