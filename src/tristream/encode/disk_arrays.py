"""Arrays on disk in place of memory, where all that is held together would not fit.

A subject of 80,000 voxels and 5,000 training volumes has 1.6 GB of data, as many of dual weights
for each band, and predictions beside them. Arrays beyond an allowance lie in files without a name,
which are gone with the process whatever ends it, and are mapped into memory: the system writes and
reads what is touched. Whoever goes through them a few voxels at a time lets go of what was read.
"""

import errno
import mmap
import os
import shutil
import tempfile
import weakref
from pathlib import Path

import numpy as np
import numpy.typing as npt

ROOM = 2**30
"""Bytes of all arrays together that stay in memory."""
# Rows whose columns are read at a time.
ROWS = 256


class DiskArrays:
    """Makes arrays: in memory while there is room, then on disk.

    Parameters
    ----------
    folder : Path, optional
        Where files lie; by default that of temporary files, which may be memory itself.
    room : int
        Bytes of arrays that stay in memory.
    """

    def __init__(self, folder: Path | None = None, room: int = ROOM) -> None:
        self._folder, self._room = folder, room
        self._maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()

    def zeros(self, shape: tuple[int, ...], dtype: npt.DTypeLike = np.float32) -> npt.NDArray:
        """An array of zeros.

        Raises
        ------
        OSError
            If the disk has no room for it.
        """
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if size <= self._room:
            array = np.zeros(shape, dtype)
            self._room -= size
            weakref.finalize(array, self._free, size)
            return array
        folder = str(self._folder or tempfile.gettempdir())
        with tempfile.TemporaryFile(dir=folder) as file:
            # The disk is not filled first to find that it is too small.
            if shutil.disk_usage(folder).free < size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)
            try:
                # Without its blocks, a write where there is no room is a signal.
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                raise OSError(error.errno, error.strerror, folder) from None
            mapped = mmap.mmap(file.fileno(), size)
        self._maps.add(mapped)
        return np.frombuffer(mapped, dtype).reshape(shape)

    def _free(self, size: int) -> None:
        self._room += size

    def forget(self) -> None:
        """Let go of what arrays on disk have in memory; it is read again when it is asked for."""
        for mapped in self._maps:
            _let_go(mapped)


def forget(*arrays: npt.NDArray) -> None:
    """Let go of what arrays that are mapped from files have in memory; of others nothing."""
    for array in arrays:
        base: object = array
        while isinstance(base, np.ndarray):
            base = base.base
        if isinstance(base, memoryview):
            base = base.obj
        if isinstance(base, mmap.mmap):
            _let_go(base)


def columns(array: npt.NDArray, chosen: npt.NDArray[np.integer]) -> npt.NDArray:
    """Some columns of an array; of a file no more than some rows are in memory at a time."""
    out = np.empty((len(array), len(chosen)), array.dtype)
    for start in range(0, len(array), ROWS):
        out[start : start + ROWS] = array[start : start + ROWS, chosen]
        forget(array)
    return out


def _let_go(mapped: mmap.mmap) -> None:
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
