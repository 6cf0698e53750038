"""A subject of a raw dataset: BOLD that moved, and a T1w of the whole head.

Its EPI has no distortion, which nothing in a raw dataset could undo.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
from nilearn import datasets
from scipy import ndimage

from tristream.config.dataset import Dataset
from tristream.simulate.synthetic.heads import Anatomy, Head, Volume, at_template, head_of
from tristream.simulate.synthetic.raw_scans import (
    BLOCK,
    Scan,
    acquisition_of,
    moved,
    place,
    write_run,
)
from tristream.simulate.synthetic.settings import Responses, SyntheticSettings

# Where bright scalp lies outside of the brain, with dark skull between them (mm).
SCALP = (9.0, 15.0)
# Signals of the T1w: brain at most, scalp, noise; share by which one side is brighter.
BRIGHT, SKIN, NOISE, UNEVEN = 100.0, 110.0, 2.0, 0.15
# Contrast of BOLD, in which fluid is bright; its blur (mm).
TURNED, BLUR = 1.4, 3.5


@dataclass(frozen=True)
class Lain:
    """How a subject lay in the scanner: what registration is to find.

    Attributes
    ----------
    anatomy : Anatomy
        From the template to the T1w.
    scans : dict of str to Scan
        Of each run.
    """

    anatomy: Anatomy
    scans: dict[str, Scan]


def write_raw_subject(
    raw: Path,
    dataset: Dataset,
    settings: SyntheticSettings,
    subject: str,
    responses: Responses,
    rng: np.random.Generator,
) -> Lain:
    """Write a subject's raw BOLD and T1w.

    The runs' sidecars lie there already, copied from the real dataset, if the user has them.

    Parameters
    ----------
    raw : Path
        Root of the dataset.
    dataset : Dataset
        Its `id` names the acquisition, `tr` is in seconds.
    settings : SyntheticSettings
        Runs, and scale.
    subject : str
        Label without ``sub-``.
    responses : callable
        BOLD (volumes, n) of a run at MNI points, see `Responses`.
    rng : numpy Generator
        Of anatomy, positions and motion.
    """
    acquisition = acquisition_of(dataset.id).scaled(settings.scale)
    anatomy = Anatomy.drawn(rng)
    head = head_of(anatomy, settings.scale)
    path = raw / f"sub-{subject}/anat/sub-{subject}_T1w.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(whole_head(head, rng), head.affine), path)
    contrast, scans = _contrast(), {}
    for run in settings.runs:
        scan = replace(place(acquisition, anatomy, rng), fields=())
        points, inside = head.brain.around(scan.rest, scan.coregistration, anatomy)
        weights = at_template(contrast, points)
        blocks = [slice(k, k + BLOCK) for k in range(0, len(points), BLOCK)]
        series = np.concatenate([responses(run, points[k]) * weights[k] for k in blocks], axis=1)
        scan = scans[run] = moved(scan, len(series), rng)
        write_run(raw, subject, run, acquisition, scan, series, inside, dataset.tr)
    return Lain(anatomy, scans)


def whole_head(head: Head, rng: np.random.Generator) -> Volume:
    """T1w of brain, dark skull and bright scalp; brighter on one side, noisy."""
    brain = head.brain.distance
    values = BRIGHT * head.maps["T1w"] / head.maps["T1w"].max()
    values[(brain > SCALP[0]) & (brain < SCALP[1])] = SKIN
    values *= 1 + UNEVEN * np.linspace(-1, 1, values.shape[0])[:, None, None]
    return np.asarray(values + rng.normal(0, NOISE, values.shape), np.float32)


def _contrast() -> nib.Nifti1Image:
    """How bright the template's brain is in EPI, as blurred as its voxels make it."""
    image = datasets.load_mni152_template(resolution=2)
    mask = np.asarray(datasets.load_mni152_brain_mask(resolution=2).dataobj, np.float32)
    brain = np.asarray(image.dataobj, np.float32)
    turned = (TURNED - brain / brain.max()) * mask
    return nib.Nifti1Image(ndimage.gaussian_filter(turned, BLUR / 2), image.affine)
