"""Read the picture of films, frame by frame or at one moment, with exact times."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from tristream.errors import UserError
from tristream.media.clocks import Clock
from tristream.media.containers import media_start, moving_picture, opened
from tristream.media.display import Display, check_shown
from tristream.media.media_contents import MediaInfo, media_info

# The last picture that can be decoded may lie so much before that of the last packet (s).
MISSING_END = 1.0

Pixels = NDArray[np.uint8]


def frames(
    path: Path | str,
    *,
    size: tuple[int, int] | None = None,
    format: Literal["rgb24", "gray"] = "rgb24",
    fps: float | None = None,
    skip: int = 0,
) -> Iterator[tuple[float, Pixels]]:
    """Decode a film, frame by frame.

    Parameters
    ----------
    path : Path
        The film.
    size : (width, height), optional
        Scale to this size (area averaging, the aspect ratio is not kept); by default the size at
        which it is shown, upright and with square pixels.
    format : {"rgb24", "gray"}
        Colour or luminance.
    fps : float, optional
        Sample the film at this rate instead of yielding each of its frames: sample `k` stands for
        the interval from k/fps to (k + 1)/fps and shows what is on screen in its middle. Frames
        that are not asked for, and that no other frame is predicted from, are not decoded.
    skip : int
        Leave out this many frames or samples: they are decoded, but not converted.

    Yields
    ------
    time : float
        Seconds of media time at which the frame (or interval) begins.
    frame : ndarray of uint8, (height, width, 3) or (height, width)

    Raises
    ------
    UserError
        If the file can't be decoded, has no picture, or is cut off.
    """
    path = Path(path)
    info = _with_picture(path)
    pixels = _converter(info.display, size, format)
    given = skip
    if fps is not None and info.picture.stamps is not None:
        with opened(path) as container, suppress(_NotShownError):
            for time, frame in islice(_wanted(container, path, info, fps), skip, None):
                yield time, pixels(frame)
                given += 1
            return
    with opened(path) as container:
        decoded = _timed(container, path, info.picture)
        chosen = decoded if fps is None else _sampled(decoded, fps, info.duration)
        for time, frame in islice(chosen, given, None):
            yield time, pixels(frame)


def frame_at(
    path: Path | str,
    at: float,
    *,
    size: tuple[int, int] | None = None,
    format: Literal["rgb24", "gray"] = "rgb24",
) -> Pixels:
    """What is on screen at one moment; decoding begins at the key frame before it.

    Parameters
    ----------
    path : Path
        The film.
    at : float
        Seconds of media time; beyond the film its first or last frame.
    size, format
        As in :func:`frames`.

    Returns
    -------
    ndarray of uint8, (height, width, 3) or (height, width)
    """
    path = Path(path)
    info = _with_picture(path)
    for from_start in (False, True) if info.picture.is_direct else (True,):
        with opened(path) as container:
            shown = _shown_at(container, path, info.picture, at, from_start)
            if shown is not None:
                return _converter(info.display, size, format)(shown)
    raise UserError(f"{path}: its picture has no frame; fetch it again")


def _with_picture(path: Path) -> MediaInfo:
    info = media_info(path)
    if not info.has_video:
        raise UserError(f"{path}: has no picture; use features of the sound, or another file")
    if info.unseen:
        raise UserError(info.unseen)
    return info


class _NotShownError(Exception):
    """A packet that was to be decoded gave no frame."""


def _wanted(
    container: Any, path: Path, info: MediaInfo, fps: float
) -> Iterator[tuple[float, av.VideoFrame]]:
    """What :func:`_sampled` gives of all frames, from no more of them than that takes."""
    clock, stream = info.picture, moving_picture(container)
    assert stream is not None
    assert clock.stamps is not None
    origin, stamps = media_start(container), clock.stamps.tolist()
    # As frames are timed below: samples of a regular film begin just where its frames do.
    times = [float(stamp * stream.time_base) - origin for stamp in stamps]
    middles = (np.arange(int(max(info.duration, times[-1]) * fps) + 2) + 0.5) / fps
    shown = np.searchsorted(times, middles, side="right") - 1
    wanted = [stamps[i] for i in np.unique([*np.maximum(shown, 0), len(stamps) - 1])]
    due = iter(wanted)

    def decoded() -> Iterator[tuple[float, av.VideoFrame]]:
        expected = next(due)
        for time, frame in clock.in_order(_stamped(container, clock, frozenset(wanted))):
            check_shown(frame, path)
            if frame.pts is None or frame.pts > expected:
                raise _NotShownError
            if frame.pts == expected:
                expected = next(due, stamps[-1] + 1)
            yield time, frame
        if expected <= stamps[-1]:
            raise _NotShownError

    return _sampled(decoded(), fps, info.duration)


def _timed(container: Any, path: Path, clock: Clock) -> Iterator[tuple[float, av.VideoFrame]]:
    """Frames with their media times; the last must be that of the last packet."""
    time = None
    for time, frame in clock.in_order(_stamped(container, clock)):
        check_shown(frame, path)
        yield time, frame
    if time is None:
        raise UserError(f"{path}: its picture has no frame; fetch it again")
    if clock.last - time > MISSING_END + clock.period:
        raise UserError(
            f"{path}: its picture can be decoded until {time:.1f} s, though it has packets until "
            f"{clock.end:.1f} s: the file is damaged; fetch it again"
        )


def _stamped(
    container: Any, clock: Clock, wanted: frozenset[int] | None = None
) -> Iterator[tuple[float | None, av.VideoFrame]]:
    """Decoded frames with their time stamps; those not wanted only if others are made of them."""
    stream = moving_picture(container)
    assert stream is not None
    # As many as the rules count on, whatever the machine has; a second one costs a tenth more.
    stream.codec_context.thread_count = 1
    origin = media_start(container)
    for packet in clock.packets(container, stream):
        if wanted is not None:
            needed = packet.pts is None or packet.pts in wanted
            stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
        for frame in packet.decode():
            stamp = None if frame.pts is None else float(frame.pts * stream.time_base) - origin
            yield stamp, frame


def _shown_at(
    container: Any, path: Path, clock: Clock, at: float, from_start: bool
) -> av.VideoFrame | None:
    """The frame on screen at `at`; None if the key frame that was found comes later."""
    shown = None
    if not from_start:
        container.seek(max(round((at + media_start(container)) * av.time_base), 0))
    for time, frame in clock.in_order(_stamped(container, clock)):
        if time > at:
            # Before the first frame its picture counts as shown.
            return frame if shown is None and from_start else shown
        shown = frame
    return shown


def _converter(
    display: Display, size: tuple[int, int] | None, format: Literal["rgb24", "gray"]
) -> Callable[[av.VideoFrame], Pixels]:
    """Function: decoded frame -> pixels as they are shown, scaled by area averaging."""
    reformatter = VideoReformatter()

    def pixels(frame: av.VideoFrame) -> Pixels:
        width, height = size or display.shown(frame.width, frame.height)
        width, height = display.stored(width, height)
        scaled = reformatter.reformat(
            frame, width=width, height=height, format=format, interpolation=Interpolation.AREA
        )
        return display(np.asarray(scaled.to_ndarray(), np.uint8))

    return pixels


def _sampled(
    decoded: Iterator[tuple[float, av.VideoFrame]], fps: float, duration: float
) -> Iterator[tuple[float, av.VideoFrame]]:
    """What is on screen in the middle of each interval of 1/fps seconds."""
    step, shown = 0, None
    for time, frame in decoded:
        # Before the first frame its picture counts as shown: there is nothing else to show.
        while (step + 0.5) / fps < time:
            yield step / fps, frame if shown is None else shown
            step += 1
        shown = frame
    while shown is not None and (step + 0.5) / fps < duration:
        yield step / fps, shown
        step += 1
