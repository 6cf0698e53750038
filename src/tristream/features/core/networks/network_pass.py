"""Decoding, preparation and network at the same time, and how busy the network was.

A thread decodes and prepares the next batches (PyAV, Pillow and NumPy let other threads run
meanwhile) while the network computes on this one; a bounded queue keeps memory independent of the
film's length.
"""

import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import closing
from queue import Empty, Full, Queue
from typing import Any, TypeVar

import numpy as np

from tristream.features.core.block_checks import joined
from tristream.features.core.registry import Block

T = TypeVar("T")
# Batches that wait for the network.
DEPTH = 3
# Seconds after which a thread looks whether it is still wanted.
POLL = 0.1


def prefetch(source: Iterator[T], depth: int = DEPTH) -> Iterator[T]:
    """The items of `source`, made by a thread that is up to `depth` items ahead.

    Errors of `source` are raised here; closing this iterator ends the thread.
    """
    queue: Queue[tuple[bool, Any]] = Queue(depth)
    wanted = threading.Event()
    wanted.set()

    def put(item: tuple[bool, Any]) -> None:
        while wanted.is_set():
            try:
                queue.put(item, timeout=POLL)
                return
            except Full:
                continue

    def work() -> None:
        try:
            for item in source:
                put((True, item))
                if not wanted.is_set():
                    return
            put((False, None))
        except BaseException as error:
            put((False, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            more, item = _next(queue, thread)
            if more:
                yield item
            elif item is None:
                return
            else:
                raise item
    finally:
        wanted.clear()
        thread.join()
        if hasattr(source, "close"):
            source.close()


def _next(queue: "Queue[tuple[bool, Any]]", thread: threading.Thread) -> tuple[bool, Any]:
    while True:
        try:
            return queue.get(timeout=POLL)
        except Empty:
            if not thread.is_alive() and queue.empty():
                raise RuntimeError("the thread that decodes has ended without a result") from None


def stacked(
    pictures: Iterator[tuple[float, np.ndarray]], length: int, chunk: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of pictures: times (n,) and pixels (n, height, width, 3), or of clips of pictures.

    A batch has `length` pictures, or fewer: one of another shape begins a new batch, and so does
    every multiple of `chunk` pictures.
    """
    times: list[float] = []
    waiting: list[np.ndarray] = []
    for index, (at, picture) in enumerate(pictures):
        full = len(waiting) == length or index % chunk == 0
        if waiting and (full or picture.shape != waiting[0].shape):
            yield np.array(times), np.stack(waiting)
            times, waiting = [], []
        times.append(at)
        waiting.append(picture)
    if waiting:
        yield np.array(times), np.stack(waiting)


def run(
    batches: Iterator[tuple[np.ndarray, np.ndarray]],
    compute: Callable[[Any], dict[str, np.ndarray]],
    device: str,
    notes: MutableMapping[str, Any],
    chunk: int,
) -> Iterator[dict[str, Block]]:
    """Feed a network without a pause.

    Parameters
    ----------
    batches : iterator of (times, pixels)
        Made in a thread ahead of the network.
    compute : callable
        From the tensor of pixels, on `device`, to an array (n, p) for each layer.
    device : str
        ``cpu`` or ``cuda``; for the latter batches are copied from pinned memory.
    notes : dict
        Gets ``busy``, the share of this pass in which the network computed, and ``waiting``, that
        in which it waited for pictures (0 to 1). The rest went into storing.
    chunk : int
        Pictures that are given together.

    Yields
    ------
    dict of layer to Block
        Of `chunk` pictures, the last of fewer.
    """
    import torch

    def pinned() -> Iterator[tuple[np.ndarray, Any]]:
        for times, pixels in batches:
            tensor = torch.from_numpy(pixels)
            yield times, tensor.pin_memory() if device == "cuda" else tensor

    begin = time.perf_counter()
    busy = waiting = 0.0
    blocks: list[dict[str, Block]] = []
    held = 0
    with closing(prefetch(pinned())) as ahead:  # type: ignore[type-var]
        while True:
            start = time.perf_counter()
            batch = next(ahead, None)
            waiting += time.perf_counter() - start
            if batch is not None:
                start = time.perf_counter()
                with torch.inference_mode():
                    found = compute(batch[1].to(device, non_blocking=True))
                busy += time.perf_counter() - start
                blocks.append({name: Block(values, batch[0]) for name, values in found.items()})
                held += len(batch[0])
            total = time.perf_counter() - begin
            notes["busy"], notes["waiting"] = round(busy / total, 4), round(waiting / total, 4)
            if blocks and (held == chunk or batch is None):
                yield joined(blocks, list(blocks[0]))
                blocks, held = [], 0
            if batch is None:
                return


def autocast(device: str, precision: str) -> Any:
    """A context in which the network computes in `precision`."""
    import torch

    return torch.autocast(device, getattr(torch, precision), enabled=precision != "float32")
