"""One run from raw BOLD and the transforms that were estimated from raw images."""

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from tqdm import tqdm

from tristream.bold import confounds as made
from tristream.bold.cleaned import Confounds
from tristream.bold.image_checks import Images, check_whole
from tristream.bold.images import kept_volumes, open_image
from tristream.bold.readers.minimal_inputs import raw_bold, raw_sidecar, read_timing
from tristream.bold.registration.normalise import EDGE, t1w_images, template
from tristream.bold.registration.registration_file import (
    Normalisation,
    Registration,
    read_normalisation,
    read_registration,
)
from tristream.bold.resampling.geometry import Geometry, clean_run, shared_voxels
from tristream.bold.resampling.sampling import granted_threads, raw_volumes, resample
from tristream.bold.resampling.target_grid import Target, image_grid, sample
from tristream.bold.resampling.transforms import map_points
from tristream.bold.run_file import Run
from tristream.config.dataset import Dataset
from tristream.config.layouts import RawLayout
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.store import Omission

OMITTED = (
    Omission("distortion correction", "not done from raw images alone; fMRIPrep does it"),
    Omission("slice-time correction", "not done from raw images alone; fMRIPrep does it"),
)


def prepare(
    dataset: Dataset, subject: str, run: str, receipt: Receipt, registered: tuple[Path, ...]
) -> Run:
    """Resample and clean one run in the template's brain voxels that all runs cover.

    Parameters
    ----------
    dataset : Dataset
        Its layout is ``raw``.
    subject, run : str
        Subject label, and BIDS entities of the run.
    receipt : Receipt
        Lists the subject's files.
    registered : tuple of Path
        The subject's normalisation and then the registrations of all its runs.

    Raises
    ------
    UserError
        A missing registration, as many head positions as there are no volumes, disagreeing TRs,
        truncated images, NaN, no voxel that all runs cover: always the file and what is wrong.
    """
    layout = dataset.layout
    assert isinstance(layout, RawLayout)
    names = dataset.runs_of(subject)
    if not registered:
        raise UserError(
            f"{dataset.id}: layout raw needs registrations; give --registered with the files that "
            "`bold normalise` and `bold register` write"
        )
    normalised = read_normalisation(registered[0])
    found = {made.run: made for made in map(read_registration, registered[1:])}
    lacking = [name for name in names if name not in found]
    if lacking:
        raise UserError(
            f"{dataset.id}: no registration of {', '.join(lacking)} of sub-{subject} was given; "
            "all runs share one mask"
        )
    runs = {
        name: geometry(raw_bold(dataset, subject, name, receipt), found[name]) for name in names
    }
    here = runs[run]
    timing = read_timing(here.path, raw_sidecar(subject, run, receipt), here.image, dataset.tr)
    kept_volumes(here.path, here.image.shape[3], dataset.trims)
    shared = shared_voxels(target_voxels(layout.resolution, normalised), runs, dataset.trims.start)
    bold, confounds = _read(here, found[run].brain, shared.target, layout, dataset.tr)
    omitted = (*OMITTED, *normalised.omitted)
    sources = _sources(here.path.relative_to(receipt.root).as_posix(), normalised, layout)
    return clean_run(
        dataset, subject, run, receipt, here, timing, shared, bold, confounds, omitted, sources
    )


def inspect(dataset: Dataset, subject: str, receipt: Receipt) -> Images:
    """Check headers and sidecars of a subject's raw images.

    Raises
    ------
    UserError
        Whatever registration and :func:`prepare` would say that needs no data.
    """
    seen = {}
    for run in dataset.runs_of(subject):
        path = raw_bold(dataset, subject, run, receipt)
        image = open_image(path, 4)
        check_whole(path, image)
        read_timing(path, raw_sidecar(subject, run, receipt), image, dataset.tr)
        kept_volumes(path, image.shape[3], dataset.trims)
        seen[run] = path, image.shape[3]
    for name in t1w_images(subject, receipt)[:1]:
        path = receipt.path(name)
        check_whole(path, open_image(path, 3))
    return seen


def geometry(path: Path, made: Registration) -> Geometry:
    """How the run's raw image lies.

    Raises
    ------
    UserError
        If the registration has not as many head positions as the image has volumes.
    """
    image = open_image(path, 4)
    if len(made.motion) != image.shape[3]:
        raise UserError(
            f"{path}: has {image.shape[3]} volumes, but {len(made.motion)} were registered; "
            "register the run again"
        )
    return Geometry(path, image, made.reference, made.motion, made.coregistration)


def target_voxels(resolution: float, normalised: Normalisation) -> Target:
    """The template's brain on a grid of `resolution` mm, and where it lies in the T1w."""
    brain, inside = template(EDGE)
    affine, shape = image_grid(brain, resolution)
    ijk = np.indices(shape).reshape(3, -1).T.astype(np.int32)
    share = sample(inside.astype(np.float32), brain.affine, apply_affine(affine, ijk))
    ijk = ijk[share > 0.5]
    points = map_points(apply_affine(affine, ijk), normalised.steps)
    return Target(affine, shape, ijk, points)


def _read(
    here: Geometry, brain: np.ndarray, target: Target, layout: RawLayout, tr: float
) -> tuple[np.ndarray, Confounds]:
    """BOLD at the target, and confounds; signals of both grids come of one pass over the image."""
    sampling = here.of_t1w(target.points)
    if set(layout.confounds) & made.FROM_SIGNALS:
        native = here.sampling(apply_affine(here.reference.affine, np.argwhere(brain)))
        sampling = sampling.beside(native.only(native.covered()))
    volumes = raw_volumes(here.path, here.image)
    count = here.image.shape[3]
    shown = tqdm(volumes, here.path.name, count, unit="volume", mininterval=5, delay=5)
    bold = resample(shown, sampling, granted_threads())
    own = bold[:, len(target.points) :]
    unsteady = made.unsteady_volumes(here.path, here.image)
    signals = own if own.shape[1] else None
    reference = nib.Nifti1Image(np.asarray(here.reference.dataobj), here.image.affine)
    table, said = made.table_of(here.motion, reference, tr, unsteady, signals)
    confounds = made.select(table, said, layout.confounds, here.path)
    return bold[:, : len(target.points)], confounds


def _sources(bold: str, normalised: Normalisation, layout: RawLayout) -> dict[str, str]:
    """What went into the run by its part, in the order in which points pass it."""
    antspyx = "estimated by ANTs (antspyx)"
    found = {"template": f"nilearn's {layout.space}"}
    if normalised.t1w:
        found["T1w"] = normalised.t1w
        alike = f"correlation nearby with the template {normalised.likeness:.2f} before SyN"
        found["normalisation"] = f"affine and SyN, {antspyx}; {alike}"
        found["coregistration"] = f"rigid, {antspyx}"
    else:
        found["coregistration"] = f"affine, to the template itself, {antspyx}"
    found["head motion"] = f"rigid, {antspyx}"
    found["bold"] = bold
    found["pipeline"] = (
        "raw images: motion correction and registration without correction of "
        f"distortion or slice timing; one cubic interpolation to {layout.resolution:g} mm"
    )
    return found
