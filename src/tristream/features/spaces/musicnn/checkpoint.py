"""Read the variables of a TensorFlow checkpoint (V2 bundle) without TensorFlow.

A bundle is two files. ``.index`` is a sorted string table in LevelDB's format: the last 48 bytes
point to an index block, whose entries point to data blocks, whose entries map a variable's name to
a ``BundleEntryProto``: dtype, shape, and where its bytes lie in ``.data-00000-of-00001``. Only what
such a bundle of one uncompressed shard needs is read; anything else is refused.

References
----------
LevelDB, "table_format.md"; TensorFlow, "tensor_bundle.proto" and "tensor_bundle.h".
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tristream.errors import UserError

MAGIC = 0xDB4775248B80FB57
FLOAT32 = 1
INDEX = ".index"
DATA = ".data-00000-of-00001"


def read_checkpoint(folder: Path) -> dict[str, np.ndarray]:
    """All float32 variables of the bundle in `folder`, by name.

    Raises
    ------
    UserError
        If the files are missing, damaged, compressed, or of another format.
    """
    try:
        index = (folder / INDEX).read_bytes()
        data = (folder / DATA).read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file; fetch the weights again") from None
    try:
        return dict(_variables(index, data))
    except (ValueError, TypeError, IndexError, OverflowError, struct.error) as error:
        raise UserError(
            f"{folder / INDEX}: can't be read as a TensorFlow checkpoint ({error}); "
            "fetch the weights again"
        ) from None


def _variables(index: bytes, data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    for name, entry in _table(index):
        if not name:
            continue  # the bundle's header: number of shards, byte order
        fields = _message(entry)
        if fields.get(1, [0])[0] != FLOAT32:
            continue
        shape = [_message(d).get(1, [0])[0] for d in _message(fields.get(2, [b""])[0]).get(2, [])]
        offset, size = fields.get(4, [0])[0], fields.get(5, [0])[0]
        if offset + size > len(data) or size != 4 * int(np.prod(shape)):
            raise ValueError(f"{name!r} does not lie in its data file")
        yield name.decode(), np.frombuffer(data, "<f4", size // 4, offset).reshape(shape).copy()


def _table(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a LevelDB table."""
    footer = table[-48:]
    if len(footer) < 48 or struct.unpack("<Q", footer[-8:])[0] != MAGIC:
        raise ValueError("wrong magic number")
    position = 0
    handle = []
    for _ in range(4):  # offset and size of the metaindex block, then of the index block
        number, position = _varint(footer, position)
        handle.append(number)
    for _, value in _block(table, handle[2], handle[3]):
        offset, position = _varint(value, 0)
        size, _ = _varint(value, position)
        yield from _block(table, offset, size)


def _block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Entries of one block; each key is stored as what differs from the key before."""
    if table[offset + size] != 0:
        raise ValueError("the table is compressed")
    block = table[offset : offset + size]
    restarts = struct.unpack("<I", block[-4:])[0]
    end = len(block) - 4 - 4 * restarts
    if end < 0:
        raise ValueError("a block of the table is cut off")
    position, key = 0, b""
    while position < end:
        shared, position = _varint(block, position)
        unshared, position = _varint(block, position)
        length, position = _varint(block, position)
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        yield key, block[position : position + length]
        position += length


def _message(data: bytes) -> dict[int, list[Any]]:
    """Fields of a protocol buffer message: number to values, undecoded."""
    fields: dict[int, list[Any]] = {}
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        wire = tag & 7
        value: int | bytes
        if wire == 0:
            value, position = _varint(data, position)
        elif wire in (1, 2, 5):
            length = {1: 8, 5: 4}.get(wire)
            if length is None:
                length, position = _varint(data, position)
            value, position = data[position : position + length], position + length
        else:
            raise ValueError(f"unknown wire type {wire}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[position]
        number |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return number, position
