"""Coarse prints of pictures and of parts of them, so that a cropped copy meets its original.

The lowest coefficients of the two-dimensional cosine transform survive re-encoding and scaling,
as in perceptual hashing (Zauner 2010, "Implementation and benchmarking of perceptual image hash
functions"). They are kept as numbers, not bits, and weighted by their frequency because natural
images have amplitudes that fall with it (Field 1987). Cropping they do not survive: so one picture
is compared as a whole with parts of the other, of several sizes and places. Black bars around a
copy are outside of such a part, and a squeeze is undone by a part of other proportions.
"""

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

Floats = NDArray[np.float32]
Thumbnails = NDArray[np.uint8]

# Pictures are scaled to a square of so many pixels a side.
SIZE = 32
COSINES = 6
# Sides of the parts, in sides of the whole; between two of them a print still resembles.
SIDES = (1.0, 0.85, 0.72, 0.6)
# Places of a part are at most so far apart.
STEP = 0.1
# Grey levels (of 255): a picture that varies less is black, uniform or faded out.
LOWEST_CONTRAST = 6.0


@dataclass(frozen=True)
class Part:
    """A part of a picture; sides and places in sides of the whole, from the upper left corner.

    Called with thumbnails (n, `SIZE`, `SIZE`) it gives their prints (n, `COSINES` ** 2 - 1): unit
    vectors, without the mean.
    """

    top: float = 0.0
    height: float = 1.0
    left: float = 0.0
    width: float = 1.0
    mirrored: bool = False

    def __call__(self, pictures: Thumbnails) -> Floats:
        rows = _cosines(self.top, self.height)
        columns = _cosines(self.left, self.width)
        if self.mirrored:
            columns = columns[:, ::-1]
        spectrum = rows @ (pictures.astype(np.float32) @ columns.T)
        prints = spectrum.reshape(len(pictures), -1)[:, 1:] * _WEIGHT
        length = np.linalg.norm(prints, axis=1, keepdims=True)
        return (prints / np.maximum(length, 1e-6)).astype(np.float32)

    @property
    def is_whole(self) -> bool:
        """Whether it is the picture itself, mirrored or not."""
        return self.height == self.width == 1.0


def parts(mirrored: bool = False) -> list[Part]:
    """Every part that is looked at; the whole comes first.

    The part of a mirrored picture is that of the picture after it was mirrored.
    """
    return [Part(*rows, *columns, mirrored) for rows, columns in product(_CUTS, _CUTS)]


def views() -> list[tuple[str, Part, Part]]:
    """Name, part of the test picture and part of the training picture, of all comparisons.

    One of the two is always whole. Those of one training part follow each other.
    """
    whole = Part()
    found = []
    for mirrored in (False, True):
        word = "mirrored" if mirrored else "as it is"
        for part in parts(mirrored):
            found.append((word if part.is_whole else f"{word}, cropped", part, whole))
    for part in parts()[1:]:
        found.append(("as it is, cropped", whole, part))
        found.append(("mirrored, cropped", Part(mirrored=True), part))
    return found


def _cuts() -> list[tuple[float, float]]:
    """(start, length) along one side."""
    found = []
    for length in SIDES:
        places = int(np.ceil(round((1 - length) / STEP, 6))) + 1
        found += [(float(start), length) for start in np.linspace(0, 1 - length, places)]
    return found


@cache
def _cosines(start: float, length: float) -> Floats:
    """Cosine transform along one side of a part, read between pixels: (COSINES, SIZE)."""
    where = (start + length * (np.arange(SIZE) + 0.5) / SIZE) * SIZE - 0.5
    where = np.clip(where, 0, SIZE - 1)
    before = np.minimum(where.astype(int), SIZE - 2)
    share = where - before
    reading = np.zeros((SIZE, SIZE))
    reading[np.arange(SIZE), before] = 1 - share
    reading[np.arange(SIZE), before + 1] += share
    return (dct(np.eye(SIZE), norm="ortho", axis=0)[:COSINES] @ reading).astype(np.float32)


_CUTS = _cuts()
_U, _V = np.mgrid[:COSINES, :COSINES]
_WEIGHT = np.hypot(_U, _V).ravel()[1:].astype(np.float32)
