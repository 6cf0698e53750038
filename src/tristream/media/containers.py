"""What a film or sound file holds, and how one is opened.

Media time is zero where the container starts, so picture and sound share one clock: a sound track
that begins 80 ms after the picture is read with 80 ms of silence before it. Times come from the
presentation time stamps of the file, never from a frame count, so films of variable frame rate
keep their times. Only self-contained formats are opened: a playlist or script that names other
files is refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from tristream.errors import UserError

# Demuxers that read one file and nothing else.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,ogg,flac,wav,w64,mp3,aac,"
    "aiff,au,asf,flv,caf"
)


@dataclass(frozen=True)
class MediaInfo:
    """What a media file holds.

    Attributes
    ----------
    duration : float
        Seconds, from the container's start to the end of its longest stream.
    has_video, has_audio : bool
        Whether there is a picture and a sound stream.
    fps : float
        Average frame rate, 0 without a picture.
    width, height : int
        Pixels, 0 without a picture.
    sample_rate : int
        Hz, 0 without sound.
    channels : int
        Sound channels, 0 without sound.
    """

    duration: float
    has_video: bool
    has_audio: bool
    fps: float
    width: int
    height: int
    sample_rate: int
    channels: int


def media_info(path: Path | str) -> MediaInfo:
    """Read the headers of a film or sound.

    Raises
    ------
    UserError
        If the file is missing, empty, not a film or sound, or lasts no time.
    """
    with opened(Path(path)) as container:
        video = moving_picture(container)
        audio = container.streams.audio[0] if container.streams.audio else None
        duration = duration_of(container)
        if duration <= 0:
            raise UserError(f"{path}: lasts 0 s; give a film or sound with content")
        return MediaInfo(
            duration=duration,
            has_video=video is not None,
            has_audio=audio is not None,
            fps=float(video.average_rate or 0) if video else 0.0,
            width=video.width if video else 0,
            height=video.height if video else 0,
            sample_rate=audio.sample_rate if audio else 0,
            channels=audio.channels if audio else 0,
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
        reason = error.strerror or type(error).__name__
        raise UserError(
            f"{path}: can't be read as a film or sound ({reason}); "
            "fetch it again or re-encode it, e.g. as MP4"
        ) from None


def moving_picture(container: Any) -> av.VideoStream | None:
    """The first moving picture, if there is one: a sound file's cover image does not move."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def media_start(container: Any) -> float:
    return (container.start_time or 0) / av.time_base


def duration_of(container: Any) -> float:
    if container.duration:
        return container.duration / av.time_base
    ends = [
        float((s.start_time or 0) * s.time_base + s.duration * s.time_base) - media_start(container)
        for s in container.streams
        if s.duration
    ]
    return max(ends, default=0.0)
