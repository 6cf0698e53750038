"""What decoders of many units share: chunks of units, devices, a bar at the terminal."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from tristream.device import choose_device

Floats = npt.NDArray[np.floating]


class ByUnits:
    """Predictions that are made by chunks of units, so that a wide layer takes bounded memory."""

    device: str
    memory: int
    progress: bool
    y_mean_: Floats
    y_scale_: Floats
    _single: bool

    def predict(self, X: Any) -> Floats:
        """Features of new samples, (n, units), in the units' own scale."""
        out = np.empty((len(X), len(self.y_mean_)))
        for units, part in self.predict_units(X):
            out[:, units] = part
        return out[:, 0] if self._single else out

    def predict_units(self, X: Any) -> Iterator[tuple[slice, Floats]]:
        """The same by chunks of units, for layers whose predictions don't fit in memory."""
        raise NotImplementedError

    def _parts(self, units: int, numbers: int) -> Iterator[slice]:
        """Chunks of units, of which each takes so many numbers of eight bytes, a few times."""
        size = max(1, self.memory // 4 // (8 * numbers))
        for start in range(0, units, size):
            yield slice(start, min(start + size, units))

    def _tensor(self, values: Floats) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(values, np.float64))
        return tensor.to(choose_device(self.device))

    def _bar(self, units: int, what: str) -> Any:
        if not self.progress:
            return _Silent()
        from tqdm import tqdm

        return tqdm(total=units, desc=what, unit="unit", mininterval=5, disable=None)


class _Silent(nullcontext[Any]):
    """A bar that nobody sees."""

    def __enter__(self) -> Self:
        return self

    def update(self, units: int) -> None:
        """Say nothing."""


def new_samples(X: Any, fitted: int) -> Floats:
    """Samples (n, voxels) to predict, of as many voxels as were fitted.

    Raises
    ------
    ValueError
        If they have others, or values that are not finite.
    """
    x = matrix(X, "X")
    if x.shape[1] != fitted:
        raise ValueError(f"X has {x.shape[1]} voxels, but {fitted} were fitted")
    return x


def matrix(values: Any, name: str) -> Floats:
    """An array (samples, columns) of finite numbers, by `name` in errors."""
    matrix = np.asarray(values)
    if matrix.dtype.kind != "f":
        matrix = matrix.astype(np.float64)
    if matrix.ndim != 2 or not matrix.shape[1]:
        raise ValueError(f"{name} has shape {matrix.shape}; it is (samples, columns)")
    # The sum of a column is finite where all its values are, and takes no memory.
    bad = ~np.isfinite(matrix.sum(0, dtype=np.float64))
    if bad.all():
        raise ValueError(f"{name}: no column is finite; is the region outside of the image?")
    if bad.any():
        raise ValueError(
            f"{name}: {bad.sum()} of {len(bad)} columns hold values that are not finite; leave "
            "them out"
        )
    return matrix
