"""Nulls for too few signs: the difference of two predictions has nothing to do with the data."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tristream.align.exchange import Exchange
from tristream.inference.permutation import PredictedRun, permuted_sums, unit_length
from tristream.inference.region_means import Mask, region_means
from tristream.inference.resolution import Null

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
CHUNK = 512


class Differences(ABC):
    """Differences of correlations under rearrangements: a null of their sizes."""

    @property
    @abstractmethod
    def signed(self) -> npt.NDArray[np.float64]:
        """Difference of the correlations, mean over runs, (voxels,)."""

    @property
    @abstractmethod
    def distinct(self) -> int:
        """Distinct rearrangements, the observed one included."""

    @abstractmethod
    def signed_values(self, start: int, stop: int, voxels: Ints) -> npt.NDArray[np.float64]:
        """Under rearrangements, with their signs, (stop - start, len(voxels))."""

    @property
    def observed(self) -> npt.NDArray[np.float64]:
        """Its size."""
        return np.abs(self.signed)

    @property
    def available(self) -> None:
        """They are drawn at random without end."""
        return None

    def values(self, start: int, stop: int, voxels: Ints) -> Floats:
        """Sizes of the difference under rearrangements, (stop - start, len(voxels))."""
        return np.abs(self.signed_values(start, stop, voxels))


@dataclass(frozen=True)
class MovedDifferences(Differences):
    """Units of the difference change places against the data: a null for :func:`resolve`.

    Attributes
    ----------
    runs : sequence of PredictedRun
        Test runs whose prediction is a difference of predictions, their widening known.
    moves : Exchange
        Their units.
    seed : int
        Of the draw.
    """

    runs: Sequence[PredictedRun]
    moves: Exchange
    seed: int

    @cached_property
    def signed(self) -> npt.NDArray[np.float64]:
        """Of the data as they are."""
        return np.mean([(unit_length(r.y) * r.prediction).sum(0) for r in self.runs], axis=0)

    @property
    def distinct(self) -> int:
        """Of the units."""
        return self.moves.distinct

    def signed_values(self, start: int, stop: int, voxels: Ints) -> npt.NDArray[np.float64]:
        """Of moved units."""
        orders = self.moves.draw(start, stop, self.seed)
        total = np.zeros((stop - start, len(voxels)))
        for number, run in enumerate(self.runs):
            y, units = unit_length(run.y[:, voxels]), self.moves.of_run(number)
            total += permuted_sums(y, run.prediction[:, voxels], units, orders, run.widening)[1]
        return total / len(self.runs)


@dataclass(frozen=True)
class DifferencesOfNulls(Differences):
    """Two models' correlations under the same rearrangements.

    Attributes
    ----------
    pairs : sequence of tuple of two Null
        Of the first and the second model, one pair a run.
    moves : Exchange
        What changes places in all runs.
    """

    pairs: Sequence[tuple[Null, Null]]
    moves: Exchange

    @cached_property
    def signed(self) -> npt.NDArray[np.float64]:
        """Of the data as they are."""
        return np.mean([one.observed - other.observed for one, other in self.pairs], axis=0)

    @property
    def distinct(self) -> int:
        """Of the units."""
        return self.moves.distinct

    def signed_values(self, start: int, stop: int, voxels: Ints) -> npt.NDArray[np.float64]:
        """Of both models' correlations."""
        total = np.zeros((stop - start, len(voxels)))
        for one, other in self.pairs:
            total += one.values(start, stop, voxels) - other.values(start, stop, voxels)
        return total / len(self.pairs)


@dataclass(frozen=True)
class MovedMeans:
    """The same of means over regions.

    Attributes
    ----------
    voxels : Differences
    regions : mapping of str to ndarray of bool of shape (voxels,)
    """

    voxels: Differences
    regions: Mapping[str, Mask]

    @cached_property
    def signed(self) -> npt.NDArray[np.float64]:
        """Mean difference of each region, (regions,)."""
        return region_means(self.voxels.signed[None], self.regions)[0]

    @property
    def observed(self) -> npt.NDArray[np.float64]:
        """Its size."""
        return np.abs(self.signed)

    @property
    def distinct(self) -> int:
        """As of the voxels."""
        return self.voxels.distinct

    @property
    def available(self) -> None:
        """As of the voxels."""
        return None

    def values(self, start: int, stop: int, voxels: Ints) -> Floats:
        """Sizes under rearrangements, (stop - start, len(voxels)); `voxels` count regions."""
        wanted = [list(self.regions.values())[int(one)] for one in voxels]
        sums = np.zeros((stop - start, len(wanted)))
        for first in range(0, len(self.voxels.signed), CHUNK):
            part = np.arange(first, min(first + CHUNK, len(self.voxels.signed)))
            values = self.voxels.signed_values(start, stop, part)
            for k, mask in enumerate(wanted):
                sums[:, k] += values[:, mask[part]].sum(1)
        return np.abs(sums / [mask.sum() for mask in wanted])
