"""A subject as fMRIPrep's whole outputs hold it: preprocessed BOLD, masks, confounds."""

from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from tristream.config.dataset import Dataset
from tristream.config.layouts import FSAVERAGE5, FSLR, FmriprepLayout
from tristream.errors import UserError
from tristream.fetch.contents import run_files
from tristream.simulate.bids_text import save_json
from tristream.simulate.noise import STEPS, Motion
from tristream.simulate.preset import Preset
from tristream.simulate.simulated_confounds import confounds, describe
from tristream.simulate.synthetic.image_grid import bold_of, brain_on, integers, save_image
from tristream.simulate.synthetic.settings import Brain, Responses, SyntheticSettings
from tristream.simulate.synthetic.surface_outputs import (
    fsaverage5,
    fslr,
    save_grayordinates,
    save_hemispheres,
)

# Outer corner (mm), edge (mm) and shape of the grids of MNI152NLin2009cAsym, which serve other
# spaces of volumes, too.
EDGE = 2.0
FINE = ((-96.5, -132.5, -78.5), 1.0, (193, 229, 193))
USUAL = ((-97.0, -133.0, -79.0), EDGE, (97, 115, 97))


class Timing:
    """What confounds need to know of an acquisition: its TR (s), no dummy volumes."""

    dummies = 0

    def __init__(self, tr: float) -> None:
        self.tr = tr


def check_space(layout: FmriprepLayout, scale: float) -> None:
    """Refuse, with a UserError, a mesh of another size."""
    if layout.on_surface and scale != 1:
        raise UserError(f"--scale {scale:g}: the mesh {layout.space} has one size; leave it out")


def grid(layout: FmriprepLayout, settings: SyntheticSettings) -> Brain:
    """The voxels, or grayordinates, of the dataset's space."""
    if layout.space == FSAVERAGE5:
        return fsaverage5()
    if layout.space == FSLR:
        return fslr(settings.data)
    corner = FINE if "res-1" in layout.space.split("_") else USUAL
    return brain_on(*corner, settings.scale)


def write_subject(
    derivatives: Path,
    dataset: Dataset,
    settings: SyntheticSettings,
    subject: str,
    responses: Responses,
    rng: np.random.Generator,
) -> Brain:
    """Write a subject's outputs: BOLD, brain mask (of volumes) and confounds of each run.

    Parameters
    ----------
    derivatives : Path
        Root of the derivative dataset.
    dataset : Dataset
        Its layout names the files.
    settings : SyntheticSettings
        Runs and scale.
    subject : str
        Label without ``sub-``.
    responses : callable
        BOLD of a run at MNI points.
    rng : numpy Generator
        Of head motion.

    Returns
    -------
    Brain
        Voxels that were written.
    """
    assert isinstance(dataset.layout, FmriprepLayout)
    layout = dataset.layout.model_copy(update={"derivatives": "."})
    brain = grid(layout, settings)
    inside = np.ones(len(brain.ijk), np.uint8)
    for run in settings.runs:
        files = run_files(layout, subject, run)
        bold = bold_of(brain, responses, run)
        if files.right:
            where = (derivatives / files.bold, derivatives / files.right)
            save_hemispheres(*where, integers(bold))
        elif layout.on_surface:
            save_grayordinates(derivatives / files.bold, brain, integers(bold), dataset.tr)
        else:
            save_image(derivatives / files.bold, brain, integers(bold), dataset.tr)
        if files.mask:
            save_image(derivatives / files.mask, brain, inside)
        sidecar = {
            "RepetitionTime": dataset.tr,
            "StartTime": dataset.tr / 2,
            "SkullStripped": True,
            "SliceTimingCorrected": False,
        }
        save_json(derivatives / files.sidecar, sidecar)
        _write_confounds(derivatives / files.confounds, bold, dataset.tr, rng)
    return brain


def _write_confounds(
    path: Path, bold: npt.NDArray[np.float32], tr: float, rng: np.random.Generator
) -> None:
    walk = np.cumsum(rng.standard_normal((len(bold), 6)) * STEPS, axis=0)
    head = Motion(gaussian_filter1d(walk, 2.0, axis=0, mode="nearest"), np.empty(0, int))
    # The images hold BOLD after motion correction, so motion leaves no trace in them.
    table = confounds(cast(Preset, Timing(tr)), bold, head, rng)
    table.to_csv(path, sep="\t", index=False, na_rep="n/a", float_format="%.9g")
    save_json(path.with_suffix(".json"), describe(table))
