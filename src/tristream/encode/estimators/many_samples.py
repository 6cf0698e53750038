"""When a fit is taken in the space of features, not with kernels, and what memory kernels take."""

import os
from collections.abc import Sequence

import numpy as np
import torch

from tristream.encode.estimators.validation import Groups
from tristream.encode.nonlinear import Kind

# Kernels of fewer bytes are made: how they are solved then was measured.
KERNELS = 2**31
# Features may be this share of the samples.
SHARE = 0.6


def check_directions(
    directions: object, solver: str, kinds: Sequence[Kind], groups: Groups
) -> None:
    """Refuse a number of directions that can't be kept.

    Raises
    ------
    ValueError
        If it is not a number, or the fit would not know features, or not look at left-out groups.
    """
    if not isinstance(directions, int | np.integer) or directions < 1:
        raise ValueError(f"directions={directions!r}: expected a number, 1 at least")
    linear = bool(kinds) and set(kinds) == {"linear"}
    if not linear or not isinstance(groups, np.ndarray) or solver in ("primal", "gradient"):
        raise ValueError(
            "directions takes features, linear kernels, folds that each leave a group out, and "
            "solver='auto', 'skeleton' or 'exact'"
        )


def kernels_are_large(bands: int, samples: int) -> bool:
    """Whether float64 kernels of the bands take more bytes than are made where features do."""
    return bands * samples**2 * 8 > KERNELS


def takes_features(
    samples: int, widths: Sequence[int], kinds: Sequence[Kind], groups: Groups
) -> bool:
    """Whether features are few, samples very many and folds such that no kernel is needed."""
    possible = bool(kinds) and set(kinds) == {"linear"} and isinstance(groups, np.ndarray)
    return possible and sum(widths) <= SHARE * samples and kernels_are_large(len(widths), samples)


def operations(samples: int, columns: int, folds: int, voxels: int) -> float:
    """Of one candidate in the space of the features, samples turned into few."""
    rows = min(columns, samples / folds)
    operator = 4 * columns**3 + folds * (4 * columns * rows * (columns + rows) + rows**3)
    return operator + 4 * voxels * columns * rows * folds


def check_memory(bands: int, samples: int, kinds: Sequence[Kind], device: torch.device) -> None:
    """Refuse kernels that memory can't hold, before they are made.

    Raises
    ------
    ValueError
        Saying what they take and what to do.
    """
    # They are made one by one, then stacked.
    needed = 2 * bands * samples**2 * 8
    if device.type == "cuda":
        present = torch.cuda.get_device_properties(device).total_memory
    else:
        present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if kinds and needed > present:
        linear = set(kinds) == {"linear"}
        raise ValueError(
            f"kernels of {samples} samples and {bands} bands take {needed / 1e9:.0f} GB, and there "
            f"are {present / 1e9:.0f}: "
            + (
                "reduce features to fewer than 0.6 of the samples, or keep their leading "
                "`directions`, e.g. directions=2000"
                if linear
                else "average samples, or take linear kernels and `directions`"
            )
        )
