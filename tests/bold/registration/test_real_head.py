"""A real head is laid into the template: one whose place in it another program has found before.

The T1w that comes with the localizer is a whole head down to the cerebellum, 1 mm, which SPM has
brought to MNI space. Its header is changed here, so that it lies elsewhere, turned and scaled.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from nilearn.datasets import load_mni152_gm_template, load_mni152_wm_template

from tristream.bold.registration import antspy
from tristream.bold.registration.normalise import ALIKE, likeness, register_t1w
from tristream.bold.registration.registration_file import Normalisation
from tristream.bold.registration.template import template
from tristream.bold.resampling.target_grid import sample
from tristream.bold.resampling.transforms import Transform, map_points
from tristream.errors import UserError
from tristream.simulate.synthetic.transform_files import rigid

MOVED = rigid([12, -15, 20], [14, -6, 9]) @ np.diag([0.93, 1.05, 0.97, 1])
UPSIDE_DOWN = np.diag([1.0, -1, -1, 1])
EDGE = 4


@pytest.fixture(scope="module")
def head(localizer: Path) -> nib.Nifti1Image:
    image = nib.load(localizer / "real_data_vol_4_regions_anatomy.nii.gz")
    return nib.Nifti1Image(image.get_fdata(dtype=np.float32), MOVED @ image.affine)


@pytest.fixture(scope="module")
def found(head: nib.Nifti1Image) -> Normalisation:
    return register_t1w(head, Path("t1w.nii.gz"), "sub-1/anat/sub-1_T1w.nii.gz", edge=EDGE)


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    """The template's brain, in RAS mm."""
    brain, inside = template(EDGE)
    return apply_affine(brain.affine, np.argwhere(inside))


def at(image: nib.Nifti1Image, points: np.ndarray) -> np.ndarray:
    return sample(np.asarray(image.dataobj, np.float32), image.affine, points)


def alike(head: nib.Nifti1Image, points: np.ndarray, steps: tuple[Transform, ...]) -> float:
    """Correlation of the head with the template over its whole brain."""
    values = at(head, map_points(points, steps))
    return float(np.corrcoef(values, at(template(EDGE)[0], points))[0, 1])


def whiter(head: nib.Nifti1Image, points: np.ndarray, steps: tuple[Transform, ...]) -> float:
    """Share of the template's white matter where the head is brighter than in its grey matter."""
    values = at(head, map_points(points, steps))
    grey = values[at(load_mni152_gm_template(EDGE), points) > 0.8]
    white = values[at(load_mni152_wm_template(EDGE), points) > 0.8]
    return float(np.mean(white > np.median(grey)))


def test_a_real_head_lies_where_spm_laid_it(found: Normalisation, points: np.ndarray) -> None:
    """The two programs' templates differ by millimetres."""
    wanted = apply_affine(MOVED, points)
    assert np.linalg.norm(points - wanted, axis=1).mean() > 30
    for steps in (found.steps, found.steps[1:]):
        wrong = np.linalg.norm(map_points(points, steps) - wanted, axis=1)
        assert wrong.mean() < 4.5
        assert np.percentile(wrong, 95) < 7


def test_its_tissues_are_the_templates(
    head: nib.Nifti1Image, found: Normalisation, points: np.ndarray
) -> None:
    affine = found.steps[1:]
    assert alike(head, points, ()) < 0.2
    assert alike(head, points, affine) > 0.5
    assert alike(head, points, found.steps) > alike(head, points, affine) + 0.04
    assert whiter(head, points, ()) < 0.75
    assert whiter(head, points, found.steps) > 0.9


def test_a_head_that_was_not_found_is_told(
    head: nib.Nifti1Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its header may lie: then the best place is no good one."""
    brain, inside = template(EDGE)
    assert likeness(brain, inside, head, MOVED) > ALIKE + 0.1
    assert likeness(brain, inside, head, MOVED @ UPSIDE_DOWN) < ALIKE - 0.1
    monkeypatch.setattr(antspy, "align", lambda *args: MOVED @ UPSIDE_DOWN)
    monkeypatch.setattr(antspy, "warp", None)
    with pytest.raises(
        UserError, match=r"t1w.nii.gz: once registered, it does not resemble"
    ) as told:
        register_t1w(head, Path("t1w.nii.gz"), "", edge=EDGE)
    assert "\n" not in str(told.value)
