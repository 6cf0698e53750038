"""Headers of NIfTI files that were changed at random, or by someone who wants the memory."""

import gzip
import random
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tristream.bold.nifti import header_tr, open_image, read_masked
from tristream.errors import UserError

VALUES = np.random.default_rng(0).normal(size=(4, 5, 6, 12)).astype(np.float32)
HEADER = 352
TRIES = 300


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file of VALUES."""
    path = tmp_path_factory.mktemp("sound") / "bold.nii"
    image = nib.Nifti1Image(VALUES, np.diag([2.0, 2.0, 2.0, 1.0]))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)
    return path.read_bytes()


def read(path: Path) -> np.ndarray:
    """All of it, as readers of BOLD do."""
    image = open_image(path, 4)
    header_tr(image)
    return read_masked(path, image, np.ones(image.shape[:3], bool), slice(None))


def refusal(path: Path) -> str:
    """The error, empty where the file is read."""
    try:
        assert read(path).ndim == 2
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.filterwarnings("ignore")
def test_any_change_of_the_header_is_read_or_refused_in_a_line(
    sound: bytes, tmp_path: Path, suffix: str
) -> None:
    chance = random.Random(1)
    path = tmp_path / f"bold{suffix}"
    refused = 0
    for _ in range(TRIES):
        content = bytearray(sound)
        for _ in range(chance.choice([1, 1, 2, 4])):
            content[chance.randrange(HEADER)] = chance.choice([0, 127, 128, chance.randrange(256)])
        if chance.random() < 0.1:
            del content[chance.randrange(len(content)) :]
        path.write_bytes(gzip.compress(content, 1) if suffix == ".nii.gz" else content)
        told = refusal(path)
        assert not told or told.startswith(f"{path}: ")
        refused += bool(told)
    assert 0 < refused < TRIES


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_header_that_declares_more_than_there_is(
    sound: bytes, tmp_path: Path, suffix: str
) -> None:
    content = bytearray(sound)
    struct.pack_into("<5h", content, 40, 4, 2000, 2000, 2000, 2000)
    path = tmp_path / f"bold{suffix}"
    path.write_bytes(gzip.compress(content, 1) if suffix == ".nii.gz" else content)
    with pytest.raises(UserError, match="declares 2000×2000×2000×2000 values, 64,000,000,000,000"):
        open_image(path, 4)


def test_zeros_that_deflate_well_are_read(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros((64, 64, 32, 12), np.float32), np.eye(4))
    nib.save(image, tmp_path / "bold.nii.gz")
    assert (tmp_path / "bold.nii.gz").stat().st_size < image.get_fdata().nbytes / 400
    assert not read(tmp_path / "bold.nii.gz").any()
