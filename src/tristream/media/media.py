"""Read films and sounds with exact times, and images.

Media time is zero where the container starts, so picture and sound share one clock: a sound track
that begins 80 ms after the picture is read with 80 ms of silence before it. Times come from the
presentation time stamps of the file, never from a frame count, so films of variable frame rate
keep their times. Only self-contained formats are opened: a playlist or script that names other
files is refused.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tristream.errors import UserError

# Demuxers that read one file and nothing else.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,ogg,flac,wav,w64,mp3,aac,"
    "aiff,au,asf,flv,caf"
)
# Readers of images that read one file and nothing else.
IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM")
# What shows through transparent pixels: mid-grey, as between stimuli in most experiments.
BACKGROUND = 128
# A step of the sound's time stamps beyond this is a gap or an overlap, not rounding (s).
JUMP = 0.02
# A film may end this much before its header says (s): the last frames' display time.
MISSING_END = 1.0

Pixels = NDArray[np.uint8]
Sound = NDArray[np.float32]


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
    with _opened(Path(path)) as container:
        video = _picture(container)
        audio = container.streams.audio[0] if container.streams.audio else None
        duration = _duration(container)
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
        the stretch from k/fps to (k + 1)/fps and shows what is on screen in its middle.
    skip : int
        Leave out this many frames or samples: they are decoded, but not converted.

    Yields
    ------
    time : float
        Seconds of media time at which the frame (or stretch) begins.
    frame : ndarray of uint8, (height, width, 3) or (height, width)

    Raises
    ------
    UserError
        If the file can't be decoded, has no picture, or ends long before its header says.
    """
    path = Path(path)
    pixels = _converter(size, format)
    with _opened(path) as container:
        decoded = _decoded(container, path)
        chosen = decoded if fps is None else _sampled(decoded, fps, _duration(container))
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
        with _opened(path) as container:
            shown = _shown_at(container, path, at, from_start)
            if shown is not None:
                return _converter(size, format)(shown)
    raise UserError(f"{path}: its picture has no frame; fetch it again")


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
    with _opened(path) as container:
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


def read_image(path: Path | str) -> Pixels:
    """Read an image as it is seen: upright, in RGB, transparent pixels over mid-grey.

    Images of 16 bits a channel are scaled to 8, palettes and CMYK are converted (without colour
    management), EXIF orientation is applied.

    Parameters
    ----------
    path : Path
        PNG, JPEG, BMP, TIFF, GIF, WebP or PNM.

    Returns
    -------
    ndarray of uint8, (height, width, 3)

    Raises
    ------
    UserError
        If the file is missing, damaged, of another format, an animation, or of floating-point
        pixels, whose range is unknown.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; fetch the stimuli first")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=IMAGE_FORMATS) as image:
                if getattr(image, "is_animated", False) and image.format != "MPO":
                    raise UserError(f"{path}: holds several pictures; give a film, or one picture")
                image.load()
                return _rgb(ImageOps.exif_transpose(image), path)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombWarning) as error:
        reason = " ".join(str(error).replace(str(path), "it").split())[:120]
        raise UserError(
            f"{path}: can't be read as an image ({reason}); fetch it again or save it as PNG"
        ) from None


def _rgb(image: Image.Image, path: Path) -> Pixels:
    if image.mode == "F":
        raise UserError(
            f"{path}: has floating-point pixels, whose range is unknown; save it as PNG"
        )
    if image.mode.startswith("I"):
        # Grey of 16 bits: Pillow's own conversion clips it at 255.
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise UserError(f"{path}: has pixels beyond 16 bits; save it as PNG of 8 or 16 bits")
        return np.repeat((grey / 257).round().astype(np.uint8)[..., None], 3, axis=2)
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"), np.uint8)
    picture = image.convert("RGBA")
    ground = Image.new("RGBA", picture.size, (BACKGROUND, BACKGROUND, BACKGROUND, 255))
    return np.asarray(Image.alpha_composite(ground, picture).convert("RGB"), np.uint8)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
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


def _picture(container: Any) -> av.VideoStream | None:
    """The first moving picture; a sound file's cover image is none."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def _origin(container: Any) -> float:
    return (container.start_time or 0) / av.time_base


def _duration(container: Any) -> float:
    if container.duration:
        return container.duration / av.time_base
    ends = [
        float((s.start_time or 0) * s.time_base + s.duration * s.time_base) - _origin(container)
        for s in container.streams
        if s.duration
    ]
    return max(ends, default=0.0)


def _decoded(container: Any, path: Path) -> Iterator[tuple[float, av.VideoFrame]]:
    """Frames with their media times."""
    stream = _picture(container)
    if stream is None:
        raise UserError(f"{path}: has no picture; use features of the sound, or another file")
    return _timed(container, stream, path)


def _timed(container: Any, stream: Any, path: Path) -> Iterator[tuple[float, av.VideoFrame]]:
    """Decode `stream`; its end must be where the header says."""
    # A fixed number: what the rules count on, whatever the machine has.
    stream.codec_context.thread_count = 2
    stream.thread_type = "AUTO"
    origin, time = _origin(container), None
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
    stream = _picture(container)
    if stream is None:
        raise UserError(f"{path}: has no picture; use features of the sound, or another file")
    origin, shown = _origin(container), None
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
    """What is on screen in the middle of each stretch of 1/fps seconds."""
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


def _placed(container: Any, rate: int) -> Iterator[Sound]:
    """Sound at `rate`, (n, channels), placed by its time stamps on a grid from media time 0."""
    stream = container.streams.audio[0]
    origin = _origin(container)
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
