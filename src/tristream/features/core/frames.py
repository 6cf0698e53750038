"""Film frames or images in batches, for the extractors of the picture."""

from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Literal

import numpy as np

from tristream.media.films import frame_at, frames
from tristream.media.still_images import read_image

Source = Path | tuple[Path, ...]
"""A film, or images."""


def frame_batches(
    path: Source,
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
    path : Path or tuple of Path
        The film, or images; images need a `size`.
    fps : float
        Samples per second of a film; each shows what is on screen in the middle of its 1/`fps` s.
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
        Centres of the samples, seconds; for images their place among them.
    images : ndarray of uint8, (n, height, width[, 3])
    """
    if isinstance(path, tuple):
        source: Iterator[tuple[float, np.ndarray]] = _images(path, size, format)
        centre = 0.0
    else:
        source = frames(path, fps=fps, size=size, format=format)
        centre = 0.5 / fps
    kept: list[tuple[float, np.ndarray]] = []
    for index in count():
        batch = list(islice(source, length))
        if not batch:
            return
        kept += batch
        if index >= skip:
            times = np.array([time for time, _ in kept]) + centre
            yield times, np.stack([image for _, image in kept])
        kept = kept[len(kept) - overlap :] if overlap else []


def pictures(
    source: Source,
    fps: float | None,
    *,
    size: tuple[int, int] | None = None,
    skip: int = 0,
    prepare: Callable[[np.ndarray], np.ndarray] = lambda image: image,
) -> Iterator[tuple[float, np.ndarray]]:
    """Frames or images one by one.

    Parameters
    ----------
    source : Path or tuple of Path
        A film, or images.
    fps : float or None
        Samples per second of a film, as in :func:`frame_batches`; None: every frame.
    size : (width, height), optional
        Scale the frames of a film to this size; images stay as they are.
    skip : int
        Leave out this many; they are not prepared.
    prepare : callable
        Applied to each picture.

    Yields
    ------
    time : float
        Centre of the time that the picture is on screen, seconds; for images the place.
    image : ndarray of uint8, (height, width, 3)
    """
    if isinstance(source, tuple):
        for index in range(skip, len(source)):
            yield float(index), prepare(read_image(source[index]))
    elif fps is not None:
        for time, image in frames(source, fps=fps, size=size, skip=skip):
            yield time + 0.5 / fps, prepare(image)
    else:
        # One frame more: how long the last but one was shown, the last is taken to be.
        timed = _every_frame(frames(source, size=size, skip=max(skip - 1, 0)))
        for time, image in islice(timed, min(skip, 1), None):
            yield time, prepare(image)


def still(
    source: Source,
    at: float,
    *,
    size: tuple[int, int] | None = None,
    format: Literal["rgb24", "gray"] = "rgb24",
) -> np.ndarray:
    """One picture, as :func:`frame_batches` gives it: the frame on screen, or an image.

    Parameters
    ----------
    source : Path or tuple of Path
        A film, or images.
    at : float
        Seconds of media time; the image's place among the images.
    size, format
        As in :func:`frame_batches`.

    Returns
    -------
    ndarray of uint8, (height, width, 3) or (height, width)
    """
    if isinstance(source, tuple):
        return next(_images(source[int(at) : int(at) + 1], size, format))[1]
    return frame_at(source, at, size=size, format=format)


def _every_frame(given: Iterator[tuple[float, np.ndarray]]) -> Iterator[tuple[float, np.ndarray]]:
    """Frames at the middle of the time that they are on screen."""
    waiting, step = None, 0.0
    for time, image in given:
        if waiting is not None:
            step = time - waiting[0]
            yield waiting[0] + step / 2, waiting[1]
        waiting = time, image
    if waiting is not None:
        yield waiting[0] + step / 2, waiting[1]


def _images(
    paths: tuple[Path, ...],
    size: tuple[int, int] | None,
    format: Literal["rgb24", "gray"],
) -> Iterator[tuple[float, np.ndarray]]:
    import cv2

    for index, path in enumerate(paths):
        image = read_image(path)
        if size is not None:
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        if format == "gray":
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.uint8)
        yield float(index), image
