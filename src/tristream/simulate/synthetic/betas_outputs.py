"""A subject's responses to single trials, in the format and order that the descriptor names."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import numpy.typing as npt
import scipy.io
from nibabel.affines import apply_affine

from tristream.config.dataset import Dataset
from tristream.config.layouts import BetasLayout
from tristream.errors import UserError
from tristream.fetch.contents import filled_path
from tristream.simulate.synthetic.image_grid import bold_of, brain_on, save_image
from tristream.simulate.synthetic.settings import Brain, SyntheticSettings
from tristream.simulate.synthetic.spm_outputs import CORNER, EDGE, SHAPE
from tristream.simulate.synthetic.trial_responses import TrialResponses, Trials
from tristream.stimuli.timelines import TOLERANCE, Event
from tristream.stimuli.trial_table import TrialRow, rows_of_files

# Of the array in files that may hold several.
VARIABLE = "betas"
ENDINGS = (".nii", ".nii.gz", ".npy", ".tsv", ".csv", ".mat", ".h5", ".hdf5")


def check_format(layout: BetasLayout, dataset: str) -> None:
    """Refuse, with a UserError, a format that is not read either."""
    if not layout.responses.lower().endswith(ENDINGS):
        raise UserError(f"{dataset}: {layout.responses}: is not of {', '.join(ENDINGS)}")


def trials_of(rows: list[TrialRow], events: Mapping[str, list[Event]]) -> dict[str, Trials]:
    """What the rows of each run show, by the events that the study reads from them."""
    found: dict[str, Trials] = {}
    for run, own in events.items():
        onsets = [row.onset for row in rows if row.run == run]
        found[run] = [
            next((e for e in own if abs(e.onset - onset) < TOLERANCE), None) for onset in onsets
        ]
    return found


def write_subject(
    raw: Path,
    dataset: Dataset,
    settings: SyntheticSettings,
    subject: str,
    rows: list[TrialRow],
    responses: TrialResponses,
) -> Brain:
    """Write the files of responses, and the mask.

    Parameters
    ----------
    raw : Path
        Root of the dataset, with its table of trials.
    dataset : Dataset
        Its layout names files, axes and the order of voxels.
    settings : SyntheticSettings
        Runs and scale.
    subject : str
        Label without ``sub-``.
    rows : list of TrialRow
        All of the table: a file has a trial for each of its own. Those of runs that the descriptor
        does not list are noise.
    responses : TrialResponses
        Of the runs.

    Returns
    -------
    Brain
        Voxels that were written, at the places that a reader can know: those of an image or its
        mask, else their rank.
    """
    layout = dataset.layout
    assert isinstance(layout, BetasLayout)
    brain = brain_on(CORNER, EDGE, SHAPE, settings.scale)
    worlds = apply_affine(brain.affine, brain.ijk)
    for name, own in rows_of_files(layout, rows, settings.runs, subject).items():
        values = np.zeros((len(own), len(brain.ijk)), np.float32)
        of = np.array([row.run or "" for row in own])
        for run in settings.runs:
            if (of == run).any():
                values[of == run] = bold_of(brain, responses, run)
        if others := int((~np.isin(of, settings.runs)).sum()):
            values[~np.isin(of, settings.runs)] = responses.unknown(name, others, worlds)
        _save(raw / name, layout, brain, values)
    if layout.mask:
        mask = filled_path(layout.mask, subject, settings.runs[0])
        save_image(raw / mask, brain, np.ones(len(brain.ijk), np.uint8))
    elif ".nii" not in layout.responses.lower():
        places = np.stack([np.arange(len(worlds)), *np.zeros((2, len(worlds)), int)], axis=1)
        return replace(
            brain, affine=np.eye(4), shape=(len(worlds), 1, 1), ijk=places, worlds=worlds
        )
    return brain


def _save(path: Path, layout: BetasLayout, brain: Brain, values: npt.NDArray[np.float32]) -> None:
    """Write responses, (trials, voxels in C order)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        image = nib.Nifti1Image(brain.image(values.T), brain.affine)
        image.header["descrip"] = b"simulated"
        image.to_filename(path)
        return
    if layout.mask and layout.voxel_order == "F":
        values = values[:, np.lexsort(brain.ijk.T)]
    if layout.trial_axis == "last":
        values = values.T
    variable = (layout.variable or VARIABLE).strip("/")
    if name.endswith(".npy"):
        np.save(path, values)
    elif name.endswith((".tsv", ".csv")):
        np.savetxt(path, values, fmt="%.7g", delimiter="," if name.endswith(".csv") else "\t")
    elif name.endswith(".mat"):
        scipy.io.savemat(path, {variable: values})
    else:
        with h5py.File(path, "w") as file:
            file[variable] = values
