"""What may change places under a null hypothesis: one model for every test.

The exchangeable thing is a block of one label, an item with *all* its showings, or a block of time
(films). Voxels may answer an item for reasons that the features don't hold; then its showings share
a response, and moving them apart takes single showings for independent (.13 to .18 of such voxels
passed at .05). So all showings of a unit move alike, within and over runs.

Units change places with units that were shown in the same runs: what differs from run to run stays
where it is. Blocks that were put in random order round by round stay in their round, as the
experiment could not have had other orders. In each run as many showings of each unit move as all
units of the set have there, cut to a common length. What is left in place adds the same to every
rearrangement, which takes nothing from the test's validity.
"""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from tristream.rounds import rounds_of

Ints = npt.NDArray[np.integer]
Unit = Literal["block", "round", "item", "time"]
FEWEST_DISTINCT = 1000
"""With fewer distinct rearrangements there are no p values."""
FEWEST_OF_RUN = 40
"""Of shorter runs, blocks of time have no p values, see :func:`why_too_short`."""
# Rearrangements are drawn so many at a time, each batch by a seed of its own.
BATCH = 1024


@dataclass(frozen=True)
class RunUnits:
    """What is shown when in one run.

    Attributes
    ----------
    showing : ndarray of int of shape (samples,)
        Number of the presentation, -1 outside of any.
    unit : ndarray of int of shape (samples,)
        What moves as a whole; the same number in other runs is the same unit.
    """

    showing: Ints
    unit: Ints


@dataclass(frozen=True)
class ExchangeSet:
    """Units that may change places with one another.

    Attributes
    ----------
    rows : dict of int to ndarray of int of shape (units, samples)
        Run (its place in the sequence of runs) to the samples of each unit that move, the showings
        of a unit one after the other; units in the same order in all runs.
    lengths : dict of int to int
        Run to the samples of one showing.
    key : int
        Place among the sets of all runs; random orders follow from it.
    showings : dict of int to sequence of sequence of ndarray of int
        Run to unit to all samples of each of its showings.
    shows : tuple of hashable
        What each unit shows; those that show the same change places to no effect. Empty where each
        shows something else.
    """

    rows: Mapping[int, Ints]
    lengths: Mapping[int, int]
    key: int = 0
    showings: Mapping[int, Sequence[Sequence[Ints]]] = field(default_factory=dict)
    shows: tuple[Hashable, ...] = ()

    @property
    def distinct(self) -> int:
        """How many different arrangements there are, the observed one included."""
        alike = Counter(self.shows).values()
        return math.factorial(self.size) // math.prod(map(math.factorial, alike))

    @property
    def size(self) -> int:
        """Number of units."""
        if self.rows:
            return len(next(iter(self.rows.values())))
        return len(next(iter(self.showings.values())))

    def numbered(self, run: int, number: Ints) -> "ExchangeSet":
        """The same of one run with a number for each showing, that of its samples.

        Parameters
        ----------
        run : int
        number : ndarray of int of shape (samples,)
        """
        shown = [[number[samples[:1]] for samples in unit] for unit in self.showings.get(run, [])]
        return replace(self, rows={}, lengths={}, showings={run: shown} if shown else {})

    def filled(self, run: int, place: int) -> tuple[Ints, Ints]:
        """Where what is shown in one place would come from, were it each of the units.

        All showings are filled: with those of the unit in turn, and where one is longer, with the
        unit's last sample.

        Parameters
        ----------
        run, place : int
            Which run; the unit that is shown as it is.

        Returns
        -------
        samples : ndarray of int of shape (samples,)
            Of the place.
        sources : ndarray of int of shape (units, samples)
            Of each unit.
        """
        shown = self.showings[run]
        own = shown[place]
        sources = [
            np.concatenate(
                [_held(other[k % len(other)], len(samples)) for k, samples in enumerate(own)]
            )
            for other in shown
        ]
        return np.concatenate(own), np.stack(sources)


def _held(samples: Ints, length: int) -> Ints:
    """As many samples, the last one again where there are too few."""
    return samples[np.minimum(np.arange(length), len(samples) - 1)]


@dataclass(frozen=True)
class Exchange:
    """All that may change places in some runs.

    Attributes
    ----------
    sets : tuple of ExchangeSet
        A unit is in one set at most.
    runs : int
        How many runs there are.
    """

    sets: tuple[ExchangeSet, ...]
    runs: int

    @property
    def units(self) -> int:
        """Units that can move."""
        return sum(one.size for one in self.sets)

    @property
    def distinct(self) -> int:
        """How many different arrangements there are, the observed one included."""
        return math.prod(one.distinct for one in self.sets)

    @property
    def over_runs(self) -> bool:
        """Whether a unit has showings in several runs, which move alike."""
        return any(len(one.rows) > 1 for one in self.sets)

    def of_run(self, run: int) -> list[tuple[int, Ints]]:
        """Sets that have units in a run: their places in `sets`, and the rows there."""
        return [(k, one.rows[run]) for k, one in enumerate(self.sets) if run in one.rows]

    def draw(self, start: int, stop: int, seed: int) -> list[Ints]:
        """Random rearrangements number `start` to `stop`.

        The same number gives the same rearrangement, whatever else is drawn; and so do sets of the
        same sizes in other subjects.

        Parameters
        ----------
        start, stop : int
            From 0.
        seed : int
            Of all draws.

        Returns
        -------
        list of ndarray of int of shape (stop - start, units), one a set
            The unit of the set that goes to each place.
        """
        first, last = start // BATCH, -(-stop // BATCH)
        batches = [self._batch(number, seed) for number in range(first, last)]
        part = slice(start - first * BATCH, stop - first * BATCH)
        return [
            np.concatenate([batch[k] for batch in batches])[part]
            if batches
            else np.empty((0, one.size), np.intp)
            for k, one in enumerate(self.sets)
        ]

    def _batch(self, number: int, seed: int) -> list[Ints]:
        return [
            np.random.default_rng((seed, number, one.key)).permuted(
                np.tile(np.arange(one.size), (BATCH, 1)), axis=1
            )
            for one in self.sets
        ]

    def part(self, start: int, stop: int) -> "Exchange":
        """The same for some of the runs, which are then numbered from 0; orders stay as they are.

        So one rearrangement goes through the runs of several subjects, each looked at by itself.

        Parameters
        ----------
        start, stop : int
            Of the runs.
        """
        sets = []
        for one in self.sets:
            own = [run for run in one.rows if start <= run < stop]
            if own:
                rows = {run - start: one.rows[run] for run in own}
                lengths = {run - start: one.lengths[run] for run in own}
                showings = {run - start: one.showings[run] for run in own}
                sets.append(ExchangeSet(rows, lengths, one.key, showings, one.shows))
        return Exchange(tuple(sets), stop - start)

    def shown(self, orders: Sequence[Ints], run: int, samples: int) -> Ints:
        """Which sample's features stand at each place of a run, (permutations, samples).

        Other than in :meth:`sources`, all showings of a unit are shown as another one.

        Parameters
        ----------
        orders, run, samples
            As of :meth:`sources`.
        """
        count = len(orders[0]) if orders else 0
        out = np.tile(np.arange(samples), (count, 1))
        for k, one in enumerate(self.sets):
            if run not in one.showings:
                continue
            for place in range(one.size):
                filled, sources = one.filled(run, place)
                out[:, filled] = sources[orders[k][:, place]]
        return out

    def sources(self, orders: Sequence[Ints], run: int, samples: int) -> Ints:
        """Which sample comes to each place of a run, (permutations, samples).

        Parameters
        ----------
        orders : list of ndarray
            From :meth:`draw`.
        run : int
            Place of the run.
        samples : int
            Its length.
        """
        count = len(orders[0]) if orders else 0
        out = np.tile(np.arange(samples), (count, 1))
        for k, rows in self.of_run(run):
            out[:, rows.ravel()] = rows[orders[k]].reshape(count, -1)
        return out


def run_units(kind: Unit, showing: Ints, item: Ints) -> Ints:
    """Number of the unit that each sample moves with, before numbers are made unique to runs.

    Parameters
    ----------
    kind : {'block', 'round', 'item', 'time'}
        What is exchangeable.
    showing, item : ndarray of int of shape (samples,)
        Presentation, and what is shown (the same number in all runs); -1 where there is none.
    """
    return np.where(showing >= 0, item if kind == "item" else showing, -1)


def exchange(
    kind: Unit,
    showings: Sequence[Ints],
    items: Sequence[Ints],
    shown: Sequence[Ints] | None = None,
) -> Exchange:
    """What may change places in some runs.

    Parameters
    ----------
    kind : {'block', 'round', 'item', 'time'}
        What is exchangeable.
    showings, items : sequence of ndarray of int of shape (samples,), one a run
        As of :func:`run_units`. Blocks, and blocks of time, belong to one run each. What blocks
        show makes rounds, and two that show the same change places to no effect.
    shown : sequence of ndarray of int of shape (samples,), optional
        What features of items are of; events that are known by their label alone are items of one
        presentation, and two of one label change places to no effect. By default each item shows
        something else.
    """
    runs: list[RunUnits] = []
    rounds: dict[int, int] = {}
    shows: dict[int, Hashable] = {}
    for number, (showing, item) in enumerate(zip(showings, items, strict=True)):
        unit = run_units(kind, showing, item)
        if kind != "item":
            # Pairs of run and showing as one number.
            unit = np.where(unit >= 0, unit * len(showings) + number, -1)
        if kind == "round":
            rounds |= _rounds(unit, item)
        if kind in ("block", "round") or (kind == "item" and shown is not None):
            what = shown[number] if kind == "item" and shown is not None else item
            known = np.flatnonzero((unit >= 0) & (what >= 0))
            shows |= dict(zip(unit[known].tolist(), what[known].tolist(), strict=True))
        runs.append(RunUnits(showing, unit))
    return exchange_of(runs, rounds, shows)


def _rounds(unit: Ints, item: Ints) -> dict[int, int]:
    """Unit of one run to its round."""
    shown = np.flatnonzero(unit >= 0)
    units, first = np.unique(unit[shown], return_index=True)
    order = np.argsort(first)
    rounds = rounds_of(item[shown[first[order]]].tolist())
    return dict(zip(units[order].tolist(), rounds, strict=True))


def exchange_of(
    runs: Sequence[RunUnits],
    rounds: Mapping[int, int] | None = None,
    shows: Mapping[int, Hashable] | None = None,
) -> Exchange:
    """What may change places, of units that may have showings in several runs.

    Parameters
    ----------
    runs : sequence of RunUnits
    rounds : mapping, optional
        Unit to the number of its round; units of different ones do not change places.
    shows : mapping, optional
        Unit to what it shows; one that is not there shows what no other does.
    """
    shown = [_showings(run) for run in runs]
    patterns: dict[tuple[tuple[int, ...], int], list[int]] = {}
    for unit in sorted(set().union(*shown)):
        pattern = tuple(k for k, run in enumerate(shown) if unit in run)
        patterns.setdefault((pattern, (rounds or {}).get(unit, 0)), []).append(unit)
    sets = [_set(shown, pattern, units, shows or {}) for (pattern, _), units in patterns.items()]
    moving = [one for one in sets if one is not None]
    return Exchange(tuple(replace(one, key=k) for k, one in enumerate(moving)), len(runs))


def _showings(run: RunUnits) -> dict[int, list[Ints]]:
    """Unit to the samples of each of its showings, in the order of time."""
    found: dict[int, list[Ints]] = {}
    for number in np.unique(run.showing[run.unit >= 0]):
        samples = np.flatnonzero((run.showing == number) & (run.unit >= 0))
        found.setdefault(int(run.unit[samples[0]]), []).append(samples)
    return {
        unit: sorted(parts, key=lambda samples: int(samples[0])) for unit, parts in found.items()
    }


def _set(
    shown: Sequence[Mapping[int, list[Ints]]],
    pattern: Sequence[int],
    units: Sequence[int],
    shows: Mapping[int, Hashable],
) -> ExchangeSet | None:
    """Units of the same runs; those too short for the common length stay where they are.

    The length of a showing is the one that moves the most samples.
    """
    shortest = np.array([min(len(s) for k in pattern for s in shown[k][unit]) for unit in units])
    candidates = np.unique(shortest)
    moved = [int(n) * int((shortest >= n).sum()) * ((shortest >= n).sum() > 1) for n in candidates]
    if not max(moved):
        return None
    length = int(candidates[int(np.argmax(moved))])
    moving = [unit for unit, own in zip(units, shortest, strict=True) if own >= length]
    rows = {}
    for k in pattern:
        count = min(len(shown[k][unit]) for unit in moving)
        rows[k] = np.stack(
            [np.concatenate([s[:length] for s in shown[k][unit][:count]]) for unit in moving]
        )
    showings = {k: [shown[k][unit] for unit in moving] for k in pattern}
    # Where all blocks are of one thing, as of a film, how their features differ is not known.
    known = shows if len(set(shows.values())) > 1 else {}
    what = tuple(("shows", known[unit]) if unit in known else ("unit", unit) for unit in moving)
    return ExchangeSet(rows, dict.fromkeys(pattern, length), 0, showings, what)


def why_too_short(kind: Unit, lengths: Mapping[str, int]) -> str:
    """Why blocks of time of some runs have no p values; empty where they may have.

    They are cut at arbitrary moments, so that neighbours share noise, and autocovariances of a few
    samples do not show how much: of runs of 16 to 33 samples 6 to 8 % of voxels without effect
    had p at most .05.

    Parameters
    ----------
    kind : {'block', 'round', 'item', 'time'}
        What is exchangeable.
    lengths : mapping of str to int
        Run to its samples.
    """
    shortest = min(lengths, key=lambda run: lengths[run])
    if kind != "time" or lengths[shortest] >= FEWEST_OF_RUN:
        return ""
    return (
        f"{shortest} has {lengths[shortest]} samples: how much noise blocks of time share can't be "
        f"known from fewer than {FEWEST_OF_RUN}"
    )


def sign_units(kind: Unit, showings: Sequence[Ints], items: Sequence[Ints]) -> list[Ints]:
    """The unit that each sample's part of a difference changes its sign with, one array a run.

    Units are numbered from 0 over all runs, an item's showings alike. Samples outside of any
    presentation go with the one before it, the first ones of a run with the one after: what is
    measured there still answers it.

    Parameters
    ----------
    kind, showings, items
        As of :func:`exchange`.
    """
    runs = []
    for number, (showing, item) in enumerate(zip(showings, items, strict=True)):
        shown = np.flatnonzero(showing >= 0)
        # Without any presentation the run is one unit.
        unit = run_units(kind, showing, item)[shown] if len(shown) else np.zeros(1, int)
        place = np.searchsorted(shown, np.arange(len(showing)), side="right") - 1
        own = number if kind != "item" or not len(shown) else -1
        runs.append(np.column_stack([np.full(len(unit), own), unit])[np.maximum(place, 0)])
    _, numbers = np.unique(np.concatenate(runs), axis=0, return_inverse=True)
    return np.split(numbers.ravel(), np.cumsum([len(run) for run in runs])[:-1])
