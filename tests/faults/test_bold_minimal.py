"""Faulty minimal outputs: each fault is one line that names the file and what is wrong."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest

from helpers import synthetic_head as world
from helpers.bold_tree import prepare, receipt_of
from tristream.errors import UserError

FIRST, SECOND = world.RUNS
RAW = Path("sub-01/func")
MADE = Path(world.HOME) / "sub-01/func"
ANAT = Path(world.HOME) / "sub-01/anat"
HMC = f"sub-01_{FIRST}_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt"
COREG = f"sub-01_{FIRST}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt"
H5 = "sub-01_from-T1w_to-MNI152NLin2009cAsym_mode-image_xfm.h5"
BOLD = f"sub-01_{FIRST}_bold.nii.gz"
SIDECAR = f"sub-01_{FIRST}_bold.json"
HEADS = [world.Head(volumes=18), world.Head(volumes=3, distorted=True)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.write(tmp_path_factory.mktemp("head") / "raw", HEADS)


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "raw"))


def without(path: Path) -> Callable[[Path], None]:
    return lambda root: (root / path).unlink()


def fewer_positions(root: Path) -> None:
    world.write_affines(root / MADE / HMC, list(HEADS[0].motion[:17]))


def not_affine(root: Path) -> None:
    text = (root / MADE / HMC).read_text()
    (root / MADE / HMC).write_text(text.replace("AffineTransform_", "BSplineTransform_"))


def cut_transform(root: Path) -> None:
    (root / MADE / COREG).write_text("#Insight Transform File V1.0\nTransform: Affi")


def broken_composite(root: Path) -> None:
    content = (root / ANAT / H5).read_bytes()
    (root / ANAT / H5).write_bytes(content[: len(content) // 3])


def other_composite(root: Path) -> None:
    with h5py.File(root / ANAT / H5, "r+") as file:
        del file["TransformGroup/2/TransformType"]
        file["TransformGroup/2/TransformType"] = [b"BSplineTransform_double_3_3"]


def header_tr(root: Path) -> None:
    image = nib.load(root / RAW / BOLD)
    world.save_bold(root / RAW / BOLD, image.get_fdata(), image.affine, tr=2.0)


def sidecar_tr(root: Path) -> None:
    world.write_sidecar(root / RAW / SIDECAR, HEADS[0], RepetitionTime=2.0)


def slice_times_in_ms(root: Path) -> None:
    times = list(np.linspace(0, 700, world.SHAPE[2]))
    world.write_sidecar(root / RAW / SIDECAR, HEADS[0], SliceTiming=times)


def few_slice_times(root: Path) -> None:
    world.write_sidecar(root / RAW / SIDECAR, HEADS[0], SliceTiming=[0, 0.5])


def truncated(root: Path) -> None:
    content = gzip.decompress((root / RAW / BOLD).read_bytes())
    (root / RAW / BOLD).write_bytes(gzip.compress(content[: len(content) * 3 // 4]))


def with_nan(root: Path) -> None:
    image = nib.load(root / RAW / BOLD)
    data = image.get_fdata(dtype=np.float32)
    data[3, 4, 5, 11] = np.nan
    fresh = nib.Nifti1Image(data, image.affine)
    fresh.header.set_zooms((*fresh.header.get_zooms()[:3], world.TR))
    nib.save(fresh, root / RAW / BOLD)


def elsewhere(root: Path) -> None:
    world.write_affines(root / MADE / COREG, [world.rigid([500, 0, 0], [0, 0, 0])])


def empty_mask(root: Path) -> None:
    path = root / ANAT / "sub-01_desc-brain_mask.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine), path)


def no_polarity(root: Path) -> None:
    path = root / RAW / f"sub-01_{SECOND}_bold.json"
    world.write_sidecar(path, HEADS[1], PhaseEncodingDirection=None)


def no_readout(root: Path) -> None:
    path = root / RAW / f"sub-01_{SECOND}_bold.json"
    world.write_sidecar(path, HEADS[1], EffectiveEchoSpacing=None)


def no_coefficients(root: Path) -> None:
    for path in (root / world.HOME / "sub-01/fmap").iterdir():
        path.unlink()


FAULTS = [
    (without(MADE / HMC), r"head motion of task-film_run-01 is missing"),
    (without(MADE / COREG), r"coregistration of task-film_run-01 is missing"),
    (without(RAW / BOLD), r"raw BOLD of task-film_run-01 is missing"),
    (without(ANAT / H5), r"normalisation of sub-01 is missing"),
    (without(ANAT / "sub-01_desc-brain_mask.nii.gz"), r"brain mask of sub-01 is missing"),
    (fewer_positions, r"hmc_xfm.txt: holds 17 head positions, but .*_bold.nii.gz has 18 volumes"),
    (not_affine, r"hmc_xfm.txt: can't be read .*BSplineTransform.* is not an affine"),
    (cut_transform, r"coreg_xfm.txt: can't be read as an ITK transform"),
    (broken_composite, r"xfm.h5: can't be read as an ITK transform"),
    (other_composite, r"xfm.h5: can't be read .*neither affine nor a displacement"),
    (header_tr, r"TR is not the same everywhere \(header 2 s, descriptor 1.5 s"),
    (sidecar_tr, r"TR is not the same everywhere .*sidecar 2 s"),
    (slice_times_in_ms, r"SliceTiming is in seconds"),
    (few_slice_times, r"2 slice times for 28 slices"),
    (truncated, r"_bold.nii.gz: is truncated or damaged"),
    (with_nan, r"_bold.nii.gz: 1 voxels of volume 11 hold NaN or infinity"),
    (elsewhere, r"no voxel of the brain lies in the images of all 2 runs"),
    (empty_mask, r"brain_mask.nii.gz: no voxel of the target grid lies in it"),
    (no_polarity, r"no usable PhaseEncodingDirection"),
    (no_readout, r"neither TotalReadoutTime nor EffectiveEchoSpacing"),
    (no_coefficients, r"no coefficients of the field auto00001"),
]


@pytest.mark.parametrize(("fault", "message"), FAULTS, ids=[message for _, message in FAULTS])
def test_fault_is_one_line(root: Path, fault: Callable[[Path], None], message: str) -> None:
    fault(root)
    dataset = world.dataset(resolution=6.0)
    with pytest.raises(UserError, match=message) as raised:
        prepare(dataset, "01", FIRST, receipt_of(root))
    assert "\n" not in str(raised.value)


def test_slice_timing_without_slice_times(root: Path) -> None:
    world.write_sidecar(root / RAW / SIDECAR, HEADS[0], SliceTiming=[])
    dataset = world.dataset(resolution=6.0, slice_timing=True)
    with pytest.raises(UserError, match="hold no SliceTiming"):
        prepare(dataset, "01", FIRST, receipt_of(root))
    run = prepare(world.dataset(resolution=6.0), "01", FIRST, receipt_of(root))
    assert run.start_time == world.TR / 2
    assert "StartTime" in {omission.what for omission in run.omitted}
