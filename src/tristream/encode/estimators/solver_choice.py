"""Which solver a fit takes: the one asked for, if it can; else the one of fewest operations."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from tristream.encode.estimators.many_samples import (
    check_directions,
    operations,
    takes_features,
)
from tristream.encode.estimators.validation import Groups
from tristream.encode.nonlinear import Kind

Solver = Literal["auto", "primal", "exact", "skeleton", "gradient"]
# From so many bands on, random weightings miss the good ones.
MANY_BANDS = 4
# The skeleton scores about one in so many candidates on all targets.
SKELETON = 15


def choose_solver(
    asked: str,
    widths: Sequence[int],
    shape: Sequence[int],
    groups: Groups,
    grid: tuple[int, int],
    kinds: Sequence[Kind],
    *,
    steps: bool,
    shared: bool,
    weighted: bool,
    directions: int | None = None,
) -> str:
    """Gradient for many bands; else primal where it takes fewer operations, exact for a single
    band, where targets share candidates or samples have weights, or skeleton.

    Parameters
    ----------
    asked : str
        ``auto``, or the one to take.
    widths : sequence of int
        Features of each band.
    shape : (int, int)
        Samples and targets.
    groups : ndarray of shape (n,), or list of (train, test)
    grid : (int, int)
        Band weightings and penalties.
    kinds : sequence of str
        Kernel of each band; none for kernels given as such.
    steps : bool
        Whether band weights may be others than the candidates.
    shared : bool
        Whether targets share candidates.
    weighted : bool
        Whether samples have weights.
    directions : int, optional
        Leading directions of the features to keep.

    Raises
    ------
    ValueError
        If the one asked for can not do it.
    """
    candidates, penalties = grid
    if directions is not None:
        if shared or weighted:
            raise ValueError("directions takes neither regions nor sample_weight")
        check_directions(directions, asked, kinds, groups)
        return "skeleton" if asked == "auto" else asked
    dual = "skeleton" if candidates > 1 and not shared and not weighted else "exact"
    possible = bool(kinds) and set(kinds) == {"linear"} and isinstance(groups, np.ndarray)
    if asked == "primal" and not possible:
        raise ValueError(
            "solver='primal' takes features, linear kernels, and folds that each leave a group out"
        )
    if asked == "gradient" and shared:
        raise ValueError(
            "solver='gradient' finds the weights of each target alone: regions takes "
            "solver='exact' or 'primal'"
        )
    if asked in ("gradient", "skeleton") and weighted:
        raise ValueError(f"sample_weight takes solver='exact' or 'primal', not {asked!r}")
    if asked != "auto":
        return asked
    many = len(widths) >= MANY_BANDS and steps and not shared and not weighted
    if many and isinstance(groups, np.ndarray):
        return "gradient"
    if not possible:
        return dual
    (n, voxels), p, folds = shape, sum(widths), len(np.unique(groups))
    held = min(p, n / folds)
    # One decomposition a fold, or one in all and an inverse for each fold and penalty.
    own = folds * (20 * p**3 + 2 * voxels * p**2)
    whole = 20 * p**3 + folds * penalties * 2 * held**2 * (3 * p + 4 * held)
    scores = 2 * voxels * p * folds * held * penalties
    primal_cost = candidates * (min(own, whole) + 2 * voxels * p * n + scores)
    spared = SKELETON if dual == "skeleton" else 1
    operator: float = 2 * n**3 + 2 * voxels * n**2
    if dual == "skeleton" and takes_features(n, widths, kinds, groups):
        operator = operations(n, p, folds, voxels)
    dual_cost = candidates * penalties * operator / spared
    return "primal" if p < n and primal_cost < dual_cost else dual
