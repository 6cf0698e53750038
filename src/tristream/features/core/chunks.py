"""Where one pass of a film leaves its layers: chunk files that outlive a kill.

A folder ``.chunks/HASH/`` beside the feature files of a space belongs to one set of stimuli; its
name is a hash of everything that decides the values. Each layer has a folder of its own in it, and
no two jobs share a layer.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tristream.features.core.registry import Block
from tristream.store import atomic_path

DONE = "done.json"


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
        with atomic_path(self.path / layer / stimulus / DONE) as temporary:
            temporary.write_text(json.dumps(notes), encoding="utf-8")

    def times(self, layer: str, stimulus: str) -> np.ndarray:
        """Times of all chunks together."""
        files = range(self.count(layer, stimulus))
        parts = [np.load(self._file(layer, stimulus, i))["times"] for i in files]
        return np.concatenate(parts) if parts else np.zeros(0)

    def blocks(self, layer: str, stimulus: str) -> Iterator[np.ndarray]:
        """Values of the chunks, in time order."""
        for index in range(self.count(layer, stimulus)):
            yield np.load(self._file(layer, stimulus, index))["values"]

    def width(self, layer: str, stimulus: str) -> int:
        """Number of columns; 0 without a chunk."""
        first = next(self.blocks(layer, stimulus), np.zeros((0, 0)))
        return int(first.shape[1])

    def notes(self, layer: str, stimulus: str) -> dict[str, Any]:
        """What the pass of a stimulus noted."""
        return dict(json.loads((self.path / layer / stimulus / DONE).read_text("utf-8")))

    def remove(self) -> None:
        """Remove the layers, and the folders that hold them unless another job has some there."""
        for layer in self.layers:
            shutil.rmtree(self.path / layer, ignore_errors=True)
        with suppress(OSError):
            self.path.rmdir()
            self.path.parent.rmdir()

    def _file(self, layer: str, stimulus: str, index: int) -> Path:
        return self.path / layer / stimulus / f"{index:06d}.npz"
