"""Clocks of picture and sound: when each packet of a file is shown or heard.

Time stamps need not rise (AVI stores them in the order of decoding), need not go on (parts of
broadcasts that were joined begin again), and need not keep the pace of the samples (sound cards
drift against cameras). They are read once, without decoding, and what they lack is then put right
while packets are decoded, for picture and sound alike. Corrections are those of the ``ffmpeg``
program (``fftools/ffmpeg.c``, ``ts_discontinuity_process``).
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

# In formats whose clock may begin again, times of decoding that fall by more did (s); where it may
# jump, too, those that rise by more than the second.
BACKWARD, FORWARD = 0.1, 10.0
JUMPING = {"mpegts", "mpeg", "ogg"}
RESTARTING = JUMPING | {"flv"}
# A step between the time stamps and the samples of a sound beyond this is a gap or an overlap,
# not rounding (s).
JUMP = 0.02
# Pauses that are worth a note (s).
SOUND_GAP, PICTURE_GAP = 1.0, 2.0
# A picture that is shown for longer is held, whatever the frame rate, and a longer pause in a sound
# was not recorded (s).
STILL = 10.0
# A packet that begins with so many zeros was never written (bytes).
BLANK = 32
# Formats that store when packets are decoded, not when they are shown.
DECODING_ORDER = {"avi"}

Floats = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True)
class Clock:
    """Times of one stream of a file, in seconds from where the file begins.

    Attributes
    ----------
    first, last, end : float
        Where the first packet begins, and where the last one begins and ends.
    pictures : int
        How many there are; 0 for sound.
    shifts : tuple of (int, float)
        From which packet of the stream on so many seconds are added to its time stamps.
    ranked : ndarray (n,) or None
        When the n-th picture that is shown begins, where packets do not tell.
    stamps : ndarray of int (n,) or None
        Time stamps of pictures as they are shown, in the file's units, where they hold as they are.
    period : float
        Seconds of a frame, at the average rate; 0 for sound.
    pace : float
        Seconds of time stamps in a second of samples; 1 for pictures.
    gaps : tuple of (float, float)
        From where to where there is none.
    longest : tuple of (float, float)
        From where to where one picture or packet stays, of all the one that stays longest.
    recorded : float
        Seconds from the first to the end, without those for which a picture or packet stays beyond
        `STILL`.
    blank : float or None
        Where the first packet of zeros stands that a codec cannot have written: a part of the file
        that was never filled.
    unstamped : int
        Packets before the first that has a time stamp; 0 where none has one.
    """

    last: float = 0.0
    end: float = 0.0
    shifts: tuple[tuple[int, float], ...] = ()
    ranked: Floats | None = None
    stamps: NDArray[np.int64] | None = None
    period: float = 0.0
    pace: float = 1.0
    gaps: tuple[tuple[float, float], ...] = ()
    longest: tuple[float, float] = (0.0, 0.0)
    recorded: float = 0.0
    blank: float | None = None
    first: float = 0.0
    pictures: int = 0
    unstamped: int = 0

    @property
    def is_direct(self) -> bool:
        """Whether time stamps hold as they are, so that one can be looked for in the file."""
        return self.ranked is None and not self.shifts

    def packets(self, container: Any, stream: Any) -> Iterator[Any]:
        """Packets of the stream from the first, with time stamps that go on."""
        starts = [first for first, _ in self.shifts]
        for index, packet in enumerate(container.demux(stream)):
            if packet.size and (found := bisect_right(starts, index)):
                shift = round(self.shifts[found - 1][1] / packet.time_base)
                packet.pts = None if packet.pts is None else packet.pts + shift
                packet.dts = None if packet.dts is None else packet.dts + shift
            yield packet

    def in_order(self, pictures: Iterable[tuple[float | None, T]]) -> Iterator[tuple[float, T]]:
        """Pictures with their times, from their time stamps (None: it has none).

        Times rise: a picture without a time stamp, or with one that falls, follows the one before
        after a frame's period.

        Parameters
        ----------
        pictures : iterable of (float or None, object)
            From the first on, as they are shown.
        """
        before: float | None = None
        for index, (stamp, picture) in enumerate(pictures):
            if self.ranked is not None:
                stamp = float(self.ranked[index]) if index < len(self.ranked) else None
            if before is not None and (stamp is None or stamp <= before):
                stamp = before + (self.period or JUMP)
            before = 0.0 if stamp is None else stamp
            yield before, picture


@dataclass
class _Packets:
    """What the packets of one stream say."""

    pts: list[float] = field(default_factory=list)
    dts: list[float] = field(default_factory=list)
    stamps: list[int | None] = field(default_factory=list)
    durations: list[float] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    shifts: list[tuple[int, float]] = field(default_factory=list)
    blank: float | None = None
    count: int = 0
    unstamped: int = 0


def read_clocks(container: Any, streams: Sequence[Any], origin: float) -> dict[int, Clock]:
    """Read the packets of `streams` from where the container stands, and make their clocks.

    Parameters
    ----------
    container : av.container.InputContainer
    streams : sequence of av.stream.Stream
    origin : float
        Time stamp of media time 0 (s).

    Returns
    -------
    dict of index of the stream to Clock
    """
    found = {stream.index: _Packets() for stream in streams}
    shift, last = 0.0, dict[int, tuple[float, float]]()
    jumps, restarts = (container.format.name in names for names in (JUMPING, RESTARTING))
    pace = {stream.index: _samples_of(stream) for stream in streams}
    for packet in container.demux(*streams):
        index, base = packet.stream.index, float(packet.time_base)
        stamp = packet.pts if packet.dts is None else packet.dts
        number = found[index].count
        found[index].count += 1
        if stamp is None or not packet.size:
            found[index].unstamped += bool(packet.size) and not found[index].pts
            continue
        one, time = found[index], stamp * base - origin
        length = (packet.duration or 0) * base
        before, due = last.get(index, (time + shift, time + shift))
        step = time + shift - due
        falls = restarts and time + shift < before - BACKWARD
        if falls or (jumps and step > FORWARD):
            shift -= step
        if shift != (one.shifts[-1][1] if one.shifts else 0.0):
            one.shifts.append((number, shift))
        last[index] = (time + shift, time + shift + length)
        one.dts.append(time + shift)
        one.stamps.append(packet.pts)
        one.pts.append(time + shift if packet.pts is None else packet.pts * base - origin + shift)
        one.durations.append(length)
        one.samples.append(pace[index](packet))
        if one.blank is None and not _is_raw(packet.stream) and _is_blank(packet):
            one.blank = one.pts[-1]
    ordered = container.format.name in DECODING_ORDER
    return {stream.index: _clock(stream, found[stream.index], ordered) for stream in streams}


def shown_times(dts: Floats, delay: int, period: float) -> Floats:
    """When pictures are shown, from the times at which their packets are decoded.

    A packet is decoded when the picture `delay` places before it in the order of showing is shown.

    Parameters
    ----------
    dts : ndarray (n,)
        Seconds, in the order of the file.
    delay : int
        Pictures that the decoder holds back.
    period : float
        Seconds of a frame.

    Returns
    -------
    ndarray (n,)
        Rising; the first is that of the first packet.
    """
    n = len(dts)
    delay = min(delay, n - 1)
    rest = dts[-1] + period * np.arange(1, delay + 1)
    shown = np.concatenate([dts[delay:], rest])
    return shown - (shown[0] - dts[0])


def pace_of(stamps: Floats, samples: Floats, rate: float) -> float:
    """Seconds of time stamps in a second of samples, without gaps and overlaps.

    Parameters
    ----------
    stamps : ndarray (n,)
        When the packets begin (s).
    samples : ndarray (n,)
        Samples that each holds.
    rate : float
        Hz.

    Returns
    -------
    float
        1 if both differ by no more than rounding over the whole sound, or by less than half a
        sample a second.
    """
    lengths = samples[:-1] / rate
    steps = np.diff(stamps) - lengths
    steady = np.abs(steps) <= JUMP
    drift, length = float(steps[steady].sum()), float(lengths[steady].sum())
    if abs(drift) <= JUMP or abs(drift) * rate < length / 2:
        return 1.0
    return 1 + drift / length


def gaps_of(starts: Floats, ends: Floats, shortest: float) -> tuple[tuple[float, float], ...]:
    """From where to where nothing lasts, if for longer than `shortest` seconds."""
    order = np.argsort(starts, kind="stable")
    reached = np.maximum.accumulate(ends[order])[:-1]
    following = starts[order][1:]
    return tuple(
        (float(a), float(b)) for a, b in zip(reached, following, strict=True) if b - a > shortest
    )


def _clock(stream: Any, packets: _Packets, decoding_order: bool) -> Clock:
    if not packets.pts:
        return Clock()
    pts, lengths = np.array(packets.pts), np.array(packets.durations)
    period, pace, ranked, stamps, shortest = 0.0, 1.0, None, None, SOUND_GAP
    if stream.type == "audio":
        samples = np.array(packets.samples, float)
        if samples.all():
            pace = pace_of(pts, samples, stream.codec_context.sample_rate)
    else:
        period = float(1 / stream.average_rate) if stream.average_rate else 0.0
        shortest = max(PICTURE_GAP, 5 * period)
        if decoding_order:
            delay = stream.codec_context.reorder_depth
            ranked = pts = shown_times(np.array(packets.dts), delay, period)
        elif not packets.shifts and None not in packets.stamps:
            stamps = np.unique(np.array(packets.stamps, np.int64))
            stamps = stamps if len(stamps) == len(pts) else None
    ends = pts + np.where(lengths > 0, lengths, period)
    # Each stays until the next begins, and the last until the end.
    begins = np.append(np.sort(pts), ends.max())
    stays = np.diff(begins)
    longest = int(stays.argmax())
    return Clock(
        last=float(pts.max()),
        end=float(ends.max()),
        shifts=tuple(packets.shifts),
        ranked=ranked,
        stamps=stamps,
        period=period,
        pace=pace,
        gaps=gaps_of(pts, ends, shortest),
        longest=(float(begins[longest]), float(begins[longest + 1])),
        recorded=float(np.minimum(stays, STILL).sum()),
        blank=packets.blank,
        first=float(pts.min()),
        pictures=len(pts) if stream.type == "video" else 0,
        unstamped=packets.unstamped,
    )


def _is_raw(stream: Any) -> bool:
    name = stream.codec_context.name
    return bool(name.startswith(("pcm_", "raw", "adpcm")))


def _is_blank(packet: Any) -> bool:
    return packet.size >= BLANK and not bytes(memoryview(packet)[:BLANK]).strip(b"\0")


def _samples_of(stream: Any) -> Any:
    """Function: packet of a sound -> its number of samples; 0 where only decoding would tell."""
    if stream.type != "audio":
        return lambda packet: 0
    context = stream.codec_context
    if context.name.startswith("pcm_") and context.channels:
        bits = int("".join(c for c in context.name.split("_")[1] if c.isdigit()) or 8)
        size = max(bits // 8, 1) * context.channels
        return lambda packet: packet.size // size
    return lambda packet: context.frame_size or 0
