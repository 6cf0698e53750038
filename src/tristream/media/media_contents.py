"""What a film or sound file holds, and how long it truly lasts.

A header may be wrong, and may outlive the content of a file that is cut off. So the packets are
counted (not decoded), and the file's own structure is asked whether all of it is there.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tristream.errors import UserError
from tristream.media.clocks import Clock, read_clocks
from tristream.media.containers import (
    header_duration,
    media_start,
    moving_picture,
    moving_pictures,
    opened,
    sound_track,
)
from tristream.media.display import Display, display_of
from tristream.media.file_ends import bytes_missing, ends_openly
from tristream.media.length_limits import check_clock, check_length, check_sound

# Header and packets may differ so much: padding of codecs, rounding (s).
TOLERANCE = 0.25
# Picture and sound that end further apart are worth a note (s).
APART = 1.0
# With less than this share of the pictures that the header's rate would give, it is wrong.
FEWER = 0.9
# Formats whose header does not say how long they last: libavformat estimates it.
ESTIMATED = {"aac", "mpegvideo"}


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
        Pixels of the picture as it is shown (upright, pixels square), 0 without a picture.
    sample_rate : int
        Hz, 0 without sound.
    channels : int
        Sound channels, 0 without sound.
    display : Display
        How the stored pixels are shown.
    picture, sound : Clock
        Times of the two streams.
    facts : dict of str to str
        Size, tracks, colour and the like, in words.
    notes : tuple of str
        What a reader should know: gaps, a header that is wrong, streams of unlike lengths.
    unseen : str
        Why its picture is refused, where it is: HDR, interlaced, turned askew, no frame. Its sound
        can be heard.
    """

    duration: float
    has_video: bool
    has_audio: bool
    fps: float
    width: int
    height: int
    sample_rate: int
    channels: int
    display: Display
    picture: Clock
    sound: Clock
    facts: dict[str, str]
    notes: tuple[str, ...]
    unseen: str = ""


def media_info(path: Path | str) -> MediaInfo:
    """Read the headers and the packets' time stamps of a film or sound.

    Two hours of film take seconds (packets are read, one frame is decoded); within a process a
    file is read once.

    Raises
    ------
    UserError
        If the file is missing, empty, cut off, not a film or sound, lasts no time, or longer than
        what was recorded explains.
    """
    path = Path(path)
    stat = path.stat() if path.is_file() else None
    return _read(path, (stat.st_mtime_ns, stat.st_size) if stat else None)


@lru_cache(maxsize=64)
def _read(path: Path, version: tuple[int, int] | None) -> MediaInfo:
    with opened(path) as container:
        video, audio = moving_picture(container), sound_track(container)
        streams = [stream for stream in (video, audio) if stream is not None]
        clocks = read_clocks(container, streams, media_start(container))
        picture = clocks[video.index] if video else Clock()
        sound = clocks[audio.index] if audio else Clock()
        if audio and sound.end:
            check_sound(path, audio.sample_rate, audio.channels)
        notes = _notes(container, picture, sound)
        duration = _duration(container, path, picture, sound, notes)
        check_length(path, duration, picture, sound)
        display, unseen = Display(), ""
        if video:
            try:
                display = _display(path)
            except UserError as error:
                unseen = str(error)
        width, height = display.shown(video.width, video.height) if video else (0, 0)
        return MediaInfo(
            duration=duration,
            has_video=video is not None,
            has_audio=audio is not None,
            fps=_rate(video, picture) if video else 0.0,
            width=width,
            height=height,
            sample_rate=audio.sample_rate if audio else 0,
            channels=audio.channels if audio else 0,
            display=display,
            picture=picture,
            sound=sound,
            facts=_facts(container, display, (width, height), picture),
            notes=tuple(notes),
            unseen=unseen,
        )


def _duration(container: Any, path: Path, picture: Clock, sound: Clock, notes: list[str]) -> float:
    """The true length; what is wrong with the header goes to `notes`, or is refused."""
    content, stated = max(picture.end, sound.end), header_duration(container)
    for name, clock in (("picture", picture), ("sound", sound)):
        if clock.blank is not None:
            raise UserError(
                f"{path}: holds only zeros from second {clock.blank:.1f} of its {name}: it did not "
                "arrive whole; fetch it again"
            )
        # Matroska can't store times before zero; they come as none at all.
        if clock.unstamped and clock.end and "matroska" in container.format.name:
            raise UserError(
                f"{path}: the first {clock.unstamped} packets of its {name} have no time stamp, "
                "as their times were negative when it was written: make it from its source anew, "
                "with `-avoid_negative_ts make_zero` of ffmpeg"
            )
        check_clock(path, name, clock)
    ends = " and ".join(
        f"{name} ends at {clock.end:.1f} s"
        for name, clock in (("picture", picture), ("sound", sound))
        if clock.end
    )
    missing = bytes_missing(path)
    if missing:
        says = f"its header says {stated:.1f} s, " if stated else ""
        raise UserError(
            f"{path}: is cut off: {missing} bytes are missing at its end ({says}"
            f"its {ends or 'content is missing'}); fetch it again; if there is no more of it, "
            "`ffmpeg -i IN -c copy OUT` closes it"
        )
    if ends_openly(path):
        notes.append(f"its last page is not marked as the last, at {content:.1f} s: is it cut off?")
    if content <= 0:
        raise UserError(f"{path}: lasts 0 s; give a film or sound with content")
    written = _written_duration(container, path)
    if not written or picture.shifts or sound.shifts:
        return content
    tolerance = max(TOLERANCE, 2 * picture.period)
    if abs(written - content) <= tolerance:
        return stated if abs(stated - content) <= tolerance else content
    stated = written
    if content > stated:
        notes.append(
            f"its header says {stated:.1f} s, but its {ends}: the content is used "
            "(`ffmpeg -i IN -c copy OUT` writes a true header)"
        )
        return content
    if missing is None:
        raise UserError(
            f"{path}: its header says {stated:.1f} s, but its {ends}: it is cut off, fetch it "
            "again; if it is whole, the header is wrong: `ffmpeg -i IN -c copy OUT` writes it anew"
        )
    notes.append(f"its header says {stated:.1f} s, its {ends}: the last picture is held")
    return stated


def _written_duration(container: Any, path: Path) -> float:
    """What the header says; 0 where it does not, and libavformat gives an estimate."""
    name = container.format.name
    if name != "mp3":
        return 0.0 if name in ESTIMATED else header_duration(container)
    with path.open("rb") as file:
        head = file.read(10)
        # An ID3 tag stands before the first frame; its size has seven bits a byte.
        tag = sum(byte << 7 * i for i, byte in enumerate(reversed(head[6:10])))
        file.seek(10 + tag if head[:3] == b"ID3" else 0)
        start = file.read(4096)
    context = container.streams.audio[0].codec_context
    for mark, flags, count in ((b"Xing", 7, 8), (b"Info", 7, 8), (b"VBRI", None, 14)):
        if (at := start.find(mark)) >= 0 and (flags is None or start[at + flags] & 1):
            frames = int.from_bytes(start[at + count : at + count + 4], "big")
            return frames * (context.frame_size or 1152) / context.sample_rate
    return 0.0


def _notes(container: Any, picture: Clock, sound: Clock) -> list[str]:
    notes = []
    for name, clock, instead in (
        ("picture", picture, "the one before is held"),
        ("sound", sound, "silence stands there"),
    ):
        for start, end in clock.gaps:
            notes.append(f"no {name} from {start:.1f} to {end:.1f} s: {instead}")
        if clock.shifts:
            notes.append(f"the time stamps of its {name} do not go on: its parts were joined")
        if clock.pace != 1:
            off = 100 * abs(clock.pace - 1)
            notes.append(f"its sound runs {off:.2g} % off its time stamps: stretched")
    if picture.end and sound.end and abs(picture.end - sound.end) > APART:
        notes.append(f"its picture ends at {picture.end:.1f} s, its sound at {sound.end:.1f} s")
    for kind in ("video", "audio"):
        tracks: list[Any] = (
            moving_pictures(container) if kind == "video" else list(container.streams.audio)
        )
        used = moving_picture(container) if kind == "video" else sound_track(container)
        if len(tracks) > 1 and used is not None:
            name = "picture" if kind == "video" else "sound"
            notes.append(f"{len(tracks)} {name} tracks: {tracks.index(used) + 1} is used")
    return notes


def _display(path: Path) -> Display:
    with opened(path) as container:
        stream = moving_picture(container)
        assert stream is not None
        frame = next(container.decode(stream), None)
        if frame is None:
            raise UserError(f"{path}: its picture has no frame; fetch it again")
        return display_of(frame, float(stream.sample_aspect_ratio or 1) or 1.0, path)


def _rate(stream: Any, picture: Clock) -> float:
    """Pictures a second: the header's, unless there are fewer of them."""
    stated = float(stream.average_rate or 0)
    # A format that stores no times has one rate.
    if stated and picture.ranked is not None:
        return stated
    if picture.pictures < 2 or picture.last <= picture.first:
        return stated
    true = (picture.pictures - 1) / (picture.last - picture.first)
    return stated if stated and true > FEWER * stated else true


def _facts(
    container: Any, display: Display, size: tuple[int, int], picture: Clock
) -> dict[str, str]:
    """What the report says of a film or sound."""
    facts = {"format": str(container.format.long_name)}
    video, audio = moving_picture(container), sound_track(container)
    if video is not None:
        context = video.codec_context
        facts["picture"] = f"{size[0]} x {size[1]} pixels, {_rate(video, picture):.3f} fps"
        facts["stored"] = f"{video.width} x {video.height}, {context.name}, {context.pix_fmt}"
        facts["colour"] = f"{_word(context.colorspace)} matrix, {_word(context.color_trc)} curve"
        if display.rotation:
            facts["turned"] = display.rotation
        if display.aspect != 1:
            facts["pixels"] = f"{display.aspect:.3f} times as wide as high"
    if audio is not None:
        facts["sound"] = f"{audio.sample_rate} Hz, {audio.layout.name}, {audio.codec_context.name}"
    facts["tracks"] = (
        f"{len(moving_pictures(container))} picture, {len(container.streams.audio)} sound"
    )
    return facts


def _word(value: Any) -> str:
    """Name of a property of colours."""
    name = str(getattr(value, "name", value)).lower()
    return "unspecified" if name in ("2", "0", "unspecified") else name
