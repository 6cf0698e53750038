"""Films whose frames say which they are: their number in black and white squares."""

from pathlib import Path

import numpy as np

from helpers.films import make_film

BITS = 8
SIDE = 16
RATE = 24


def watermark(number: int) -> np.ndarray:
    """A picture of 32 x 64 pixels with `number` in eight squares."""
    bits = [(number >> place) & 1 for place in range(BITS)]
    squares = np.array(bits, np.uint8).reshape(2, 4) * 200 + 20
    grey = np.kron(squares, np.ones((SIDE, SIDE), np.uint8))
    return np.repeat(grey[..., None], 3, axis=2)


def number_of(picture: np.ndarray) -> int:
    """What a watermark says."""
    height, width = picture.shape[0] // 2, picture.shape[1] // 4
    cells = picture[: height * 2, : width * 4].reshape(2, height, 4, width, -1).mean((1, 3, 4))
    return int(sum((cell > 120) << place for place, cell in enumerate(cells.ravel())))


def watermarked(path: Path, count: int, times: np.ndarray | None = None) -> Path:
    """A film of `count` frames, by default 24 a second."""
    at = np.arange(count) / RATE if times is None else times
    return make_film(path, np.stack([watermark(index) for index in range(count)]), at)
