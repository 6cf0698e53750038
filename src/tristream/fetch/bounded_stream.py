"""A file whose reader is given no more at once, or for headers, than it can hold in memory."""

import io
from typing import IO

# Bytes of one read: all member names of a zip, the attributes of one member of a tar.
MOST_AT_ONCE = 16 << 20
# Bytes of all headers of a tar up to the wanted member: more than 30,000 members.
MOST_HEADERS = 64 << 20


class TooMuch(ValueError):
    """A file asks for more memory than anything that it may hold needs."""


class BoundedStream(io.RawIOBase):
    """What `tarfile` and `zipfile` read an archive through.

    Both take the length of a header from the archive and read it whole, so that a few kilobytes
    that are compressed could ask for all memory.

    Parameters
    ----------
    stream : binary file
        Seekable; compressed ones are given unpacked.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left: float = float("inf")

    def count_headers(self, counted: bool) -> None:
        """Whether what is read from now on are headers, which have a limit together."""
        self._left = MOST_HEADERS if counted else float("inf")

    def read(self, size: int | None = -1) -> bytes:
        most = int(min(MOST_AT_ONCE, self._left))
        wanted = most + 1 if size is None or size < 0 else min(size, most + 1)
        content = self._stream.read(wanted)
        if len(content) > most:
            raise TooMuch(
                f"headers of more than {MOST_AT_ONCE >> 20} MiB, or {MOST_HEADERS >> 20} together"
            )
        self._left -= len(content)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True
