"""How a film or sound file is opened, and which of its tracks is read.

Media time is zero where the container starts, so picture and sound share one clock: a sound track
that begins 80 ms after the picture is read with 80 ms of silence before it. Times come from the
presentation time stamps of the file, never from a frame count, so films of variable frame rate
keep their times. Only self-contained formats are opened: a playlist or script that names other
files is refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from tristream.errors import UserError
from tristream.media.file_ends import unclosed

# Demuxers that read one file and nothing else.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,ogg,flac,wav,w64,mp3,aac,"
    "aiff,au,asf,flv,caf"
)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """An input container; decoding errors become one readable line."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; fetch the stimuli first")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: is empty; fetch it again")
    try:
        options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
        with av.open(str(path), options=options) as container:
            if not (container.streams.video or container.streams.audio):
                raise UserError(f"{path}: holds neither picture nor sound")
            yield container
    except av.FFmpegError as error:
        if unclosed(path):
            raise UserError(
                f"{path}: is cut off, or its recording was never closed: the index that is written "
                "last (moov) is missing; fetch it again (ffmpeg can't rebuild it)"
            ) from None
        reason = error.strerror or type(error).__name__
        raise UserError(
            f"{path}: can't be read as a film or sound ({reason}); "
            "fetch it again or re-encode it, e.g. as MP4"
        ) from None


def moving_pictures(container: Any) -> list[av.VideoStream]:
    """Pictures that move: all but cover images."""
    return [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]


def moving_picture(container: Any) -> av.VideoStream | None:
    """The picture that a player shows: the track of the default flag, or the first.

    A sound file's cover image does not move.
    """
    return _default(moving_pictures(container))


def sound_track(container: Any) -> av.AudioStream | None:
    """The sound that a player plays: the track of the default flag, or the first."""
    return _default(list(container.streams.audio))


def _default(streams: list[Any]) -> Any:
    flagged = [stream for stream in streams if stream.disposition & Disposition.default]
    return next(iter(flagged or streams), None)


def media_start(container: Any) -> float:
    return (container.start_time or 0) / av.time_base


def header_duration(container: Any) -> float:
    """Seconds that the header says; 0 where it says nothing."""
    if container.duration:
        return container.duration / av.time_base
    ends = [
        float((s.start_time or 0) * s.time_base + s.duration * s.time_base) - media_start(container)
        for s in container.streams
        if s.duration
    ]
    return max(ends, default=0.0)
