"""Images that were changed at random, or by someone who wants the memory."""

import io
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tristream.errors import UserError
from tristream.media.still_images import read_image

PIXELS = np.random.default_rng(0).integers(0, 255, (20, 24, 3), dtype=np.uint8)
FORMATS = ("PNG", "TIFF", "GIF", "JPEG", "BMP", "WEBP", "PPM")
TRIES = 150


def refusal(path: Path) -> str:
    """The error, empty where the picture is read."""
    try:
        assert read_image(path).shape[2] == 3
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.filterwarnings("ignore")
def test_any_change_of_an_image_is_read_or_refused_in_a_line(tmp_path: Path, kind: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind)
    chance = random.Random(kind)
    path = tmp_path / "image"
    for _ in range(TRIES):
        content = bytearray(buffer.getvalue())
        for _ in range(chance.choice([1, 2, 5])):
            end = min(len(content), 200) if chance.random() < 0.8 else len(content)
            content[chance.randrange(end)] = chance.choice([0, 255, 127, chance.randrange(256)])
        if chance.random() < 0.1:
            del content[chance.randrange(len(content)) :]
        path.write_bytes(content)
        told = refusal(path)
        assert not told or told.startswith(f"{path}: ")


def png(width: int, height: int) -> bytes:
    """A picture of so many grey pixels, all black: deflated, a thousandth of them."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * min(height, 1000)), 9)
    chunks = ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("size", [(10_000, 10_000), (100_000, 100_000)])
def test_a_small_file_that_becomes_a_huge_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(*size))
    assert path.stat().st_size < 200_000
    with pytest.raises(UserError, match=r"bomb\.png: can't be read as an image \(Image size"):
        read_image(path)


def test_a_large_picture_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png(5000, 1000))
    assert read_image(path).shape == (1000, 5000, 3)


def test_pixels_of_32_bits_have_no_known_range(tmp_path: Path) -> None:
    """Grey values of 0 to 200 would be taken for the lowest of 16 bits: black."""
    grey = np.full((8, 8), 200)
    Image.fromarray(grey.astype(np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=r"a\.tif: has pixels of 32 bits"):
        read_image(tmp_path / "a.tif")
    Image.fromarray((257 * grey).astype(np.uint16)).save(tmp_path / "b.tif")
    assert (read_image(tmp_path / "b.tif") == 200).all()
