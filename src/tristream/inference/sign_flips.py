"""A null of signs: each unit's part of a score may as well have the other one."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from tristream.align.exchange import BATCH

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class SignFlips:
    """Signs of units flipped at random, all voxels alike: a null for :func:`resolve`.

    Attributes
    ----------
    parts : ndarray of shape (units, n)
        They add up to the score of each of n voxels or regions.
    width : ndarray of shape (n,)
        How many times wider the null is than that of the parts under random signs.
    seed : int
        Of the signs; with as many units, they are the same for all parts.
    sides : {1, 2}
        Whether large scores count alone, or small ones too.
    """

    parts: Floats
    width: Floats
    seed: int
    sides: Literal[1, 2] = 2

    @cached_property
    def signed(self) -> npt.NDArray[np.float64]:
        """The score, (n,)."""
        return self.parts.sum(0, dtype=np.float64)

    @cached_property
    def observed(self) -> Floats:
        """The score, or its absolute value, (n,)."""
        return self._sided(self.signed)

    @property
    def distinct(self) -> int:
        """Patterns of signs; of two sides a pattern and its opposite are one."""
        return patterns(len(self.parts), self.sides)

    @property
    def available(self) -> None:
        """Signs are drawn at random without end."""
        return None

    def values(self, start: int, stop: int, voxels: Ints) -> Floats:
        """Scores under patterns number `start` to `stop`, (stop - start, len(voxels))."""
        signs = self._signs(start, stop)
        null = signs @ self.parts[:, voxels].astype(np.float32)
        return self._sided(null * self.width[voxels].astype(np.float32))

    def _signs(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        first, last = start // BATCH, -(-stop // BATCH)
        shape = (BATCH, len(self.parts))
        batches = [
            np.random.default_rng((self.seed, number)).integers(0, 2, shape, np.int8)
            for number in range(first, last)
        ]
        drawn = np.concatenate(batches)[start - first * BATCH : stop - first * BATCH]
        return (2 * drawn - 1).astype(np.float32)

    def _sided(self, values: Floats) -> Floats:
        return np.abs(values) if self.sides == 2 else values


def patterns(units: int, sides: Literal[1, 2]) -> int:
    """How many patterns of signs are different."""
    return 2 ** (units + 1 - sides) if units else 1
