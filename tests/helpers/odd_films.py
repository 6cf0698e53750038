"""Films and sounds of odd containers, whose frames have numbers and whose sounds have clicks."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIDE, BITS = 16, 8
RATE = 48000


def numbered(number: int) -> np.ndarray:
    """A picture (32, 64, 3) that holds a number in eight squares."""
    bits = [(number >> bit) & 1 for bit in range(BITS)]
    squares = np.array(bits, np.uint8).reshape(2, 4) * 200 + 20
    grey = np.kron(squares, np.ones((SIDE, SIDE), np.uint8))
    return np.repeat(grey[..., None], 3, 2)


def number_of(picture: np.ndarray) -> int:
    """The number in a picture of :func:`numbered`."""
    grey = picture if picture.ndim == 2 else picture.mean(2)
    squares = grey.reshape(2, SIDE, 4, SIDE).mean((1, 3)) > 120
    return int((squares.ravel() << np.arange(BITS)).sum())


def clicks(seconds: float, every: float = 1.0) -> np.ndarray:
    """A sound (n,) at `RATE` with a click of 2 ms at each multiple of `every`."""
    sound = np.zeros(round(seconds * RATE), np.float32)
    for at in np.arange(0, seconds, every):
        sound[round(at * RATE) : round(at * RATE) + 96] = 0.8
    return sound


def clicks_in(sound: np.ndarray, rate: int) -> np.ndarray:
    """When the clicks of a sound begin (s)."""
    loud = np.abs(sound) > 0.3
    first = np.flatnonzero(loud & ~np.concatenate([[False], loud[:-1]]))
    return first[np.concatenate([[True], np.diff(first) > 0.1 * rate])] / rate


def film(
    path: Path,
    frames: int = 50,
    sound: np.ndarray | None = None,
    *,
    codec: str = "libx264",
    sound_codec: str = "aac",
    fps: int = 25,
    times: Sequence[Fraction] | None = None,
    first: int = 0,
    container_options: dict[str, str] | None = None,
    stream_options: dict[str, str] | None = None,
    pace: float = 1.0,
    last_for: float | None = None,
    pictures: Sequence[np.ndarray] | None = None,
    **context: object,
) -> Path:
    """A film of numbered frames (from `first`), and of a sound whose stamps run at `pace`."""
    base = Fraction(1, fps) if times is None else Fraction(1, 1000)
    with av.open(str(path), "w", options=container_options or {}) as container:
        video = container.add_stream(codec, rate=fps, options=stream_options or {})
        video.width, video.height = 4 * SIDE, 2 * SIDE
        if pictures is not None:
            video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt, video.bit_rate = "yuv420p", 2_000_000
        if times is not None:
            video.time_base = video.codec_context.time_base = base
        for name, value in context.items():
            setattr(video.codec_context, name, value)
        audio = None
        if sound is not None:
            layout = "mono" if sound.ndim == 1 else "stereo"
            audio = container.add_stream(sound_codec, rate=RATE, layout=layout)
        packets = []
        for index in range(frames):
            image = numbered(index + first) if pictures is None else pictures[index]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index if times is None else round(times[index] / base)
            frame.time_base = base
            packets += video.encode(frame)
        packets += video.encode()
        if last_for is not None:
            packets[-1].duration = round(last_for / packets[-1].time_base)
        if audio is not None and sound is not None:
            packets += _encoded(audio, sound, pace)
        packets.sort(key=lambda packet: packet.dts * packet.time_base)
        for packet in packets:
            container.mux(packet)
    return path


def sound_file(path: Path, sound: np.ndarray, codec: str, **options: str) -> Path:
    """A sound alone; `options` are those of the container."""
    with av.open(str(path), "w", options=options) as container:
        layout = "mono" if sound.ndim == 1 else "stereo"
        audio = container.add_stream(codec, rate=RATE, layout=layout)
        for packet in _encoded(audio, sound, 1.0):
            container.mux(packet)
    return path


def _encoded(audio: av.AudioStream, sound: np.ndarray, pace: float) -> list[av.Packet]:
    planes = np.atleast_2d(sound.T).astype(np.float32)
    layout = audio.layout.name
    resampler = av.AudioResampler(format=audio.format.name, layout=layout, rate=RATE)
    packets = []
    for start in range(0, planes.shape[1], 1024):
        piece = np.ascontiguousarray(planes[:, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), start
        packets += [p for one in resampler.resample(frame) for p in audio.encode(one)]
    packets += audio.encode()
    if pace != 1:
        for packet in packets:
            packet.pts, packet.dts = (round(packet.pts * pace), round(packet.dts * pace))
    return packets


def cut(path: Path, share: float) -> Path:
    """The first part of a file, in its place."""
    whole = path.read_bytes()
    path.write_bytes(whole[: round(len(whole) * share)])
    return path


def turned(path: Path, matrix: tuple[float, ...]) -> Path:
    """Write a matrix into the header of a film's only track."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd")
    start = at + 4 + 4 + 36  # version and flags, then 36 bytes before the matrix
    a, b, c, d = (round(v * 65536) for v in matrix)
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(content))
    return path
