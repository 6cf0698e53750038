"""Which voxels lie in the regions of a label image."""

from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine

from tristream.encode.encoding_file import Encoding
from tristream.errors import UserError

EVERYWHERE = "all"


def regions_of(encoding: Encoding, image: Path | None) -> dict[str, npt.NDArray[np.bool_]]:
    """Region to its voxels, (voxels,); `all` comes first.

    Parameters
    ----------
    encoding : Encoding
        Whose voxels.
    image : Path, optional
        A NIfTI image of integer labels, in the space of the BOLD but not necessarily its grid; a
        voxel has the label at its centre, and 0 lies outside.

    Raises
    ------
    UserError
        If the model lies on surfaces, or the image can't be read, does not hold integers, or has
        no label at any voxel.
    """
    out = {EVERYWHERE: np.ones(len(encoding.ijk), bool)}
    if image is None:
        return out
    if encoding.grayordinates is not None:
        raise UserError(
            f"{image}: a volume of labels does not fit a model on surfaces; leave it out"
        )
    try:
        loaded = nib.nifti1.load(image)
        values = np.asarray(loaded.dataobj)
    except (OSError, nib.filebasedimages.ImageFileError) as error:
        raise UserError(f"{image}: can't be read as an image ({error})") from None
    if values.ndim != 3 or not np.array_equal(values, np.rint(values)):
        raise UserError(f"{image}: is not a volume of integer labels")
    millimetres = apply_affine(encoding.affine, encoding.ijk)
    places = np.rint(apply_affine(np.linalg.inv(loaded.affine), millimetres)).astype(int)
    inside = np.all((places >= 0) & (places < values.shape), axis=1)
    found = np.zeros(len(places), int)
    found[inside] = values[tuple(places[inside].T)].astype(int)
    if not found.any():
        raise UserError(f"{image}: has no label at any voxel of the model; is it in its space?")
    return out | {str(label): found == label for label in np.unique(found[found > 0])}
