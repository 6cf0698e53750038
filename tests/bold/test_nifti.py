"""Headers of NIfTI files that were changed at random, or by someone who wants the memory."""

import gzip
import math
import random
import resource
import struct
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tristream.bold.image_checks import check_whole
from tristream.bold.nifti import check_same_tr, check_tr, header_tr, open_image, read_masked
from tristream.bold.nifti_header import check_affine
from tristream.bold.surfaces import open_series
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


NAN, INFINITE = math.nan, math.inf
# Offset in a NIfTI-1 header, format and values; what is told of them.
WRONG = {
    "values that begin at 0": (108, "<f", (0,), "begin at byte 0, where 352 to"),
    "values that begin within the header": (108, "<f", (336,), "begin at byte 336, where"),
    "values that begin before the file": (108, "<f", (-352,), "begin at byte -352, where"),
    "values that begin within a byte": (108, "<f", (352.5,), "begin at byte 352.5, where"),
    "values that begin nowhere": (108, "<f", (NAN,), "begin at byte nan, where"),
    "values that begin at the end of the world": (108, "<f", (INFINITE,), "begin at byte inf"),
    "values that begin after 600 MB": (108, "<f", (6e8,), "begin at byte 600000000, where"),
    "an infinite slope": (112, "<f", (INFINITE,), "scales values by inf and adds 0"),
    "an infinite slope below 0": (112, "<f", (-INFINITE,), "scales values by -inf"),
    "an offset of values that is NaN": (112, "<2f", (1, NAN), "scales values by 1 and adds nan"),
    "an infinite offset of values": (112, "<2f", (2, INFINITE), "by 2 and adds inf"),
    "voxels of no size": (80, "<f", (0,), "has voxels of 0 × 2 × 2"),
    "slices of no thickness": (88, "<f", (0,), "has voxels of 2 × 2 × 0"),
    "voxels of a size that is NaN": (84, "<f", (NAN,), "has voxels of 2 × nan × 2"),
    "infinite voxels": (80, "<f", (INFINITE,), "has voxels of inf × 2 × 2"),
    "an sform that is NaN": (280, "<f", (NAN,), "affine can't place voxels"),
    "an sform that is infinite": (292, "<f", (INFINITE,), "affine can't place voxels"),
    "an sform that places all on a plane": (280, "<4f", (0,) * 4, "affine can't place voxels"),
    "a qform that is NaN": (252, "<2h3f", (1, 0, NAN, 0, 0), ""),
    "a qform whose place is NaN": (252, "<2h6f", (1, 0, 0, 0, 0, NAN, 0, 0), "can't place voxels"),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_header_that_makes_no_sense(sound: bytes, tmp_path: Path, suffix: str, kind: str) -> None:
    at, form, values, told = WRONG[kind]
    content = bytearray(sound)
    struct.pack_into(form, content, at, *values)
    path = tmp_path / f"bold{suffix}"
    path.write_bytes(gzip.compress(content, 1) if suffix == ".nii.gz" else content)
    found = refusal(path)
    assert found.startswith(f"{path}: ")
    assert told in found
    assert "\n" not in found


@pytest.mark.parametrize("offset", [0, 352, 540, -1, 1 << 40])
def test_values_of_nifti_2_begin_after_its_header(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "bold.nii"
    nib.save(nib.Nifti2Image(VALUES, np.eye(4)), path)
    np.testing.assert_array_equal(read(path), VALUES.reshape(-1, 12).T)
    content = bytearray(path.read_bytes())
    struct.pack_into("<q", content, 168, offset)
    path.write_bytes(content)
    assert f"begin at byte {offset:.12g}, where 544 to" in refusal(path)


@pytest.mark.parametrize("slope", [0, NAN])
def test_values_without_a_scale_are_taken_as_they_are(
    sound: bytes, tmp_path: Path, slope: float
) -> None:
    content = bytearray(sound)
    struct.pack_into("<2f", content, 112, slope, NAN)
    (tmp_path / "bold.nii").write_bytes(content)
    np.testing.assert_array_equal(read(tmp_path / "bold.nii"), VALUES.reshape(-1, 12).T)


def test_a_size_below_zero_counts_as_its_absolute_value(sound: bytes, tmp_path: Path) -> None:
    content = bytearray(sound)
    struct.pack_into("<f", content, 80, -2.0)
    (tmp_path / "bold.nii").write_bytes(content)
    image = open_image(tmp_path / "bold.nii", 4)
    assert image.header.get_zooms()[:3] == (2, 2, 2)
    np.testing.assert_array_equal(image.affine, np.diag([2.0, 2.0, 2.0, 1.0]))


@pytest.mark.parametrize("endianness", ["<", ">"])
def test_extensions_of_some_size_are_read(tmp_path: Path, endianness: str) -> None:
    header = nib.Nifti1Header(endianness=endianness)
    for length in (10, 100_000, 3_000_000):
        header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"a" * length))
    path = tmp_path / "bold.nii.gz"
    nib.save(nib.Nifti1Image(VALUES, np.eye(4), header), path)
    assert len(open_image(path, 4).header.extensions) == 3
    check_whole(path, open_image(path, 4))
    np.testing.assert_array_equal(read(path), VALUES.reshape(-1, 12).T)


def with_extension(sound: bytes, path: Path, size: int, offset: int) -> None:
    """An extension of stated size, and 600 MB of zeros behind its beginning."""
    header = bytearray(sound[:348])
    struct.pack_into("<f", header, 108, offset)
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(bytes(header) + b"\1\0\0\0" + struct.pack("<2i", size, 4))
        for _ in range(600):
            file.write(bytes(1_000_000))
        file.write(sound[352:])


BOMBS = {
    "as large as the header says": (600_000_000, 352 + 600_000_000),
    "larger than the header says": (600_000_000, 352 + 32),
    "below zero, which is read to the end": (-1, 352 + 32),
    "below zero by far": (-600_000_000, 352 + 32),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_an_extension_does_not_fill_memory(sound: bytes, tmp_path: Path, kind: str) -> None:
    size, offset = BOMBS[kind]
    path = tmp_path / "bold.nii.gz"
    with_extension(sound, path, size, offset)
    code = (
        "import sys; from pathlib import Path; from tristream.bold.nifti import open_image\n"
        "open_image(Path(sys.argv[1]), 4)"
    )
    limit = (500 << 20, 500 << 20)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, limit),
    )
    told = done.stderr.strip().splitlines()[-1]
    assert told.startswith(f"tristream.errors.UserError: {path}: its header has")
    assert "possible" in told


def test_more_extensions_than_anyone_needs(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bold.nii.gz"
    content = struct.pack("<2i", 16, 4) + bytes(8)
    header = bytearray(sound[:348])
    struct.pack_into("<f", header, 108, 352 + 16 * 1001)
    path.write_bytes(gzip.compress(bytes(header) + b"\1\0\0\0" + content * 1001 + sound[352:], 1))
    with pytest.raises(UserError, match="has more than 1000 extensions"):
        open_image(path, 4)


def test_a_pair_is_refused_before_it_is_read(sound: bytes, tmp_path: Path) -> None:
    for name in ("bold.hdr", "bold.img", "bold.hdr.gz", "bold.mgz"):
        (tmp_path / name).write_bytes(sound)
        with pytest.raises(UserError, match=r"can't be read as NIfTI \(its name ends neither"):
            open_image(tmp_path / name, 4)


@pytest.mark.parametrize("tr", [NAN, INFINITE, -INFINITE, -1.5, 0])
def test_a_tr_that_is_not_a_time_does_not_agree_with_any(
    sound: bytes, tmp_path: Path, tr: float
) -> None:
    content = bytearray(sound)
    struct.pack_into("<f", content, 92, tr)
    path = tmp_path / "bold.nii"
    path.write_bytes(content)
    image = open_image(path, 4)
    for stated in ({"descriptor": 1.5}, {"descriptor": 1.5, "sidecar": 1.5}):
        with pytest.raises(UserError, match="the TR is not the same everywhere"):
            check_tr(path, image, stated)
    for values in (
        {"header": 1.5, "descriptor": 1.5, "sidecar": NAN},
        {"header": NAN, "descriptor": NAN},
        {"descriptor": NAN},
    ):
        with pytest.raises(UserError, match="the TR is not the same everywhere"):
            check_same_tr(path, values)


def test_a_series_on_grayordinates_has_its_header_checked(tmp_path: Path) -> None:
    path = tmp_path / "bold.dtseries.nii"
    header = nib.Nifti2Header()
    header["vox_offset"] = 600_000_000
    path.write_bytes(header.binaryblock + bytes(4))
    with pytest.raises(UserError, match="begin at byte 600000000, where 544 to"):
        open_series(path, None)
    with pytest.raises(UserError, match="affine can't place voxels"):
        check_affine(path, np.diag([2.0, NAN, 2.0, 1.0]))
