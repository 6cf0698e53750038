"""How long predictions are, over the voxels of a run, when what was shown changes places.

Where neighbours share an answer, or slow drifts are projected out, rearranged features predict more
or less variance than those that were shown: 4 to 13 % of the length. A correlation divides by it; a
sum of looked-up products (:mod:`tristream.inference.moved_features`) does not. Undivided, the test
is exact, but weak: of voxels that follow labels at r = .4, 20 % had p at most .001, and 37 % with
correlations. The length of each voxel's prediction for each rearrangement takes hundreds of times
as long as the sum; with the mean over voxels in its place it was 34 %. The test stays exact, as
predictions rest on training data alone.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from tristream.align.exchange import ExchangeSet
from tristream.encode.convolution import convolved
from tristream.encode.prediction_scores import centred
from tristream.encode.tap_predictions import TapPredictions

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
# The mean is over so many voxels, evenly spaced over all.
VOXELS = 512
# Of their predictions, principal parts that hold this share, but not more than so many, nor than
# fill a table of so many numbers.
SHARE, PARTS, NUMBERS = 0.999, 8, 4e7
# Rearrangements at a time.
BATCH = 256


def spaced(voxels: int) -> Ints:
    """The voxels over which lengths are means, of so many."""
    return np.arange(0, voxels, max(1, voxels // VOXELS))


class RearrangedLengths:
    """Root mean square length over voxels, relative to that of what was shown.

    A prediction is a sum over places of what the unit that is shown there adds, looked up in a
    table of principal parts of all voxels.

    Parameters
    ----------
    tap : TapPredictions
        Of the run.
    weights : Tensor
        Its weights of the voxels :func:`spaced`.
    prediction : ndarray of shape (samples, voxels)
        As stored.
    sets : sequence of ExchangeSet
        Those with units in the run.
    run : int
        Place of the run.
    """

    def __init__(
        self,
        tap: TapPredictions,
        weights: torch.Tensor,
        prediction: Floats,
        sets: Sequence[ExchangeSet],
        run: int,
    ) -> None:
        self._tap = tap
        pairs = sum(one.size**2 for one in sets)
        most = int(NUMBERS / (max(pairs, 1) * max(len(prediction), 1)))
        timed, items = _parts(tap, weights, prediction, max(1, min(PARTS, most)))
        rest = shown = self._predicted(timed[None], items[None])
        rows = [np.empty((0, len(prediction) * items.shape[2]), np.float32)]
        for one in sets:
            own = one.numbered(run, tap.test.filled)
            for place in range(one.size):
                of_volumes = _moved(timed, *one.filled(run, place), lead=tap.lead)
                rows.append(self._predicted(of_volumes, _moved(items, *own.filled(run, place))))
                rest = rest - rows[-1][place]
        self._table, self._rest = torch.from_numpy(np.concatenate(rows)), torch.from_numpy(rest)
        self._length = float(np.linalg.norm(shown))

    def of(self, rows: torch.Tensor) -> torch.Tensor:
        """For each rearrangement, (permutations,).

        Parameters
        ----------
        rows : Tensor of int of shape (permutations, places)
            Of the table: first all units in the first place, then all in the second.
        """
        if not rows.shape[1] or not self._length > 0:
            return torch.ones(len(rows))
        bag = torch.nn.functional.embedding_bag
        norms = [
            torch.linalg.vector_norm(bag(part, self._table, mode="sum") + self._rest, dim=1)
            for part in rows.split(BATCH)
        ]
        return torch.cat(norms) / self._length

    def _predicted(self, timed: Floats, items: Floats) -> npt.NDArray[np.float32]:
        """At the samples, (n, samples * parts), of undelayed (n, taps, rows, parts)."""
        tap, runs = self._tap, list(self._tap.test.whole.values())
        place = torch.arange(tap.lead + len(runs[0].unit))
        moved = torch.zeros(len(place), len(items) * items.shape[3])
        for k, response in enumerate(tap.taps):
            shown = np.zeros((len(items), len(place), items.shape[3]), np.float32)
            if timed.shape[2]:
                shown += timed[:, k]
            if items.shape[2]:
                shown += tap.presented.astype(np.float32) @ items[:, k]
            by_volume = torch.from_numpy(shown.swapaxes(0, 1).reshape(len(place), -1))
            moved += convolved(by_volume, place, response)
        flat = moved[tap.lead :].numpy()
        cleaned = np.mean([flat - r.projection @ (r.projection.T @ flat) for r in runs], axis=0)
        own = centred(cleaned[tap.test.rows]).reshape(-1, len(items), items.shape[3])
        return np.asarray(own.swapaxes(0, 1).reshape(len(items), -1), np.float32)


def _moved(values: Floats, own: Ints, sources: Ints, lead: int = 0) -> npt.NDArray[np.float32]:
    """Values (taps, rows, parts) of each unit in one place, (units, taps, rows, parts)."""
    out = np.zeros((len(sources), *values.shape), np.float32)
    if values.shape[1]:
        out[:, :, lead + own] = values[:, lead + sources].swapaxes(0, 1)
    return out


def _parts(
    tap: TapPredictions, weights: torch.Tensor, prediction: Floats, number: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Undelayed predictions by volumes and presentations, (taps, rows, parts) each.

    Principal parts of predictions of length one have nearly the covariance of the voxels.
    """
    voxels = spaced(prediction.shape[1])
    length = np.sqrt((centred(prediction[:, voxels]) ** 2).sum(0))
    timed, items = tap.of_volumes(weights), tap.of_presentations(weights)
    # A prediction that does not vary has no part in the mean.
    both = np.concatenate([timed, items], axis=1) / np.where(length > 0, length, np.inf)
    left, size, _ = np.linalg.svd(both.reshape(-1, len(voxels)), full_matrices=False)
    held = np.cumsum(size**2) / max(float((size**2).sum()), 1e-30)
    number = min(number, int(np.searchsorted(held, SHARE)) + 1)
    parts = (left[:, :number] * size[:number]).reshape(*both.shape[:2], -1).astype(np.float32)
    first, second = np.split(parts, [timed.shape[1]], axis=1)
    return first, second
