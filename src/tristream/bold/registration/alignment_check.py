"""Whether a run was found in the image that it was registered to, judged by the run itself.

Similarity of two contrasts has no scale that holds for all scanners. But where a registration has
found the place, every place near it is worse, by much; where it has not, places near it are about
as good.
"""

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine, from_matvec
from scipy.spatial.transform import Rotation

from tristream.bold.resampling.target_grid import sample

Array = npt.NDArray[np.float64]

# Distance of the places that are compared: along each axis (mm), about each axis (degrees).
SHIFT, TURN = 12.0, 15.0
# Values are sorted into as many classes of equal size.
CLASSES = 24
# Information at the place that was found, over that at the best of the others. In a real head and
# in the template, as BOLD of 3 and 5 mm with uneven light and noise, whole brains and slabs of
# 40 mm, true places had 1.4 to 4.7; places 10 mm to 180 degrees away had at most 1.1. A mirrored
# image can't be told: heads are symmetrical (up to 2.0).
OUTSTANDING = 1.2
# Voxels of the run that are compared, at most.
VOXELS = 40_000


def outstanding(
    reference: nib.Nifti1Image,
    brain: npt.NDArray[np.bool_],
    target: nib.Nifti1Image,
    found: Array,
) -> float:
    """Mutual information where a run was found, over that at the best of twelve places near it.

    Parameters
    ----------
    reference : Nifti1Image
        Of the run.
    brain : ndarray of bool
        Which of its voxels are compared.
    target : Nifti1Image
        Brain that the run was registered to; zero outside.
    found : ndarray of shape (4, 4)
        RAS mm of the run to RAS mm of the target.
    """
    voxels = np.argwhere(brain)
    voxels = voxels[:: -(-len(voxels) // VOXELS)]
    values = np.asarray(reference.dataobj, np.float32)[tuple(voxels.T)]
    places = apply_affine(found @ reference.affine, voxels)
    volume = np.asarray(target.dataobj, np.float32)

    def information(step: Array) -> float:
        return _information(values, sample(volume, target.affine, apply_affine(step, places)))

    others = max(information(step) for step in _nearby(places.mean(axis=0)))
    return information(np.eye(4)) / max(others, np.finfo(float).tiny)


def _nearby(centre: Array) -> list[Array]:
    """Six shifts, and six turns about `centre`."""
    steps = []
    for axis in range(3):
        for sign in (-1, 1):
            shift, turn = np.zeros((2, 3))
            shift[axis], turn[axis] = sign * SHIFT, sign * TURN
            rotation = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
            steps += [from_matvec(np.eye(3), shift)]
            steps += [from_matvec(rotation, centre - rotation @ centre)]
    return steps


def _information(first: npt.NDArray, second: npt.NDArray) -> float:
    """Mutual information of two series, in nats; what is not above zero is a class of its own."""
    ours, theirs = _classes(first), np.zeros(len(second), int)
    shown = second > 0
    if shown.sum() > CLASSES:
        theirs[shown] = 1 + _classes(second[shown])
    edges = np.arange(CLASSES + 2)
    joint = np.histogram2d(ours, theirs, [edges, edges])[0] / len(first)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    some = joint > 0
    return float((joint[some] * np.log(joint[some] / apart[some])).sum())


def _classes(values: npt.NDArray) -> npt.NDArray[np.intp]:
    edges = np.quantile(values, np.linspace(0, 1, CLASSES + 1)[1:-1])
    return np.searchsorted(edges, values)
