"""Where one pass of a film leaves its layers: chunk files that outlive a kill.

A folder ``.chunks/HASH/`` beside the feature files of a space belongs to one set of stimuli; its
name is a hash of everything that decides the values. Each layer has a folder of its own in it, and
no two jobs share a layer.
"""

import io
import shutil
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from tristream.errors import UserError
from tristream.features.core.registry import Block
from tristream.store import atomic_path, read_summed, write_summed

DONE = "done.json"
# What a damaged archive raises beside the usual.
ODD = (struct.error, zlib.error)


class ChunkFolder:
    """Chunks of the layers of one pass.

    Chunk `i` of a layer of a stimulus is ``LAYER/STIMULUS/i.npz``; ``done.json`` beside it says
    that there are no more, and holds the notes of the pass.
    """

    def __init__(self, path: Path, layers: Sequence[str]) -> None:
        self.path = path
        self.layers = layers
        for layer in layers:
            # Another job may remove the folder that holds this one, as long as it is empty.
            while not (path / layer).is_dir():
                with suppress(FileNotFoundError):
                    (path / layer).mkdir(parents=True, exist_ok=True)

    def count(self, layer: str, stimulus: str) -> int:
        """How many chunks are stored without a gap."""
        index = 0
        while self._file(layer, stimulus, index).is_file():
            index += 1
        return index

    def is_whole(self, layer: str, stimulus: str) -> bool:
        """Whether the last chunk is stored."""
        return (self.path / layer / stimulus / DONE).is_file()

    def write(self, layer: str, stimulus: str, index: int, block: Block) -> None:
        """Store one chunk, unless it is there."""
        file = self._file(layer, stimulus, index)
        if not file.is_file():
            with atomic_path(file) as temporary:
                np.savez(
                    temporary,
                    values=np.asarray(block.values, np.float32),
                    times=np.asarray(block.times, np.float64),
                )

    def clear(self, layer: str, stimulus: str) -> None:
        """Remove the chunks of a stimulus, unless they are whole."""
        if not self.is_whole(layer, stimulus):
            shutil.rmtree(self.path / layer / stimulus, ignore_errors=True)

    def finish(self, layer: str, stimulus: str, notes: Mapping[str, Any]) -> None:
        """Mark the last chunk, and store the notes of the pass."""
        write_summed(self.path / layer / stimulus / DONE, notes)

    def times(self, layer: str, stimulus: str) -> np.ndarray:
        """Times of all chunks together."""
        files = range(self.count(layer, stimulus))
        parts = [_read(self._file(layer, stimulus, i), "times") for i in files]
        return np.concatenate(parts) if parts else np.zeros(0)

    def blocks(self, layer: str, stimulus: str) -> Iterator[np.ndarray]:
        """Values of the chunks, in time order."""
        for index in range(self.count(layer, stimulus)):
            yield _read(self._file(layer, stimulus, index), "values")

    def width(self, layer: str, stimulus: str) -> int:
        """Number of columns; 0 without a chunk."""
        first = next(self.blocks(layer, stimulus), np.zeros((0, 0)))
        return int(first.shape[1])

    def notes(self, layer: str, stimulus: str) -> dict[str, Any]:
        """What the pass of a stimulus noted."""
        return read_summed(self.path / layer / stimulus / DONE)

    def remove(self) -> None:
        """Remove the layers, and the folders that hold them unless another job has some there."""
        for layer in self.layers:
            shutil.rmtree(self.path / layer, ignore_errors=True)
        with suppress(OSError):
            self.path.rmdir()
            self.path.parent.rmdir()

    def _file(self, layer: str, stimulus: str, index: int) -> Path:
        return self.path / layer / stimulus / f"{index:06d}.npz"


def _read(file: Path, name: str) -> np.ndarray:
    """An array of a chunk, whose archive has checksums.

    Raises
    ------
    UserError
        If it is damaged: the pass over the stimulus has to begin anew.
    """
    try:
        # All of it, or its checksum is not looked at: a damaged header may ask for less.
        with ZipFile(file) as archive:
            content = archive.read(f"{name}.npy")
        return np.asarray(np.lib.format.read_array(io.BytesIO(content), allow_pickle=False))
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, BadZipFile, *ODD) as error:
        raise UserError(
            f"{file}: damaged ({error}); delete its folder {file.parent} and run again"
        ) from None
