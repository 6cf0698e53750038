"""Read the sound of films and sound files, placed by its time stamps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tristream.errors import UserError
from tristream.media.containers import media_info, media_start, opened

# A step of the sound's time stamps beyond this is a gap or an overlap, not rounding (s).
JUMP = 0.02

Sound = NDArray[np.float32]


def sound(path: Path | str, rate: int, *, mono: bool = True) -> Iterator[Sound]:
    """Decode the sound of a film or sound file, chunk by chunk.

    The chunks follow each other without a gap from media time 0: silence stands before a sound
    track that starts late and in its gaps.

    Parameters
    ----------
    path : Path
        Film or sound.
    rate : int
        Sampling rate of the result in Hz.
    mono : bool
        Average the channels.

    Yields
    ------
    chunk : ndarray of float32, (n,) or (n, channels)

    Raises
    ------
    UserError
        If the file can't be decoded or has no sound.
    """
    path = Path(path)
    with opened(path) as container:
        if not container.streams.audio:
            raise UserError(f"{path}: has no sound; use features of the picture, or another file")
        for chunk in _placed(container, rate):
            yield chunk.mean(axis=1) if mono else chunk


def read_sound(
    path: Path | str, rate: int, start: float = 0.0, stop: float | None = None, *, mono: bool = True
) -> Sound:
    """The sound between two media times.

    Parameters
    ----------
    path, rate, mono
        As in :func:`sound`.
    start, stop : float
        Seconds of media time; `stop` is the end of the file by default. Beyond the sound there is
        silence, so the length is always (stop - start) * rate, rounded.

    Returns
    -------
    ndarray of float32, (n,) or (n, channels)
        Sample `i` stands at `start` + i / `rate` seconds.
    """
    if stop is None:
        stop = media_info(path).duration
    first, last = round(start * rate), round(stop * rate)
    if not 0 <= first < last:
        raise ValueError(f"no sound between {start} and {stop} s")
    out, position = None, 0
    for chunk in sound(path, rate, mono=mono):
        if out is None:
            out = np.zeros((last - first, *chunk.shape[1:]), np.float32)
        low, high = max(position, first), min(position + len(chunk), last)
        if low < high:
            out[low - first : high - first] = chunk[low - position : high - position]
        position += len(chunk)
        if position >= last:
            break
    if out is None:
        raise UserError(f"{path}: its sound track is empty")
    return out


def _placed(container: Any, rate: int) -> Iterator[Sound]:
    """Sound at `rate`, (n, channels), placed by its time stamps on a grid from media time 0."""
    stream = container.streams.audio[0]
    origin = media_start(container)
    written, resampler, expected = 0, None, None
    for frame in container.decode(stream):
        time = expected if frame.pts is None else float(frame.pts * frame.time_base) - origin
        time = 0.0 if time is None else time
        if resampler is None or expected is None or abs(time - expected) > JUMP:
            if resampler is not None:
                rest = _resampled(resampler, None)
                written += len(rest)
                yield rest
            resampler = av.AudioResampler(format="fltp", layout=frame.layout, rate=rate)
            target = round(time * rate)
            if target > written:
                yield np.zeros((target - written, len(frame.layout.channels)), np.float32)
                written = target
            surplus = written - target
        chunk = _resampled(resampler, frame)
        skipped = min(surplus, len(chunk))
        surplus -= skipped
        written += len(chunk) - skipped
        expected = time + frame.samples / frame.sample_rate
        if len(chunk) > skipped:
            yield chunk[skipped:]
    if resampler is not None:
        rest = _resampled(resampler, None)
        if len(rest):
            yield rest


def _resampled(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Sound:
    parts = [part.to_ndarray().T for part in resampler.resample(frame)]
    channels = len(resampler.layout.channels) if resampler.layout else 1
    return np.concatenate(parts) if parts else np.zeros((0, channels), np.float32)
