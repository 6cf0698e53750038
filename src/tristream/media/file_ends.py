"""Whether a file ends where its own structure says."""

import mmap
from pathlib import Path
from typing import BinaryIO

# Of Matroska: the elements of a file and of its segment.
SEGMENT = 0x18538067
SEGMENT_PARTS = {
    0x114D9B74,  # seek head
    0x1549A966,  # information
    0x1654AE6B,  # tracks
    0x1F43B675,  # cluster
    0x1C53BB6B,  # cues
    0x1941A469,  # attachments
    0x1043A770,  # chapters
    0x1254C367,  # tags
    0xEC,  # empty space
    0xBF,  # checksum
}
MOVIE_BOXES = (b"ftyp", b"moov", b"wide", b"free", b"skip", b"pnot")
# Bytes of an Ogg page before the table of its segments; its flag for the last page of a stream.
OGG_HEAD, OGG_LAST = 27, 4
# Of Windows Media: its header, and the object that holds the packets.
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
# Of program streams: what a pack begins with, and the mark of the end.
PACK, PROGRAM_END = b"\x00\x00\x01\xba", b"\x00\x00\x01\xb9"
# Of MP3 (layer III): kbit/s of MPEG 1 and of MPEG 2, samples a second of MPEG 1.
MP3_RATES = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
MP3_HERTZ = (44100, 48000, 32000)
# Packets of a transport stream (bytes), and where 0x47 stands in them: M2TS has time stamps first.
TRANSPORT = ((188, 0), (192, 4), (204, 0))


def bytes_missing(path: Path) -> int | None:
    """How many bytes of a film or sound are missing at its end.

    Parameters
    ----------
    path : Path
        Read: MP4 and MOV (boxes), MKV and WebM (elements), AVI, WAV, W64 and CAF (chunks), Ogg
        (pages), Windows Media (objects), AAC in ADTS and MP3 (frames), program and transport
        streams (packets).

    Returns
    -------
    int or None
        0 if all are there; None if the format, or this file, does not say.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(24)
        file.seek(0)
        if head[4:8] in MOVIE_BOXES:
            end = _end_of_boxes(file, size)
        elif head[:4] == b"\x1a\x45\xdf\xa3":
            end = _end_of_elements(file, size)
        elif head[:4] == b"RIFF":
            stated = int.from_bytes(head[4:8], "little")
            # Written to a pipe, a file does not know its length; longer ones than 4 GB cannot say.
            end = stated + 8 if 0 < stated < 0xFFFFFF00 and size <= 0xFFFFFFFF else None
        elif head[:4] == b"riff":
            end = int.from_bytes(head[16:24], "little")
        elif head[:4] == b"caff":
            end = _end_of_caf(file, size)
        elif head[:4] == b"OggS":
            end, _ = _end_of_pages(file, size)
        elif head[:16] == ASF:
            end = _end_of_objects(file, size)
        elif head[:4] == PACK:
            end = _end_of_program(file, size)
        elif head[:3] == b"ID3" or _is_adts(head) or _mp3_length(head):
            end = _end_of_frames(file, size)
        else:
            end = _end_of_transport(file, size)
    return None if end is None else max(end - size, 0)


def _end_of_boxes(file: BinaryIO, size: int) -> int | None:
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 0:
            return size  # up to the end
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:
            return None
        at += length
    return at


def unclosed(path: Path) -> bool:
    """Whether a film of the MP4 family lacks its index, which recorders write last."""
    size = path.stat().st_size
    with path.open("rb") as file:
        names, at = [], 0
        while at < size:
            file.seek(at)
            head = file.read(16)
            names.append(head[4:8])
            length = int.from_bytes(head[:4], "big")
            length = int.from_bytes(head[8:16], "big") if length == 1 else length
            if length < 8:
                break
            at += length
    return bool(names) and names[0] in (*MOVIE_BOXES, b"mdat") and b"moov" not in names


def _end_of_elements(file: BinaryIO, size: int) -> int | None:
    """Where the segment ends; None if that is unknown, or something else stands in it."""
    _number(file, keep=True)
    _pass(file, _number(file, keep=False) or 0, size)
    name, length = _number(file, keep=True), _number(file, keep=False)
    if name != SEGMENT or length is None:
        return None
    end = file.tell() + length
    while file.tell() < min(end, size):
        name, length = _number(file, keep=True), _number(file, keep=False)
        if name not in SEGMENT_PARTS or length is None:
            return end if end > size else None
        _pass(file, length, size)
    return end


def _pass(file: BinaryIO, length: int, size: int) -> None:
    """Go on by `length`, to the end at most: a file may state more than any file can hold."""
    file.seek(min(file.tell() + length, size))


def _number(file: BinaryIO, keep: bool) -> int | None:
    """A number of variable length; None at the end, or where it stands for *unknown*."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    rest = file.read(length - 1)
    marker = 1 << (8 - length)
    value = int.from_bytes(bytes([first[0] if keep else first[0] - marker]) + rest, "big")
    return None if not keep and value == (1 << 7 * length) - 1 else value


def ends_openly(path: Path) -> bool:
    """Whether a file of a format that marks its end lacks the mark: Ogg's last page of a stream."""
    with path.open("rb") as file:
        if file.read(4) != b"OggS":
            return False
        file.seek(0)
        return _end_of_pages(file, path.stat().st_size)[1]


def _end_of_pages(file: BinaryIO, size: int) -> tuple[int | None, bool]:
    """Where the last Ogg page ends, and whether some stream goes on after it."""
    at, going = 0, set[bytes]()
    while at < size:
        file.seek(at)
        head = file.read(OGG_HEAD)
        if not b"OggS".startswith(head[:4]):
            return None, bool(going)
        if len(head) < OGG_HEAD:
            return at + OGG_HEAD, True
        segments = file.read(head[26])
        (going.discard if head[5] & OGG_LAST else going.add)(head[14:18])
        at += OGG_HEAD + head[26] + sum(segments)
    return at, bool(going)


def _end_of_caf(file: BinaryIO, size: int) -> int | None:
    at = 8
    while at < size:
        file.seek(at)
        head = file.read(12)
        length = int.from_bytes(head[4:12], "big", signed=True)
        if length < 0:
            return size  # up to the end
        at += 12 + length
    return at


def _is_adts(head: bytes) -> bool:
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0


def _mp3_length(head: bytes) -> int:
    """Bytes of a frame of MP3; 0 if this is not the head of one."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2 or head[1] & 0x18 == 0x08:
        return 0
    rate, hertz, first = head[2] >> 4, head[2] >> 2 & 3, head[1] & 0x18 == 0x18
    if rate in (0, 15) or hertz == 3:
        return 0
    # MPEG 2 halves the rates of MPEG 1, MPEG 2.5 quarters them.
    slower = {0x18: 1, 0x10: 2, 0x00: 4}[head[1] & 0x18]
    samples = 144 if first else 72
    bits = MP3_RATES[not first][rate] * 1000
    return samples * bits * slower // MP3_HERTZ[hertz] + (head[2] >> 1 & 1)


def _end_of_objects(file: BinaryIO, size: int) -> int | None:
    at = 0
    while at < size:
        file.seek(at + 16)
        length = int.from_bytes(file.read(8), "little")
        if length < 24:
            return None  # of a broadcast, which does not know its length
        at += length
    return at


def _end_of_program(file: BinaryIO, size: int) -> int | None:
    """Where the last packet of the last pack ends; None if something else stands there."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.rfind(PACK)
        while at < size:
            head = content[at : at + 14]
            if head[:3] != PACK[: min(3, len(head))]:
                return None
            if head[:4] == PROGRAM_END:
                return at + 4
            if head[:4] == PACK:
                second = len(head) > 4 and head[4] >> 6 == 1  # MPEG 2
                at += (14 + (head[13] & 7 if len(head) > 13 else 0)) if second else 12
            else:
                at += 6 + int.from_bytes(head[4:6], "big")
        return at


def _end_of_frames(file: BinaryIO, size: int) -> int | None:
    """Where the last frame of ADTS or MP3 ends; None if something else stands between frames."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at, streamed = 0, True
        if content[:3] == b"ID3":
            at = 10 + sum(byte << 7 * i for i, byte in enumerate(reversed(content[6:10])))
        while at < size:
            head = content[at : at + 7]
            if length := _mp3_length(head):
                at, streamed = at + length, False
                continue
            if len(head) > 1 and not _is_adts(head):
                return None
            if len(head) < 7:
                return at + 7
            length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
            if length < 7:
                return None
            at += length
        # That all frames of an MP3 are whole does not say that none is missing: its header may.
        return at if streamed or at > size else None


def _end_of_transport(file: BinaryIO, size: int) -> int | None:
    """Where the last packet ends; None if the file is not a transport stream to its end."""
    for length, offset in TRANSPORT:
        whole = size // length
        if whole <= 3:
            continue
        marks = []
        for number in (0, 1, 2, whole - 1, whole):
            file.seek(number * length + offset)
            marks.append(file.read(1))
        if all(mark == b"\x47" for mark in marks[:4]) and marks[4] in (b"", b"\x47"):
            return -(-size // length) * length
    return None
