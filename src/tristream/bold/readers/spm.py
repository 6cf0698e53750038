"""BOLD runs that SPM preprocessed, within the union of the dataset's region masks."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nilearn.exceptions import MaskWarning
from nilearn.masking import compute_epi_mask

from tristream.bold.cleaned import Columns, Confounds, cleaned_run
from tristream.bold.image_checks import Images, check_whole
from tristream.bold.images import (
    check_one_grid,
    check_tr,
    constant_voxels,
    first_mean,
    kept_volumes,
    open_image,
    read_mask,
    read_masked,
    varying,
)
from tristream.bold.run_file import Run
from tristream.config.dataset import Dataset
from tristream.config.layouts import SpmLayout
from tristream.errors import UserError
from tristream.fetch.contents import inherited, raw_run, spm_path
from tristream.fetch.receipt import Receipt
from tristream.store import Omission

Mask = npt.NDArray[np.bool_]


def prepare(dataset: Dataset, subject: str, run: str, receipt: Receipt) -> Run:
    """Read and clean one run in the voxels of all regions.

    Mean, linear trend and the cosines of a high-pass filter (nilearn's, ``layout.high_pass``
    seconds) are projected out. SPM's outputs hold no confounds beside the images, and their slices
    are not corrected for timing unless the dataset says so: a volume stands for the middle of its
    acquisition, TR / 2, and the file says that this was assumed.

    Parameters
    ----------
    dataset : Dataset
        Its layout is ``spm``.
    subject, run : str
        Subject label, and BIDS entities of the run.
    receipt : Receipt
        Lists the subject's files.

    Raises
    ------
    UserError
        Missing image or mask, truncated image, disagreeing TR or grid, empty mask, NaN: always the
        file and what is wrong.
    """
    paths = _images(dataset, subject, receipt)
    path, layout = paths[run], _layout(dataset)
    images = {name: open_image(file, 4) for name, file in paths.items()}
    image = images[run]
    check_tr(path, image, {"descriptor": dataset.tr, **_said(subject, run, receipt)})
    volumes = kept_volumes(path, image.shape[3], dataset.trims)
    everyone = list(paths.values()), list(images.values())
    check_one_grid(*everyone)
    regions = _region_masks(layout, subject, receipt, image, path)
    whole = np.logical_or.reduce(list(regions.values())) if regions else _brain(*everyone)
    if not whole.any():
        raise UserError(
            f"{path}: the mask is empty; name regions in layout.regions, or look at the image"
        )
    mask, constant = varying(whole, *everyone, dataset.trims.start)
    columns = Columns(
        read_masked(path, image, mask, volumes),
        np.argwhere(mask).astype(np.int32),
        np.asarray(image.affine, np.float64),
        image.shape[:3],
        constant,
        int((~constant_voxels(path, image, whole, dataset.trims.start)).sum()),
    )
    time = np.arange(len(columns.bold), dtype=np.float64) * dataset.tr
    cosines = high_pass_cosines(time, layout.high_pass)
    names = tuple(f"cosine{n:02d}" for n in range(cosines.shape[1]))
    return cleaned_run(
        dataset,
        subject,
        run,
        receipt,
        path,
        volumes,
        dataset.tr / 2,
        columns,
        replace(Confounds.none(len(columns.bold)), values=cosines, names=names),
        omitted=(
            Omission("StartTime", "SPM's outputs don't say it; TR / 2 was assumed"),
            Omission("motion confounds", "SPM's outputs in this dataset hold none"),
        ),
        regions={name: _members(own, mask, name, path) for name, own in regions.items()},
        sources=_sources(layout, subject, path, receipt.root),
    )


def _sources(layout: SpmLayout, subject: str, path: Path, root: Path) -> dict[str, str]:
    used = {"bold": path.relative_to(root).as_posix()}
    for name in dict.fromkeys(name for union in layout.regions.values() for name in union):
        used[f"mask {name}"] = spm_path(layout.rois, subject, "").format(roi=name)
    within = "the dataset's regions" if layout.regions else "nilearn's brain mask of all runs"
    pipeline = f"preprocessed with SPM, read within {within}; high-pass {layout.high_pass:g} s"
    return {**used, "pipeline": pipeline}


def inspect(dataset: Dataset, subject: str, receipt: Receipt) -> Images:
    """Check headers, sidecars, grids and region masks of a subject's runs.

    Raises
    ------
    UserError
        Whatever :func:`prepare` would say that needs no data.
    """
    paths = _images(dataset, subject, receipt)
    images = {run: open_image(path, 4) for run, path in paths.items()}
    for run, image in images.items():
        check_whole(paths[run], image)
        check_tr(paths[run], image, {"descriptor": dataset.tr, **_said(subject, run, receipt)})
        kept_volumes(paths[run], image.shape[3], dataset.trims)
    check_one_grid(list(paths.values()), list(images.values()))
    first = next(iter(paths))
    _region_masks(_layout(dataset), subject, receipt, images[first], paths[first])
    return {run: (path, images[run].shape[3]) for run, path in paths.items()}


def high_pass_cosines(time: npt.NDArray[np.float64], period: float) -> npt.NDArray[np.float64]:
    """Cosines of nilearn's high-pass filter, as SPM has it.

    Parameters
    ----------
    time : ndarray of shape (volumes,)
        Equally spaced seconds.
    period : float
        Longest period that is kept (s).

    Returns
    -------
    ndarray of shape (volumes, k)
        No columns if the run is too short for one.
    """
    # Not above: every road's job imports this module, and nilearn's models take half a second.
    from nilearn.glm.first_level import make_first_level_design_matrix

    design = make_first_level_design_matrix(
        time - time[0], drift_model="cosine", high_pass=1 / period
    )
    drifts = [name for name in design.columns if name.startswith("drift")]
    return design[drifts].to_numpy(np.float64)


def _layout(dataset: Dataset) -> SpmLayout:
    assert isinstance(dataset.layout, SpmLayout)
    return dataset.layout


def _images(dataset: Dataset, subject: str, receipt: Receipt) -> dict[str, Path]:
    listed = {file.path for file in receipt.files}
    paths = {}
    for run in dataset.runs_of(subject):
        path = spm_path(_layout(dataset).bold, subject, run)
        if path not in listed:
            raise UserError(
                f"{receipt.root}: has no {path}; mend `runs`, `missing` or layout.bold of "
                f"{dataset.id}.yaml, or fetch again"
            )
        paths[run] = receipt.path(path)
    return paths


def _said(subject: str, run: str, receipt: Receipt) -> dict[str, float]:
    """The TR of the raw run's sidecars; of several, the most special."""
    listed = {file.path for file in receipt.files}
    said: dict[str, float] = {}
    for name in inherited(f"{raw_run(subject, run)}_bold.json", listed):
        path = receipt.path(name)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if "RepetitionTime" in content:
                said = {"sidecar": float(content["RepetitionTime"])}
        except (ValueError, TypeError) as error:
            raise UserError(f"{path}: not a usable sidecar ({error}); mend it") from None
    return said


def _region_masks(
    layout: SpmLayout, subject: str, receipt: Receipt, like: nib.Nifti1Image, like_path: Path
) -> dict[str, Mask]:
    """Unions of masks; a mask that is named must be there, as a union without it is another."""
    listed = {file.path for file in receipt.files}
    names = list(dict.fromkeys(name for union in layout.regions.values() for name in union))
    masks = {}
    for name in names:
        path = spm_path(layout.rois, subject, "").format(roi=name)
        if path not in listed:
            raise UserError(
                f"{receipt.root}: has no mask {path}; fetch it, or take {name} out of "
                "layout.regions"
            )
        masks[name] = read_mask(receipt.path(path), like, like_path)
        if not masks[name].any():
            raise UserError(f"{receipt.path(path)}: the mask is empty; fetch it again")
    return {
        region: np.logical_or.reduce([masks[name] for name in union])
        for region, union in layout.regions.items()
    }


def _brain(paths: Sequence[Path], images: Sequence[nib.Nifti1Image]) -> Mask:
    """Voxels that nilearn takes for brain in the first volumes of every run."""
    masks = []
    for path, image in zip(paths, images, strict=True):
        mean = nib.Nifti1Image(first_mean(path, image), image.affine)
        with warnings.catch_warnings():
            # An empty mask is an error of its own here.
            warnings.simplefilter("ignore", MaskWarning)
            masks.append(np.asarray(compute_epi_mask(mean).dataobj) > 0)
    return np.asarray(np.logical_and.reduce(masks))


def _members(own: Mask, mask: Mask, name: str, path: Path) -> npt.NDArray[np.int32]:
    members = np.flatnonzero(own[mask]).astype(np.int32)
    if not len(members):
        raise UserError(f"{path}: no voxel of region {name} varies in every run; look at its masks")
    return members
