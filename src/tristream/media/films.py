"""Read the picture of films, frame by frame or at one moment, with exact times."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from tristream.errors import UserError
from tristream.media.containers import duration_of, media_start, moving_picture, opened

# A film may end this much before its header says (s): the last frames' display time.
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
        Scale to this size (area averaging, the aspect ratio is not kept); as filmed by default.
    format : {"rgb24", "gray"}
        Colour or luminance.
    fps : float, optional
        Sample the film at this rate instead of yielding each of its frames: sample `k` stands for
        the interval from k/fps to (k + 1)/fps and shows what is on screen in its middle.
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
        If the file can't be decoded, has no picture, or ends long before its header says.
    """
    path = Path(path)
    pixels = _converter(size, format)
    with opened(path) as container:
        decoded = _decoded(container, path)
        chosen = decoded if fps is None else _sampled(decoded, fps, duration_of(container))
        for time, frame in islice(chosen, skip, None):
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
    for from_start in (False, True):
        with opened(path) as container:
            shown = _shown_at(container, path, at, from_start)
            if shown is not None:
                return _converter(size, format)(shown)
    raise UserError(f"{path}: its picture has no frame; fetch it again")


def _decoded(container: Any, path: Path) -> Iterator[tuple[float, av.VideoFrame]]:
    """Frames with their media times."""
    stream = moving_picture(container)
    if stream is None:
        raise UserError(f"{path}: has no picture; use features of the sound, or another file")
    return _timed(container, stream, path)


def _timed(container: Any, stream: Any, path: Path) -> Iterator[tuple[float, av.VideoFrame]]:
    """Decode `stream`; its end must be where the header says."""
    # A fixed number: what the rules count on, whatever the machine has.
    stream.codec_context.thread_count = 2
    stream.thread_type = "AUTO"
    origin, time = media_start(container), None
    for frame in container.decode(stream):
        if frame.pts is None:
            continue
        time = float(frame.pts * stream.time_base) - origin
        yield time, frame
    if time is None:
        raise UserError(f"{path}: its picture has no frame; fetch it again")
    if stream.duration:
        start = (stream.start_time or 0) * stream.time_base
        end = float(start + stream.duration * stream.time_base) - origin
        period = 1 / float(stream.average_rate) if stream.average_rate else 0.0
        if end - time > MISSING_END + period:
            raise UserError(
                f"{path}: ends at {time:.1f} s though its header says {end:.1f} s: "
                "the file is cut off; fetch it again"
            )


def _shown_at(container: Any, path: Path, at: float, from_start: bool) -> av.VideoFrame | None:
    """The frame on screen at `at`; None if the key frame that was found comes later."""
    stream = moving_picture(container)
    if stream is None:
        raise UserError(f"{path}: has no picture; use features of the sound, or another file")
    origin, shown = media_start(container), None
    if not from_start:
        container.seek(max(round((at + origin) * av.time_base), 0))
    for frame in container.decode(stream):
        if frame.pts is None:
            continue
        if float(frame.pts * stream.time_base) - origin > at:
            # Before the first frame its picture counts as shown.
            return frame if shown is None and from_start else shown
        shown = frame
    return shown


def _converter(
    size: tuple[int, int] | None, format: Literal["rgb24", "gray"]
) -> Callable[[av.VideoFrame], Pixels]:
    """Function: decoded frame -> pixels, scaled by area averaging."""
    shape = {} if size is None else {"width": size[0], "height": size[1]}
    reformatter = VideoReformatter()

    def pixels(frame: av.VideoFrame) -> Pixels:
        scaled = reformatter.reformat(
            frame, **shape, format=format, interpolation=Interpolation.AREA
        )
        return np.asarray(scaled.to_ndarray(), np.uint8)

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
