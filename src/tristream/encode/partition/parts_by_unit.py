"""What each exchangeable unit adds to unique and shared variance, for tests of signs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tristream.align.exchange import Unit, sign_units
from tristream.encode.encoding_file import HeldOut
from tristream.encode.neighbours import products_of_neighbours
from tristream.encode.partition.variance import NestedRun, commonality
from tristream.encode.prediction_scores import centred

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
CHUNK = 256


@dataclass(frozen=True)
class PartsByUnit:
    """Parts of unique and shared variance.

    Attributes
    ----------
    unit : {'block', 'round', 'item', 'time'}
        What is exchangeable.
    parts : ndarray of shape (sets, units, voxels)
        They add up to the commonality coefficients of the sets.
    widening : ndarray of shape (sets,)
        How many times wider a null of signs has to be, since neighbouring units share noise.
    pairs : ndarray of shape (sets, signs, voxels), optional
        Under leave-one-run-out: sums over pairs of units, see :mod:`tristream.encode.unit_parts`.
    """

    unit: Unit
    parts: npt.NDArray[np.float32]
    widening: npt.NDArray[np.float64]
    pairs: npt.NDArray[np.float32] | None = None


def units_of(tests: Mapping[str, HeldOut], unit: Unit) -> list[Ints]:
    """The unit of each sample, one array a test."""
    held = list(tests.values())
    return sign_units(unit, [test.unit for test in held], [test.item for test in held])


def parts_of_test(
    runs: Sequence[NestedRun], tests: Mapping[str, HeldOut], unit: Unit
) -> PartsByUnit:
    """Parts by units of test data.

    R² is a sum over samples of p (2 y - p), over the sum of y²; so are its differences.

    Parameters
    ----------
    runs : sequence of NestedRun
    tests : mapping of str to HeldOut
        The same tests, for their units.
    unit : {'block', 'round', 'item', 'time'}
        What is exchangeable.
    """
    units = units_of(tests, unit)
    voxels, sets = runs[0].y.shape[1], len(runs[0].predictions) - 1
    parts = np.zeros((sets, 1 + max(int(own.max()) for own in units), voxels), np.float32)
    neighbours = np.zeros(sets)
    for start in range(0, voxels, CHUNK):
        part = slice(start, min(start + CHUNK, voxels))
        for run, own, test in zip(runs, units, tests.values(), strict=True):
            values = commonality(_by_sample(run, part)) / len(runs)
            for one in range(sets):
                np.add.at(parts[one, :, part], own, values[one].astype(np.float32))
                neighbours[one] += products_of_neighbours(values[one], test.unit, own).sum()
    squares = (parts.astype(np.float64) ** 2).sum((1, 2))
    ratio = np.divide(neighbours, squares, out=np.zeros(sets), where=squares > 0)
    return PartsByUnit(unit, parts, np.sqrt(np.maximum(1, 1 + ratio)))


def _by_sample(run: NestedRun, part: slice) -> npt.NDArray[np.float64]:
    """What each sample adds to R² of each subset, (subsets, time, voxels)."""
    y, p = centred(run.y[:, part]), centred(run.predictions[:, :, part], axis=1)
    spread = (y**2).sum(0)
    values = p * (2 * y - p)
    return np.divide(values, spread, out=np.zeros_like(values), where=spread > 0)
