"""Low-level signals of a film and its sound: what any stream could be mistaken for."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import Field

from tristream.config.base import Section
from tristream.features.core.previews import picture
from tristream.features.core.registry import Block, extractor

COLUMNS = ("luminance", "contrast", "loudness", "cut")
SIZE = (96, 54)
BATCH = 720
SOUND_RATE = 16000
# Silence is -100 dB: far below any recording's own noise.
FLOOR = 1e-5
# A cut changes this share of the coarse histogram ...
CUT_CHANGE = 0.25
# ... and this many times more than the median of the second before it.
CUT_RATIO = 4.0
CELLS = (2, 2)
LEVELS = 16


class LowlevelOptions(Section):
    """Options of the low-level signals."""

    fps: float = Field(default=12.0, gt=0, description="samples per second")


@extractor(
    "lowlevel",
    media="film",
    layers=("lowlevel",),
    options=LowlevelOptions,
    names=lambda layer, options, p: list(COLUMNS),
    window=lambda layer, options: 1 / options.fps,
    preview=picture(SIZE, "gray"),
    methods="luminance, contrast, loudness and cuts of the film",
    stream="nuisance",
)
def lowlevel(
    path: Path,
    layers: tuple[str, ...],
    options: LowlevelOptions,
    weights: Path | None,
    device: str,
) -> Iterator[dict[str, Block]]:
    """Luminance, contrast, loudness of the sound and cuts.

    ``luminance`` and ``contrast`` are mean and standard deviation of the grey image (0 to 1),
    ``loudness`` the RMS of the mono sound in dB (-100 without sound), ``cut`` is 1 at the first
    sample of a new shot: its histograms of grey in four quarters of the picture differ from those
    of the sample before by more than a quarter, and by four times the median of the last second
    (so that fast motion makes no cut).
    """
    from tristream.features.core.frames import frame_batches

    sound = _loudness(path, options.fps)
    recent: deque[float] = deque(maxlen=max(round(options.fps), 2))
    before, first = None, 0
    for times, images in frame_batches(
        path, fps=options.fps, size=SIZE, format="gray", length=BATCH
    ):
        grey = images.reshape(len(images), -1) / 255.0
        cuts = np.zeros(len(images))
        for i, image in enumerate(images):
            now = _histograms(image)
            if before is not None:
                cuts[i] = _is_cut(change := 0.5 * float(np.abs(now - before).sum()), recent)
                recent.append(change)
            before = now
        level = np.full(len(images), FLOOR)
        part = sound[first : first + len(images)]
        level[: len(part)] = np.maximum(part, FLOOR)
        first += len(images)
        columns = [grey.mean(axis=1), grey.std(axis=1), 20 * np.log10(level), cuts]
        yield {"lowlevel": Block(np.stack(columns, axis=1), times)}


def _histograms(image: np.ndarray) -> np.ndarray:
    """Histograms of grey of the cells of an image; together they add up to 1."""
    rows, columns = CELLS
    bins = np.concatenate(
        [
            np.bincount(cell.ravel() // (256 // LEVELS), minlength=LEVELS)
            for row in np.array_split(image, rows, axis=0)
            for cell in np.array_split(row, columns, axis=1)
        ]
    )
    return bins / image.size


def _is_cut(change: float, recent: deque[float]) -> bool:
    usual = float(np.median(recent)) if recent else 0.0
    return change > CUT_CHANGE and change > CUT_RATIO * usual


def _loudness(path: Path, fps: float) -> np.ndarray:
    """RMS of the mono sound in segments of 1/`fps` s from media time 0; empty without sound."""
    from tristream.media.media_contents import media_info
    from tristream.media.sounds import sound

    if not media_info(path).has_audio:
        return np.zeros(0)
    length, energy, position = 0, np.zeros(0), 0
    for chunk in sound(path, SOUND_RATE):
        segment = (np.arange(position, position + len(chunk)) * fps / SOUND_RATE).astype(int)
        position += len(chunk)
        length = max(length, int(segment[-1]) + 1) if len(segment) else length
        if length > len(energy):
            energy = np.append(energy, np.zeros(length + 1024 - len(energy)))
        energy += np.bincount(segment, chunk.astype(float) ** 2, len(energy))
    return np.sqrt(energy[:length] * fps / SOUND_RATE)
