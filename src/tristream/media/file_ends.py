"""Whether a file ends where its own structure says."""

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


def bytes_missing(path: Path) -> int | None:
    """How many bytes of a film or sound are missing at its end.

    Parameters
    ----------
    path : Path
        Read: MP4 and MOV (boxes), MKV and WebM (elements), AVI and WAV (chunks).

    Returns
    -------
    int or None
        0 if all are there; None if the format, or this file, does not say.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(0)
        if head[4:8] in MOVIE_BOXES:
            end = _end_of_boxes(file, size)
        elif head[:4] == b"\x1a\x45\xdf\xa3":
            end = _end_of_elements(file, size)
        elif head[:4] == b"RIFF":
            stated = int.from_bytes(head[4:8], "little")
            # Written to a pipe, a file does not know its length; longer ones than 4 GB cannot say.
            end = stated + 8 if 0 < stated < 0xFFFFFF00 and size <= 0xFFFFFFFF else None
        else:
            end = None
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
