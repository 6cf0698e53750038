"""How many volumes at the start of a run stand before the steady state."""

from pathlib import Path

import nibabel as nib
import numpy as np

from tristream.bold.nifti import DAMAGED, damaged

# Volumes in which the magnetisation may not be steady yet, the modified z-score above which the
# first of them are not, and the percentile of their intensities that is cut off.
STEADY_AFTER, UNSTEADY, BRIGHTEST = 40, 3.5, 99.8


def unsteady_volumes(path: Path, image: nib.Nifti1Image) -> int:
    """Volumes at the start whose mean signal is an outlier among the first 40.

    Outliers have a modified z-score (Iglewicz and Hoaglin, 1993) above 3.5. As fMRIPrep does,
    negative intensities and the highest are cut off before.
    """
    try:
        first = np.asarray(image.dataobj[..., :STEADY_AFTER], np.float32)
    except DAMAGED as error:
        raise damaged(path, error) from None
    means = np.clip(first, 0, np.percentile(first, BRIGHTEST)).mean(axis=(0, 1, 2))
    distance = np.abs(means - np.median(means))
    typical = np.median(distance)
    if typical == 0:
        return 0
    outlying = 0.6745 * distance / typical > UNSTEADY
    return int(np.argmin(outlying)) if not outlying.all() else len(outlying)
