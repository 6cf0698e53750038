"""Permutations of the exchangeable unit: labels of whole units move within runs."""

from collections import Counter
from math import lgamma, log
from typing import NamedTuple

import numpy as np

from tristream.decode.decoding_samples import Samples

MINIMUM = 1000
"""Fewer distinct permutations than this give no p value."""


class Scheme(NamedTuple):
    """Which units may exchange their labels.

    Attributes
    ----------
    sets : list of ndarray of int, shape (alike, units of the set)
        Units of one row exchange labels among each other; the rows, of runs that repeat each
        other, move alike.
    described : str
        The scheme in words.
    """

    sets: list[np.ndarray]
    described: str


def scheme(samples: Samples) -> Scheme:
    """Exchange within runs, among units of equal length; repeats of a run move alike.

    Units of unequal length don't exchange labels: a long block of one label would otherwise
    change how many samples the label has. Length counts volumes before censoring. Runs of one
    repeat group, if they show the same labels in the same order, are one design shown again:
    moved apart, their null would be too narrow.
    """
    groups: dict[tuple, list[np.ndarray]] = {}
    for run, repeat in enumerate(samples.repeat):
        units = np.flatnonzero(samples.run == run)
        design = (tuple(samples.label[units]), tuple(samples.length[units]))
        groups.setdefault((repeat, design) if repeat else (run,), []).append(units)
    sets, unequal = [], False
    for alike in (np.stack(members) for members in groups.values()):
        lengths = samples.length[alike[0]]
        unequal |= len(set(lengths)) > 1
        sets += [alike[:, lengths == length] for length in np.unique(lengths)]
    text = "labels of whole units within runs"
    text += ", among units of equal length" if unequal else ""
    text += ", runs that repeat each other alike" if len(groups) < len(samples.runs) else ""
    return Scheme(sets, text)


def draw(label: np.ndarray, sets: list[np.ndarray], n: int, seed: int) -> np.ndarray:
    """`n` random labellings.

    Returns
    -------
    ndarray of int, shape (n, units)
    """
    rng = np.random.default_rng(seed)
    labels = np.tile(label, (n, 1))
    for alike in sets:
        order = rng.permuted(np.tile(np.arange(alike.shape[1]), (n, 1)), axis=1)
        for units in alike:
            labels[:, units] = label[units][order]
    return labels


def log10_distinct(label: np.ndarray, sets: list[np.ndarray]) -> float:
    """Logarithm of the number of permutations that can give different accuracies.

    Each set of units has (number of units)! / product of (units of each label)! labellings. A
    renaming of labels that leaves every set's counts as they are (any renaming, where all runs
    show all labels equally often) changes no accuracy, so labellings that differ by one count once.
    """
    counts = [Counter(label[alike[0]].tolist()) for alike in sets]
    total = sum(
        lgamma(sum(count.values()) + 1) - sum(lgamma(m + 1) for m in count.values())
        for count in counts
    )
    alike_labels = Counter(tuple(count[c] for count in counts) for c in set(label.tolist()))
    return float((total - sum(lgamma(m + 1) for m in alike_labels.values())) / log(10))
