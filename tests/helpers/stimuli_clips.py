"""Write small films for the tests of the stimuli stage."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 44100


def write_film(
    path: Path,
    pictures: Sequence[np.ndarray],
    sound: np.ndarray | None = None,
    *,
    times: Sequence[Fraction] | None = None,
    fps: Fraction = Fraction(24),
    crf: int = 20,
    sound_start: float = 0.0,
) -> Path:
    """Encode RGB pictures (at `times`, if given) and a mono sound that starts at `sound_start`."""
    clock = Fraction(1, 90000)
    with av.open(str(path), "w") as container:
        video = container.add_stream(
            "libx264", rate=fps, options={"crf": str(crf), "preset": "veryfast"}
        )
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = clock
        audio = None
        if sound is not None:
            audio = container.add_stream("aac", rate=RATE, layout="mono")
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            time = Fraction(index) / fps if times is None else times[index]
            frame.pts, frame.time_base = round(time / clock), clock
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None and sound is not None:
            samples = sound[None].astype(np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
            frame.pts = round(sound_start * RATE)
            container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path


def drawn(count: int, size: tuple[int, int] = (96, 64), seed: int = 0) -> list[np.ndarray]:
    """Pictures of blobs that drift at random."""
    rng = np.random.default_rng(seed)
    place = np.cumsum(rng.normal(0, 2, (count, 6, 2)), axis=0) + rng.uniform(10, 60, (6, 2))
    grid = np.stack(np.meshgrid(np.arange(size[0]), np.arange(size[1])), -1)
    pictures = []
    for points in place:
        distance = ((grid[:, :, None] - points % np.array(size)) ** 2).sum(-1)
        grey = 255 * np.exp(-distance / 200).max(-1)
        pictures.append(np.repeat(grey[..., None], 3, 2).astype(np.uint8))
    return pictures
