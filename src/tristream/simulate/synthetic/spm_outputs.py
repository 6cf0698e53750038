"""A subject as SPM's outputs hold it: native BOLD, and masks of regions."""

from pathlib import Path

import numpy as np

from tristream.config.dataset import Dataset
from tristream.config.layouts import SpmLayout
from tristream.fetch.contents import filled_path
from tristream.simulate.synthetic.image_grid import bold_of, brain_on, integers, save_image
from tristream.simulate.synthetic.settings import (
    ITEM,
    LABEL,
    NONE,
    Brain,
    Responses,
    SyntheticSettings,
)

# Edge (mm) and shape of the images (Horikawa & Kamitani 2017); the head lies about the middle.
EDGE, SHAPE = 3.0, (64, 64, 50)
CORNER = (-96.0, -113.0, -67.0)
# What regions follow, by the start of their names without hemisphere; other regions follow labels.
FOLLOWS = {"V1": ITEM, "V2": ITEM, "V3": ITEM, "hV4": NONE}


def write_subject(
    raw: Path, dataset: Dataset, settings: SyntheticSettings, subject: str, responses: Responses
) -> Brain:
    """Write a subject's BOLD and the masks that its regions are unions of.

    Early visual areas are cut from the part of the brain that follows items, hV4 from the part
    without signal, all others from the part that follows labels: where they lie is of no anatomy.

    Parameters
    ----------
    raw : Path
        Root of the dataset.
    dataset : Dataset
        Its layout names the files.
    settings : SyntheticSettings
        Runs and scale.
    subject : str
        Label without ``sub-``.
    responses : callable
        BOLD of a run at points of the images.

    Returns
    -------
    Brain
        Voxels that were written.
    """
    assert isinstance(dataset.layout, SpmLayout)
    brain = brain_on(CORNER, EDGE, SHAPE, settings.scale)
    for run in settings.runs:
        bold = integers(bold_of(brain, responses, run))
        save_image(raw / filled_path(dataset.layout.bold, subject, run), brain, bold, dataset.tr)
    for name, members in region_masks(dataset.layout, brain).items():
        path = raw / filled_path(dataset.layout.rois, subject, "").format(roi=name)
        save_image(path, brain, members.astype(np.uint8))
    return brain


def region_masks(layout: SpmLayout, brain: Brain) -> dict[str, np.ndarray]:
    """Mask to its voxels, bool (v,): equal slices of what its area follows, in its hemisphere."""
    names = sorted({name for union in layout.regions.values() for name in union})
    shares: dict[tuple[str, str], list[str]] = {}
    for name in names:
        side, _, area = name.rpartition("_")
        follows = next((f for start, f in FOLLOWS.items() if area.startswith(start)), LABEL)
        shares.setdefault((side, follows), []).append(name)
    left = brain.ijk[:, 0] < brain.shape[0] / 2
    sides = {"LH": left, "RH": ~left}
    masks = {}
    for (side, follows), own in shares.items():
        here = np.flatnonzero((brain.region == follows) & sides.get(side, True))
        here = here[np.argsort(brain.ijk[here, 2], kind="stable")]
        for name, part in zip(own, np.array_split(here, len(own)), strict=True):
            masks[name] = np.isin(np.arange(len(brain.ijk)), part)
    return masks
