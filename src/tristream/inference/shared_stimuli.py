"""For other stimuli, in these subjects: one rearrangement for all who met the same.

Subjects who met the same stimuli may share responses to them that the features don't explain. Then
their test correlations agree, by what is in these stimuli, and a test that takes subjects for
independent finds an effect of the features where there is none (Westfall, Nichols & Yarkoni 2016,
Wellcome Open Res 1:23). So the exchange units of all subjects are put into one
:class:`~tristream.align.exchange.Exchange`: a unit that was shown to several subjects moves alike
in all of them, and what they share stays shared in every rearrangement. The statistic is the mean
over subjects.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.align.exchange import Exchange, RunUnits, Unit, exchange_of
from tristream.encode.encoding_file import HeldOut
from tristream.inference.resolution import COLUMNS, TOLERANCE, against_largest

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class ShownRun:
    """What one test run of a subject showed, by names that are the same in all subjects.

    Attributes
    ----------
    showing : ndarray of int of shape (samples,)
        Number of the presentation, -1 outside of any.
    unit : list of hashable
        What each sample belongs to; of no meaning where nothing is shown.
    """

    showing: Ints
    unit: Sequence[Hashable]

    @classmethod
    def of(
        cls, test: HeldOut, samples: pd.DataFrame, kind: Unit, whole: bool = False
    ) -> "ShownRun":
        """From a test run and the subject's sample index.

        An item is itself in every run. Blocks, and presentations of a label, belong to their run:
        those of one label are numbered there in the order in which they came, so that subjects who
        met them in other orders agree. With `whole`, of all volumes of the run, used or not.
        """
        run = samples[samples["run"] == test.runs[0]].set_index("row")
        if not whole:
            return cls(test.unit, _names(test, run.loc[test.rows], kind))
        names = zip(test.first.unit, _names(test, run.sort_index(), kind), strict=True)
        named = {unit: name for unit, name in names if unit >= 0}
        return cls(test.filled, [named.get(unit, "") for unit in test.filled])


def _names(test: HeldOut, rows: pd.DataFrame, kind: Unit) -> list[Hashable]:
    """What each of some rows of the sample index belongs to."""
    if kind == "time":
        return list(rows["unit"])
    blocks = rows[["item", "unit"]].drop_duplicates("unit")
    place = blocks.groupby("item").cumcount()
    number = dict(zip(blocks["unit"], place, strict=True))
    columns = (rows[name] for name in ("item", "unit", "exchange"))
    return [
        exchanged if kind == "item" and exchanged != unit else (test.runs[0], item, number[unit])
        for item, unit, exchanged in zip(*columns, strict=True)
    ]


def shared_exchange(
    subjects: Sequence[Sequence[ShownRun]], kind: Unit
) -> tuple[Exchange, list[Exchange]]:
    """What may change places in all subjects alike, and each subject's part of it.

    Parameters
    ----------
    subjects : sequence of sequence of ShownRun
        The test runs of each.
    kind : {'block', 'round', 'item', 'time'}
        What is exchangeable.
    """
    names: dict[Hashable, int] = {}
    runs, ends = [], [0]
    for subject in subjects:
        for run in subject:
            codes = [names.setdefault(name, len(names)) for name in run.unit]
            runs.append(RunUnits(run.showing, np.where(run.showing >= 0, codes, -1)))
        ends.append(len(runs))
    # The first block of a label is of the first round, and so on.
    rounds = {
        code: name[-1]
        for name, code in names.items()
        if kind == "round" and isinstance(name, tuple)
    }
    # Blocks, and presentations of a label, have the name of what they show.
    shows = {code: name[1] for name, code in names.items() if isinstance(name, tuple)}
    whole = exchange_of(runs, rounds, shows)
    return whole, [whole.part(*pair) for pair in pairwise(ends)]


class SubjectNull(Protocol):
    """Values of one subject under rearrangements that are numbered alike in all subjects."""

    @property
    def observed(self) -> Floats:
        """Of the data as they are, (voxels,)."""

    @property
    def available(self) -> int | None:
        """How many rearrangements there are; None where they are drawn without end."""

    def values(self, start: int, stop: int, voxels: Ints) -> Floats:
        """Under the rearrangements from `start` to `stop`, (stop - start, voxels)."""


class MeanOverSubjects:
    """The mean over subjects in voxels that all have: a null for `resolution.resolve`.

    Parameters
    ----------
    nulls : sequence of SubjectNull
    places : sequence of ndarray of int of shape (voxels,)
        Where each subject has these voxels.
    distinct : int
        Distinct rearrangements, the observed one included.
    sides : int
        1 for means above zero, 2 for means on either side.
    """

    def __init__(
        self,
        nulls: Sequence[SubjectNull],
        places: Sequence[Ints],
        distinct: int,
        sides: int = 1,
    ) -> None:
        self._pairs = list(zip(nulls, places, strict=True))
        self.distinct, self._sides = distinct, sides

    @cached_property
    def observed(self) -> Floats:
        """Statistic of each voxel."""
        return self._sided(np.mean([null.observed[own] for null, own in self._pairs], axis=0))

    @property
    def available(self) -> int | None:
        """What the subject with the fewest has."""
        return min((n.available for n, _ in self._pairs if n.available is not None), default=None)

    def values(self, start: int, stop: int, voxels: Ints) -> Floats:
        """Statistics under some rearrangements, (stop - start, voxels)."""
        total = np.zeros((stop - start, len(voxels)))
        for null, own in self._pairs:
            total += null.values(start, stop, own[voxels])
        return self._sided(total / len(self._pairs))

    def _sided(self, values: Floats) -> Floats:
        return np.abs(values) if self._sides == 2 else values


@dataclass(frozen=True)
class RegionTest:
    """What moving the units of all subjects alike gives, (regions,) each.

    Attributes
    ----------
    observed, p, p_fwe : ndarray
        Mean over subjects; its p, and that against the largest of each rearrangement.
    """

    observed: Floats
    p: Floats
    p_fwe: Floats


def over_regions(
    nulls: Sequence[SubjectNull],
    members: Sequence[npt.NDArray[np.bool_]],
    permutations: int,
    sides: int = 1,
) -> RegionTest:
    """Test the mean over subjects of each region's mean.

    Parameters
    ----------
    nulls : sequence of SubjectNull
    members : sequence of ndarray of bool of shape (regions, voxels of the subject)
        Which of a subject's voxels each region holds.
    permutations : int
        How many rearrangements.
    sides : int
        1 for means above zero, 2 for means on either side.
    """
    observed, null = np.zeros(len(members[0])), np.zeros((permutations, len(members[0])))
    for one, inside in zip(nulls, members, strict=True):
        share = (inside / inside.sum(1, keepdims=True)).T / len(nulls)
        observed += one.observed @ share
        for start in range(0, len(share), COLUMNS):
            voxels = np.arange(start, min(start + COLUMNS, len(share)))
            null += one.values(0, permutations, voxels) @ share[voxels]
    seen, null = (np.abs(observed), np.abs(null)) if sides == 2 else (observed, null)
    p = (1 + (~(null < seen - TOLERANCE)).sum(0)) / (1 + permutations)
    return RegionTest(observed, p, against_largest(seen, null.max(1)))
