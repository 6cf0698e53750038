"""Resampling through known transforms: a head that moved comes back, and each mistake is seen."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from nilearn.image import resample_img
from scipy.spatial.transform import Rotation

from helpers import synthetic_head as world
from helpers.minimal_chain import (
    IN_THE_CHAIN,
    IN_THE_DISTORTION,
    RESOLUTION,
    Change,
    distorted,
    read,
    scan,
    target,
)
from tristream.bold.raw_inputs import read_timing
from tristream.bold.resampling import transforms
from tristream.bold.resampling.distortion import readout
from tristream.bold.resampling.sampling import Sampling, resample, retimed
from tristream.bold.resampling.target_grid import image_grid, template_grid
from tristream.bold.resampling.transforms import Affine, read_affines, read_composite

LANDMARKS = np.array([[0, 0, 0], [14, 0, 0], [-14, 4, 2], [0, 17, 3], [2, -17, -3], [3, 5, 10]])


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    heads = [world.Head(volumes=4), world.Head(volumes=4, distorted=True)]
    return world.write(tmp_path_factory.mktemp("head") / "raw", heads)


def errors(root: Path, run: str, space: str, change: Change = lambda g: g) -> tuple[float, float]:
    """Largest landmark error in target voxels, smallest in-mask r, over volumes.

    The landmark's shift is what best explains the difference from the head's own intensity,
    evaluated at the true T1w points, by its gradient in the target.
    """
    head = world.Head(volumes=4)
    here = change(read(root, run))
    voxels = target(root, space)
    sampling = here.of_t1w(voxels.points)
    inside = sampling.covered()
    assert inside.mean() > 0.5
    bold = resample(scan(root, run), sampling.only(inside))
    places = apply_affine(voxels.affine, voxels.ijk[inside])
    to_t1w = head.to_t1w if space != "T1w" else (lambda points: points)
    far, r = [], []
    for volume, found in enumerate(bold):
        truth = head.intensity(to_t1w(places), volume)
        r.append(np.corrcoef(found, truth)[0, 1])
        steps = 0.2 * np.eye(3)
        slope = np.stack(
            [(head.intensity(to_t1w(places + s), volume) - truth) / 0.2 for s in steps], axis=1
        )
        for landmark in LANDMARKS:
            near = ((to_t1w(places) - landmark) ** 2).sum(axis=1) < 9**2
            shift = np.linalg.lstsq(slope[near], found[near] - truth[near], rcond=None)[0]
            far.append(np.linalg.norm(shift) / RESOLUTION)
    return max(far), min(r)


def comes_back(root: Path, run: str, space: str, change: Change = lambda g: g) -> bool:
    far, r = errors(root, run, space, change)
    return far <= 0.05 and r >= 0.99


@pytest.mark.parametrize("space", ["T1w", "MNI152NLin2009cAsym"])
@pytest.mark.parametrize("run", world.RUNS)
def test_head_comes_back(tree: Path, run: str, space: str) -> None:
    motion = world.Head(volumes=4).motion
    assert np.abs(motion[:, :3, 3]).max() >= 2 * world.EDGE
    assert np.degrees(Rotation.from_matrix(motion[:, :3, :3]).magnitude()).max() >= 5
    assert np.linalg.norm(world.warp(LANDMARKS.astype(float)), axis=1).max() > 2
    assert comes_back(tree, run, space)


@pytest.mark.parametrize("mistake", IN_THE_CHAIN)
def test_mistake_in_the_chain_is_seen(tree: Path, mistake: Change) -> None:
    assert not comes_back(tree, world.RUNS[0], "T1w", mistake)


@pytest.mark.parametrize("mistake", IN_THE_DISTORTION)
def test_mistake_in_the_distortion_is_seen(tree: Path, mistake: Change) -> None:
    assert not comes_back(tree, world.RUNS[1], "T1w", mistake)


def test_mix_up_of_lps_and_ras_is_seen(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transforms, "FLIP", np.eye(4))
    assert not comes_back(tree, world.RUNS[0], "T1w")
    assert not comes_back(tree, world.RUNS[0], "MNI152NLin2009cAsym")


def test_composite_applies_its_displacement_first(tree: Path) -> None:
    name = "sub-01_from-T1w_to-MNI152NLin2009cAsym_mode-image_xfm.h5"
    steps = read_composite(tree / world.HOME / "sub-01/anat" / name)
    assert isinstance(steps[1], Affine)
    points = np.random.default_rng(0).uniform(-30, 30, (500, 3))
    truth = world.Head().to_t1w(points)
    np.testing.assert_allclose(transforms.map_points(points, steps), truth, atol=0.02)
    assert np.abs(transforms.map_points(points, steps[::-1]) - truth).max() > 0.15


def test_polarity_is_that_of_the_array(tmp_path: Path) -> None:
    """The same scan stored backwards along phase encoding has the opposite label."""
    head = world.Head(volumes=4, distorted=True)
    root = world.write(tmp_path / "raw", [head, replace(head, direction="j")])
    func = root / "sub-01/func"
    path = func / f"sub-01_{world.RUNS[0]}_bold.nii.gz"
    image = nib.load(path)
    flip = np.diag([1.0, -1, 1, 1])
    flip[1, 3] = world.SHAPE[1] - 1
    world.save_bold(path, image.get_fdata()[:, ::-1], image.affine @ flip)
    world.write_sidecar(path.with_name(path.name.replace("nii.gz", "json")), head)
    assert not comes_back(root, world.RUNS[0], "T1w")
    sidecar = path.with_name(path.name.replace("nii.gz", "json"))
    world.write_sidecar(sidecar, head, PhaseEncodingDirection="j")
    scan.cache_clear()
    assert comes_back(root, world.RUNS[0], "T1w")
    assert comes_back(root, world.RUNS[1], "T1w")


def test_readout_time() -> None:
    sidecar = {"PhaseEncodingDirection": "j-", "EffectiveEchoSpacing": 0.0005}
    assert readout(Path("x"), sidecar, (64, 101, 40)) == (1, pytest.approx(-0.05))
    sidecar = {"PhaseEncodingDirection": "i", "TotalReadoutTime": 0.03, "EffectiveEchoSpacing": 9}
    assert readout(Path("x"), sidecar, (64, 101, 40)) == (0, 0.03)


def test_field_is_the_sum_of_b_splines(tree: Path) -> None:
    field = distorted(read(tree, world.RUNS[1]))
    points = np.random.default_rng(0).uniform(-60, 60, (300, 3))
    head = world.Head(distorted=True)
    np.testing.assert_allclose(field.hertz(points), head.hertz(points), atol=1e-3)
    assert np.abs(head.hertz(points) * head.readout).max() > 2


def test_affine_case_equals_nilearn(tree: Path) -> None:
    """One volume, head motion and coregistration alone, on a whole grid."""
    here = read(tree, world.RUNS[0])
    grid, shape = np.diag([3.0, 3, 3, 1]), (10, 11, 9)
    grid[:3, 3] = [-14, -15, -12]
    points = apply_affine(grid, np.indices(shape).reshape(3, -1).T)
    ours = resample([scan(tree, world.RUNS[0])[1]] * 4, here.of_t1w(points))[1].reshape(shape)
    moved = np.linalg.inv(here.coregistration) @ np.linalg.inv(here.motion[1]) @ here.image.affine
    image = nib.Nifti1Image(scan(tree, world.RUNS[0])[1], moved)
    theirs = resample_img(image, grid, shape, interpolation="continuous", copy_header=True)
    np.testing.assert_allclose(ours, theirs.get_fdata(), atol=0.05)
    assert ours.std() > 30


def test_workers_and_blocks_do_not_change_a_bit(tree: Path) -> None:
    here = read(tree, world.RUNS[1])
    sampling = here.of_t1w(target(tree, "T1w").points[::7])
    one = resample(scan(tree, world.RUNS[1]), sampling, workers=1)
    assert one.dtype == np.float32
    np.testing.assert_array_equal(one, resample(scan(tree, world.RUNS[1]), sampling, workers=3))
    half = np.arange(len(sampling.points)) % 2 == 0
    np.testing.assert_array_equal(
        one[:, half], resample(scan(tree, world.RUNS[1]), sampling.only(half))
    )


def test_no_more_volumes_are_held_than_workers_and_one() -> None:
    held, most, done = 0, 0, []

    class Watched(np.ndarray):
        def __del__(self) -> None:
            nonlocal held
            if self.base is None:
                held -= 1

    def volumes():
        nonlocal held, most
        for _ in range(30):
            volume = np.ndarray.__new__(Watched, (6, 6, 6), np.float32)
            volume[:] = 1
            held += 1
            most = max(most, held)
            yield volume

    points = np.full((5, 3), 2.0)
    sampling = Sampling(points, np.repeat(np.eye(4)[None], 30, axis=0), (6, 6, 6))
    done = resample(volumes(), sampling, workers=2)
    np.testing.assert_allclose(done, 1, rtol=1e-5)
    assert most <= 5


def test_coverage_equals_asking_every_volume(tree: Path) -> None:
    here = read(tree, world.RUNS[1])
    points = np.random.default_rng(0).uniform(-80, 80, (4000, 3))
    sampling = here.sampling(points)
    last = np.array(world.SHAPE)[:, None] - 1
    every = [
        np.all((c >= -1e-3) & (c <= last + 1e-3), axis=0)
        for c in map(sampling.coordinates, range(4))
    ]
    np.testing.assert_array_equal(sampling.covered(), np.all(every, axis=0))
    assert 0.1 < sampling.covered().mean() < 0.9


def test_template_grids_are_templateflows() -> None:
    fine, shape = template_grid(1.0)
    np.testing.assert_array_equal(fine[:3, 3], [-96, -132, -78])
    assert shape == (193, 229, 193)
    coarse, shape = template_grid(2.0)
    np.testing.assert_array_equal(coarse[:3, 3], [-96.5, -132.5, -78.5])
    assert shape == (97, 115, 97)


def test_grid_over_an_image_keeps_its_field_of_view() -> None:
    affine = world.rigid([4, 5, 6], [10, 20, 30]) @ np.diag([-1.0, 1, 1, 1])
    image = nib.Nifti1Image(np.zeros((30, 40, 20), np.float32), affine)
    grid, shape = image_grid(image, 2.0)
    assert shape == (15, 20, 10)
    for corner in np.ndindex(2, 2, 2):
        ours = apply_affine(grid, np.array(corner) * shape - 0.5)
        theirs = apply_affine(affine, np.array(corner) * image.shape - 0.5)
        np.testing.assert_allclose(ours, theirs)


@pytest.mark.parametrize("axis", [0, 2])
def test_slices_are_shifted_to_the_middle_of_the_scan(axis: int) -> None:
    """Sparse acquisition: slices fill 0.7 of 2.5 s, and the reference is 0.35 s."""
    tr, times = 2.5, np.array([0.0, 0.35, 0.7, 0.175])
    at = np.arange(60) * tr

    def wave(t: np.ndarray) -> np.ndarray:
        return 100 + 10 * np.sin(2 * np.pi * t / 25)

    slices = np.stack([wave(at + t) for t in times])
    series = np.broadcast_to(slices[:, None, None], (4, 3, 2, 60))
    series = np.moveaxis(series, 0, axis).astype(np.float32)
    found = retimed(np.moveaxis(series, 3, 0), series.shape, times, axis, 0.35, tr)
    wanted = np.broadcast_to(wave(at + 0.35), found.shape)
    np.testing.assert_allclose(found[..., 2:-2], wanted[..., 2:-2], atol=0.02)
    wrong = wave(at + tr / 2)
    assert np.abs(found[0, 0, 0] - wrong)[2:-2].max() > 1


@pytest.mark.parametrize("direction", ["k", "k-"])
def test_slices_of_a_sparse_acquisition(direction: str) -> None:
    """As in ds003717: scans of 0.77 s in every 2.47 s, eight slices at once; no DelayTime."""
    tr, times = 2.47, np.tile(np.linspace(0, 0.6675, 9), 8)
    sidecar = {
        "RepetitionTime": tr,
        "SliceTiming": list(times),
        "SliceEncodingDirection": direction,
    }
    image = nib.Nifti1Image(np.zeros((2, 1, 72, 80), np.float32), np.eye(4))
    image.header.set_zooms((2, 2, 2, tr))
    timing = read_timing(Path("bold.nii"), sidecar, image, tr)
    assert timing.start_time == pytest.approx(0.6675 / 2)
    assert timing.slice_times is not None
    at = np.arange(80) * tr
    acquired = times[::-1] if direction == "k-" else times
    series = np.stack([np.sin((at + t) / 5) for t in acquired])[None, None].astype(np.float32)
    series = np.concatenate([series, -series])
    found = retimed(
        np.moveaxis(series, 3, 0), series.shape, timing.slice_times, 2, timing.start_time, tr
    )
    wanted = np.sin((at + timing.start_time) / 5)[5:-5]
    np.testing.assert_allclose(found[0, 0, :, 5:-5], np.tile(wanted, (72, 1)), atol=2e-3)
    np.testing.assert_array_equal(found[1], -found[0])
    assert np.abs(series[0, 0, :, 5:-5] - wanted).max() > 0.06
    assert np.abs(np.sin((at + tr / 2) / 5)[5:-5] - wanted).max() > 0.15


def test_affines_of_the_file(tree: Path) -> None:
    made = tree / world.HOME / "sub-01/func"
    stem = f"sub-01_{world.RUNS[0]}_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt"
    np.testing.assert_allclose(read_affines(made / stem), world.Head(volumes=4).motion, atol=1e-9)
