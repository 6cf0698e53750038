"""A subject as fMRIPrep's minimal outputs hold it: raw BOLD that moved, and what undoes it.

Nothing is read back from the files that are written. The BOLD knows places, not tissues: aCompCor
finds its masks here, and takes out some of the responses, too.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from tristream import __version__
from tristream.config.dataset import Dataset
from tristream.fetch.contents import raw_run
from tristream.simulate.bids_text import save_json
from tristream.simulate.synthetic.heads import Anatomy, Brain, Volume, head_of
from tristream.simulate.synthetic.raw_scans import (
    BLOCK,
    Scan,
    acquisition_of,
    moved,
    place,
    seen_at,
    write_run,
)
from tristream.simulate.synthetic.settings import Responses, SyntheticSettings
from tristream.simulate.synthetic.transform_files import write_affines, write_composite

TEMPLATE = "MNI152NLin2009cAsym"
# Spacing of the displacement field's nodes (mm).
NODE = 5.0


def write_minimal_subject(
    raw: Path,
    derivatives: Path,
    descriptor: Dataset,
    settings: SyntheticSettings,
    subject: str,
    responses: Responses,
    rng: np.random.Generator,
) -> None:
    """Write a subject's raw BOLD and its minimal derivatives.

    The runs' sidecars lie there already, copied from the real dataset, if the user has them.

    Parameters
    ----------
    raw, derivatives : Path
        Root of the dataset and of the derivative dataset.
    descriptor : Dataset
        Its `id` names the acquisition, `tr` is in seconds.
    settings : SyntheticSettings
        Runs, of which those are written that the subject has, and scale.
    subject : str
        Label without ``sub-``.
    responses : callable
        BOLD (volumes, n) of a run at MNI points, see `Responses`.
    rng : numpy Generator
        Of anatomy, positions and motion.
    """
    acquisition = acquisition_of(descriptor.id).scaled(settings.scale)
    anatomy = Anatomy.drawn(rng)
    write_description(derivatives)
    home = derivatives / f"sub-{subject}"
    for folder in ("anat", "fmap"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    brain = write_anatomy(home / "anat", subject, anatomy, settings.scale)
    runs = [run for run in descriptor.runs_of(subject) if run in settings.runs]
    for number, run in enumerate(runs):
        scan = place(acquisition, anatomy, rng)
        points, inside = brain.around(scan.rest, scan.coregistration, anatomy)
        series = np.concatenate(
            [responses(run, points[k : k + BLOCK]) for k in range(0, len(points), BLOCK)], axis=1
        )
        scan = moved(scan, len(series), rng)
        write_run(raw, subject, run, acquisition, scan, series, inside, descriptor.tr)
        write_transforms(derivatives, subject, run, number, scan)
        write_references(derivatives / raw_run(subject, run), scan, series.mean(axis=0), inside)


def write_transforms(derivatives: Path, subject: str, run: str, number: int, scan: Scan) -> None:
    """Write head motion, coregistration and the distortion field of a run."""
    stem = derivatives / raw_run(subject, run)
    stem.parent.mkdir(parents=True, exist_ok=True)
    home = derivatives / f"sub-{subject}"
    write_affines(Path(f"{stem}_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt"), scan.motion)
    write_affines(
        Path(f"{stem}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt"), [scan.coregistration]
    )
    label = f"auto{number:05}"
    write_affines(Path(f"{stem}_from-boldref_to-{label}_mode-image_xfm.txt"), [scan.to_reference])
    # Fieldmaps carry the run but not the task.
    entities = [f"sub-{subject}", *(e for e in run.split("_") if not e.startswith("task-"))]
    start = f"{'_'.join(entities)}_fmapid-{label}_desc"
    names = []
    for level, field in enumerate(scan.fields):
        names.append(f"{start}-coeff{level}_fieldmap.nii.gz")
        field.write(home / "fmap" / names[-1])
    stated = {
        "AssociatedCoefficients": names,
        # With an underscore, as fMRIPrep 23.2 has it.
        "B0FieldIdentifier": f"auto_{number:05}",
        "Units": "Hz",
    }
    save_json(home / "fmap" / f"{start}-preproc_fieldmap.json", stated)


def write_references(stem: Path, scan: Scan, mean: Volume, inside: npt.NDArray[np.bool_]) -> None:
    """Write the reference volumes: as scanned, and without distortion."""
    rest = np.zeros(inside.shape, np.float32)
    rest[inside] = mean
    for kind in ("hmc", "coreg"):
        places = scan.places(np.eye(4), undistorted=kind == "coreg")
        image = nib.Nifti1Image(seen_at(rest, scan, places), scan.affine)
        nib.save(image, stem.with_name(f"{stem.name}_desc-{kind}_boldref.nii.gz"))


def write_anatomy(anat: Path, subject: str, anatomy: Anatomy, scale: float) -> Brain:
    """Write T1w, brain mask, tissue maps and the transform to the template."""
    head = head_of(anatomy, scale)
    inside = head.inside
    written = {
        "desc-brain_mask": inside.astype(np.uint8),
        "desc-preproc_T1w": 1000 * head.maps["T1w"],
    }
    # The template's maps are blurred by many people; the tissues of one have borders.
    grey, white = head.maps["GM"], head.maps["WM"]
    tissue = np.argmax([grey, white, 1 - grey - white], axis=0)
    for number, name in enumerate(("GM", "WM", "CSF")):
        written[f"label-{name}_probseg"] = ((tissue == number) & inside).astype(np.float32)
    for name, values in written.items():
        nib.save(nib.Nifti1Image(values, head.affine), anat / f"sub-{subject}_{name}.nii.gz")
    save_json(anat / f"sub-{subject}_desc-brain_mask.json", {"RawSources": [], "Type": "Brain"})
    save_json(anat / f"sub-{subject}_desc-preproc_T1w.json", {"SkullStripped": False})
    start = np.array([-100.0, -136, -82])
    nodes = np.ceil((np.array([100.0, 100, 118]) - start) / NODE).astype(int) + 1
    xfm = anat / f"sub-{subject}_from-T1w_to-{TEMPLATE}_mode-image_xfm.h5"
    write_composite(xfm, anatomy.linear, anatomy.displacement, NODE, nodes.tolist(), start)
    return head.brain


def write_description(derivatives: Path) -> None:
    """Say in the derivatives what they are: simulated, named as fMRIPrep names its outputs."""
    stated = {
        "Name": "fMRIPrep - fMRI PREProcessing workflow (simulated)",
        "BIDSVersion": "1.4.0",
        "DatasetType": "derivative",
        "Simulated": True,
        "GeneratedBy": [
            {
                "Name": "tristream simulate",
                "Version": __version__,
                "Description": "In place of fMRIPrep 23.2, --level minimal; nothing was measured.",
            }
        ],
        "License": "CC0",
    }
    derivatives.mkdir(parents=True, exist_ok=True)
    save_json(derivatives / "dataset_description.json", stated)
