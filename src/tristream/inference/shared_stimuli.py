"""For other stimuli, in these subjects: one rearrangement for all who met the same.

Subjects who met the same stimuli may share responses to them that the features don't explain. Then
their test correlations agree, by what is in these stimuli, and a test that takes subjects for
independent finds an effect of the features where there is none (Westfall, Nichols & Yarkoni 2016,
Wellcome Open Res 1:23). So the exchange units of all subjects are put into one
:class:`~tristream.align.exchange.Exchange`: a unit that was shown to several subjects moves alike
in all of them, and what they share stays shared in every rearrangement. The statistic is the mean
over subjects.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.align.exchange import Exchange, RunUnits, Unit, exchange_of
from tristream.encode.encoding_file import Encoding, HeldOut
from tristream.encode.prediction_scores import correlation, fisher_z
from tristream.inference.permutation import PredictedRun, null_correlations

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
# Counts as reached: nulls of several subjects are computed in float32.
TOLERANCE = 1e-6
# Voxels at a time.
CHUNK = 256


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
    def of(cls, test: HeldOut, samples: pd.DataFrame, kind: Unit) -> "ShownRun":
        """From a test run and the subject's sample index.

        An item is itself in every run. Blocks belong to their run: those of one label are numbered
        there in the order in which they came, so that subjects who met them in other orders agree.
        """
        rows = samples[samples["run"] == test.runs[0]].set_index("row").loc[test.rows]
        if kind == "item":
            return cls(test.unit, list(rows["item"]))
        if kind == "time":
            return cls(test.unit, list(rows["unit"]))
        blocks = rows[["item", "unit"]].drop_duplicates("unit")
        place = blocks.groupby("item").cumcount()
        number = dict(zip(blocks["unit"], place, strict=True))
        pairs = zip(rows["item"], rows["unit"], strict=True)
        return cls(test.unit, [(test.runs[0], item, number[unit]) for item, unit in pairs])


def shared_exchange(
    subjects: Sequence[Sequence[ShownRun]],
) -> tuple[Exchange, list[Exchange]]:
    """What may change places in all subjects alike, and each subject's part of it.

    Parameters
    ----------
    subjects : sequence of sequence of ShownRun
        The test runs of each.
    """
    names: dict[Hashable, int] = {}
    runs, ends = [], [0]
    for subject in subjects:
        for run in subject:
            codes = [names.setdefault(name, len(names)) for name in run.unit]
            runs.append(RunUnits(run.showing, np.where(run.showing >= 0, codes, -1)))
        ends.append(len(runs))
    whole = exchange_of(runs)
    return whole, [whole.part(*pair) for pair in pairwise(ends)]


class SubjectNull(Protocol):
    """Values of one subject under rearrangements that are numbered alike in all subjects."""

    @property
    def observed(self) -> Floats:
        """Of the data as they are, (voxels,)."""

    def values(self, start: int, stop: int, voxels: Ints) -> Floats:
        """Under the rearrangements from `start` to `stop`, (stop - start, voxels)."""


class PermutedPredictions:
    """Fisher z of a subject's test correlations under rearranged predictions.

    Parameters
    ----------
    runs : sequence of PredictedRun
    moves : Exchange
        The subject's part of the shared one.
    seed : int
        Of the draw.
    """

    def __init__(self, runs: Sequence[PredictedRun], moves: Exchange, seed: int) -> None:
        self._runs, self._moves, self._seed = runs, moves, seed
        self._drawn: tuple[int, int, list[Ints]] | None = None

    @cached_property
    def observed(self) -> npt.NDArray[np.float64]:
        """Mean over runs, (voxels,)."""
        r = [correlation(run.y, run.prediction) for run in self._runs]
        return np.asarray(fisher_z(np.stack(r)).mean(0))

    def values(self, start: int, stop: int, voxels: Ints) -> npt.NDArray[np.float64]:
        """Mean over runs."""
        if self._drawn is None or self._drawn[:2] != (start, stop):
            self._drawn = (start, stop, self._moves.draw(start, stop, self._seed))
        return fisher_z(null_correlations(self._runs, self._moves, self._drawn[2], voxels)[1])


class RefittedPredictions:
    """The same under leave-one-run-out, where every fold is fitted again to rearranged data.

    Parameters
    ----------
    encoding : Encoding
    path : Path
        Its file, for messages.
    moves : Exchange
        The subject's part of the shared one.
    permutations, seed : int
        Of the draw.
    widening : mapping
        Run to how many times wider its null is made.
    """

    def __init__(
        self,
        encoding: Encoding,
        path: Path,
        moves: Exchange,
        permutations: int,
        seed: int,
        widening: Mapping[str, float],
    ) -> None:
        # Not above: it brings torch, which the other tests do without.
        from tristream.inference.refit import refitted_z

        self._z = refitted_z(encoding, path, moves, permutations, seed, widening)

    @property
    def observed(self) -> Floats:
        """Mean over runs, (voxels,)."""
        return self._z[0]

    def values(self, start: int, stop: int, voxels: Ints) -> Floats:
        """Mean over runs."""
        return self._z[1 + start : 1 + stop, voxels]


@dataclass(frozen=True)
class SharedTest:
    """What moving the units of all subjects alike gives.

    Attributes
    ----------
    observed, p, p_fwe : ndarray of shape (n,)
        Mean over subjects; its p, and that against the largest of each rearrangement.
    """

    observed: Floats
    p: Floats
    p_fwe: Floats


def over_voxels(
    nulls: Sequence[SubjectNull],
    places: Sequence[Ints],
    permutations: int,
    sides: int = 1,
) -> SharedTest:
    """Test the mean over subjects in every voxel that all have.

    Parameters
    ----------
    nulls : sequence of SubjectNull
    places : sequence of ndarray of int of shape (voxels,)
        Where each subject has these voxels.
    permutations : int
        How many rearrangements.
    sides : int
        1 for means above zero, 2 for means on either side.
    """
    voxels = len(places[0])
    observed = np.mean([n.observed[own] for n, own in zip(nulls, places, strict=True)], axis=0)
    seen = np.abs(observed) if sides == 2 else observed
    p, null_max = np.empty(voxels), np.full(permutations, -np.inf)
    for start in range(0, voxels, CHUNK):
        part = slice(start, min(start + CHUNK, voxels))
        pairs = zip(nulls, places, strict=True)
        null = np.mean([n.values(0, permutations, own[part]) for n, own in pairs], axis=0)
        null = np.abs(null) if sides == 2 else null
        p[part] = (1 + (null >= seen[part] - TOLERANCE).sum(0)) / (1 + permutations)
        null_max = np.maximum(null_max, null.max(1))
    return SharedTest(observed, p, _against(seen, null_max))


def over_regions(
    nulls: Sequence[SubjectNull],
    members: Sequence[npt.NDArray[np.bool_]],
    permutations: int,
    sides: int = 1,
) -> SharedTest:
    """Test the mean over subjects of each region's mean.

    Parameters
    ----------
    nulls : sequence of SubjectNull
    members : sequence of ndarray of bool of shape (regions, voxels of the subject)
        Which of a subject's voxels each region holds.
    permutations, sides : int
        As of :func:`over_voxels`.
    """
    observed, null = np.zeros(len(members[0])), np.zeros((permutations, len(members[0])))
    for one, inside in zip(nulls, members, strict=True):
        share = (inside / inside.sum(1, keepdims=True)).T / len(nulls)
        observed += one.observed @ share
        for start in range(0, len(share), CHUNK):
            voxels = np.arange(start, min(start + CHUNK, len(share)))
            null += one.values(0, permutations, voxels) @ share[voxels]
    seen = np.abs(observed) if sides == 2 else observed
    null = np.abs(null) if sides == 2 else null
    p = (1 + (null >= seen - TOLERANCE).sum(0)) / (1 + permutations)
    return SharedTest(observed, p, _against(seen, null.max(1)))


def _against(observed: Floats, null_max: Floats) -> npt.NDArray[np.float64]:
    below = np.searchsorted(np.sort(null_max), observed - TOLERANCE)
    return (1 + len(null_max) - below) / (1 + len(null_max))
