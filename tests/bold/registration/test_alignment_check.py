"""A run that was laid beside its T1w is told, one that lies in it is not: on a real head."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine, from_matvec
from nilearn.datasets import load_mni152_brain_mask
from scipy import ndimage

from tristream.bold.registration import antspy, motion
from tristream.bold.registration.alignment_check import OUTSTANDING, outstanding
from tristream.bold.registration.registration_file import Normalisation
from tristream.bold.resampling.target_grid import sample
from tristream.errors import UserError
from tristream.simulate.synthetic.transform_files import rigid

EDGE = 4.0
WRONG = {
    "10 mm": ([0, 10, 0], [0, 0, 0]),
    "22 mm": ([14, 10, 14], [0, 0, 0]),
    "20 degrees": ([0, 0, 0], [20, 0, 0]),
    "turned by 180": ([0, 0, 0], [0, 0, 180]),
    "upside down": ([0, 0, 0], [180, 0, 0]),
    "on its side": ([0, 0, 0], [90, 0, 0]),
}
Given = tuple[nib.Nifti1Image, np.ndarray, nib.Nifti1Image]


@pytest.fixture(scope="module")
def head(localizer: Path) -> nib.Nifti1Image:
    """The brain of a real T1w in MNI space, without its skull."""
    image = nib.load(localizer / "real_data_vol_4_regions_anatomy.nii.gz")
    values, mask = image.get_fdata(dtype=np.float32), load_mni152_brain_mask(2)
    points = apply_affine(image.affine, np.indices(values.shape).reshape(3, -1).T)
    inside = sample(np.asarray(mask.dataobj, np.float32), mask.affine, points) > 0.5
    return nib.Nifti1Image(np.where(inside.reshape(values.shape), values, 0), image.affine)


def as_bold(head: nib.Nifti1Image, slab: bool, noise: float) -> Given:
    """Reference, brain and target: contrast turned round, uneven light, dropout, noise."""
    values = np.asarray(head.dataobj)
    corners = apply_affine(head.affine, np.argwhere(values > 0))
    low, high = corners.min(axis=0), corners.max(axis=0)
    if slab:
        low[2], high[2] = (low[2] + high[2]) / 2 + np.array([-20, 20])
    shape = tuple(np.ceil((high - low) / EDGE).astype(int))
    affine = from_matvec(np.eye(3) * EDGE, low)
    points = apply_affine(affine, np.indices(shape).reshape(3, -1).T)
    blurred = ndimage.gaussian_filter(values, EDGE / 2.35)
    shown = 1.4 - sample(blurred, head.affine, points) / np.percentile(values[values > 0], 99)
    near = ((points - points.mean(axis=0) - [0, 60, -30]) ** 2).sum(axis=1)
    shown = shown * (1 - 0.6 * np.exp(-near / 2 / 25**2))
    shown += np.random.default_rng(0).normal(0, noise, len(shown))
    brain = sample((values > 0).astype(np.float32), head.affine, points) > 0.5
    reference = np.where(brain, shown, 0).astype(np.float32).reshape(shape)
    return nib.Nifti1Image(reference, affine), brain.reshape(shape), head


@pytest.mark.parametrize("slab", [False, True], ids=["whole", "slab"])
@pytest.mark.parametrize("noise", [0.05, 0.2])
def test_the_true_place_stands_out_and_wrong_ones_do_not(head, slab, noise):
    reference, brain, target = given = as_bold(head, slab, noise)
    assert outstanding(*given, np.eye(4)) > OUTSTANDING + 0.2
    centre = apply_affine(reference.affine, np.argwhere(brain)).mean(axis=0)
    there, back = from_matvec(np.eye(3), centre), from_matvec(np.eye(3), -centre)
    for name, (shift, turn) in WRONG.items():
        wrong = there @ rigid(shift, turn) @ back
        assert outstanding(reference, brain, target, wrong) < OUTSTANDING - 0.05, name


def test_a_run_that_was_not_found_is_told(head, monkeypatch):
    reference, brain, target = as_bold(head, False, 0.1)
    normalised = Normalisation("sub-1_T1w.nii.gz", target, ())
    path = Path("bold.nii.gz")
    monkeypatch.setattr(antspy, "align", lambda *args: np.eye(4))
    np.testing.assert_array_equal(motion.coregister(reference, brain, normalised, path), np.eye(4))
    monkeypatch.setattr(antspy, "align", lambda *args: rigid([15, 10, -12], [0, 20, 0]))
    with pytest.raises(UserError, match=r"bold.nii.gz: .* does not fit the T1w") as told:
        motion.coregister(reference, brain, normalised, path)
    assert "\n" not in str(told.value)
