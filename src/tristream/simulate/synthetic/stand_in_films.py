"""Films that play in the place of those that a dataset can't ship."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tristream.media.films import frames
from tristream.media.media_contents import media_info

Array = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]

# Of a film without a model: frames a second, width and height.
FPS, SIZE = Fraction(25), (256, 144)
# No wider than this, whatever the model (pixels).
WIDEST = 480
# Containers by the end of a name; all others are MP4.
CONTAINERS = {".mkv": "matroska", ".webm": "matroska", ".avi": "avi", ".mov": "mov"}
# Lengths of shots (s); how fast the light of a quadrant wanders (Hz), and how far.
SHOTS, WANDERS, LIGHT = (2.0, 6.0), 1.0, 0.3
# How far a shot pans, relative to its size.
PAN = 0.4
CHUNK = 1024


def write_film(
    path: Path,
    sound: npt.NDArray[np.float32],
    rate: int,
    model: Path | None,
    rng: np.random.Generator,
    tint: Array,
) -> None:
    """Write a film as long as its sound.

    Parameters
    ----------
    path : Path
        Its suffix tells the container.
    sound : ndarray (n,)
        Between -1 and 1.
    rate : int
        Of the sound (Hz).
    model : Path, optional
        Film whose pictures, rate and shape it has; by default shots of drifting colours.
    rng : numpy Generator
        Of shots and light.
    tint : ndarray (3,)
        Factors of red, green and blue.
    """
    fps, size = _shape(model)
    count = int(np.ceil(round(len(sound) / rate * float(fps), 6)))
    pictures = _panned(count, fps, size, rng) if model is None else _looped(model, count, fps, size)
    light = _light(count, float(fps), rng)
    name = CONTAINERS.get(path.suffix.lower(), "mp4")
    with av.open(str(path), "w", format=name) as container:
        video = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.codec_context.thread_count = 1
        audio = container.add_stream("aac", rate=rate, layout="mono")
        heard, per_picture = _frames_of(sound, rate), int(rate / fps / CHUNK) + 1
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(_lit(picture, light[index], tint), format="rgb24")
            frame.pts, frame.time_base = index, 1 / fps
            container.mux(video.encode(frame))
            for chunk in islice(heard, per_picture):
                container.mux(audio.encode(chunk))
        container.mux(video.encode())
        for chunk in heard:
            container.mux(audio.encode(chunk))
        container.mux(audio.encode())


def _shape(model: Path | None) -> tuple[Fraction, tuple[int, int]]:
    """Frames a second, width and height, which are even."""
    if model is None:
        return FPS, SIZE
    info = media_info(model)
    factor = min(1.0, WIDEST / info.width)
    width, height = (max(2 * round(n * factor / 2), 2) for n in (info.width, info.height))
    return Fraction(info.fps).limit_denominator(1001), (width, height)


def _light(count: int, fps: float, rng: np.random.Generator) -> Array:
    """Factors of the light of each frame's quadrants, which wander: (count, 2, 2)."""
    steps = rng.standard_normal((max(round(count / fps * WANDERS), 2), 4))
    at = np.linspace(0, len(steps) - 1, count)
    courses = [np.interp(at, np.arange(len(steps)), column) for column in steps.T]
    return np.exp(LIGHT * np.stack(courses, axis=1)).reshape(-1, 2, 2)


def _lit(picture: Pixels, light: Array, tint: Array) -> Pixels:
    """A picture in the light of its quadrants, (2, 2), and in a tint."""
    height, width = picture.shape[:2]
    factors = np.repeat(np.repeat(light, -(-height // 2), axis=0)[:height], -(-width // 2), axis=1)
    shown = picture * (factors[:, :width, None] * tint).astype(np.float32)
    return np.clip(shown, 0, 255).astype(np.uint8)


def _looped(model: Path, count: int, fps: Fraction, size: tuple[int, int]) -> Iterator[Pixels]:
    """The model's pictures, from its beginning again where it ends."""
    while count > 0:
        for _, picture in frames(model, size=size, fps=float(fps)):
            if count == 0:
                return
            yield picture
            count -= 1


def _panned(
    count: int, fps: Fraction, size: tuple[int, int], rng: np.random.Generator
) -> Iterator[Pixels]:
    """Shots of smooth colours over which the camera moves, with cuts between them."""
    width, height = size
    while count > 0:
        length = min(round(rng.uniform(*SHOTS) * float(fps)), count)
        wide, high = round(width * (1 + PAN)), round(height * (1 + PAN))
        coarse = rng.uniform(0, 255, (6, 9, 3))
        scene = ndimage.zoom(coarse, (high / 6, wide / 9, 1), order=1).astype(np.uint8)
        high, wide = scene.shape[:2]
        (x, y), (to_x, to_y) = rng.uniform(0, 1, (2, 2))
        for step in np.linspace(0, 1, length):
            left = round((x + step * (to_x - x)) * (wide - width))
            top = round((y + step * (to_y - y)) * (high - height))
            yield scene[top : top + height, left : left + width]
        count -= length


def _frames_of(sound: npt.NDArray[np.float32], rate: int) -> Iterator[av.AudioFrame]:
    for start in range(0, len(sound), CHUNK):
        piece = np.ascontiguousarray(sound[None, start : start + CHUNK])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), start
        yield frame
