"""What is left out together: groups of samples, laid out so that each is a slice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer]
Groups = npt.NDArray[Any] | Sequence[tuple[Ints, Ints]]
"""A label for every sample, or (train, test) indices of every fold."""


@dataclass(frozen=True)
class Folds:
    """Leave-one-group-out folds.

    Attributes
    ----------
    order : ndarray of int of shape (n,)
        Order of the samples in which every group is contiguous, its samples as they were.
    slices : tuple of slice
        The groups, in that order; they cover it.
    """

    order: Ints
    slices: tuple[slice, ...]

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self.order)

    @property
    def sorted(self) -> bool:
        """Whether the order is that of the samples already."""
        return bool((np.diff(self.order) == 1).all())

    def pairs(self) -> list[tuple[Ints, Ints]]:
        """(train, test) rows of every fold, in the order's numbering."""
        rows = np.arange(self.size)
        return [(np.delete(rows, s), rows[s]) for s in self.slices]


@dataclass(frozen=True)
class Splits:
    """Folds that do not part the samples: (train, test) rows as given.

    Attributes
    ----------
    size : int
        Number of samples.
    rows : list of tuple of ndarray
    """

    size: int
    rows: list[tuple[Ints, Ints]]

    def pairs(self) -> list[tuple[Ints, Ints]]:
        """(train, test) rows of every fold."""
        return self.rows


def make_folds(groups: Groups, samples: int) -> Folds | Splits:
    """Folds from labels or from indices; indices that amount to leaving groups out become that.

    Parameters
    ----------
    groups : ndarray of shape (n,), or sequence of (train, test)
        Runs; or the rows of each fold.
    samples : int
        How many there are.

    Raises
    ------
    ValueError
        If there are fewer than two folds, a fold is too small for a score, or rows don't exist.
    """
    if isinstance(groups, np.ndarray):
        if groups.shape != (samples,):
            raise ValueError(f"{len(groups)} group labels for {samples} samples")
        return _from_labels(groups)
    rows = [(np.asarray(train), np.asarray(test)) for train, test in groups]
    if len(rows) < 2:
        raise ValueError("cross-validation needs at least two groups")
    for number, (train, test) in enumerate(rows):
        _check_size(number, len(test))
        if not len(train):
            raise ValueError(f"fold {number} has no training samples")
        if np.intersect1d(train, test).size:
            raise ValueError(f"fold {number} is tested on training samples")
        if max(train.max(), test.max()) >= samples or min(train.min(), test.min()) < 0:
            raise ValueError(f"fold {number} names samples beyond the {samples} there are")
    labels = _labels(rows, samples)
    return Splits(samples, rows) if labels is None else _from_labels(labels)


def leaves_out(train: Ints, test: Ints, samples: int) -> bool:
    """Whether a fold trains on all samples but those it tests on, each once."""
    if len(train) + len(test) != samples:
        return False
    return bool((np.sort(np.concatenate([train, test])) == np.arange(samples)).all())


def _labels(rows: list[tuple[Ints, Ints]], samples: int) -> Ints | None:
    """The group of every sample, where leaving groups out is what the folds do."""
    tested = np.concatenate([test for _, test in rows])
    if len(tested) != samples or len(np.unique(tested)) != samples:
        return None
    if not all(leaves_out(train, test, samples) for train, test in rows):
        return None
    labels = np.empty(samples, int)
    for number, (_, test) in enumerate(rows):
        labels[test] = number
    return labels


def _from_labels(labels: npt.NDArray[Any]) -> Folds:
    names, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise ValueError(f"cross-validation needs at least two groups; {len(labels)} samples of 1")
    for name, count in zip(names, counts, strict=True):
        _check_size(name, int(count))
    ends = np.cumsum(counts)
    slices = tuple(slice(int(e - c), int(e)) for e, c in zip(ends, counts, strict=True))
    return Folds(np.argsort(index.ravel(), kind="stable"), slices)


def _check_size(name: object, count: int) -> None:
    if count < 2:
        raise ValueError(f"group {name} has {count} sample: a score needs at least two")
