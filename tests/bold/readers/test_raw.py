"""Raw BOLD without derivatives: known motions, a known place in the template, one interpolation."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine

from helpers import raw_head as world
from helpers.bold_tree import prepare, receipt_of
from tristream.bold.confounds import framewise_displacement, motion_parameters
from tristream.bold.readers.raw import geometry, target_voxels
from tristream.bold.registration.motion import coregister, epi_brain, register_run
from tristream.bold.registration.normalise import register_t1w
from tristream.bold.registration.registration_file import (
    Normalisation,
    Registration,
    read_normalisation,
    read_registration,
    write_normalisation,
    write_registration,
)
from tristream.bold.registration.template import template
from tristream.bold.resampling.sampling import raw_volumes, resample
from tristream.bold.resampling.transforms import Affine, map_points
from tristream.bold.run_file import Run
from tristream.config.settings.bold import RegisterSettings

FIRST, SECOND = world.RUNS


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.write(tmp_path_factory.mktemp("raw") / "raw")


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    """Landmarks: every fiftieth voxel of the template's brain, in RAS mm."""
    _, mask, affine = world.template()
    return apply_affine(affine, np.argwhere(mask > 0.5))[::50]


@pytest.fixture(scope="module")
def normalised() -> Normalisation:
    return register_t1w(world.t1w(), Path("t1w.nii.gz"), "sub-01/anat/sub-01_T1w.nii.gz", edge=4)


@pytest.fixture(scope="module")
def registered(root: Path, normalised: Normalisation) -> Registration:
    settings = RegisterSettings.of_dataset(world.dataset(), "01")
    return register_run(settings, FIRST, receipt_of(root), normalised)


def distance(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    return np.linalg.norm(found - wanted, axis=1)


def test_planted_motions_come_back(registered: Registration, points: np.ndarray) -> None:
    """Within a sixth of a voxel in the brain; a voxel and some degrees were planted."""
    here = apply_affine(world.COREGISTRATION @ world.LINEAR, points)
    planted = world.motion()
    moved = [distance(apply_affine(m, here), here).mean() for m in planted]
    assert max(moved) > 1.5 * world.EDGE
    for found, wanted in zip(registered.motion, planted, strict=True):
        wrong = distance(apply_affine(found, here), apply_affine(wanted, here))
        assert wrong.mean() < world.EDGE / 6
        assert wrong.max() < world.EDGE / 4
    inverted = np.linalg.inv(registered.motion[6])
    wrong = distance(apply_affine(inverted, here), apply_affine(planted[6], here))
    assert wrong.mean() > world.EDGE


def test_a_t1w_finds_its_place_in_the_template(
    normalised: Normalisation, points: np.ndarray
) -> None:
    """A head with a neck, tilted and scaled; by half a voxel of 4 mm in the mean."""
    wanted = apply_affine(world.LINEAR, points)
    assert distance(points, wanted).mean() > 12
    wrong = distance(map_points(points, normalised.steps), wanted)
    assert wrong.mean() < 2
    assert np.percentile(wrong, 95) < 3
    assert distance(map_points(wanted, normalised.steps), wanted).mean() > 12


def test_a_run_finds_its_place_in_the_t1w(registered: Registration, points: np.ndarray) -> None:
    t1w = apply_affine(world.LINEAR, points)
    wanted = apply_affine(world.COREGISTRATION, t1w)
    assert distance(apply_affine(registered.coregistration, t1w), wanted).mean() < world.EDGE / 2
    assert distance(t1w, wanted).mean() > world.EDGE


def test_without_a_t1w_a_run_finds_its_place_in_the_template(
    registered: Registration, points: np.ndarray
) -> None:
    brain, _ = template(4)
    found = coregister(
        registered.reference, registered.brain, Normalisation("", brain, ()), Path("bold.nii.gz")
    )
    wanted = apply_affine(world.COREGISTRATION @ world.LINEAR, points)
    assert distance(apply_affine(found, points), wanted).mean() < world.EDGE / 2


def prepared(
    root: Path, folder: Path, made: Registration, first: Normalisation, **layout: object
) -> Run:
    """The first run; the second is registered by its truth."""
    steps = (Affine(world.LINEAR),)
    truth = replace(made, run=SECOND, motion=world.motion(1), coregistration=world.COREGISTRATION)
    paths = (folder / "normalisation.h5", folder / "first.h5", folder / "second.h5")
    write_normalisation(paths[0], replace(first, steps=steps), True, {}, "")
    write_registration(paths[1], made, True, {}, "")
    write_registration(paths[2], truth, True, {}, "")
    receipt = receipt_of(root, simulated=True)
    return prepare(world.dataset(**layout), "01", FIRST, receipt, paths)


def likeness(root: Path, made: Registration) -> np.ndarray:
    """Correlation of each aligned volume with the unmoved head, over the inner brain."""
    path = root / f"sub-01/func/sub-01_{FIRST}_bold.nii.gz"
    here = geometry(path, replace(made, coregistration=world.COREGISTRATION))
    steps = (Affine(world.LINEAR),)
    target = target_voxels(6.0, Normalisation("x", made.reference, steps))
    found = resample(raw_volumes(path, here.image), here.of_t1w(target.points))
    where = apply_affine(target.affine, target.ijk)
    inner = world.at(world.contrast()[1], where) > 0.5
    truth = [world.level(where[inner], change) for change in world.waves()]
    return np.array([np.corrcoef(a[inner], b)[0, 1] for a, b in zip(found, truth, strict=True)])


def test_aligned_volumes_are_those_of_the_unmoved_head(
    root: Path, registered: Registration
) -> None:
    assert likeness(root, registered).min() >= 0.99
    still = np.repeat(np.eye(4)[None], world.VOLUMES, axis=0)
    for wrong in (still, np.linalg.inv(registered.motion)):
        assert likeness(root, replace(registered, motion=wrong)).min() < 0.9


def test_run_says_what_it_is_and_came_from(
    root: Path, registered: Registration, normalised: Normalisation, tmp_path: Path
) -> None:
    run = prepared(root, tmp_path, registered, normalised)
    assert len(run.ijk) > 3000
    assert run.bold.shape == (world.VOLUMES, len(run.ijk))
    assert run.simulated
    assert run.space == "MNI152NLin2009aSym"
    assert run.own_mask is not None
    assert "raw images" in run.sources["pipeline"]
    assert run.sources["bold"] == f"sub-01/func/sub-01_{FIRST}_bold.nii.gz"
    left_out = {omission.what for omission in run.omitted}
    assert {"distortion correction", "slice-time correction", "StartTime"} <= left_out


def test_confounds_are_those_of_the_motion(
    root: Path, registered: Registration, normalised: Normalisation, tmp_path: Path
) -> None:
    run = prepared(root, tmp_path, registered, normalised, confounds=["global_signal"])
    assert run.confound_names == ("global_signal",)
    assert np.isnan(run.fd[0])
    planted = motion_parameters(world.motion(), registered.reference)
    np.testing.assert_allclose(run.fd[1:], framewise_displacement(planted)[1:], atol=1.5)
    assert run.fd[6] > 2 * world.EDGE


def test_files_hold_what_was_estimated(
    registered: Registration, normalised: Normalisation, points: np.ndarray, tmp_path: Path
) -> None:
    write_normalisation(tmp_path / "n.h5", normalised, True, {}, "abc")
    write_registration(tmp_path / "r.h5", registered, True, {}, "abc")
    again, run = read_normalisation(tmp_path / "n.h5"), read_registration(tmp_path / "r.h5")
    assert again.t1w == normalised.t1w
    np.testing.assert_array_equal(
        map_points(points, again.steps), map_points(points, normalised.steps)
    )
    np.testing.assert_array_equal(run.motion, registered.motion)
    np.testing.assert_array_equal(run.brain, registered.brain)
    np.testing.assert_array_equal(run.reference.affine, registered.reference.affine)


def test_same_input_gives_equal_transforms(registered: Registration) -> None:
    brain = nib.Nifti1Image(np.asarray(template(4)[0].dataobj), template(4)[0].affine)
    target = Normalisation("x", brain, ())
    seen = epi_brain(registered.reference, Path("bold.nii.gz"))
    one, two = (coregister(registered.reference, seen, target, Path("x")) for _ in range(2))
    np.testing.assert_array_equal(one, two)
