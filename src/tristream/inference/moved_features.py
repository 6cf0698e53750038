"""Rearranged features of items as a null for :mod:`tristream.inference.resolution`.

Items change places, their times stay: the features of one are shown to the model where those of
another were, and the answer to them is predicted from there, with its delays, into what follows.
Data and times stay as they are. So neither what neighbouring volumes have in common, nor what was
projected out of the data, nor an answer that reaches into the next item sets the rearranged apart
from the observed: where the order of the items was random, the test is exact, whatever the noise.
To move pieces of the *prediction* instead takes along, at the head of each, the end of the answer
to the item before (8 to 11 % of voxels without effect passed at .05).

A prediction is a sum over delays (:mod:`tristream.encode.tap_predictions`), so what changes is
still a sum of one number a place and unit, looked up in a table. It is divided by how much longer
predictions get in the mean over voxels (:mod:`tristream.inference.rearranged_lengths`).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from tristream.align.exchange import Exchange, ExchangeSet, Unit, exchange
from tristream.encode.encoding_file import HeldOut
from tristream.encode.prediction_scores import centred
from tristream.encode.tap_predictions import TapPredictions
from tristream.inference.moved_predictions import Drawn, Ints, MovedPredictions, Part
from tristream.inference.permutation import PredictedRun, unit_length
from tristream.inference.rearranged_lengths import RearrangedLengths, spaced

# Relative difference of two ways to the same prediction that rounding explains.
ROUNDING = 1e-3


def exchange_of_items(tests: Sequence[HeldOut], unit: Unit) -> Exchange:
    """What may change places, of presentations with samples, in all volumes of test runs."""
    items = [test.first.filled_item for test in tests]
    shows = [test.first.filled_shows for test in tests]
    return exchange(unit, [test.filled for test in tests], items, shows)


class MovedFeatures(MovedPredictions):
    """Correlations of data with what is predicted of moved features, averaged in Fisher z.

    Parameters
    ----------
    runs : sequence of PredictedRun
        Test runs.
    taps : sequence of TapPredictions
        Their predictions by delay.
    moves : Exchange
        From :func:`exchange_of_items`.
    seed : int
        Of the draw.
    """

    moves: Exchange

    def __init__(
        self,
        runs: Sequence[PredictedRun],
        taps: Sequence[TapPredictions],
        moves: Exchange,
        seed: int = 0,
    ) -> None:
        super().__init__(runs, moves, seed)
        self.taps = taps
        self._read: tuple[np.ndarray, Ints, torch.Tensor] | None = None
        self._lengths = []
        voxels = spaced(runs[0].prediction.shape[1])
        for k, (run, tap) in enumerate(zip(runs, taps, strict=True)):
            weights, own = self._weights(tap, voxels), [s for s in moves.sets if k in s.showings]
            self._lengths.append(RearrangedLengths(tap, weights, run.prediction, own, k))
        self.forget()

    def _draw(self, start: int, stop: int) -> Drawn:
        drawn = super()._draw(start, stop)
        pairs = zip(self._lengths, drawn.rows, strict=True)
        return replace(drawn, longer=[lengths.of(rows) for lengths, rows in pairs])

    def _weights(self, tap: TapPredictions, voxels: Ints) -> torch.Tensor:
        """Those of a run; all runs of a model have the same, which are read once."""
        if self._read is not None and self._read[0] is tap.dual and self._read[1] is voxels:
            return self._read[2]
        self._read = (tap.dual, voxels, tap.weights(voxels))
        return self._read[2]

    def _table(self, run: int, voxels: Ints) -> Part:
        """What is looked up in a run (rows, voxels), and what is added to every sum (voxels,)."""
        one, tap = self.runs[run], self.taps[run]
        y, prediction = unit_length(one.y[:, voxels]), unit_length(one.prediction[:, voxels])
        length = np.sqrt((centred(one.prediction[:, voxels]) ** 2).sum(0))
        # A prediction that does not vary correlates with nothing, wherever it comes from.
        data = tap.against(y) / np.where(length > 0, length, np.inf)
        weights = self._weights(tap, voxels)
        timed, items = tap.of_volumes(weights), tap.of_presentations(weights)
        # What a presentation's features are multiplied with, were they on in each place.
        on = np.einsum("ktv,tu->kuv", data, tap.presented, optimize=True)
        constant = np.einsum("tv,tv->v", y, prediction)
        _check(constant, _summed(data, timed) + _summed(on, items))
        tables = [np.empty((0, len(voxels)))]
        filled = tap.test.filled
        for one_set in self.moves.sets:
            if run not in one_set.showings:
                continue
            table = _table(one_set, run, data[:, tap.lead :], timed[:, tap.lead :])
            table += _table(one_set.numbered(run, filled), run, on, items)
            places = np.arange(len(table))
            constant = constant - table[places, places].sum(0)
            tables.append(table.reshape(-1, len(voxels)))
        flat = torch.from_numpy(np.concatenate(tables)).float()
        return flat, torch.from_numpy(constant).float()


def _summed(data: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Products over taps and rows, (voxels,); nothing where there are no parts."""
    if not parts.size:
        return np.zeros(data.shape[2])
    return np.einsum("ktv,ktv->v", data, parts)


def _table(one_set: ExchangeSet, run: int, data: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Products of the data in every place with the parts of every unit, (units, units, voxels)."""
    table = np.zeros((one_set.size, one_set.size, data.shape[2]))
    if not parts.size:
        return table
    for place in range(one_set.size):
        own, sources = one_set.filled(run, place)
        moved = parts[:, sources]
        table[place] = np.einsum("klv,kjlv->jv", data[:, own], moved, optimize=True)
    return table


def _check(stored: np.ndarray, again: np.ndarray) -> None:
    """Predictions made by delay add up to the stored ones."""
    if (apart := np.abs(stored - again).max(initial=0)) > ROUNDING:
        raise ValueError(f"predictions by delay differ from the stored ones by r = {apart:.2g}")
