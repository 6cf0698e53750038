"""One run from raw BOLD and fMRIPrep's transforms."""

from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.orientations import inv_ornt_aff, io_orientation
from tqdm import tqdm

from tristream.bold import confounds as made
from tristream.bold.cleaned import Confounds, Reading, Resampling
from tristream.bold.derivatives_text import fmriprep_cited
from tristream.bold.image_checks import Images, RunImage, check_whole
from tristream.bold.nifti import kept_volumes, open_image, same_affine
from tristream.bold.raw_inputs import Timing, read_timing
from tristream.bold.readers.minimal_inputs import Anatomy, RunInputs, find_anatomy, find_run
from tristream.bold.readers.reader import Reader, reads
from tristream.bold.resampling.distortion import Distortion, readout
from tristream.bold.resampling.geometry import Geometry, shared_columns, shared_voxels
from tristream.bold.resampling.resampling_text import computed_confounds, resampling_methods
from tristream.bold.resampling.sampling import (
    Volume,
    granted_threads,
    raw_volumes,
    resample,
    retimed,
)
from tristream.bold.resampling.target_grid import read_volume, target_voxels
from tristream.bold.resampling.transforms import read_affines, read_composite
from tristream.bold.steady_state import unsteady_volumes
from tristream.config.layouts import MinimalLayout
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.store import Omission

Array = npt.NDArray[np.float64]


@reads(MinimalLayout)
class MinimalReader(Reader[MinimalLayout]):
    """Resamples runs in the voxels that all runs of the subject cover.

    A target voxel is kept if it lies in the T1w's brain mask and, in every run, inside of the raw
    image at every volume and nearest to a raw voxel that varies. Confounds are computed on the
    run's own grid (see :mod:`tristream.bold.confounds`) and chosen by name as for
    fMRIPrep's own tables.
    """

    def inspect(self) -> Images:
        """Headers, sidecars, transforms and masks; not the transform to the template."""
        seen = {}
        for run in self.settings.runs:
            inputs = find_run(self.settings, run, self.receipt)
            image = geometry(inputs).image
            check_whole(inputs.bold, image)
            timing = read_timing(inputs.bold, inputs.sidecar, image, self.settings.tr)
            kept_volumes(inputs.bold, image.shape[3], self.settings.trims_of(run, image.shape[3]))
            seen[run] = RunImage(inputs.bold, image.shape[3], timing.start_time)
        anatomy = find_anatomy(self.settings, self.receipt)
        if not (read_volume(anatomy.brain_mask) > 0).any():
            raise UserError(f"{anatomy.brain_mask}: the mask is empty; fetch it again")
        return seen

    def prepare(self, run: str) -> Reading:
        """One run, resampled, with its confounds."""
        layout, settings = self.layout, self.settings
        inputs = {name: find_run(settings, name, self.receipt) for name in settings.runs}
        runs = {name: geometry(files) for name, files in inputs.items()}
        here = runs[run]
        # Read through before anything is resampled: a fault in the last volume is reported at once.
        for _ in raw_volumes(here.path, here.image):
            pass
        timing = read_timing(here.path, inputs[run].sidecar, here.image, settings.tr)
        # Trims that leave nothing are reported before the work.
        volumes = here.image.shape[3]
        kept = kept_volumes(here.path, volumes, settings.trims_of(run, volumes))
        anatomy = find_anatomy(settings, self.receipt)
        steps = None if anatomy.to_template is None else read_composite(anatomy.to_template)
        target = target_voxels(anatomy.brain_mask, layout.resolution, steps)
        shared = shared_voxels(target, runs, settings.trims.start)
        points = shared.target.points
        bold, confounds = _read(here, points, anatomy, layout, timing, settings.tr)
        sources = _sources(inputs[run], anatomy, layout, self.receipt)
        passed = ("normalisation", "coregistration", "distortion", "head motion")
        used = tuple(step for step in passed if step in sources)
        return Reading(
            run=run,
            path=here.path,
            acquired=here.image.shape[3],
            volumes=kept,
            start_time=timing.start_time,
            columns=shared_columns(shared, run, bold, kept),
            confounds=confounds.of(kept),
            omitted=(*timing.omitted, *_uncorrected(layout, here, timing)),
            sources=sources,
            resampling=Resampling(layout.resolution, used, layout.slice_timing),
        )

    def methods(self, reading: Reading) -> tuple[str, ...]:
        """Whose transforms were applied, what they correct, and how confounds were computed."""
        whose = "simulated ones with fMRIPrep's names and layout"
        if not self.receipt.simulated:
            whose = f"those of {fmriprep_cited(self.receipt, self.layout.derivatives)}"
        text, simulated = f"The transforms were {whose}.", self.receipt.simulated
        return (
            *resampling_methods(reading, self.layout.space, text, simulated),
            *computed_confounds(reading),
        )


def geometry(inputs: RunInputs) -> Geometry:
    """Read a run's transforms and its image's header.

    Raises
    ------
    UserError
        If they can't be read or don't fit together.
    """
    image, reference = open_image(inputs.bold, 4), open_image(inputs.reference, 3)
    if not same_affine(_upright(reference), _upright(image)):
        raise UserError(
            f"{inputs.reference}: head motion refers to it, but it lies elsewhere than "
            f"{inputs.bold.name}; they are not of the same run or version"
        )
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
    return Geometry(inputs.bold, image, reference, motion, coregistration, distortion)


def _upright(image: nib.Nifti1Image) -> Array:
    """The image's affine, as if it were stored along the axes of RAS."""
    turned = inv_ornt_aff(io_orientation(image.affine), image.shape[:3])
    return np.asarray(image.affine @ turned)


def _read(
    here: Geometry,
    points: Array,
    anatomy: Anatomy,
    layout: MinimalLayout,
    timing: Timing,
    tr: float,
) -> tuple[npt.NDArray[np.float32], Confounds]:
    """BOLD at T1w points, and confounds; signals of both grids come of one pass over the image."""
    path, image = here.path, here.image
    sampling = here.of_t1w(points)
    asked = set(layout.confounds)
    t1w = np.empty((0, 3))
    if asked & made.FROM_SIGNALS:
        native, t1w = made.native_voxels(here.reference, here.coregistration, anatomy.brain_mask)
        own = here.sampling(native)
        inside = own.covered()
        t1w = t1w[inside]
        sampling = sampling.beside(own.only(inside))
    masks = made.noise_masks(anatomy.tissues, t1w) if asked & {"wm_csf", "compcor"} else ()
    volumes = raw_volumes(path, image)
    if layout.slice_timing:
        if timing.slice_times is None:
            raise UserError(
                f"{path}: its sidecars hold no SliceTiming; fix them, or set "
                "layout.slice_timing: false"
            )
        volumes = _in_time(volumes, image.shape, timing.slice_times, timing, tr)
    shown = tqdm(volumes, path.name, image.shape[3], unit="volume", mininterval=5, delay=5)
    bold = resample(shown, sampling, granted_threads())
    unsteady = unsteady_volumes(path, image)
    native_bold = bold[:, len(points) :] if len(t1w) else None
    table, components = made.table_of(here.motion, here.reference, tr, unsteady, native_bold, masks)
    return bold[:, : len(points)], made.select(table, components, layout.confounds, path)


def _in_time(
    volumes: Iterator[Volume], shape: tuple[int, ...], slice_times: Array, timing: Timing, tr: float
) -> Iterator[Volume]:
    """Volumes with their slices brought to one time; the series is held until the last is taken."""
    series = retimed(volumes, shape, slice_times, timing.axis, timing.start_time, tr)
    yield from (series[..., number] for number in range(shape[3]))


def _uncorrected(layout: MinimalLayout, here: Geometry, timing: Timing) -> tuple[Omission, ...]:
    found = []
    if here.distortion is None:
        why = "fMRIPrep estimated no field for this run" if layout.distortion else "switched off"
        found.append(Omission("distortion correction", why))
    if not layout.slice_timing:
        why = f"not asked for; slices stand {timing.start_time:.3g} s into the volume on average"
        found.append(Omission("slice-time correction", why))
    return tuple(found)


def _sources(
    inputs: RunInputs, anatomy: Anatomy, layout: MinimalLayout, receipt: Receipt
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
    found = {k: receipt.relative(path) for k, path in used.items() if path is not None}
    for level, path in enumerate(inputs.coefficients):
        found[f"distortion coefficients {level}"] = receipt.relative(path)
    found["pipeline"] = f"fMRIPrep minimal; one cubic interpolation to {layout.resolution:g} mm"
    return found
