"""All runs of a subject in one image, and the mask that goes with it."""

from pathlib import Path

import numpy as np

from tristream.config.dataset import Dataset
from tristream.config.layouts import ScanLayout, VolumeTableLayout
from tristream.simulate.synthetic.image_grid import bold_of, brain_on, integers, save_image
from tristream.simulate.synthetic.settings import LABEL, Brain, Responses, SyntheticSettings
from tristream.simulate.synthetic.spm_outputs import CORNER, EDGE, SHAPE


def write_image(
    raw: Path, dataset: Dataset, settings: SyntheticSettings, responses: Responses
) -> Brain:
    """Write the image of all runs, and its mask.

    The labels of a mask that regions are made of are slices of the part of the brain that follows
    labels: where they lie is of no anatomy.

    Parameters
    ----------
    raw : Path
        Root of the dataset.
    dataset : Dataset
        Its layout names the files.
    settings : SyntheticSettings
        Runs and scale.
    responses : callable
        BOLD of a run at points of the images.

    Returns
    -------
    Brain
        Voxels that were written.
    """
    layout = dataset.layout
    assert isinstance(layout, ScanLayout | VolumeTableLayout)
    brain = brain_on(CORNER, EDGE, SHAPE, settings.scale)
    bold = np.concatenate([bold_of(brain, responses, run) for run in settings.runs])
    # A header that is known to be wrong is wrong here, too.
    wrong = layout.header_tr if isinstance(layout, ScanLayout) else None
    save_image(raw / layout.bold, brain, integers(bold), wrong or dataset.tr)
    if layout.mask:
        save_image(raw / layout.mask, brain, _labels(layout, brain))
    return brain


def _labels(layout: ScanLayout | VolumeTableLayout, brain: Brain) -> np.ndarray:
    """Labels of the mask, (v,): those of regions, and one more for all other voxels."""
    regions = layout.regions.values() if isinstance(layout, ScanLayout) else ()
    wanted = sorted({label for labels in regions for label in labels})
    out = np.full(len(brain.ijk), max(wanted, default=0) + 1, np.int16)
    here = np.flatnonzero(brain.region == LABEL)
    for label, part in zip(wanted, np.array_split(here, max(len(wanted), 1)), strict=False):
        out[part] = label
    return out
