"""A run of an image that holds all runs of a subject: what the readers of such images share."""

from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from tristream.bold.cleaned import Columns, Confounds, Reading
from tristream.bold.nifti import kept_volumes, read_masked
from tristream.config.settings.bold import ReadSettings
from tristream.errors import UserError

START = "A volume was taken to stand for the start of its acquisition."


def part_of_image(
    settings: ReadSettings,
    run: str,
    source: tuple[Path, nib.Nifti1Image],
    mask: npt.NDArray[np.bool_],
    rows: Mapping[str, slice],
) -> Reading:
    """One run of an image that holds all of them.

    Parameters
    ----------
    settings : ReadSettings
        Its `trims`.
    run : str
        Name of the run.
    source : (Path, Nifti1Image)
        The image and its file.
    mask : ndarray of bool, shape of a volume
        Voxels; those that don't vary in some run are left out.
    rows : dict of run to slice
        Volumes of every run.

    Raises
    ------
    UserError
        Damaged data, NaN in the mask, or no voxel that varies.
    """
    path, image = source
    whole = read_masked(path, image, mask, slice(None))
    still = {name: np.ptp(whole[part], axis=0) == 0 for name, part in rows.items()}
    constant = np.logical_or.reduce(list(still.values()))
    if constant.all():
        raise UserError(f"{path}: no voxel of the mask varies in every run")
    mask = mask.copy()
    mask[mask] = ~constant
    acquired = rows[run].stop - rows[run].start
    part = kept_volumes(path, acquired, settings.trims)
    bold = np.ascontiguousarray(whole[rows[run]][part][:, ~constant])
    del whole
    columns = Columns(
        bold,
        np.argwhere(mask).astype(np.int32),
        np.asarray(image.affine, np.float64),
        image.shape[:3],
        int(constant.sum()),
        int((~still[run]).sum()),
    )
    return Reading(
        run=run,
        path=path,
        acquired=acquired,
        volumes=part,
        start_time=0.0,
        columns=columns,
        confounds=Confounds.none(len(bold)),
    )
