"""Small files of the kinds that parsers of ours read byte by byte."""

import struct

import numpy as np

from tristream.features.spaces.musicnn.checkpoint import MAGIC

HEADS = {
    "boxes": struct.pack(">I4s8sI4s8s", 16, b"ftyp", b"isom    ", 16, b"moov", bytes(8)),
    "elements": b"\x1a\x45\xdf\xa3\x84abcd\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"\x1f\x43\xb6\x75",
    "riff": b"RIFF" + struct.pack("<I", 100) + b"WAVEfmt " + bytes(92),
    "riff64": b"riff" + bytes(12) + struct.pack("<Q", 2**63) + bytes(40),
    "caf": b"caff\0\1\0\0desc" + struct.pack(">q", 32) + bytes(32) + b"data" + b"\xff" * 8,
    "ogg": (b"OggS\0\4" + bytes(20) + b"\2\xff\xff" + bytes(510)) * 2,
    "adts": b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(9),
    "tagged": b"ID3\4\0\0\x7f\x7f\x7f\x7f" + b"\xff\xf1\x50\x80\x00\x00\x00",
    "transport": (b"\x47" + bytes(187)) * 5,
}


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    body = b"".join(
        b"\0" + varint(len(key)) + varint(len(value)) + key + value for key, value in entries
    )
    return body + struct.pack("<II", 0, 1) + b"\0\0\0\0\0"


def bundle() -> tuple[bytes, bytes]:
    """Index and values of a TensorFlow checkpoint of two variables."""
    values = np.arange(10, dtype="<f4").tobytes()
    entries = [(b"", b"\x08\x01")]
    for name, rows, offset in ((b"a/b", 4, 0), (b"c", 6, 16)):
        dims = b"\x12" + varint(2) + b"\x08" + varint(rows)
        message = b"\x08\x01\x12" + varint(len(dims)) + dims
        entries.append((name, message + b"\x20" + varint(offset) + b"\x28" + varint(4 * rows)))
    data = block(entries)
    index = block([(b"z", varint(0) + varint(len(data) - 5))])
    handles = varint(0) + varint(0) + varint(len(data)) + varint(len(index) - 5)
    footer = handles.ljust(40, b"\0") + struct.pack("<Q", MAGIC)
    return data + index + footer, values
