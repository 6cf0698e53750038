"""Targets that hold NaN or infinite values: left out of a fit, and NaN in all that it finds."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from tristream.encode.estimators.validation import Floats

Bools = npt.NDArray[np.bool_]
# What a fit finds of each target; targets are the last axis.
BY_TARGET = (
    "alpha_",
    "averaged_",
    "band_cv_",
    "cv_",
    "dual_",
    "gamma_",
    "intercept_",
    "level_",
    "shift_",
    "start_",
    "weights_",
)


def fill_missing(estimator: Any, missing: Bools, names: Iterable[str] = BY_TARGET) -> None:
    """Give a fit of the other targets NaN for those that are `missing`, (targets,)."""
    if not missing.any():
        return
    for name in names:
        found = getattr(estimator, name, None)
        if found is not None:
            setattr(estimator, name, with_missing(found, missing))


def with_missing(found: Floats, missing: Bools) -> Floats:
    """Values (..., other targets) as (..., targets), NaN where `missing`."""
    out = np.full((*found.shape[:-1], len(missing)), np.nan, dtype=found.dtype)
    out[..., ~missing] = found
    return out
