"""Find intervals in which two media run alike, from their prints.

A *print* is a short vector that describes one moment. Scenes of one film, and music of one
composer, resemble each other moment by moment; what no two independent intervals share is how they
change. So a window of prints is compared after its own mean has been taken away: the score is the
correlation of the changes, over all elements and the window's time. Windows that hold little, or
in which nothing changes, are not compared.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Prints a second. The training side is printed twice as densely, so that a copy moved by a
# fraction of a print still meets one at most 1/16 s away.
TRAIN_RATE = 8
TEST_RATE = 4
# Prints of the test side in a window (4 s); a power of two, see `_windowed_sums`.
WINDOW = 16
WINDOW_SECONDS = WINDOW / TEST_RATE
# Share of a window's prints that must hold information.
INFORMATIVE = 0.7
# Mean squared change of unit prints below which a window stands still.
STILL = 0.01
BLOCK = 2048

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Prints:
    """Prints of a medium, `TRAIN_RATE` a second from media time 0.

    Attributes
    ----------
    values : ndarray of float32, (n, d)
        Unit vectors.
    informative : ndarray of bool, (n,)
        False for black, uniform or silent moments.
    segment : ndarray of int, (n,)
        Number of the segment that each print belongs to; a window lies within one.
    time : ndarray of float, (n,)
        Seconds.
    """

    values: Floats
    informative: Bools
    segment: NDArray[np.int64]
    time: NDArray[np.float64]


@dataclass(frozen=True)
class Hit:
    """One window of the test side that runs like one of the training side."""

    test_segment: int
    train_segment: int
    test_time: float
    train_time: float
    score: float
    variant: str


def unit_rows(values: Floats) -> Floats:
    """Scale each row to length 1; rows of zeros stay."""
    norm = np.linalg.norm(values, axis=1, keepdims=True)
    return (values / np.maximum(norm, 1e-6)).astype(np.float32)


def cut(values: Floats, informative: Bools, segments: Sequence[tuple[int, float, float]]) -> Prints:
    """Join the segments of one medium: (number, start, stop), in seconds of media time."""
    parts = []
    for number, start, stop in segments:
        first, last = round(start * TRAIN_RATE), round(stop * TRAIN_RATE)
        index = np.arange(max(first, 0), min(last, len(values)))
        parts.append((index, np.full(len(index), number)))
    index = np.concatenate([p[0] for p in parts]) if parts else np.zeros(0, int)
    segment = np.concatenate([p[1] for p in parts]) if parts else np.zeros(0, int)
    return Prints(values[index], informative[index], segment, index / TRAIN_RATE)


def join(prints: Sequence[Prints]) -> Prints:
    """Prints of several media, one after the other."""
    return Prints(
        np.concatenate([p.values for p in prints]),
        np.concatenate([p.informative for p in prints]),
        np.concatenate([p.segment for p in prints]),
        np.concatenate([p.time for p in prints]),
    )


def search(
    test: Prints,
    train: Prints,
    variants: Sequence[tuple[str, Callable[[Floats], Floats], Callable[[Floats], Floats]]],
    threshold: float,
) -> tuple[list[Hit], int]:
    """Compare every window of `test` with every window of `train`, at all offsets.

    Parameters
    ----------
    test, train : Prints
        The test side is thinned to `TEST_RATE`.
    variants : list of (name, function of the test values, function of the training values)
        E.g. as they are, mirrored, raised by a semitone.
    threshold : float
        Correlation of the changes from which a window is a hit.

    Returns
    -------
    hits : list of Hit
    compared : int
        Pairs of windows that were compared, each variant counted.
    """
    hits: list[Hit] = []
    compared = 0
    for name, of_test, of_train in variants:
        changed = unit_rows(of_test(test.values)), unit_rows(of_train(train.values))
        for a in _blocks(test, changed[0], 0, TRAIN_RATE // TEST_RATE):
            for phase in range(TRAIN_RATE // TEST_RATE):
                for b in _blocks(train, changed[1], phase, TRAIN_RATE // TEST_RATE):
                    score = _scores(a, b)
                    compared += int(a.usable.sum()) * int(b.usable.sum())
                    for i, j in np.argwhere(score >= threshold):
                        hits.append(_hit(a, b, i, j, float(score[i, j]), name))
    return hits, compared


@dataclass(frozen=True)
class _Windows:
    values: Floats
    mean: Floats
    change: Floats
    usable: Bools
    segment: NDArray[np.int64]
    time: NDArray[np.float64]


def _blocks(prints: Prints, values: Floats, phase: int, step: int) -> Iterator[_Windows]:
    """Windows of every `step`-th print, in blocks that overlap by a window."""
    values, informative = values[phase::step], prints.informative[phase::step]
    segment, time = prints.segment[phase::step], prints.time[phase::step]
    for first in range(0, len(values) - WINDOW + 1, BLOCK):
        part = slice(first, first + BLOCK + WINDOW - 1)
        x, where, when = values[part], segment[part], time[part]
        mean = _moving_mean(x)
        square = _moving_mean((x**2).sum(1, keepdims=True))[:, 0]
        change = np.maximum(square - (mean**2).sum(1), 0)
        last = slice(WINDOW - 1, None)
        starts = slice(0, len(mean))
        held = _moving_mean(informative[part, None].astype(np.float32))[:, 0]
        unbroken = (where[last] == where[starts]) & (
            when[last] - when[starts] < WINDOW_SECONDS
        )  # one segment, shown without a jump
        usable = unbroken & (held >= INFORMATIVE) & (change > STILL)
        yield _Windows(x, mean, change, usable, where[starts], when[starts])


def _scores(a: _Windows, b: _Windows) -> Floats:
    """Correlation of the changes, windows of `a` x windows of `b`; 0 where not usable."""
    together = _windowed_sums(a.values @ b.values.T) / WINDOW - a.mean @ b.mean.T
    scale_a = np.where(a.usable, 1 / np.sqrt(np.maximum(a.change, STILL)), 0)
    scale_b = np.where(b.usable, 1 / np.sqrt(np.maximum(b.change, STILL)), 0)
    return together * scale_a[:, None] * scale_b[None, :]


def _windowed_sums(products: Floats) -> Floats:
    """Sum each run of `WINDOW` entries along the diagonals, by doubling."""
    width = 1
    while width < WINDOW:
        products = products[:-width, :-width] + products[width:, width:]
        width *= 2
    return products


def _moving_mean(x: Floats) -> Floats:
    total = np.cumsum(np.vstack([np.zeros((1, x.shape[1])), x]), axis=0)
    return ((total[WINDOW:] - total[:-WINDOW]) / WINDOW).astype(np.float32)


def _hit(a: _Windows, b: _Windows, i: int, j: int, score: float, variant: str) -> Hit:
    return Hit(
        test_segment=int(a.segment[i]),
        train_segment=int(b.segment[j]),
        test_time=float(a.time[i]),
        train_time=float(b.time[j]),
        score=score,
        variant=variant,
    )
