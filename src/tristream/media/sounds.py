"""Read the sound of films and sound files, placed by its time stamps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tristream.errors import UserError
from tristream.media.clocks import JUMP, Clock
from tristream.media.containers import media_start, opened, sound_track
from tristream.media.media_contents import media_info

# Weights of channels in one, before they are divided by their sum (ITU-R BS.775: centre and
# surround 3 dB down in each of two channels, no bass effects), as ``ffmpeg -ac 1`` has them.
SIDE = 0.5**0.5
DOWNMIX = {
    **dict.fromkeys(("FL", "FR"), 1.0),
    "FC": 2 * SIDE,
    **dict.fromkeys(("SL", "SR", "BL", "BR", "FLC", "FRC"), SIDE),
    "BC": 1.0,
    "LFE": 0.0,
}

# At which rate a sound is looked through before it is used (Hz).
CHECK_RATE = 16000
# For how long (s).
LISTENED = 600.0
# Two channels whose mean has less of their power than this cancel each other.
OPPOSED = 0.01
# As little power of surround sound is left only if channels cancel, or none of them is mixed.
SMALLEST = 1e-4

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
        Mix the channels: the mean of two, the standard downmix of more.

    Yields
    ------
    chunk : ndarray of float32, (n,) or (n, channels)

    Raises
    ------
    UserError
        If the file can't be decoded, has no sound, is cut off, or holds NaN or infinity.
    """
    path = Path(path)
    info = media_info(path)
    if not info.has_audio:
        raise UserError(f"{path}: has no sound; use features of the picture, or another file")
    with opened(path) as container:
        weights, done = downmix(sound_track(container)), 0
        for chunk in _placed(container, info.sound, rate):
            if not np.isfinite(chunk).all():
                first = done + int(np.argmin(np.isfinite(chunk).all(axis=1)))
                raise UserError(
                    f"{path}: holds NaN or infinite samples, from {first / rate:.2f} s on; "
                    "write the sound again"
                )
            done += len(chunk)
            yield chunk @ weights if mono and len(weights) == chunk.shape[1] else chunk


def heard(path: Path) -> tuple[str, ...]:
    """What a listener should know of a sound, from its first ten minutes that are not silent.

    Samples of floating point, which can be NaN, are looked through to the end.

    Raises
    ------
    UserError
        As of :func:`sound`.
    """
    total, mixed, read = 0.0, 0.0, 0
    whole = "pcm_f" in media_info(path).facts["sound"]
    with opened(path) as container:
        weights = downmix(sound_track(container))
    for chunk in sound(path, CHECK_RATE, mono=False):
        read += len(chunk)
        total += float((chunk.astype(np.float64) ** 2).mean(axis=1).sum())
        if chunk.shape[1] == len(weights):
            mixed += float(((chunk @ weights.astype(np.float64)) ** 2).sum())
        if read > LISTENED * CHECK_RATE and total and not whole:
            break
    if not total:
        return ("its sound is silence",)
    if chunk.shape[1] == 2 and mixed < OPPOSED * total:
        return (
            "its two channels cancel out when they are mixed (one is inverted): "
            '`ffmpeg -i IN -af "aeval=val(0)|-val(1):c=same" -c:v copy OUT` turns it back',
        )
    if chunk.shape[1] > 2 and chunk.shape[1] == len(weights) and mixed < SMALLEST * total:
        return (
            f"of its {len(weights)} channels next to nothing is left when they are mixed into one "
            "(all is in the channel of low frequencies, or channels cancel out): say which is to "
            'be heard, by `ffmpeg -i IN -af "pan=mono|c0=c0" -c:v copy OUT`',
        )
    return ()


def downmix(track: Any) -> Sound:
    """Weight of each channel of a sound track in one: (channels,), of sum 1."""
    names = [channel.name for channel in track.layout.channels]
    if len(names) < 3 or not set(names) <= set(DOWNMIX):
        return np.full(len(names), 1 / len(names), np.float32)
    weights = np.array([DOWNMIX[name] for name in names], np.float32)
    return weights / weights.sum()


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


def _placed(container: Any, clock: Clock, rate: int) -> Iterator[Sound]:
    """Sound at `rate`, (n, channels), placed by its time stamps on a grid from media time 0.

    A sound that keeps another pace than its time stamps is stretched to them.
    """
    stream = sound_track(container)
    assert stream is not None
    origin = media_start(container)
    written, resampler, expected = 0, None, None
    for frame in _decoded(container, clock, stream):
        stamp = frame.time
        time = expected if stamp is None else float(stamp) - origin
        time = 0.0 if time is None else time
        frame.sample_rate = pace = round(frame.sample_rate / clock.pace)
        if resampler is None or expected is None or abs(time - expected) > JUMP:
            if resampler is not None:
                rest = _resampled(resampler, None)
                written += len(rest)
                yield rest
            resampler = av.AudioResampler(format="flt", layout=frame.layout, rate=rate)
            expected = time
            target = round(time * rate)
            if target > written:
                yield np.zeros((target - written, len(frame.layout.channels)), np.float32)
                written = target
            surplus = written - target
        chunk = _resampled(resampler, frame)
        skipped = min(surplus, len(chunk))
        surplus -= skipped
        written += len(chunk) - skipped
        expected += frame.samples / pace
        if len(chunk) > skipped:
            yield chunk[skipped:]
    if resampler is not None:
        rest = _resampled(resampler, None)
        if len(rest):
            yield rest


def _decoded(container: Any, clock: Clock, stream: Any) -> Iterator[av.AudioFrame]:
    for packet in clock.packets(container, stream):
        yield from packet.decode()


def _resampled(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Sound:
    channels = len(resampler.layout.channels) if resampler.layout else 1
    # Interleaved: PyAV reads beyond the planes of eight channels.
    parts = [part.to_ndarray().reshape(-1, channels) for part in resampler.resample(frame)]
    return np.concatenate(parts) if parts else np.zeros((0, channels), np.float32)
