"""One run from raw BOLD and fMRIPrep's transforms."""

import os
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from tqdm import tqdm

from tristream.bold import fmriprep
from tristream.bold.cleaning import clean, projection_basis
from tristream.bold.images import DAMAGED, PROBE, damaged, kept_volumes, open_image
from tristream.bold.minimal import confounds as made
from tristream.bold.minimal.distortion import Distortion, readout
from tristream.bold.minimal.grid import Target, read_volume, target_voxels
from tristream.bold.minimal.inputs import (
    Anatomy,
    RunInputs,
    Timing,
    find_anatomy,
    find_run,
    read_timing,
)
from tristream.bold.minimal.resample import Sampling, raw_volumes, resample, retimed
from tristream.bold.minimal.transforms import read_affines, read_composite
from tristream.bold.quality import mean_and_tsnr
from tristream.bold.run_file import Run
from tristream.config.dataset import Dataset
from tristream.config.layouts import MinimalLayout
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.store import Omission

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Geometry:
    """How a run's raw image lies to the T1w.

    Attributes
    ----------
    inputs : RunInputs
    image : Nifti1Image
        Raw BOLD.
    motion : ndarray of shape (volumes, 4, 4)
        RAS mm of the reference volume to RAS mm of each volume.
    coregistration : ndarray of shape (4, 4)
        RAS mm of the T1w to RAS mm of the reference volume.
    distortion : Distortion or None
    """

    inputs: RunInputs
    image: nib.Nifti1Image
    motion: Array
    coregistration: Array
    distortion: Distortion | None

    def sampling(self, points: Array) -> Sampling:
        """Where the raw image is sampled for points in RAS mm of the reference volume."""
        shift = None if self.distortion is None else self.distortion.shift(points)
        axis = 0 if self.distortion is None else self.distortion.axis
        to_voxel = np.linalg.inv(self.image.affine) @ self.motion
        return Sampling(points, to_voxel, self.image.shape[:3], axis, shift)

    def of_t1w(self, points: Array) -> Sampling:
        """Where the raw image is sampled for points in RAS mm of the T1w."""
        return self.sampling(apply_affine(self.coregistration, points))


def prepare(dataset: Dataset, subject: str, run: str, receipt: Receipt) -> Run:
    """Resample and clean one run in the voxels that all runs of the subject cover.

    A target voxel is kept if it lies in the T1w's brain mask and, in every run, inside of the raw
    image at every volume and nearest to a raw voxel that varies. Confounds are computed on the
    run's own grid (see :mod:`tristream.bold.minimal.confounds`) and chosen by name as for
    fMRIPrep's own tables.

    Parameters
    ----------
    dataset : Dataset
        Its layout is ``fmriprep_minimal``.
    subject, run : str
        Subject label, and BIDS entities of the run.
    receipt : Receipt
        Lists the subject's files.

    Raises
    ------
    UserError
        A missing transform, as many head motions as there are no volumes, disagreeing TRs,
        truncated images, NaN, no voxel that all runs cover: always the file and what is wrong.
    """
    layout = dataset.layout
    assert isinstance(layout, MinimalLayout)
    names = dataset.runs_of(subject)
    if run not in names:
        raise UserError(f"{dataset.id}: sub-{subject} has no run {run}: {', '.join(names)}")
    runs = {name: geometry(find_run(dataset, subject, name, receipt)) for name in names}
    here = runs[run]
    timing = read_timing(here.inputs, here.image, dataset.tr)
    kept = kept_volumes(here.inputs.bold, here.image.shape[3], dataset.trims)
    anatomy = find_anatomy(dataset, subject, receipt)
    steps = None if anatomy.to_template is None else read_composite(anatomy.to_template)
    target = target_voxels(anatomy.brain_mask, layout.resolution, steps)
    keep, constant, own = shared_voxels(target, runs, dataset.trims.start)
    bold, confounds = _read(here, target.points[keep], anatomy, layout, timing, dataset.tr)
    bold = np.ascontiguousarray(bold[kept])
    mean, tsnr = mean_and_tsnr(bold)
    censor = confounds.censor[kept]
    try:
        basis = projection_basis(len(bold), confounds.values[kept], censor)
    except UserError as error:
        raise UserError(f"{here.inputs.bold}: {error}") from None
    return Run(
        subject=subject,
        run=run,
        space=layout.space,
        tr=dataset.tr,
        start_time=timing.start_time,
        time=timing.start_time + dataset.tr * np.arange(kept.start, kept.stop),
        bold=clean(bold, basis, censor, mean if dataset.trials else None),
        ijk=target.ijk[keep],
        affine=target.affine,
        shape=target.shape,
        confounds=confounds.values[kept],
        confound_names=confounds.names,
        projection=basis,
        censor=censor,
        mean=mean,
        tsnr=tsnr,
        fd=confounds.fd[kept],
        constant=constant,
        simulated=receipt.simulated,
        omitted=(*timing.omitted, *_uncorrected(layout, here, timing)),
        sources=_sources(here.inputs, anatomy, layout, receipt.root),
        own_mask=own[run],
    )


def geometry(inputs: RunInputs) -> Geometry:
    """Read a run's transforms and its image's header.

    Raises
    ------
    UserError
        If they can't be read or don't fit together.
    """
    image = open_image(inputs.bold, 4)
    motion = read_affines(inputs.motion)
    if len(motion) != image.shape[3]:
        raise UserError(
            f"{inputs.motion}: holds {len(motion)} head positions, but {inputs.bold.name} has "
            f"{image.shape[3]} volumes; they are not of the same run or version"
        )
    coregistration = read_affines(inputs.coregistration)[0]
    distortion = None
    if inputs.to_fieldmap is not None:
        axis, seconds = readout(inputs.bold, inputs.sidecar, image.shape)
        knots = tuple(
            (read_volume(path).astype(np.float64), open_image(path, 3).affine)
            for path in inputs.coefficients
        )
        to_fieldmap = np.linalg.inv(read_affines(inputs.to_fieldmap)[0])
        distortion = Distortion(knots, to_fieldmap, axis, seconds)
    return Geometry(inputs, image, motion, coregistration, distortion)


def shared_voxels(
    target: Target, runs: dict[str, Geometry], first: int
) -> tuple[npt.NDArray[np.bool_], int, dict[str, int]]:
    """Voxels of the target that every run covers and in which every run varies.

    Parameters
    ----------
    target : Target
        Brain voxels.
    runs : dict
        All runs of the subject.
    first : int
        First volume that is used.

    Returns
    -------
    keep : ndarray of bool, shape (voxels of target,)
    constant : int
        Voxels left out because the nearest raw voxel does not vary at the start of some run.
    own : dict of str to int
        Voxels that each run covers and in which it varies.
    """
    covered = np.ones(len(target.points), bool)
    alive = np.ones(len(target.points), bool)
    own: dict[str, int] = {}
    for name, here in runs.items():
        sampling = here.of_t1w(target.points)
        inside = sampling.covered()
        last = np.array(here.image.shape[:3]) - 1
        nearest = np.rint(sampling.coordinates(min(first, len(here.motion) - 1)).T)
        living = _varying(here, first)[tuple(np.clip(nearest, 0, last).astype(int).T)]
        covered &= inside
        alive &= living
        own[name] = int((inside & living).sum())
    where = runs[next(iter(runs))].inputs.bold
    if not covered.any():
        raise UserError(
            f"{where}: no voxel of the brain lies in the images of all {len(runs)} runs; look at "
            "the coregistrations"
        )
    if not (covered & alive).any():
        raise UserError(f"{where}: no voxel of the mask varies in every run")
    return covered & alive, int((covered & ~alive).sum()), own


def _varying(here: Geometry, first: int) -> npt.NDArray[np.bool_]:
    try:
        few = np.asarray(here.image.dataobj[..., first : first + PROBE], np.float32)
    except DAMAGED as error:
        raise damaged(here.inputs.bold, error) from None
    # A voxel that is NaN counts as varying: the reader that follows names it.
    return np.ptp(few, axis=3) != 0


def _read(
    here: Geometry,
    points: Array,
    anatomy: Anatomy,
    layout: MinimalLayout,
    timing: Timing,
    tr: float,
) -> tuple[npt.NDArray[np.float32], fmriprep.Confounds]:
    """BOLD at T1w points, and confounds; signals of both grids come of one pass over the image."""
    path, image = here.inputs.bold, here.image
    sampling = here.of_t1w(points)
    reference = open_image(here.inputs.reference, 3)
    asked = set(layout.confounds)
    t1w = np.empty((0, 3))
    if asked & made.FROM_SIGNALS:
        native, t1w = made.native_voxels(reference, here.coregistration, anatomy.brain_mask)
        own = here.sampling(native)
        inside = own.covered()
        t1w = t1w[inside]
        sampling = sampling.beside(own.only(inside))
    volumes = raw_volumes(path, image)
    if layout.slice_timing:
        if timing.slice_times is None:
            raise UserError(
                f"{path}: its sidecars hold no SliceTiming; mend them, or set "
                "layout.slice_timing: false"
            )
        times, axis = timing.slice_times, timing.axis
        series = retimed(volumes, image.shape, times, axis, timing.start_time, tr)
        volumes = (series[..., number] for number in range(image.shape[3]))
    shown = tqdm(volumes, path.name, image.shape[3], unit="volume", mininterval=5, delay=5)
    bold = resample(shown, sampling, _workers())
    masks = made.noise_masks(anatomy.tissues, t1w) if asked & {"wm_csf", "compcor"} else ()
    unsteady = made.unsteady_volumes(path, image)
    native_bold = bold[:, len(points) :] if len(t1w) else None
    table, said = made.table_of(here.motion, reference, tr, unsteady, native_bold, masks)
    return bold[:, : len(points)], made.select(table, said, layout.confounds, path)


def _workers() -> int:
    """Threads that the scheduler grants (Snakemake sets the variable), else all cores."""
    granted = os.environ.get("OMP_NUM_THREADS", "")
    return int(granted) if granted.isdigit() and int(granted) else os.cpu_count() or 1


def _uncorrected(layout: MinimalLayout, here: Geometry, timing: Timing) -> tuple[Omission, ...]:
    said = []
    if here.distortion is None:
        why = "fMRIPrep estimated no field for this run" if layout.distortion else "switched off"
        said.append(Omission("distortion correction", why))
    if not layout.slice_timing:
        why = f"not asked for; slices stand {timing.start_time:.3g} s into the volume on average"
        said.append(Omission("slice-time correction", why))
    return tuple(said)


def _sources(
    inputs: RunInputs, anatomy: Anatomy, layout: MinimalLayout, root: Path
) -> dict[str, str]:
    """Files that went into the run by their part, in the order in which points pass them."""
    used: dict[str, Path | None] = {
        "brain mask": anatomy.brain_mask,
        "normalisation": anatomy.to_template,
        "coregistration": inputs.coregistration,
        "distortion": inputs.to_fieldmap,
        "head motion": inputs.motion,
        "bold": inputs.bold,
    }
    found = {k: path.relative_to(root).as_posix() for k, path in used.items() if path is not None}
    for level, path in enumerate(inputs.coefficients):
        found[f"distortion coefficients {level}"] = path.relative_to(root).as_posix()
    found["road"] = f"fMRIPrep minimal; one cubic interpolation to {layout.resolution:g} mm"
    return found
