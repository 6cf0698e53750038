"""Rearranged predictions as a null for :mod:`tristream.inference.resolution`.

One look-up a unit and permutation, in the table of the products of every unit of the data with
every unit of the prediction. Sums of looked-up rows are what torch calls an embedding bag: with 60
units and 128 voxels the table lies in the cache, and a core adds some 20 numbers a nanosecond, five
times as many as numpy's indexing and thirty times as many as a product with one-hot orders
(`benchmarks/resolution.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from tristream.encode.disk_arrays import forget
from tristream.encode.prediction_scores import correlation, fisher_mean
from tristream.inference.permutation import (
    Moves,
    PredictedRun,
    Shifts,
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


@dataclass(frozen=True)
class Drawn:
    """Some permutations.

    Attributes
    ----------
    start, stop : int
        Their numbers.
    rows : list of Tensor of shape (permutations, rows)
        For each run the rows of its table that they add.
    longer : list of Tensor of shape (permutations,)
        For each run how many times as long predictions get; empty where they stay as they are.
    """

    start: int
    stop: int
    rows: list[torch.Tensor]
    longer: list[torch.Tensor] = field(default_factory=list)


class MovedPredictions:
    """Correlations of data and moved predictions, averaged over runs in Fisher z.

    Parameters
    ----------
    runs : sequence of PredictedRun
        Test runs, their widening known.
    moves : Exchange or Shifts
        What changes places in them.
    seed : int
        Of the draw.
    """

    def __init__(self, runs: Sequence[PredictedRun], moves: Moves, seed: int = 0) -> None:
        self.runs, self.moves, self.seed = runs, moves, seed
        self._drawn = Drawn(0, 0, [])
        self._tables: tuple[Ints, list[Part]] | None = None

    @property
    def distinct(self) -> int:
        """Distinct rearrangements, the observed one included."""
        return self.moves.distinct

    @property
    def available(self) -> int | None:
        """Shifts of a single run are taken once each; everything else is drawn at random."""
        return self.moves.available if isinstance(self.moves, Shifts) else None

    @cached_property
    def observed(self) -> npt.NDArray[np.float64]:
        """Correlation of each voxel, (voxels,)."""
        voxels = self.runs[0].y.shape[1]
        r = np.empty((len(self.runs), voxels))
        for out, run in zip(r, self.runs, strict=True):
            for start in range(0, voxels, VOXELS):
                part = slice(start, start + VOXELS)
                out[part] = correlation(run.y[:, part], run.prediction[:, part])
                forget(run.y, run.prediction)
        return r[0] if len(r) == 1 else fisher_mean(r)

    def values(self, start: int, stop: int, voxels: Ints) -> npt.NDArray[np.float32]:
        """Correlations of the permutations from `start` to `stop`, (stop - start, voxels)."""
        # What was drawn serves all voxels, a table all permutations.
        if (self._drawn.start, self._drawn.stop) != (start, stop):
            self._drawn = self._draw(start, stop)
        if self._tables is None or not np.array_equal(self._tables[0], voxels):
            self._tables = (voxels, [self._table(k, voxels) for k in range(len(self.runs))])
            self.forget()
        total = torch.zeros(stop - start, len(voxels))
        for k, (table, constant) in enumerate(self._tables[1]):
            r, rows = constant.expand(stop - start, -1), self._drawn.rows[k]
            if rows.shape[1]:
                r = r + torch.nn.functional.embedding_bag(rows, table, mode="sum")
            if self._drawn.longer:
                r = r / self._drawn.longer[k][:, None]
            if len(self.runs) == 1:
                return np.asarray(r.numpy())
            total += r.clamp(-LIMIT, LIMIT).atanh_()
        return np.asarray(total.div_(len(self.runs)).tanh_().numpy())

    def forget(self) -> None:
        """Let go of what was read of files that are open."""
        for run in self.runs:
            forget(run.y, run.prediction)

    def _draw(self, start: int, stop: int) -> Drawn:
        """The permutations from `start` to `stop`, for all voxels."""
        drawn = self.moves.draw(start, stop, self.seed)
        if isinstance(self.moves, Shifts):
            shifted = [torch.from_numpy(np.ascontiguousarray(shifts))[:, None] for shifts in drawn]
            return Drawn(start, stop, shifted)
        out = []
        for run in range(len(self.runs)):
            parts, first = [np.empty((stop - start, 0), np.intp)], 0
            for k, rows in self.moves.of_run(run):
                units = len(rows)
                parts.append(first + drawn[k] + units * np.arange(units))
                first += units**2
            out.append(torch.from_numpy(np.concatenate(parts, axis=1)))
        return Drawn(start, stop, out)

    def _table(self, run: int, voxels: Ints) -> Part:
        """What is looked up in a run (rows, voxels), and what is added to every sum (voxels,)."""
        one = self.runs[run]
        y, prediction = unit_length(one.y[:, voxels]), unit_length(one.prediction[:, voxels])
        if isinstance(self.moves, Shifts):
            every = one.widening * circular_products(y, prediction)
            return torch.from_numpy(every).float(), torch.zeros(len(voxels))
        # What stays where it is, and what widening leaves of the mean over all orders.
        constant = np.einsum("tv,tv->v", y, prediction)
        tables = [np.empty((0, len(voxels)))]
        for _, rows in self.moves.of_run(run):
            table = block_table(y, prediction, rows)
            places = np.arange(len(rows))
            constant += (1 - one.widening) * table.sum((0, 1)) / len(rows)
            constant -= table[places, places].sum(0)
            tables.append(one.widening * table.reshape(-1, len(voxels)))
        flat = torch.from_numpy(np.concatenate(tables)).float()
        return flat, torch.from_numpy(constant).float()
