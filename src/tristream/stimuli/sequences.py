"""Find intervals in which two media run alike, from their prints.

A *print* is a short vector that describes one moment. Scenes of one film, and music of one
composer, resemble each other moment by moment; what no two independent intervals share is how they
change. So a window of prints is compared after its own mean has been taken away: the score is the
correlation of the changes, over all elements and the window's time. Windows that hold little, or
in which nothing changes, are not compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import dct

# Prints a second. The training side is printed twice as densely, so that a copy moved by a
# fraction of a print still meets one at most 1/16 s away.
TRAIN_RATE = 8
TEST_RATE = 4
# Prints in a window (4 s), every second one of those that there are.
WINDOW = 16
WINDOW_SECONDS = WINDOW / TEST_RATE
THIN = TRAIN_RATE // TEST_RATE
SPAN = THIN * (WINDOW - 1) + 1
# From one window of the test side to the next (1 s).
TEST_STEP = TRAIN_RATE
# Share of a window's prints that must hold information.
INFORMATIVE = 0.7
# Mean squared change of unit prints below which a window stands still.
STILL = 0.01
BLOCK = 2048

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Values = NDArray[Any]
Variant = tuple[str, Callable[[Any], Floats], Callable[[Any], Floats]]


@dataclass(frozen=True)
class Prints:
    """Prints of a medium, `TRAIN_RATE` a second from media time 0.

    Attributes
    ----------
    values : ndarray, (n, ...)
        What the variants' functions take.
    informative : ndarray of bool, (n,)
        False for black, uniform or silent moments.
    segment : ndarray of int, (n,)
        Number of the segment that each print belongs to; a window lies within one.
    time : ndarray of float, (n,)
        Seconds.
    """

    values: Values
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


def cut(values: Values, informative: Bools, segments: Sequence[tuple[int, float, float]]) -> Prints:
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


@dataclass(frozen=True)
class Likeness:
    """When two intervals are alike.

    Attributes
    ----------
    variants : sequence of (name, function of the test values, function of the training values)
        Ways in which a copy may differ, e.g. mirrored, or raised by a semitone. Those with one
        function of the training values should follow each other.
    threshold : float
        Correlation of the changes from which a window is a hit.
    false_alarms : (int, int)
        Of so many pairs of unrelated clips of 10 s (second) so many had a window that is a hit, as
        benchmarks/leakage.py counts them.
    changes : int
        How many cosines in time are compared, the slowest first; with `WINDOW` - 1, all changes.
    """

    variants: Sequence[Variant]
    threshold: float
    false_alarms: tuple[int, int]
    changes: int = WINDOW - 1


def search(test: Prints, train: Prints, likeness: Likeness) -> tuple[list[Hit], int]:
    """Compare windows of `test`, `TEST_STEP` prints apart, with all windows of `train`.

    Returns
    -------
    hits : list of Hit
    compared : int
        Pairs of windows that were compared, each variant counted.
    """
    hits: list[Hit] = []
    compared = 0
    sides = _Side(test, TEST_STEP, likeness.changes), _Side(train, 1, likeness.changes)
    for name, of_test, of_train in likeness.variants:
        a, b = sides[0].windows(of_test), sides[1].windows(of_train)
        compared += int(a.any(axis=1).sum()) * int(b.any(axis=1).sum())
        for first in range(0, len(b), BLOCK):
            score = a @ b[first : first + BLOCK].T
            for i, j in np.argwhere(score >= likeness.threshold):
                at = sides[0].starts[i], sides[1].starts[first + j]
                hits.append(_hit(test, train, *at, float(score[i, j]), name))
    return hits, compared


class _Side:
    """Windows of one side, as unit vectors of their changes."""

    def __init__(self, prints: Prints, step: int, changes: int) -> None:
        self._prints = prints
        self._cosines = dct(np.eye(WINDOW), norm="ortho", axis=0)[1 : changes + 1].T
        self._last: tuple[Callable[[Any], Floats], Floats] | None = None
        self.starts = _starts(prints, step)

    def windows(self, function: Callable[[Any], Floats]) -> Floats:
        """Changes of each window, (windows, changes * d); zeros where it stands still."""
        if self._last is None or self._last[0] != function:
            values = unit_rows(function(self._prints.values))
            parts = [
                self._changes(values, self.starts[first : first + BLOCK])
                for first in range(0, len(self.starts), BLOCK)
            ]
            nothing = np.zeros((0, self._cosines.shape[1] * values.shape[1]), np.float32)
            self._last = function, np.concatenate([nothing, *parts])
        return self._last[1]

    def _changes(self, values: Floats, starts: NDArray[np.intp]) -> Floats:
        spans = sliding_window_view(values, SPAN, axis=0)[starts][..., ::THIN]
        changes = (spans @ self._cosines.astype(np.float32)).reshape(len(starts), -1)
        energy = (changes**2).sum(axis=1, keepdims=True)
        moving = energy > STILL * WINDOW
        return np.where(moving, changes / np.sqrt(np.where(moving, energy, 1)), 0)


def _starts(prints: Prints, step: int) -> NDArray[np.intp]:
    """First prints of usable windows: in one segment, without a jump, and with information."""
    if len(prints.time) < SPAN:
        return np.zeros(0, np.intp)
    first = np.arange(len(prints.time) - SPAN + 1)
    last = first + SPAN - 1
    begins = np.r_[True, prints.segment[1:] != prints.segment[:-1]]
    place = first - np.maximum.accumulate(np.where(begins, np.arange(len(begins)), 0))[first]
    unbroken = (prints.segment[first] == prints.segment[last]) & (
        prints.time[last] - prints.time[first] < WINDOW_SECONDS
    )
    held = sliding_window_view(prints.informative, SPAN)[:, ::THIN].mean(axis=1)
    return np.flatnonzero(unbroken & (held >= INFORMATIVE) & (place % step == 0))


def _hit(test: Prints, train: Prints, i: int, j: int, score: float, variant: str) -> Hit:
    return Hit(
        test_segment=int(test.segment[i]),
        train_segment=int(train.segment[j]),
        test_time=float(test.time[i]),
        train_time=float(train.time[j]),
        score=score,
        variant=variant,
    )
