"""What reaches extractors at one moment, where it is a small picture or a piece of sound."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tristream.features.core.registry import Preview

if TYPE_CHECKING:
    from tristream.features.core.audio.cochlea import Bank

Shown = Callable[[Path, Any, float, Path | None], Preview]
AROUND = 1.0
"""Seconds of sound that are shown before and after the moment."""
EDGE = 0.1
"""Seconds more on both sides: a cut through the sound is heard at all frequencies."""


def picture(size: tuple[int, int], format: Literal["rgb24", "gray"] = "rgb24") -> Shown:
    """The frame on screen, scaled to width x height as :func:`frame_batches` scales it."""

    def preview(path: Path, options: Any, at: float, folder: Path | None) -> Preview:
        from tristream.features.core.frames import still

        colour = "grey" if format == "gray" else "colour"
        values = still(path, at, size=size, format=format)
        return Preview(values, at, at, f"{size[0]} x {size[1]} pixels, {colour}")

    return preview


def waveform(rate: Callable[[Any], int]) -> Shown:
    """Two seconds of the mono sound at the rate (Hz) that the options lead to."""

    def preview(path: Path, options: Any, at: float, folder: Path | None) -> Preview:
        from tristream.media.sounds import read_sound

        first, stop = _around(path, at)
        values = read_sound(path, rate(options), first, stop)
        return Preview(values, first, stop, f"mono waveform, {rate(options)} Hz")

    return preview


def cochlea(bank: Callable[[Any], "Bank"], leak: float = 0.0) -> Shown:
    """Two seconds of the cochleagram of a bank of filters, frames of 10 ms."""

    def preview(path: Path, options: Any, at: float, folder: Path | None) -> Preview:
        import numpy as np

        from tristream.features.core.audio.cochlea import HOP, RATE, cochleagram
        from tristream.features.core.audio.sound_stream import Track
        from tristream.media.media_contents import media_info
        from tristream.media.sounds import read_sound

        first, stop = _around(path, at)
        before = min(first, EDGE)
        end = min(stop + EDGE, media_info(path).duration)
        track = Track.of(read_sound(path, RATE, first - before, end), RATE)
        levels = np.concatenate(list(cochleagram(track, bank(options), leak=leak)))
        skipped, count = round(before * RATE / HOP), round((stop - first) * RATE / HOP)
        levels = levels[skipped : skipped + count]
        what = f"{levels.shape[1]} gammatone filters, dB"
        return Preview(levels.T, first, first + len(levels) * HOP / RATE, what)

    return preview


def _around(path: Path, at: float) -> tuple[float, float]:
    from tristream.media.media_contents import media_info

    return max(round(at - AROUND, 1), 0.0), min(round(at + AROUND, 1), media_info(path).duration)
