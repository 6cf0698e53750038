"""Where one pass of a film leaves its layers: chunk files that outlive a kill and are shared.

A folder ``RESULTS/.chunks/HASH/`` belongs to one feature space of one set of stimuli; its name is
a hash of everything that decides the values. The jobs of the space's layers take turns by an OS
lock, which dies with its process: the first computes all layers, the others find theirs whole.
"""

import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from tristream.features.core.registry import Block
from tristream.store import atomic_path

LOCK = "lock"
DONE = "done"
NOTES = ".notes"


class ChunkFolder:
    """Chunks of the layers of one feature space; use inside :func:`locked`.

    Chunk `i` of a layer of a stimulus is ``LAYER/STIMULUS/i.npz``; the file ``done`` beside says
    that there are no more. ``.notes/STIMULUS.json`` is what the pass said of itself.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

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

    def finish(self, layer: str, stimulus: str) -> None:
        """Say that there are no more chunks."""
        folder = self.path / layer / stimulus
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DONE).touch()

    def times(self, layer: str, stimulus: str) -> np.ndarray:
        """Times of all chunks together."""
        files = range(self.count(layer, stimulus))
        parts = [np.load(self._file(layer, stimulus, i))["times"] for i in files]
        return np.concatenate(parts) if parts else np.zeros(0)

    def blocks(self, layer: str, stimulus: str) -> Iterator[np.ndarray]:
        """Values of the chunks, in time order."""
        for index in range(self.count(layer, stimulus)):
            yield np.load(self._file(layer, stimulus, index))["values"]

    def note(self, stimulus: str, notes: Mapping[str, Any]) -> None:
        """Store what the pass of a stimulus said of itself."""
        with atomic_path(self.path / NOTES / f"{stimulus}.json") as temporary:
            temporary.write_text(json.dumps(notes), encoding="utf-8")

    def notes(self, stimulus: str) -> dict[str, Any]:
        """What the last pass of a stimulus said of itself."""
        return dict(json.loads((self.path / NOTES / f"{stimulus}.json").read_text("utf-8")))

    def remove(self, layer: str) -> None:
        """Remove a layer that has reached its final file, and the folder after the last one."""
        shutil.rmtree(self.path / layer, ignore_errors=True)
        if {entry.name for entry in self.path.iterdir()} <= {LOCK, NOTES}:
            shutil.rmtree(self.path, ignore_errors=True)

    def _file(self, layer: str, stimulus: str, index: int) -> Path:
        return self.path / layer / stimulus / f"{index:06d}.npz"


@contextmanager
def locked(path: Path) -> Iterator[ChunkFolder]:
    """Hold the folder `path` alone; wait while another process holds it."""
    lock = _acquire(path)
    try:
        yield ChunkFolder(path)
    finally:
        os.close(lock)
        with suppress(OSError):
            path.parent.rmdir()


def _acquire(path: Path) -> int:
    """A locked descriptor of the lock file that lies in `path` now.

    The process that held the lock before may have removed the folder; then the lock that was
    waited for is not the one that a third process would see, and is asked for anew.
    """
    while True:
        path.mkdir(parents=True, exist_ok=True)
        try:
            lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for the job that computes all layers of this space", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.fstat(lock).st_ino == os.stat(path / LOCK).st_ino:
                return lock
        os.close(lock)
