"""Prints of a film's picture: thumbnails, of which `parts` makes prints of wholes and of parts."""

from pathlib import Path

import numpy as np

from tristream.media.films import frames
from tristream.stimuli.parts import LOWEST_CONTRAST, SIZE, Thumbnails, views
from tristream.stimuli.sequences import TRAIN_RATE, Bools, Likeness

LIKENESS = Likeness(variants=tuple(views()), threshold=0.75, false_alarms=(1, 1540), changes=6)
"""Measured by benchmarks/leakage.py."""


def frame_prints(path: Path) -> tuple[Thumbnails, Bools]:
    """Thumbnails of a film, `TRAIN_RATE` a second.

    Returns
    -------
    values : ndarray of uint8, (n, SIZE, SIZE)
        Grey, squeezed into a square.
    informative : ndarray of bool, (n,)
        Whether the frame shows something.
    """
    values = [frame for _, frame in frames(path, size=(SIZE, SIZE), format="gray", fps=TRAIN_RATE)]
    pictures = np.array(values, np.uint8).reshape(-1, SIZE, SIZE)
    return pictures, pictures.std(axis=(1, 2)) > LOWEST_CONTRAST
