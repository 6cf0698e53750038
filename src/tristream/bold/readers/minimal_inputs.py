"""The files of fMRIPrep's minimal outputs that one run needs, and what its sidecars say."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from tristream.bold.images import check_tr
from tristream.config.dataset import Dataset
from tristream.config.layouts import MinimalLayout
from tristream.errors import UserError
from tristream.fetch.contents import inherited, raw_run
from tristream.fetch.receipt import Receipt
from tristream.store import Omission

TEMPLATE = "MNI152NLin2009cAsym"


@dataclass(frozen=True)
class RunInputs:
    """Files of one run.

    Attributes
    ----------
    bold : Path
        Raw BOLD.
    motion, coregistration : Path
        ``desc-hmc`` and ``desc-coreg`` transforms.
    reference : Path
        ``desc-hmc_boldref``, the volume that head motion refers to.
    to_fieldmap : Path or None
        ``from-boldref_to-auto…``; None where no field was estimated, or none is wanted.
    coefficients : tuple of Path
        Of the distortion field.
    sidecar : dict
        What all sidecars that apply to the raw BOLD say.
    """

    bold: Path
    motion: Path
    coregistration: Path
    reference: Path
    to_fieldmap: Path | None
    coefficients: tuple[Path, ...]
    sidecar: dict[str, Any]


@dataclass(frozen=True)
class Anatomy:
    """Files of the subject; `tissues` in the order GM, WM, CSF."""

    brain_mask: Path
    to_template: Path | None
    tissues: tuple[Path, ...]


@dataclass(frozen=True)
class Timing:
    """When slices are acquired.

    Attributes
    ----------
    start_time : float
        Seconds from the start of a volume to the middle of its acquisition.
    slice_times : ndarray, optional
        Seconds, along `axis` of the raw array.
    axis : int
    omitted : tuple of Omission
        What had to be assumed.
    """

    start_time: float
    slice_times: npt.NDArray[np.float64] | None
    axis: int
    omitted: tuple[Omission, ...]


def find_run(dataset: Dataset, subject: str, run: str, receipt: Receipt) -> RunInputs:
    """Files of a run.

    Raises
    ------
    UserError
        If one of them is not in the receipt, or the run has two distortion fields.
    """
    layout = dataset.layout
    assert isinstance(layout, MinimalLayout)
    listed = {file.path for file in receipt.files}
    raw = raw_run(subject, run)
    made = f"{layout.derivatives.strip('/')}/{raw}"

    def needed(path: str, what: str) -> Path:
        return _needed(dataset, subject, run, receipt, path, what)

    field, coefficients = _field(made, listed, receipt) if layout.distortion else (None, ())
    return RunInputs(
        raw_bold(dataset, subject, run, receipt),
        needed(f"{made}_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt", "head motion"),
        needed(f"{made}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt", "the coregistration"),
        needed(f"{made}_desc-hmc_boldref.nii.gz", "the reference volume"),
        field,
        coefficients,
        raw_sidecar(subject, run, receipt),
    )


def raw_bold(dataset: Dataset, subject: str, run: str, receipt: Receipt) -> Path:
    """The raw image of a run.

    Raises
    ------
    UserError
        If it is not in the receipt.
    """
    listed = {file.path for file in receipt.files}
    raw = raw_run(subject, run)
    path = f"{raw}_bold.nii.gz" if f"{raw}_bold.nii.gz" in listed else f"{raw}_bold.nii"
    return _needed(dataset, subject, run, receipt, path, "the raw BOLD")


def raw_sidecar(subject: str, run: str, receipt: Receipt) -> dict[str, Any]:
    """What all sidecars that apply to a run's raw image say."""
    listed = {file.path for file in receipt.files}
    paths = inherited(f"{raw_run(subject, run)}_bold.json", listed)
    return _sidecar([receipt.path(path) for path in paths])


def _needed(
    dataset: Dataset, subject: str, run: str, receipt: Receipt, path: str, what: str
) -> Path:
    if path not in {file.path for file in receipt.files}:
        raise UserError(
            f"{receipt.root}: {what} of {run} is missing ({path}); fetch again, or, if "
            f"sub-{subject} lacks this run, list it under `missing:` of {dataset.id}.yaml"
        )
    return receipt.path(path)


def _field(made: str, listed: set[str], receipt: Receipt) -> tuple[Path | None, tuple[Path, ...]]:
    """Transform to the fieldmap and its coefficients, joined by the id in the file names.

    The JSON beside a fieldmap may spell the id in another way (``auto_00000``).
    """
    name = re.compile(re.escape(made) + r"_from-boldref_to-(auto\d+)_mode-image_xfm\.txt")
    found = sorted(filter(name.fullmatch, listed))
    if not found:
        return None, ()
    if len(found) > 1:
        raise UserError(
            f"{receipt.root}: {len(found)} distortion fields for one run ({', '.join(found)}); "
            "fetch again, or set layout.distortion: false"
        )
    label = re.sub(name, r"\1", found[0])
    subject = made.split("/func/")[0]
    subject = re.sub(r"/ses-[A-Za-z0-9]+$", "", subject)
    coefficients = re.compile(
        rf"{re.escape(subject)}/(ses-[A-Za-z0-9]+/)?fmap/[^/]*_fmapid-{label}_"
        r"desc-coeff\d*_fieldmap\.nii\.gz"
    )
    levels = sorted(filter(coefficients.fullmatch, listed))
    if not levels:
        raise UserError(
            f"{receipt.path(found[0])}: there are no coefficients of the field {label}; fetch "
            "again, or set layout.distortion: false"
        )
    return receipt.path(found[0]), tuple(receipt.path(path) for path in levels)


def find_anatomy(dataset: Dataset, subject: str, receipt: Receipt) -> Anatomy:
    """Brain mask, transform to the template (if wanted) and tissue maps (if there) of a subject.

    Raises
    ------
    UserError
        If mask or transform are missing.
    """
    layout = dataset.layout
    assert isinstance(layout, MinimalLayout)
    home = f"{layout.derivatives.strip('/')}/sub-{subject}"
    start = rf"{re.escape(home)}/(ses-[A-Za-z0-9]+/)?anat/sub-{subject}(_ses-[A-Za-z0-9]+)?"

    def look(ending: str) -> Path | None:
        name = re.compile(f"{start}_{re.escape(ending)}")
        found = sorted(file.path for file in receipt.files if name.fullmatch(file.path))
        return receipt.path(found[0]) if found else None

    def needed(ending: str, what: str) -> Path:
        found = look(ending)
        if found is None:
            raise UserError(
                f"{receipt.root}: {what} of sub-{subject} is missing ({home}/…_{ending}); fetch "
                "again, or mend layout.derivatives"
            )
        return found

    tissues = [look(f"label-{name}_probseg.nii.gz") for name in ("GM", "WM", "CSF")]
    to_template = None
    if layout.space == TEMPLATE:
        to_template = needed(f"from-T1w_to-{TEMPLATE}_mode-image_xfm.h5", "the normalisation")
    return Anatomy(
        needed("desc-brain_mask.nii.gz", "the brain mask"),
        to_template,
        tuple(path for path in tissues if path is not None),
    )


def _sidecar(paths: list[Path]) -> dict[str, Any]:
    """What sidecars say, the most specific one last."""
    said: dict[str, Any] = {}
    for path in paths:
        try:
            said |= json.loads(path.read_text(encoding="utf-8-sig"))
        except (ValueError, TypeError) as error:
            raise UserError(f"{path}: not a usable sidecar ({error}); mend it") from None
    return said


def read_timing(path: Path, said: dict[str, Any], image: nib.Nifti1Image, tr: float) -> Timing:
    """Check the TR, and find when slices are acquired.

    The middle of the acquisition is the first slice's time plus half of the span of slice times.
    In sparse acquisition that is not TR / 2: the scanner rests for the remainder.

    Parameters
    ----------
    path : Path
        Raw BOLD, named in messages.
    said : dict
        What its sidecars say.
    image : Nifti1Image
        Raw BOLD.
    tr : float
        The descriptor's, in seconds.

    Raises
    ------
    UserError
        If the TR disagrees between descriptor, header and sidecar, or slice times don't fit.
    """
    trs = {"descriptor": tr}
    try:
        if "RepetitionTime" in said:
            trs["sidecar"] = float(said["RepetitionTime"])
        times = np.array(said.get("SliceTiming", []), float)
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: its sidecars are not usable ({error})") from None
    check_tr(path, image, trs)
    if not times.size:
        why = "the sidecars hold no SliceTiming; TR / 2 was assumed, the middle of a full scan"
        return Timing(tr / 2, None, 2, (Omission("StartTime", why),))
    direction = str(said.get("SliceEncodingDirection", "k"))
    axis = "ijk".find(direction[0])
    slices = image.shape[axis]
    if axis < 0 or times.shape != (slices,):
        raise UserError(
            f"{path}: {times.size} slice times for {slices} slices along {direction!r}; "
            "mend SliceTiming in its sidecars"
        )
    if not np.isfinite(times).all() or times.min() < 0 or times.max() > tr:
        raise UserError(
            f"{path}: slice times from {times.min():g} to {times.max():g} s, but a volume "
            f"takes {tr:g} s; SliceTiming is in seconds"
        )
    middle = float(times.min() + np.ptp(times) / 2)
    return Timing(middle, times[::-1] if direction.endswith("-") else times, axis, ())
