"""One weight a band and one penalty for all voxels, where a null fits every fold again.

Hyperparameters of a voxel that were chosen on the data as they are would fit these better than
rearranged ones (6 to 8 % of voxels without effect passed at .05); to search again for each
rearrangement takes days. On those of all voxels a single voxel's noise has next to no influence.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from tristream.encode.encoding_file import HeldOut

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class SharedHyperparameters:
    """Hyperparameters of a fold: `gamma` (bands,) and `alpha`, of all voxels."""

    gamma: npt.NDArray[np.float64]
    alpha: float

    @classmethod
    def of(cls, test: HeldOut, cv: Floats) -> Self:
        """Means over voxels (of the logarithm of the penalty), by their cross-validated R²."""
        weight = np.maximum(cv, 0).astype(np.float64)
        weight = weight / weight.sum() if weight.any() else np.full(len(cv), 1 / len(cv))
        alpha = float(np.exp(test.models.log_alpha @ weight))
        return cls(test.gamma.astype(np.float64) @ weight, alpha)
