"""How large the images are, by the headers of those that are here."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from tristream.bold.nifti import open_image
from tristream.demands.study_shapes import MNI_MM3
from tristream.describe.derivative_outputs import Outputs
from tristream.describe.run_list import RunList
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt

RESAMPLED = ("raw", "fmriprep_minimal")
LAYOUTS = ("fmriprep", *RESAMPLED)
MOST_IMAGES = 100
"""Images that are looked for; subjects of a study are mostly alike."""


@dataclass(frozen=True)
class ImageSizes:
    """The largest of the images that were looked at.

    Attributes
    ----------
    volumes : int
        Of a run.
    voxels : int
        That are analysed, at the most: all of the image, or those of a brain where it holds more.
    images : int
        Whose headers were read.
    """

    volumes: int
    voxels: int
    images: int


def image_sizes(
    listing: Receipt, runs: RunList, outputs: Outputs, resolution: float, origin: Path | None
) -> ImageSizes | None:
    """Sizes by headers; None where no image is here, or the layout reads other files.

    Parameters
    ----------
    listing : Receipt
    runs : RunList
    outputs : Outputs
    resolution : float
        Edge in mm to which raw images are resampled.
    origin : Path or None
        The folder that a clone without content was made of, if it is on this machine.
    """
    volumes, voxels, count = 0, 0, 0
    for path in islice(_images(listing, runs, outputs), MOST_IMAGES):
        try:
            there = origin is not None and (origin / path).is_file()
            image = open_image(origin / path if origin and there else listing.path(path), 4)
        except (UserError, OSError):
            continue
        edges = np.abs(np.array(image.header.get_zooms()[:3], float))
        held = float(np.prod(image.shape[:3]) * edges.prod())
        own = resolution**3 if outputs.kind in RESAMPLED else float(edges.prod())
        if own <= 0:
            continue
        volumes = max(volumes, int(image.shape[3]))
        voxels = max(voxels, math.ceil(min(held, MNI_MM3) / own))
        count += 1
    return ImageSizes(volumes, voxels, count) if count else None


def _images(listing: Receipt, runs: RunList, outputs: Outputs) -> Iterator[str]:
    """Images that the layout reads, one subject after the other."""
    if outputs.kind not in LAYOUTS:
        return
    space = f"_space-{outputs.space}_" if outputs.kind == "fmriprep" else ""
    home = f"{outputs.home.rstrip('/')}/" if outputs.kind == "fmriprep" else ""
    for path in sorted(listing.listed):
        if not path.startswith(home) or space not in path:
            continue
        name = path.rsplit("/", 1)[-1]
        subject = name.split("_")[0].removeprefix("sub-")
        if subject in runs.of and name.endswith(("_bold.nii", "_bold.nii.gz")):
            yield path
