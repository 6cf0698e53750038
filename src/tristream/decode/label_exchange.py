"""Labels change places: those of blocks, or of items with all their showings.

What may change places comes from :mod:`tristream.align.exchange`. Here the thing that moves is a
label, and a showing counts as one, however many volumes it has.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import lgamma, log

import numpy as np
import numpy.typing as npt

from tristream.align.exchange import Exchange, ExchangeSet, RunUnits, exchange_of
from tristream.decode.decoding_samples import Samples
from tristream.rounds import rounds_of

Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class LabelExchange:
    """Which labels may change places.

    Attributes
    ----------
    moving : Exchange
        Sets of things that exchange labels.
    sets : list of ndarray of int of shape (things of the set,)
        The same, by number of the thing.
    thing : ndarray of int of shape (showings,)
        What each showing is of; its showings have one label.
    label : ndarray of int of shape (things,)
    described : str
        In words.
    """

    moving: Exchange
    sets: list[Ints]
    thing: Ints
    label: Ints
    described: str

    def draw(self, start: int, stop: int, seed: int) -> Ints:
        """Labels of the showings under rearrangements number `start` to `stop`.

        Returns
        -------
        ndarray of int of shape (stop - start, showings)
        """
        labels = np.tile(self.label, (stop - start, 1))
        orders = self.moving.draw(start, stop, seed)
        for things, order in zip(self.sets, orders, strict=True):
            labels[:, things] = self.label[things][order]
        return labels[:, self.thing]

    def of_things(self, labels: Ints) -> Ints:
        """Labels of things from those of their showings, (labellings, things)."""
        return labels[:, np.unique(self.thing, return_index=True)[1]]

    @property
    def log10_distinct(self) -> float:
        """Logarithm of the number of labellings that can differ in accuracy.

        A set has (number of things)! / product of (things of each label)! labellings. A renaming of
        labels that leaves every set's counts as they are (any renaming, where all runs show all
        labels equally often) changes no accuracy, so labellings that differ by one count once.
        """
        still = np.setdiff1d(np.arange(len(self.label)), np.concatenate([*self.sets, []]))
        parts = [*self.sets, *still[:, None]]
        counts = [Counter(self.label[part.astype(int)].tolist()) for part in parts]
        total = sum(
            lgamma(sum(count.values()) + 1) - sum(lgamma(m + 1) for m in count.values())
            for count in counts
        )
        alike = Counter(tuple(count[c] for count in counts) for c in set(self.label.tolist()))
        return float((total - sum(lgamma(m + 1) for m in alike.values())) / log(10))


def label_exchange(samples: Samples) -> LabelExchange:
    """Labels move among things of the same runs (and rounds), as often and for as long shown.

    An item keeps one label over all its showings: voxels that answer items share their answer to
    them, whatever they know of labels. Blocks of test runs that repeat each other move alike for
    the same reason, and so does what several subjects met. Things of unequal length don't exchange
    labels: a long block of one label would otherwise change how many samples the label has. Length
    counts volumes before censoring.

    Parameters
    ----------
    samples : Samples
    """
    thing, alike = _things(samples)
    rounds = _rounds(samples)
    patterns: dict[tuple[tuple[int, int, int], ...], list[int]] = {}
    for number in range(thing.max() + 1):
        own = np.flatnonzero(thing == number)
        shown = zip(
            *(each[own].tolist() for each in (samples.run, rounds, samples.length)), strict=True
        )
        patterns.setdefault(tuple(sorted(shown)), []).append(number)
    found: list[tuple[ExchangeSet, Ints]] = []
    for members in patterns.values():
        moving = exchange_of(_showings(samples, np.where(np.isin(thing, members), thing, -1)))
        found += [(one, _members(samples, thing, one)) for one in moving.sets]
    text = "labels of whole units within runs"
    text += " and rounds that show every label once" if samples.exchange == "round" else ""
    runs_of_patterns = {tuple((run, part) for run, part, _ in pattern) for pattern in patterns}
    text += ", among units of equal length" if len(runs_of_patterns) < len(patterns) else ""
    if samples.exchange == "item":
        if len(np.unique(thing)) < len(thing):
            text += ", all showings of an item alike"
    elif alike:
        text += ", runs that repeat each other alike"
    text += ", alike in all subjects" if samples.joined else ""
    things = thing.max() + 1
    if kept := things - sum(len(members) for _, members in found):
        text += f" ({kept} of {things} have none to exchange theirs with and keep it)"
    label = np.zeros(thing.max() + 1, int)
    label[thing] = samples.label
    return LabelExchange(
        moving=Exchange(
            tuple(replace(one, key=k) for k, (one, _) in enumerate(found)), len(samples.runs)
        ),
        sets=[members for _, members in found],
        thing=thing,
        label=label,
        described=text,
    )


def _things(samples: Samples) -> tuple[Ints, bool]:
    """Number of what each showing is of, and whether runs repeat each other."""
    if samples.joined:
        return samples.joined.thing, False
    if samples.exchange == "item":
        return np.unique(samples.item, return_inverse=True)[1], False
    thing = np.arange(len(samples.label))
    known: dict[tuple[str, tuple[int, ...], tuple[int, ...]], Ints] = {}
    alike = False
    for run, repeat in enumerate(samples.repeat):
        units = np.flatnonzero(samples.run == run)
        if not repeat:
            continue
        design = (repeat, tuple(samples.label[units]), tuple(samples.length[units]))
        alike |= design in known
        thing[units] = known.setdefault(design, units)
    return np.unique(thing, return_inverse=True)[1], alike


def _rounds(samples: Samples) -> Ints:
    """Number of each showing's round in its run."""
    rounds = np.zeros(len(samples.label), int)
    if samples.exchange == "round":
        for run in range(len(samples.runs)):
            own = np.flatnonzero(samples.run == run)
            rounds[own] = rounds_of(samples.label[own].tolist())
    return rounds


def _showings(samples: Samples, thing: Ints) -> Sequence[RunUnits]:
    """Showings of each run in the order of time, each as one."""
    units = [np.flatnonzero(samples.run == run) for run in range(len(samples.runs))]
    return [RunUnits(np.arange(len(own)), thing[own]) for own in units]


def _members(samples: Samples, thing: Ints, one: ExchangeSet) -> Ints:
    run, rows = next(iter(one.rows.items()))
    return np.asarray(thing[np.flatnonzero(samples.run == run)[rows[:, 0]]])
