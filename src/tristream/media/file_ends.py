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
# Packets of a transport stream (bytes), and where 0x47 stands in them: M2TS has time stamps first.
TRANSPORT = ((188, 0), (192, 4), (204, 0))


def bytes_missing(path: Path) -> int | None:
    """How many bytes of a film or sound are missing at its end.

    Parameters
    ----------
    path : Path
        Read: MP4 and MOV (boxes), MKV and WebM (elements), AVI, WAV, W64 and CAF (chunks), Ogg
        (pages), AAC in ADTS (frames), transport streams (packets).

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
        elif head[:3] == b"ID3" or _is_adts(head):
            end = _end_of_adts(file, size)
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


def _end_of_elements(file: BinaryIO, size: int) -> int | None:
    """Where the segment ends; None if that is unknown, or something else stands in it."""
    _number(file, keep=True)
    file.seek(_number(file, keep=False) or 0, 1)
    name, length = _number(file, keep=True), _number(file, keep=False)
    if name != SEGMENT or length is None:
        return None
    end = file.tell() + length
    while file.tell() < min(end, size):
        name, length = _number(file, keep=True), _number(file, keep=False)
        if name not in SEGMENT_PARTS or length is None:
            return end if end > size else None
        file.seek(length, 1)
    return end


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


def _end_of_adts(file: BinaryIO, size: int) -> int | None:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = 0
        if content[:3] == b"ID3":
            at = 10 + sum(byte << 7 * i for i, byte in enumerate(reversed(content[6:10])))
        while at < size:
            head = content[at : at + 7]
            if len(head) > 1 and not _is_adts(head):
                return None
            if len(head) < 7:
                return at + 7
            length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
            if length < 7:
                return None
            at += length
        return at


def _end_of_transport(file: BinaryIO, size: int) -> int | None:
    """Where the last packet ends; None if the file is not a transport stream to its end."""
    for length, offset in TRANSPORT:
        whole = size // length
        marks = []
        for number in (0, 1, 2, whole - 1, whole):
            file.seek(number * length + offset)
            marks.append(file.read(1))
        if whole > 3 and all(mark == b"\x47" for mark in marks[:4]) and marks[4] in (b"", b"\x47"):
            return -(-size // length) * length
    return None
