"""Which voxels of an EPI are brain."""

import warnings

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nilearn.exceptions import MaskWarning
from nilearn.masking import compute_epi_mask


def epi_mask(image: nib.Nifti1Image) -> npt.NDArray[np.bool_]:
    """Voxels that nilearn takes for brain; none is left for the caller to report."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MaskWarning)
        return np.asarray(compute_epi_mask(image).dataobj) > 0
