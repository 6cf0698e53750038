"""How much too narrow a null of signs is where units of one run share noise.

Signs of units are drawn independently, but the noise of units that follow each other is not. In a
film the variance of a difference without signal is the sum over lags of the products of the
autocovariances of data and difference of predictions, as for a correlation
(:mod:`tristream.inference.widening`), and is compared with the squares of the units' parts.
Elsewhere what follows a unit is another presentation, and the products of parts of neighbours are
counted as they are; of presentations that are further apart, which a high-pass filter makes unlike
in data and predictions, products are expected from the autocovariances, too. All are means over
voxels: one voxel's own ratio would be too uncertain to use.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tristream.encode.neighbours import products_of_distant, products_of_neighbours
from tristream.inference.permutation import PredictedRun, circular_products, unit_length
from tristream.inference.tested_runs import TIME
from tristream.inference.widening import lost_by_shifts

Ints = npt.NDArray[np.integer]
CHUNK = 512


def sign_widening(
    runs: Sequence[PredictedRun], units: Sequence[Ints], unit: str, *, distant: bool = True
) -> float:
    """Standard deviation of a difference without signal over that of its parts; at least one.

    Parameters
    ----------
    runs : sequence of PredictedRun
        Test runs whose prediction is a difference of predictions.
    units : sequence of ndarray of int of shape (samples,), one a run
        What changes its sign as a whole.
    unit : {'block', 'round', 'item', 'time'}
        What a unit is.
    distant : bool
        Whether presentations that are further apart count. Under leave-one-run-out the squares of
        parts in both roles are too large already (:mod:`tristream.encode.unit_parts`).
    """
    voxels, count = runs[0].y.shape[1], 1 + max(int(own.max()) for own in units)
    squares = wanted = 0.0
    for start in range(0, voxels, CHUNK):
        part = slice(start, start + CHUNK)
        parts = np.zeros((count, min(CHUNK, voxels - start)))
        for run, own in zip(runs, units, strict=True):
            y, prediction = unit_length(run.y[:, part]), run.prediction[:, part]
            np.add.at(parts, own, y * prediction)
            if unit != TIME:
                wanted += float(products_of_neighbours(y * prediction, run.unit, own).sum())
            if unit != TIME and distant:
                wanted += float(products_of_distant(y, prediction, run.unit, own).sum())
        squares += float((parts**2).sum())
    wanted = sum(_of_film(run) for run in runs) if unit == TIME else squares + wanted
    return float(np.sqrt(max(1.0, wanted / squares))) if squares > 0 else 1.0


def _of_film(run: PredictedRun) -> float:
    """Variance of the sum over a run, added up over voxels."""
    shifted = 0.0
    for start in range(0, run.y.shape[1], CHUNK):
        part = run.part(slice(start, start + CHUNK))
        products = circular_products(unit_length(part.y), part.prediction)
        shifted += float((products**2).mean(0).sum())
    return lost_by_shifts(run) * shifted
