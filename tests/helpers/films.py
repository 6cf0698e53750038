"""Small films made for a test."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

TICKS = 90000


def make_film(path: Path, images: np.ndarray, times: Sequence[float] | np.ndarray) -> Path:
    """Write a film without sound, frame by frame at given times.

    Parameters
    ----------
    path : Path
        Ends in ``.mp4``.
    images : ndarray of uint8, (n, height, width[, 3])
        Grey or RGB; sides divisible by two.
    times : sequence of n floats
        Seconds at which the frames begin; any spacing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    step = (times[-1] - times[0]) / (len(times) - 1)
    with av.open(str(path), "w") as container:
        rate = Fraction(1 / step).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=rate, options={"qp": "4"})
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
        for time, image in zip(times, images, strict=True):
            rgb = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            frame.pts, frame.time_base = round(time * TICKS), Fraction(1, TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def flash_film(path: Path, times: np.ndarray, flash: float, size: tuple[int, int]) -> float:
    """A grey film that is white in the frame that is on screen at `flash` seconds.

    Returns
    -------
    float
        Middle of the time that the white frame is on screen.
    """
    shown = int(np.searchsorted(times, flash, side="right")) - 1
    images = np.full((len(times), size[1], size[0]), 40, np.uint8)
    images[shown] = 250
    make_film(path, images, times)
    return float(times[shown] + times[shown + 1]) / 2


def clocks(seconds: float) -> dict[str, np.ndarray]:
    """Frame times of films of 24, 23.976 and a variable number of frames per second."""
    rng = np.random.default_rng(0)
    steps = rng.uniform(1 / 40, 1 / 15, round(seconds * 40))
    variable = np.concatenate([[0.0], np.cumsum(steps)])
    return {
        "24": np.arange(round(seconds * 24)) / 24,
        "23.976": np.arange(round(seconds * 24)) * 1001 / 24000,
        "variable": variable[variable < seconds],
    }
