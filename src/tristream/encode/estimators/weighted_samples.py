"""Weights of samples; those of weight zero are left out before anything is made of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tristream.encode.estimators.validation import Floats, Groups


def read_weights(weights: Any, samples: int) -> npt.NDArray[np.float64] | None:
    """Weight of each sample, (samples,).

    Raises
    ------
    ValueError
        If there are not as many, one is negative or not finite, or all are zero.
    """
    if weights is None:
        return None
    found = np.asarray(weights, dtype=float)
    if found.shape != (samples,):
        raise ValueError(f"sample_weight has shape {found.shape} for {samples} samples")
    if not (np.isfinite(found) & (found >= 0)).all():
        raise ValueError("sample_weight must be finite, and not negative")
    if not found.any():
        raise ValueError("sample_weight is zero for all samples")
    return found


def _check_groups(weight: Floats, groups: npt.NDArray[Any]) -> None:
    """Refuse weights (n,) with which a left-out group has no score."""
    for name in np.unique(groups):
        count = int((weight[groups == name] > 0).sum())
        if count < 2:
            raise ValueError(
                f"group {name} has {count} samples of a weight above 0: a score needs two at least"
            )


@dataclass(frozen=True)
class Samples:
    """What a fit is of.

    Attributes
    ----------
    parts : list of Tensor of shape (n, p_b), or (n, n)
        Features of each band, or kernels.
    targets : Tensor of shape (n, targets)
    groups : ndarray of shape (n,), or list of (train, test)
    weight : ndarray of shape (n,) or None
    kept : ndarray of bool of shape (samples as given,) or None
        Which they are; None: all.
    """

    parts: list[torch.Tensor]
    targets: torch.Tensor
    groups: Groups
    weight: Floats | None = None
    kept: npt.NDArray[np.bool_] | None = None

    def weighted(self, weight: Floats | None, kernels: bool) -> "Samples":
        """The same with weights (n,), without samples of weight zero.

        Parameters
        ----------
        weight : ndarray of shape (n,), optional
        kernels : bool
            Whether bands are kernels, whose columns are samples, too.

        Raises
        ------
        ValueError
            If folds overlap, or a group has fewer than two samples of positive weight.
        """
        if weight is None:
            return self
        if not isinstance(self.groups, np.ndarray):
            raise ValueError("sample_weight takes folds that each leave a group of samples out")
        _check_groups(weight, self.groups)
        kept = weight > 0
        if kept.all():
            return Samples(self.parts, self.targets, self.groups, weight)
        rows = torch.from_numpy(np.flatnonzero(kept))
        parts = [p[rows.to(p.device)] for p in self.parts]
        if kernels:
            parts = [p[:, rows.to(p.device)] for p in parts]
        targets = self.targets[rows.to(self.targets.device)]
        return Samples(parts, targets, self.groups[kept], weight[kept], kept)

    def all_duals(self, dual: Floats) -> Floats:
        """Dual weights (..., n, targets) of all samples as given: zero for those left out."""
        if self.kept is None:
            return dual
        out = np.zeros((*dual.shape[:-2], len(self.kept), dual.shape[-1]), dual.dtype)
        out[..., self.kept, :] = dual
        return out
