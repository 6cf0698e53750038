"""Features by presentation: what every volume takes from each, and what each has.

Features of labels and images are switched on and off with their presentation, so those of volumes
are sums over presentations of a share of the volume (which depends on times alone) times the
features of what is presented. From the shares, the features of each presentation are regained.
Features of films and sounds change within a presentation, and are those of its volumes.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from tristream.encode.encoding_file import WholeRun
from tristream.encode.fit_inputs import Floats

# Share of the features' power that rounding of shares and float32 explain.
ROUNDING = 1e-6


def presented(run: WholeRun, lead: int = 0) -> npt.NDArray[np.float64]:
    """Shares of each presentation, and last of nothing, (lead + volumes, presentations + 1).

    Parameters
    ----------
    run : WholeRun
    lead : int
        Volumes before the start, when nothing was shown.
    """
    led = np.pad(np.asarray(run.shares, np.float64), ((lead, 0), (0, 0)))
    nothing = 1 - led.sum(1)
    return np.column_stack([led, np.where(np.abs(nothing) < ROUNDING, 0, nothing)])


def switched(runs: Mapping[str, WholeRun], features: Mapping[str, Floats]) -> bool:
    """Whether features are those of presentations, switched on and off, in all of some runs."""
    return all(_switched(run, features[name]) for name, run in runs.items())


def _switched(run: WholeRun, x: Floats) -> bool:
    if not run.shares.size:
        return False
    basis = orthonormal(presented(run))
    x = np.asarray(x, np.float64)
    left = x - basis @ (basis.T @ x)
    return bool((left**2).sum() <= ROUNDING * (x**2).sum())


def orthonormal(shares: Floats) -> npt.NDArray[np.float64]:
    """Orthonormal basis of the columns of `shares`."""
    left, size, _ = np.linalg.svd(shares, full_matrices=False)
    return np.asarray(left[:, size > ROUNDING * size.max(initial=0)])


def regained(run: WholeRun, lead: int = 0) -> npt.NDArray[np.float64]:
    """From rows of volumes to rows of presentations, (presentations + 1, lead + volumes)."""
    return np.asarray(np.linalg.pinv(presented(run, lead), rcond=ROUNDING), np.float64)
