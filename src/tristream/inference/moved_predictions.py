"""Rearranged predictions as a null for :mod:`tristream.inference.resolution`.

One look-up a unit and permutation, in the table of the products of every unit of the data with
every unit of the prediction. Sums of looked-up rows are what torch calls an embedding bag: with 60
units and 128 voxels the table lies in the cache, and a core adds some 20 numbers a nanosecond, five
times as many as numpy's indexing and thirty times as many as a product with one-hot orders
(`benchmarks/resolution.py`).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from tristream.align.exchange import BATCH, Exchange
from tristream.encode.prediction_scores import correlation, fisher_mean
from tristream.inference.permutation import (
    PredictedRun,
    block_table,
    circular_products,
    unit_length,
)

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Part = tuple[torch.Tensor, torch.Tensor]
# A correlation of one has no Fisher z.
LIMIT = 1 - 1e-6
# Voxels whose observed correlation is computed at a time.
VOXELS = 4096


class MovedPredictions(ABC):
    """Correlations of data and moved predictions, averaged over runs in Fisher z.

    Parameters
    ----------
    runs : sequence of PredictedRun
        Test runs, their widening known.
    seed : int
        Of the draw.
    """

    def __init__(self, runs: Sequence[PredictedRun], seed: int = 0) -> None:
        self.runs, self.seed = runs, seed
        self._drawn: tuple[tuple[int, int], list[torch.Tensor]] | None = None
        self._tables: tuple[Ints, list[Part]] | None = None

    @cached_property
    def observed(self) -> npt.NDArray[np.float64]:
        """Correlation of each voxel, (voxels,)."""
        voxels = self.runs[0].y.shape[1]
        r = np.empty((len(self.runs), voxels))
        for out, run in zip(r, self.runs, strict=True):
            for start in range(0, voxels, VOXELS):
                part = slice(start, start + VOXELS)
                out[part] = correlation(run.y[:, part], run.prediction[:, part])
        return r[0] if len(r) == 1 else fisher_mean(r)

    def values(self, start: int, stop: int, voxels: Ints) -> npt.NDArray[np.float32]:
        """Correlations of the permutations from `start` to `stop`, (stop - start, voxels)."""
        # What was drawn serves all voxels, a table all permutations.
        if self._drawn is None or self._drawn[0] != (start, stop):
            self._drawn = ((start, stop), self._rows(start, stop))
        if self._tables is None or not np.array_equal(self._tables[0], voxels):
            self._tables = (voxels, [self._table(k, voxels) for k in range(len(self.runs))])
        total = torch.zeros(stop - start, len(voxels))
        for rows, (table, constant) in zip(self._drawn[1], self._tables[1], strict=True):
            r = constant.expand(stop - start, -1)
            if rows.shape[1]:
                r = r + torch.nn.functional.embedding_bag(rows, table, mode="sum")
            if len(self.runs) == 1:
                return np.asarray(r.numpy())
            total += r.clamp(-LIMIT, LIMIT).atanh_()
        return np.asarray(total.div_(len(self.runs)).tanh_().numpy())

    @abstractmethod
    def _rows(self, start: int, stop: int) -> list[torch.Tensor]:
        """For each run the rows of its table that permutations add, (stop - start, rows)."""

    @abstractmethod
    def _table(self, run: int, voxels: Ints) -> Part:
        """What is looked up in a run (rows, voxels), and what is added to every sum (voxels,)."""

    def _unit_length(self, run: int, voxels: Ints) -> tuple[Floats, Floats]:
        one = self.runs[run]
        return unit_length(one.y[:, voxels]), unit_length(one.prediction[:, voxels])


class PermutedUnits(MovedPredictions):
    """Exchange units of the prediction change places.

    Parameters
    ----------
    runs : sequence of PredictedRun
    exchange : Exchange
        What may change places in them.
    seed : int
    """

    def __init__(self, runs: Sequence[PredictedRun], exchange: Exchange, seed: int = 0) -> None:
        super().__init__(runs, seed)
        self.exchange = exchange

    @property
    def distinct(self) -> int:
        """Distinct rearrangements, the observed one included."""
        return self.exchange.distinct

    @property
    def available(self) -> None:
        """Drawn at random, without end."""
        return

    def _rows(self, start: int, stop: int) -> list[torch.Tensor]:
        orders = self.exchange.draw(start, stop, self.seed)
        out = []
        for run in range(len(self.runs)):
            parts, first = [np.empty((stop - start, 0), np.intp)], 0
            for k, rows in self.exchange.of_run(run):
                units = len(rows)
                parts.append(first + orders[k] + units * np.arange(units))
                first += units**2
            out.append(torch.from_numpy(np.concatenate(parts, axis=1)))
        return out

    def _table(self, run: int, voxels: Ints) -> Part:
        y, prediction = self._unit_length(run, voxels)
        widening = self.runs[run].widening
        # What stays where it is, and what widening leaves of the mean over all orders.
        constant = np.einsum("tv,tv->v", y, prediction)
        tables = [np.empty((0, len(voxels)))]
        for _, rows in self.exchange.of_run(run):
            table = block_table(y, prediction, rows)
            places = np.arange(len(rows))
            constant += (1 - widening) * table.sum((0, 1)) / len(rows)
            constant -= table[places, places].sum(0)
            tables.append(widening * table.reshape(-1, len(voxels)))
        flat = torch.from_numpy(np.concatenate(tables)).float()
        return flat, torch.from_numpy(constant).float()


class ShiftedRuns(MovedPredictions):
    """The whole prediction of each run moves in a circle."""

    @property
    def distinct(self) -> int:
        """All shifts of all runs."""
        return int(np.prod([len(run.unit) for run in self.runs], dtype=object))

    @property
    def available(self) -> int | None:
        """A single run's shifts, each once; of more runs they are drawn at random."""
        return len(self.runs[0].unit) - 1 if len(self.runs) == 1 else None

    def _rows(self, start: int, stop: int) -> list[torch.Tensor]:
        if len(self.runs) == 1:
            return [torch.arange(1 + start, 1 + stop)[:, None]]
        first, last = start // BATCH, -(-stop // BATCH)
        batches = [self._batch(number) for number in range(first, last)]
        part = slice(start - first * BATCH, stop - first * BATCH)
        return [
            torch.from_numpy(np.concatenate(shifts)[part, None])
            for shifts in zip(*batches, strict=True)
        ]

    def _batch(self, number: int) -> list[Ints]:
        rng = np.random.default_rng((self.seed, number))
        return [rng.integers(0, len(run.unit), BATCH) for run in self.runs]

    def _table(self, run: int, voxels: Ints) -> Part:
        y, prediction = self._unit_length(run, voxels)
        every = self.runs[run].widening * circular_products(y, prediction)
        return torch.from_numpy(every).float(), torch.zeros(len(voxels))
