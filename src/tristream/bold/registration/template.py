"""nilearn's MNI template, to which raw images are registered, and a subject's T1w images."""

import re

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template

from tristream.fetch.receipt import Receipt

# Edge of the voxels in which a T1w is registered (mm).
EDGE = 2


def t1w_images(subject: str, receipt: Receipt) -> list[str]:
    """T1w images of the subject, sorted."""
    name = re.compile(rf"sub-{subject}/(ses-[A-Za-z0-9]+/)?anat/[^/]*_T1w\.nii(\.gz)?")
    return sorted(file.path for file in receipt.files if name.fullmatch(file.path))


def template(edge: int) -> tuple[nib.Nifti1Image, npt.NDArray[np.bool_]]:
    """nilearn's MNI152NLin2009aSym: T1w of the brain alone, and which voxels that is."""
    brain = load_mni152_template(resolution=edge)
    inside = np.asarray(load_mni152_brain_mask(resolution=edge).dataobj) > 0
    return nib.Nifti1Image(np.asarray(brain.dataobj, np.float32), brain.affine), inside
