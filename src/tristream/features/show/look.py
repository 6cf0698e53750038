"""The original picture and sound, beside what the extractor got of them."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tristream.errors import UserError
from tristream.features.core.registry import Preview
from tristream.features.show.shown_space import Space
from tristream.media.films import frame_at
from tristream.media.media_contents import media_info
from tristream.media.sounds import read_sound
from tristream.media.still_images import read_image

# Seconds of sound around a moment when the extractor does not say what it hears.
AROUND = 2.0
WIDTH = 480
KEPT = 64


@dataclass(frozen=True)
class Look:
    """One moment of a film or sound, or an image.

    Attributes
    ----------
    stimulus : str
        Its name.
    at : float
        Seconds of media time; NaN for an image.
    picture : ndarray of uint8, (height, width, 3), or None
        The frame on screen, or the image, at most 480 pixels across; None without a picture.
    sound : ndarray of float32, (n,), or None
        The sound around the moment at its own rate, channels averaged; None unless the extractor
        hears, and there is sound.
    span : (float, float)
        Seconds of media time that `sound` covers.
    size : str
        What the original is, in words.
    seen : Preview or None
        What the extractor got; None if it does not tell.
    """

    stimulus: str
    at: float
    picture: npt.NDArray[np.uint8] | None
    sound: npt.NDArray[np.float32] | None
    span: tuple[float, float]
    size: str
    seen: Preview | None

    @property
    def title(self) -> str:
        """What the original is called in a figure."""
        return self.stimulus if np.isnan(self.at) else f"original at {self.at:.1f} s"


def look(space: Space, stimulus: str, at: float) -> Look:
    """Look at one moment.

    Raises
    ------
    UserError
        If the film or sound is not there, or shorter than `at`.
    """
    path = space.medium(stimulus)
    info = media_info(path)
    if not 0 <= at <= info.duration:
        raise UserError(f"{path}: lasts {info.duration:.1f} s; there is nothing at {at:g} s")
    seen = space.checked.preview(path, at) if space.checked else None
    picture = thumbnail(path, at, WIDTH) if info.has_video else None
    sound, span = None, (at, at)
    if space.hears and info.has_audio:
        wanted = (seen.start, seen.stop) if seen else (at - AROUND / 2, at + AROUND / 2)
        span = (max(wanted[0], 0.0), min(wanted[1], info.duration))
        sound = _sound(path, info.sample_rate, *span)
    parts = []
    if info.has_video:
        parts.append(f"{info.width} x {info.height} pixels")
    if sound is not None:
        parts.append(f"{info.sample_rate} Hz, {info.channels} channels")
    return Look(stimulus, at, picture, sound, span, ", ".join(parts), seen)


def some_images(space: Space) -> list[str]:
    """Two images of the space, if it describes any, that are looked at if none is asked for."""
    images = space.images
    return list(dict.fromkeys([images[0], images[len(images) // 2]])) if images else []


def look_at_image(space: Space, name: str) -> Look:
    """Look at an image of the dataset.

    Raises
    ------
    UserError
        If the image is not there, or can't be read.
    """
    path = space.medium(name)
    image = read_image(path)
    height, width = image.shape[:2]
    scale = min(WIDTH / width, 1.0)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    picture = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    seen = space.checked.preview((path,), 0.0) if space.checked else None
    nowhen = float("nan")
    pixels = f"{width} x {height} pixels"
    return Look(name, nowhen, picture, None, (nowhen, nowhen), pixels, seen)


@lru_cache(KEPT)
def thumbnail(path: Path, at: float, width: int) -> npt.NDArray[np.uint8]:
    """The frame on screen at `at`, at most `width` pixels across, sides even."""
    info = media_info(path)
    scale = min(width / info.width, 1.0)
    size = (max(2 * round(info.width * scale / 2), 2), max(2 * round(info.height * scale / 2), 2))
    return frame_at(path, at, size=size)


@lru_cache(KEPT)
def _sound(path: Path, rate: int, start: float, stop: float) -> npt.NDArray[np.float32]:
    return read_sound(path, rate, start, stop)
