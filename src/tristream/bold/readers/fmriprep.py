"""BOLD runs that fMRIPrep preprocessed: images, masks, timing and confounds of one subject.

The BOLD is read in a volume, or on a surface (:mod:`tristream.bold.surfaces`).
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from nilearn.interfaces.fmriprep import load_confounds

from tristream.bold import surfaces
from tristream.bold.cleaned import Columns, Confounds, cleaned_run
from tristream.bold.image_checks import Images, check_whole
from tristream.bold.images import (
    check_one_grid,
    check_same_tr,
    header_tr,
    kept_volumes,
    open_image,
    read_mask,
    read_masked,
    varying,
)
from tristream.bold.run_file import Run
from tristream.config.dataset import Dataset
from tristream.config.layouts import FmriprepLayout
from tristream.errors import UserError
from tristream.fetch.contents import RunFiles as Names
from tristream.fetch.contents import run_files, sidecars
from tristream.fetch.receipt import Receipt
from tristream.store import Omission


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


def prepare(dataset: Dataset, subject: str, run: str, receipt: Receipt) -> Run:
    """Read and clean one run in the mask that all runs of the subject share.

    Confounds are those of :func:`nilearn.interfaces.fmriprep.load_confounds` for the strategies of
    ``layout.confounds``: ``motion`` six parameters, ``high_pass`` fMRIPrep's cosines, ``wm_csf``
    and ``global_signal`` their means, ``scrub`` nilearn's thresholds. Volumes before the
    steady state and scrubbed volumes are censored. A missing ``StartTime`` is taken to be TR / 2,
    the middle of the acquisition, which is fMRIPrep's own reference for slice timing and the mean
    over slices where slice timing was not corrected; the file says that it was assumed.

    Parameters
    ----------
    dataset : Dataset
        Its layout is ``fmriprep``.
    subject, run : str
        Subject label, and BIDS entities of the run.
    receipt : Receipt
        Lists the subject's files.

    Raises
    ------
    UserError
        Missing file, truncated image, disagreeing TR or grid, empty mask, NaN, confounds that don't
        fit: always the file and what is wrong.
    """
    files = find_runs(dataset, subject, receipt)
    here = files[run]
    on_surface = _layout(dataset).on_surface
    length, tr = _length_and_tr(here, on_surface)
    start_time, omitted = _timing(here, tr, dataset.tr)
    volumes = kept_volumes(here.bold, length, dataset.trims)
    confounds = read_confounds(here, _layout(dataset).confounds, length)
    read = _on_surface if on_surface else _in_volume
    return cleaned_run(
        dataset,
        subject,
        run,
        receipt,
        here.bold,
        volumes,
        start_time,
        read(here, list(files.values()), volumes),
        confounds.of(volumes),
        omitted=omitted,
        sources=_sources(here, _layout(dataset), receipt.root),
    )


def _sources(files: RunFiles, layout: FmriprepLayout, root: Path) -> dict[str, str]:
    used = {
        "bold": files.bold,
        "bold, right": files.right,
        "brain mask": files.mask,
        "timing": files.sidecar,
        "confounds": files.confounds,
    }
    found = {part: path.relative_to(root).as_posix() for part, path in used.items() if path}
    taken = ", ".join(layout.confounds) or "none"
    return {**found, "pipeline": f"fMRIPrep's outputs in {layout.space}; confounds: {taken}"}


def _in_volume(here: RunFiles, runs: Sequence[RunFiles], volumes: slice) -> Columns:
    image = open_image(here.bold, 4)
    mask, constant = shared_mask(runs, volumes.start)
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


def inspect(dataset: Dataset, subject: str, receipt: Receipt) -> Images:
    """Check headers, sidecars, confounds, grids and masks of a subject's runs.

    Raises
    ------
    UserError
        Whatever :func:`prepare` would say that needs no data.
    """
    files, seen, layout = find_runs(dataset, subject, receipt), {}, _layout(dataset)
    # The vertices of fsaverage5 are the same in all files that can be opened.
    grayordinates = [here for here in files.values() if layout.on_surface and not here.right]
    for _ in surfaces.checked(surfaces.open_series(here.bold, None) for here in grayordinates):
        pass
    for run, here in files.items():
        length, tr = _length_and_tr(here, layout.on_surface)
        _timing(here, tr, dataset.tr)
        kept_volumes(here.bold, length, dataset.trims)
        read_confounds(here, layout.confounds, length)
        seen[run] = here.bold, length
        if not layout.on_surface:
            check_whole(here.bold, open_image(here.bold, 4))
    if not layout.on_surface:
        _common_mask(list(files.values()))
    return seen


def _length_and_tr(here: RunFiles, on_surface: bool) -> tuple[int, float | None]:
    """Volumes of a run, and the TR that its header says (s)."""
    if on_surface:
        series = surfaces.open_series(here.bold, here.right)
        return series.volumes, series.tr
    image = open_image(here.bold, 4)
    return image.shape[3], header_tr(image)


def find_runs(dataset: Dataset, subject: str, receipt: Receipt) -> dict[str, RunFiles]:
    """Files of every run that the descriptor lists for the subject, in its order.

    Raises
    ------
    UserError
        If the receipt lacks a file of a run, or lists two images for one.
    """
    return {run: _files(dataset, subject, run, receipt) for run in dataset.runs_of(subject)}


def read_confounds(files: RunFiles, strategies: Sequence[str], volumes: int) -> Confounds:
    """Confounds of a run by nilearn's named strategies.

    Raises
    ------
    UserError
        If there is no table, it has another number of rows than the image has volumes, or lacks
        columns of a strategy.
    """
    if files.confounds is None:
        if strategies:
            raise UserError(
                f"{files.bold}: has no desc-confounds_timeseries.tsv beside it; fetch it, or set "
                "layout.confounds: [] in the descriptor"
            )
        return Confounds.none(volumes)
    try:
        table = pd.read_csv(files.confounds, sep="\t", na_values=["n/a"])
    except (ValueError, OSError) as error:
        raise UserError(f"{files.confounds}: not a table ({error}); fetch it again") from None
    if len(table) != volumes:
        raise UserError(
            f"{files.confounds}: has {len(table)} rows, but {files.bold.name} has {volumes} "
            "volumes; they are not of the same run"
        )
    fd = pd.to_numeric(table.get("framewise_displacement", np.nan), errors="coerce")
    values, censor = _load(files, strategies, volumes)
    return Confounds(
        values.to_numpy(np.float64),
        tuple(values.columns),
        censor,
        np.broadcast_to(np.asarray(fd, np.float64), volumes).copy(),
    )


def _load(
    files: RunFiles, strategies: Sequence[str], volumes: int
) -> tuple[pd.DataFrame, npt.NDArray[np.bool_]]:
    # nilearn finds the table by the image's name alone, and wants a volume's to be compressed.
    name = f"{str(files.bold).removesuffix('.gz')}.gz" if files.mask else str(files.bold)
    try:
        values, sample_mask = load_confounds(
            name,
            strategy=tuple(strategies),
            motion="basic",
            wm_csf="basic",
            global_signal="basic",
        )
    except (ValueError, KeyError) as error:
        raise UserError(
            f"{files.confounds}: does not serve layout.confounds {list(strategies)}: "
            f"{' '.join(str(error).split())}"
        ) from None
    if values is None:
        values = pd.DataFrame(index=range(volumes))
    gaps = values.columns[~np.isfinite(values.to_numpy(np.float64)).all(axis=0)]
    if len(gaps):
        raise UserError(
            f"{files.confounds}: {', '.join(gaps)} hold n/a after the first row; mend the table or "
            "take another strategy in layout.confounds"
        )
    censor = np.zeros(volumes, bool)
    if sample_mask is not None:
        censor[:] = True
        censor[sample_mask] = False
    return values, censor


def shared_mask(runs: Sequence[RunFiles], first: int) -> tuple[npt.NDArray[np.bool_], int]:
    """Voxels that lie in the brain mask of every run and vary in every run.

    Parameters
    ----------
    runs : list of RunFiles
        All runs of the subject.
    first : int
        First volume that is used.

    Returns
    -------
    mask : ndarray of bool, shape of a volume
    constant : int
        Voxels that were left out because they don't vary at the start of some run.
    """
    mask = _common_mask(runs)
    paths = [files.bold for files in runs]
    return varying(mask, paths, [open_image(path, 4) for path in paths], first)


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


def _layout(dataset: Dataset) -> FmriprepLayout:
    assert isinstance(dataset.layout, FmriprepLayout)
    return dataset.layout


def _files(dataset: Dataset, subject: str, run: str, receipt: Receipt) -> RunFiles:
    layout = _layout(dataset)
    folder = (PurePosixPath(layout.derivatives) / f"sub-{subject}").as_posix() + "/"
    names = run_files(layout, subject, run)
    if layout.on_surface:
        return _surface_files(names, receipt)
    # The outputs may write run-1 where the dataset has run-01.
    stem = PurePosixPath(names.bold).name.partition("_space-")[0]
    name = re.compile(
        rf"{re.escape(stem)}_space-{re.escape(layout.space)}(_res-[A-Za-z0-9]+)?"
        r"_desc-preproc_bold\.nii(\.gz)?"
    )
    listed = {file.path for file in receipt.files if file.path.startswith(folder)}
    images = sorted(path for path in listed if name.fullmatch(PurePosixPath(path).name))
    if len(images) != 1:
        found = "no" if not images else f"{len(images)} images"
        raise UserError(
            f"{receipt.root}: {found} {stem}_space-{layout.space}_desc-preproc_bold.nii.gz under "
            f"{folder}; mend `runs`, `missing` or `layout` of {dataset.id}.yaml, or fetch again"
        )
    base = images[0].removesuffix(".gz").removesuffix("_desc-preproc_bold.nii")
    mask = next(
        (m for m in (f"{base}_desc-brain_mask.nii{z}" for z in (".gz", "")) if m in listed), None
    )
    sidecar = f"{base}_desc-preproc_bold.json"
    for file, what in ((mask, "brain mask"), (sidecar if sidecar in listed else None, "sidecar")):
        if file is None:
            raise UserError(f"{receipt.path(images[0])}: has no {what} beside it; fetch it again")
    plain = (PurePosixPath(images[0]).parent / f"{stem}_desc-confounds").as_posix()
    table = next(
        (t for t in (f"{plain}_timeseries.tsv", f"{plain}_regressors.tsv") if t in listed), None
    )
    return RunFiles(
        receipt.path(images[0]),
        receipt.path(sidecar),
        receipt.path(table) if table else None,
        mask=receipt.path(str(mask)),
    )


def _surface_files(names: Names, receipt: Receipt) -> RunFiles:
    listed = {file.path for file in receipt.files}
    for path in (names.bold, names.right):
        if path and path not in listed:
            raise UserError(
                f"{receipt.root}: no {path}; mend `runs`, `missing` or `layout` of the descriptor, "
                "or fetch again"
            )
    sidecar = next(iter(sidecars(names, listed)), None)
    table = names.confounds if names.confounds in listed else None
    return RunFiles(
        receipt.path(names.bold),
        receipt.path(sidecar) if sidecar else None,
        receipt.path(table) if table else None,
        right=receipt.path(names.right) if names.right else None,
    )


def _timing(files: RunFiles, header: float | None, tr: float) -> tuple[float, tuple[Omission, ...]]:
    """Check the TR, and find where in its acquisition a volume stands (s)."""
    try:
        said: dict[str, Any] = (
            json.loads(files.sidecar.read_text(encoding="utf-8")) if files.sidecar else {}
        )
        trs = {"header": header, "descriptor": tr} if header else {"descriptor": tr}
        if "RepetitionTime" in said:
            trs["sidecar"] = float(said["RepetitionTime"])
        start = float(said.get("StartTime", math.nan))
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{files.sidecar}: not a usable sidecar ({error}); mend it") from None
    check_same_tr(files.bold, trs)
    if "StartTime" not in said:
        why = "the sidecars don't say it; TR / 2 was assumed, the middle of the acquisition"
        return tr / 2, (Omission("StartTime", why),)
    if not 0 <= start <= tr:
        raise UserError(
            f"{files.sidecar}: StartTime {said['StartTime']!r} lies outside of the acquisition of "
            f"{tr:g} s; mend it"
        )
    return start, ()
