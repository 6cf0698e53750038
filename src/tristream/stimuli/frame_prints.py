"""Prints of what is seen: the coarse pattern of luminance, as low spatial frequencies.

The lowest coefficients of the two-dimensional cosine transform survive re-encoding, scaling and
slight cropping, as in perceptual hashing (Zauner 2010, "Implementation and benchmarking of
perceptual image hash functions"). They are kept as numbers, not bits, and weighted by their
frequency because natural images have amplitudes that fall with it (Field 1987).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.fft import dctn

from tristream.media.films import frames
from tristream.stimuli.sequences import TRAIN_RATE, Bools, Floats, unit_rows

SIZE = (64, 36)
COEFFICIENTS = 8
# Grey levels (of 255): a frame that varies less is black, uniform or faded out.
LOWEST_CONTRAST = 6.0
# On the 596 s film, copies (re-encoded, cropped by 5 and 10 %, mirrored, moved by 0.3 s) score
# 0.74 and more, the highest of 8.5 million unrelated pairs of windows 0.55.
THRESHOLD = 0.65

_U, _V = np.mgrid[:COEFFICIENTS, :COEFFICIENTS]
_WEIGHT = np.hypot(_U, _V).ravel()[1:].astype(np.float32)
# Mirroring left and right turns the sign of the odd horizontal frequencies.
_MIRROR = np.where(_V.ravel()[1:] % 2, -1, 1).astype(np.float32)


def frame_prints(path: Path) -> tuple[Floats, Bools]:
    """Print a film, `TRAIN_RATE` times a second.

    Returns
    -------
    values : ndarray of float32, (n, 63)
        Unit vectors.
    informative : ndarray of bool, (n,)
        Whether the frame shows something.
    """
    values, contrast = [], []
    for _, frame in frames(path, size=SIZE, format="gray", fps=TRAIN_RATE):
        values.append(describe(frame))
        contrast.append(frame.std())
    return unit_rows(np.array(values, np.float32)), np.array(contrast) > LOWEST_CONTRAST


def describe(frame: np.ndarray) -> Floats:
    """Weighted low frequencies, without the mean, of a grey frame of any size: (63,)."""
    spectrum = dctn(frame.astype(np.float32), norm="ortho")[:COEFFICIENTS, :COEFFICIENTS]
    return spectrum.ravel()[1:] * _WEIGHT


def _same(values: Floats) -> Floats:
    return values


def _mirrored(values: Floats) -> Floats:
    return values * _MIRROR


VARIANTS: list[tuple[str, Callable[[Floats], Floats], Callable[[Floats], Floats]]] = [
    ("as it is", _same, _same),
    ("mirrored", _mirrored, _same),
]
"""Ways in which a copy may differ that the print itself does not forgive."""
