"""One run from raw BOLD and the transforms that were estimated from raw images."""

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from tqdm import tqdm

from tristream.bold import confounds as made
from tristream.bold.cleaned import Confounds, Reading, Resampling
from tristream.bold.image_checks import Images, RunImage, check_whole
from tristream.bold.nifti import kept_volumes, open_image
from tristream.bold.raw_inputs import raw_bold, read_timing
from tristream.bold.readers.reader import Reader, reads
from tristream.bold.registration.registration_file import (
    Normalisation,
    Registration,
    read_normalisation,
    read_registration,
)
from tristream.bold.registration.template import EDGE, t1w_images, template
from tristream.bold.resampling.geometry import Geometry, shared_columns, shared_voxels
from tristream.bold.resampling.resampling_text import computed_confounds, resampling_methods
from tristream.bold.resampling.sampling import granted_threads, raw_volumes, resample
from tristream.bold.resampling.target_grid import Target, image_grid, sample
from tristream.bold.resampling.transforms import map_points
from tristream.bold.steady_state import unsteady_volumes
from tristream.config.layouts import RawLayout
from tristream.errors import UserError
from tristream.fetch.raw_sidecars import raw_sidecar
from tristream.store import Omission

OMITTED = (
    Omission("distortion correction", "not done from raw images alone; fMRIPrep does it"),
    Omission("slice-time correction", "not done from raw images alone; fMRIPrep does it"),
)


@reads(RawLayout)
class RawReader(Reader[RawLayout]):
    """Resamples runs in the template's brain voxels that all runs cover."""

    def inspect(self) -> Images:
        """Headers and sidecars."""
        settings, seen = self.settings, {}
        for run in settings.runs:
            path = raw_bold(settings.dataset, settings.subject, run, self.receipt)
            image = open_image(path, 4)
            check_whole(path, image)
            sidecar = raw_sidecar(settings.subject, run, self.receipt)
            timing = read_timing(path, sidecar, image, settings.tr)
            kept_volumes(path, image.shape[3], settings.trims_of(run, image.shape[3]))
            seen[run] = RunImage(path, image.shape[3], timing.start_time)
        for name in t1w_images(settings.subject, self.receipt)[:1]:
            path = self.receipt.path(name)
            check_whole(path, open_image(path, 3))
        return seen

    def prepare(self, run: str) -> Reading:
        """One run, resampled, with its confounds; all runs must be registered."""
        settings, layout = self.settings, self.layout
        normalised, registrations = self._registrations()
        runs = {
            name: geometry(
                raw_bold(settings.dataset, settings.subject, name, self.receipt),
                registrations[name],
            )
            for name in settings.runs
        }
        here = runs[run]
        sidecar = raw_sidecar(settings.subject, run, self.receipt)
        timing = read_timing(here.path, sidecar, here.image, settings.tr)
        volumes = here.image.shape[3]
        kept = kept_volumes(here.path, volumes, settings.trims_of(run, volumes))
        target = target_voxels(layout.resolution, normalised)
        shared = shared_voxels(target, runs, settings.trims.start)
        brain = registrations[run].brain
        bold, confounds = _read(here, brain, shared.target, layout, settings.tr)
        steps = ("normalisation",) if normalised.t1w else ()
        name = self.receipt.relative(here.path)
        return Reading(
            run=run,
            path=here.path,
            acquired=here.image.shape[3],
            volumes=kept,
            start_time=timing.start_time,
            columns=shared_columns(shared, run, bold, kept),
            confounds=confounds.of(kept),
            omitted=(*timing.omitted, *OMITTED, *normalised.omitted),
            sources=_sources(name, normalised, layout),
            resampling=Resampling(layout.resolution, (*steps, "coregistration", "head motion")),
        )

    def methods(self, reading: Reading) -> tuple[str, ...]:
        """How images were registered and resampled, and what was not corrected."""
        into = (
            "that mean rigidly to the subject's T1w, and the T1w to the MNI152 template of nilearn "
            f"({self.layout.space}) [@fonov2011; @nilearn] by an affine transform and symmetric "
            "normalisation [@avants2008]"
            if "T1w" in reading.sources
            else "that mean, for want of a T1w, to the MNI152 template of nilearn "
            f"({self.layout.space}) [@fonov2011; @nilearn] by an affine transform"
        )
        registered = (
            "Raw images were registered by ANTs through antspyx [@avants2011; @tustison2021]: "
            f"every volume rigidly to the mean of aligned volumes of its run, {into}."
        )
        return (
            *resampling_methods(reading, self.layout.space, registered, self.receipt.simulated),
            *computed_confounds(reading),
        )

    def _registrations(self) -> tuple[Normalisation, dict[str, Registration]]:
        settings = self.settings
        if not self.registered:
            raise UserError(
                f"{settings.dataset}: layout raw needs registrations; give --registered with the "
                "files that `bold normalise` and `bold register` write"
            )
        found = {one.run: one for one in map(read_registration, self.registered[1:])}
        lacking = [name for name in settings.runs if name not in found]
        if lacking:
            raise UserError(
                f"{settings.dataset}: no registration of {', '.join(lacking)} of "
                f"sub-{settings.subject} was given; all runs share one mask"
            )
        return read_normalisation(self.registered[0]), found


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
    unsteady = unsteady_volumes(here.path, here.image)
    signals = own if own.shape[1] else None
    reference = nib.Nifti1Image(np.asarray(here.reference.dataobj), here.image.affine)
    table, components = made.table_of(here.motion, reference, tr, unsteady, signals)
    confounds = made.select(table, components, layout.confounds, here.path)
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
        "raw images: motion correction and registration, without correction of "
        f"distortion or slice timing; one cubic interpolation to {layout.resolution:g} mm"
    )
    return found
