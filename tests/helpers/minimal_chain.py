"""The chain of transforms of a synthetic head's run, and mistakes that can be made in it."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from helpers import synthetic_head as world
from helpers.bold_tree import bold_settings, receipt_of
from tristream.bold.readers.fmriprep_minimal import Geometry, geometry
from tristream.bold.readers.minimal_inputs import find_run
from tristream.bold.resampling.distortion import Distortion
from tristream.bold.resampling.target_grid import Target, target_voxels
from tristream.bold.resampling.transforms import read_composite

RESOLUTION = 3.0
Change = Callable[[Geometry], Geometry]


def read(root: Path, run: str) -> Geometry:
    return geometry(find_run(bold_settings(world.dataset()), run, receipt_of(root)))


def target(root: Path, space: str) -> Target:
    anat = root / world.HOME / "sub-01/anat"
    steps = read_composite(anat / "sub-01_from-T1w_to-MNI152NLin2009cAsym_mode-image_xfm.h5")
    mask = anat / "sub-01_desc-brain_mask.nii.gz"
    return target_voxels(mask, RESOLUTION, None if space == "T1w" else steps)


@cache
def scan(root: Path, run: str) -> list[np.ndarray]:
    """The raw volumes."""
    image = read(root, run).image
    return list(np.moveaxis(np.asarray(image.dataobj, np.float32), 3, 0))


def inverted_motion(here: Geometry) -> Geometry:
    return replace(here, motion=np.linalg.inv(here.motion))


def swapped_order(here: Geometry) -> Geometry:
    """Head motion before the coregistration."""
    c = here.coregistration
    return replace(here, motion=c @ here.motion @ np.linalg.inv(c))


def inverted_coregistration(here: Geometry) -> Geometry:
    return replace(here, coregistration=np.linalg.inv(here.coregistration))


def no_motion(here: Geometry) -> Geometry:
    return replace(here, motion=np.repeat(np.eye(4)[None], len(here.motion), axis=0))


def distorted(here: Geometry) -> Distortion:
    assert here.distortion is not None
    return here.distortion


def wrong_polarity(here: Geometry) -> Geometry:
    field = distorted(here)
    return replace(here, distortion=replace(field, readout=-field.readout))


def no_distortion(here: Geometry) -> Geometry:
    return replace(here, distortion=None)


def inverted_fieldmap(here: Geometry) -> Geometry:
    field = distorted(here)
    return replace(here, distortion=replace(field, to_fieldmap=np.linalg.inv(field.to_fieldmap)))


IN_THE_CHAIN = (inverted_motion, swapped_order, inverted_coregistration, no_motion)
IN_THE_DISTORTION = (wrong_polarity, no_distortion, inverted_fieldmap)
