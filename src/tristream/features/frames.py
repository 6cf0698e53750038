"""Film frames in batches, for the extractors of the picture."""

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Literal

import numpy as np

from tristream.stimuli.media import frames


def frame_batches(
    path: Path,
    *,
    fps: float,
    length: int,
    size: tuple[int, int] | None = None,
    format: Literal["rgb24", "gray"] = "rgb24",
    overlap: int = 0,
    skip: int = 0,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Sample a film at `fps` and cut it into batches.

    Parameters
    ----------
    path : Path
        The film.
    fps : float
        Samples per second; each shows what is on screen in the middle of its 1/`fps` s.
    length : int
        New frames a batch; the last batch may be shorter.
    size : (width, height), optional
        Scale to this size.
    format : {"rgb24", "gray"}
        Colour or luminance.
    overlap : int
        Batches after the first begin with this many frames of the one before.
    skip : int
        Leave out this many batches; their frames are decoded but not given.

    Yields
    ------
    times : ndarray (n,)
        Centres of the samples, seconds.
    images : ndarray of uint8, (n, height, width[, 3])
    """
    source = frames(path, fps=fps, size=size, format=format)
    kept: list[tuple[float, np.ndarray]] = []
    for index in count():
        batch = list(islice(source, length))
        if not batch:
            return
        kept += batch
        if index >= skip:
            times = np.array([time for time, _ in kept]) + 0.5 / fps
            yield times, np.stack([image for _, image in kept])
        kept = kept[len(kept) - overlap :] if overlap else []
