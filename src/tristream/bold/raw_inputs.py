"""The raw image of a run, and what its sidecars say: what several readers need."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from tristream.bold.nifti import check_tr
from tristream.bold.pause import middle_of_scan
from tristream.errors import UserError
from tristream.fetch.contents import raw_run
from tristream.fetch.receipt import Receipt
from tristream.store import Omission


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


def raw_bold(dataset: str, subject: str, run: str, receipt: Receipt) -> Path:
    """The raw image of a run.

    Raises
    ------
    UserError
        If it is not in the receipt.
    """
    raw = raw_run(subject, run)
    listed = {file.path for file in receipt.files}
    path = f"{raw}_bold.nii.gz" if f"{raw}_bold.nii.gz" in listed else f"{raw}_bold.nii"
    return needed(dataset, subject, run, receipt, path, "the raw BOLD")


def needed(dataset: str, subject: str, run: str, receipt: Receipt, path: str, what: str) -> Path:
    """Where a file of a run lies.

    Raises
    ------
    UserError
        If it is not in the receipt: `what` is missing.
    """
    if path not in {file.path for file in receipt.files}:
        raise UserError(
            f"{receipt.root}: {what} of {run} is missing ({path}); fetch again, or, if "
            f"sub-{subject} lacks this run, list it under `missing:` of {dataset}.yaml"
        )
    return receipt.path(path)


def read_timing(
    path: Path, sidecar: Mapping[str, Any], image: nib.Nifti1Image, tr: float
) -> Timing:
    """Check the TR, and find when slices are acquired.

    The middle of the acquisition is the first slice's time plus half of the span of slice times.
    In sparse acquisition that is not TR / 2: the scanner rests for the remainder.

    Parameters
    ----------
    path : Path
        Raw BOLD, named in messages.
    sidecar : dict
        From :func:`tristream.fetch.raw_sidecars.raw_sidecar`.
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
        if "RepetitionTime" in sidecar:
            trs["sidecar"] = float(sidecar["RepetitionTime"])
        times = np.array(sidecar.get("SliceTiming", []), float)
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: its sidecars are not usable ({error})") from None
    noted = check_tr(path, image, trs)
    if not times.size:
        start, assumed = middle_of_scan(path, sidecar, tr, "the sidecars hold no SliceTiming")
        return Timing(start, None, 2, (*noted, assumed))
    direction = str(sidecar.get("SliceEncodingDirection", "k"))
    axis = "ijk".find(direction[0])
    slices = image.shape[axis]
    if axis < 0 or times.shape != (slices,):
        raise UserError(
            f"{path}: {times.size} slice times for {slices} slices along {direction!r}; "
            "fix SliceTiming in its sidecars"
        )
    if not np.isfinite(times).all() or times.min() < 0 or times.max() > tr:
        raise UserError(
            f"{path}: slice times from {times.min():g} to {times.max():g} s, but a volume "
            f"takes {tr:g} s; SliceTiming is in seconds"
        )
    middle = float(times.min() + np.ptp(times) / 2)
    return Timing(middle, times[::-1] if direction.endswith("-") else times, axis, noted)
