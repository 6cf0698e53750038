"""BOLD runs that fMRIPrep preprocessed: images, masks, timing and confounds of one subject.

The BOLD is read in a volume, or on a surface (:mod:`tristream.bold.surfaces`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.bold import surfaces
from tristream.bold.cleaned import Columns, Confounds, Reading
from tristream.bold.confounds_table import read_confounds
from tristream.bold.derivatives_text import fmriprep_cited
from tristream.bold.image_checks import Images, RunImage, check_whole
from tristream.bold.nifti import (
    check_one_grid,
    check_same_tr,
    header_tr,
    kept_volumes,
    open_image,
    read_mask,
    read_masked,
    varying,
)
from tristream.bold.pause import middle_in_words, middle_of_scan
from tristream.bold.readers.reader import Reader, reads
from tristream.config.layouts import OWN_SPACE, FmriprepLayout
from tristream.config.settings.bold import ReadSettings
from tristream.errors import UserError
from tristream.errors.json_text import read_object
from tristream.fetch.contents import run_files, sidecars
from tristream.fetch.other_names import similar
from tristream.fetch.receipt import Receipt
from tristream.store import Omission

NOT_ALIGNED = (
    "images of `space: func` lie as the head lay in each run: where it moved in between, a voxel "
    "is another place; `T1w` or a template are aligned"
)
UNSTATED = "the sidecars don't state it"


@dataclass(frozen=True)
class RunFiles:
    """The files of one run.

    Attributes
    ----------
    bold : Path
        The image; on fsaverage5 that of the left hemisphere.
    sidecar, confounds : Path or None
        None where there are none; a volume has a sidecar.
    mask : Path or None
        Brain mask of a volume.
    right : Path or None
        BOLD of the right hemisphere on fsaverage5.
    """

    bold: Path
    sidecar: Path | None
    confounds: Path | None
    mask: Path | None = None
    right: Path | None = None


@reads(FmriprepLayout)
class FmriprepReader(Reader[FmriprepLayout]):
    """Reads BOLD in the mask that all runs of the subject share.

    Confounds are those of :func:`nilearn.interfaces.fmriprep.load_confounds` for the strategies of
    ``layout.confounds``: ``motion`` six parameters, ``high_pass`` fMRIPrep's cosines, ``wm_csf``
    and ``global_signal`` their means, ``scrub`` nilearn's thresholds. Volumes before the
    steady state and scrubbed volumes are censored. A missing ``StartTime`` is taken to be TR / 2,
    the middle of the acquisition, which is fMRIPrep's own reference for slice timing and the mean
    over slices where slice timing was not corrected; the file says that it was assumed.
    """

    def inspect(self) -> Images:
        """Headers, sidecars, confounds, grids and masks."""
        files, seen, layout = find_runs(self.settings, self.receipt), {}, self.layout
        # The vertices of fsaverage5 are the same in all files that can be opened.
        grayordinates = [here for here in files.values() if layout.on_surface and not here.right]
        for _ in surfaces.checked(surfaces.open_series(here.bold, None) for here in grayordinates):
            pass
        for run, here in files.items():
            length, tr = _length_and_tr(here, layout.on_surface)
            start, _ = _timing(here, tr, self.settings.tr)
            kept_volumes(here.bold, length, self.settings.trims_of(run, length))
            _confounds(here, layout.confounds, length)
            seen[run] = RunImage(here.bold, length, start)
            if not layout.on_surface:
                check_whole(here.bold, open_image(here.bold, 4))
        if not layout.on_surface:
            _common_mask(list(files.values()))
        return seen

    def prepare(self, run: str) -> Reading:
        """One run with its confounds."""
        files = find_runs(self.settings, self.receipt)
        here = files[run]
        length, tr = _length_and_tr(here, self.layout.on_surface)
        start_time, omitted = _timing(here, tr, self.settings.tr)
        volumes = kept_volumes(here.bold, length, self.settings.trims_of(run, length))
        confounds = _confounds(here, self.layout.confounds, length)
        everyone = list(files.values())
        if self.layout.space == OWN_SPACE and len(everyone) > 1:
            omitted = (*omitted, Omission("alignment of runs", NOT_ALIGNED))
        if self.layout.on_surface:
            columns = _on_surface(here, everyone, volumes)
        else:
            columns = _in_volume(here, everyone, volumes, self.layout.drop_nan)
        return Reading(
            run=run,
            path=here.bold,
            acquired=length,
            volumes=volumes,
            start_time=start_time,
            columns=columns,
            confounds=confounds.of(volumes),
            omitted=omitted,
            sources=self._sources(here),
        )

    def methods(self, reading: Reading) -> tuple[str, ...]:
        """Whose outputs were read, and how their confounds were chosen."""
        outputs = "Simulated images with fMRIPrep's names and layout"
        if not self.receipt.simulated:
            outputs = f"Outputs of {fmriprep_cited(self.receipt, self.layout.derivatives)}"
        shared = ", within the voxels that the brain masks of all runs share"
        where = shared if reading.columns.grayordinates is None else ""
        own = self.layout.space == OWN_SPACE
        space = "the space of each run" if own else f"the space {self.layout.space}"
        found = [f"{outputs} in {space} were read{where}."]
        if reading.confounds.names:
            found.append("Confounds were taken from the table of each run with nilearn [@nilearn].")
        if any(omission.what == "StartTime" for omission in reading.omitted):
            found.append(middle_in_words(reading.start_time, self.settings.tr))
        return tuple(found)

    def _sources(self, files: RunFiles) -> dict[str, str]:
        used = {
            "bold": files.bold,
            "bold, right": files.right,
            "brain mask": files.mask,
            "timing": files.sidecar,
            "confounds": files.confounds,
        }
        found = {part: self.receipt.relative(path) for part, path in used.items() if path}
        taken = ", ".join(self.layout.confounds) or "none"
        pipeline = f"fMRIPrep's outputs in {self.layout.space}; confounds: {taken}"
        return {**found, "pipeline": pipeline}


def _confounds(files: RunFiles, strategies: Sequence[str], volumes: int) -> Confounds:
    is_volume = files.mask is not None
    return read_confounds(files.bold, files.confounds, strategies, volumes, is_volume)


def _in_volume(here: RunFiles, runs: Sequence[RunFiles], volumes: slice, drop_nan: bool) -> Columns:
    image = open_image(here.bold, 4)
    mask, constant = shared_mask(runs, volumes.start, drop_nan)
    bold = read_masked(here.bold, image, mask, volumes)
    affine = np.asarray(image.affine, np.float64)
    assert here.mask is not None
    own = int(read_mask(here.mask, image, here.bold).sum())
    return Columns(bold, np.argwhere(mask).astype(np.int32), affine, image.shape[:3], constant, own)


def _on_surface(here: RunFiles, runs: Sequence[RunFiles], volumes: slice) -> Columns:
    series = surfaces.open_series(here.bold, here.right)
    everyone = (surfaces.open_series(files.bold, files.right) for files in runs)
    columns, constant = surfaces.shared_columns(everyone, volumes.start)
    bold = surfaces.read_columns(series, columns, volumes)
    where = series.grayordinates.take(columns)
    ijk, own = series.ijk[columns], int(series.cortex.sum())
    return Columns(bold, ijk, series.affine, series.shape, constant, own, where)


def _length_and_tr(here: RunFiles, on_surface: bool) -> tuple[int, float | None]:
    """Volumes of a run, and the TR that its header states (s)."""
    if on_surface:
        series = surfaces.open_series(here.bold, here.right)
        return series.volumes, series.tr
    image = open_image(here.bold, 4)
    return image.shape[3], header_tr(image)


def find_runs(settings: ReadSettings, receipt: Receipt) -> dict[str, RunFiles]:
    """Files of every run of the subject, in the descriptor's order.

    Raises
    ------
    UserError
        If the receipt lacks a file of a run, or lists two images for one.
    """
    return {run: _files(settings, run, receipt) for run in settings.runs}


def shared_mask(
    runs: Sequence[RunFiles], first: int, drop_nan: bool = False
) -> tuple[npt.NDArray[np.bool_], int]:
    """Voxels that lie in the brain mask of every run and vary in every run.

    Parameters
    ----------
    runs : list of RunFiles
        All runs of the subject.
    first : int
        First volume that is used.
    drop_nan : bool
        Leave voxels out, too, that are not finite in some run.

    Returns
    -------
    mask : ndarray of bool, shape of a volume
    constant : int
        Voxels that were left out because they don't vary at the start of some run.
    """
    mask = _common_mask(runs)
    paths = [files.bold for files in runs]
    return varying(mask, paths, [open_image(path, 4) for path in paths], first, drop_nan)


def _common_mask(runs: Sequence[RunFiles]) -> npt.NDArray[np.bool_]:
    """Voxels that lie in the brain mask of every run."""
    images = [open_image(files.bold, 4) for files in runs]
    check_one_grid([files.bold for files in runs], images)
    mask = np.ones(images[0].shape[:3], bool)
    for files, image in zip(runs, images, strict=True):
        assert files.mask is not None
        mask &= read_mask(files.mask, image, files.bold)
    if not mask.any():
        raise UserError(
            f"{runs[0].mask}: no voxel lies in the masks of all {len(runs)} runs; look at them"
        )
    return mask


def _files(settings: ReadSettings, run: str, receipt: Receipt) -> RunFiles:
    layout, listed = settings.layout, receipt.listed
    assert isinstance(layout, FmriprepLayout)
    names = run_files(layout, settings.subject, run).as_listed(listed)
    for path in (names.bold, names.right):
        if path and path not in listed:
            raise UserError(
                f"{receipt.root}: no {path}{similar(path, listed)}; fix `runs`, `missing` or "
                f"`layout` of {settings.dataset}.yaml, or fetch again"
            )
    beside = names.mask, None if layout.on_surface else names.sidecar
    for file, what in zip(beside, ("brain mask", "sidecar"), strict=True):
        if file and file not in listed:
            raise UserError(f"{receipt.path(names.bold)}: has no {what} beside it; fetch it again")
    sidecar = next(iter(sidecars(names, listed)), None)
    table = names.confounds if names.confounds in listed else None
    return RunFiles(
        receipt.path(names.bold),
        receipt.path(sidecar) if sidecar else None,
        receipt.path(table) if table else None,
        mask=receipt.path(names.mask) if names.mask else None,
        right=receipt.path(names.right) if names.right else None,
    )


def _timing(files: RunFiles, header: float | None, tr: float) -> tuple[float, tuple[Omission, ...]]:
    """Check the TR, and find where in its acquisition a volume stands (s)."""
    unusable = "not a usable sidecar"
    sidecar = read_object(files.sidecar, unusable, "fix it") if files.sidecar else {}
    try:
        trs = {"header": header, "descriptor": tr} if header else {"descriptor": tr}
        if "RepetitionTime" in sidecar:
            trs["sidecar"] = float(sidecar["RepetitionTime"])
        start = float(sidecar.get("StartTime", math.nan))
    except (ValueError, TypeError) as error:
        raise UserError(f"{files.sidecar}: {unusable} ({error}); fix it") from None
    noted = check_same_tr(files.bold, trs)
    if "StartTime" not in sidecar:
        start, assumed = middle_of_scan(files.sidecar or files.bold, sidecar, tr, UNSTATED)
        return start, (*noted, assumed)
    if not 0 <= start <= tr:
        raise UserError(
            f"{files.sidecar}: StartTime {sidecar['StartTime']!r} lies outside of the acquisition "
            f"of {tr:g} s; fix it"
        )
    return start, noted
