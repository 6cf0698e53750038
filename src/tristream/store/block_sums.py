"""Checksums of a file by blocks, behind its content: a flipped bit is found where it is read.

HDF5 has checksums of compressed chunks alone, none of arrays that are stored in one piece (which
maps of memory need), of attributes or of its own structure. So each block of the finished file has
a CRC-32 in a table behind the end that HDF5 knows, where other programs do not look. Who reads a
part pays for the blocks of that part. They find damage, not malice: whoever writes a file writes
its sums.
"""

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

BLOCK = 1 << 16
# Blocks that are read and checked at a time.
PIECE = 64
MAGIC = b"tristream sums 1"
# Bytes of content, bytes of a block, CRC-32 of the table and of these two.
FOOTER = struct.Struct("<QII16s")
# Where HDF5 says where it ends, by the version of its first block.
END_OF_HDF5 = {0: 40, 1: 44, 2: 28, 3: 28}


class Damaged(OSError):
    """Bytes are not what was written."""


def seal(path: Path) -> None:
    """Write the checksums of a finished file behind its content."""
    sums = bytearray()
    size = 0
    with path.open("r+b") as file:
        while block := file.read(BLOCK):
            sums += struct.pack("<I", zlib.crc32(block))
            size += len(block)
        file.write(bytes(sums) + _footer(size, BLOCK, bytes(sums)))


def _footer(size: int, block: int, sums: bytes) -> bytes:
    whole = zlib.crc32(struct.pack("<QI", size, block), zlib.crc32(sums))
    return FOOTER.pack(size, block, whole, MAGIC)


class SealedFile(io.RawIOBase):
    """A file for reading whose blocks are checked before they are given out, once each.

    Attributes
    ----------
    is_sealed : bool
        Whether it has checksums; a file of another program has none.
    failure : str
        What a read has found, or nothing.

    Raises
    ------
    Damaged
        On opening, if the checksums themselves are damaged; on reading, if a block is.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._size = os.fstat(self._file.fileno()).st_size
        self._block = BLOCK
        self._sums: memoryview | None = None
        self._checked = bytearray()
        self._at = 0
        self.failure = ""
        try:
            self._read_sums()
        except BaseException:
            self._file.close()
            raise
        self.is_sealed = self._sums is not None

    def _read_sums(self) -> None:
        footer = self._bytes(self._size - FOOTER.size, FOOTER.size)
        if len(footer) == FOOTER.size and footer.endswith(MAGIC):
            size, block, *_ = FOOTER.unpack(footer)
            count = -(-size // block) if block else 0
            if size + 4 * count + FOOTER.size == self._size:
                sums = self._bytes(size, 4 * count)
                if _footer(size, block, sums) == footer:
                    self._sums = memoryview(sums).cast("I") if count else memoryview(b"")
                    self._size, self._block, self._checked = size, block, bytearray(count)
                    return
            raise Damaged("its checksums are damaged")
        most = max(END_OF_HDF5.values()) + 8
        head = self._bytes(0, most)
        if len(head) == most and (place := END_OF_HDF5.get(head[8])):
            (end,) = struct.unpack_from("<Q", head, place)
            if head[:4] == b"\x89HDF" and end < self._size:
                raise Damaged("its checksums are damaged")

    def _bytes(self, start: int, count: int) -> bytes:
        return os.pread(self._file.fileno(), count, max(start, 0))

    def check(self, start: int, stop: int) -> None:
        """Check the blocks of a range of bytes.

        Raises
        ------
        Damaged
            Naming the first block that is not what was written.
        """
        if self._sums is None or stop <= start:
            return
        last = min(-(-stop // self._block), len(self._sums))
        index = start // self._block
        while index < last:
            if self._checked[index]:
                index += 1
                continue
            count = min(PIECE, last - index)
            first = index * self._block
            piece = memoryview(self._bytes(first, min(count * self._block, self._size - first)))
            for k in range(count):
                block = piece[k * self._block : (k + 1) * self._block]
                if zlib.crc32(block) != self._sums[index + k]:
                    where = first + k * self._block
                    self.failure = (
                        f"bytes {where} to {where + len(block)} are not those that were written"
                    )
                    raise Damaged(self.failure)
                self._checked[index + k] = 1
            index += count

    def readinto(self, buffer: Any) -> int:
        """Read from where the last call stopped, or `seek` went."""
        view = memoryview(buffer).cast("B")
        count = min(len(view), max(self._size - self._at, 0))
        self.check(self._at, self._at + count)
        done = os.preadv(self._file.fileno(), [view[:count]], self._at) if count else 0
        self._at += done
        return done

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte of the content, which ends before the checksums."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """The next byte to be read."""
        return self._at

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
