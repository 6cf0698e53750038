"""Whether a grid of penalties is long enough for what was chosen from it."""

import warnings

from tristream.encode.estimators.validation import Floats

# Share of predicted targets at an end of the grid from which the grid looks too short.
EDGE = 0.1


class GridEdgeWarning(UserWarning):
    """Many targets take the smallest or the largest penalty of the grid."""


def warn_edges(chosen: Floats, scores: Floats, alphas: Floats) -> None:
    """Warn where many targets with a score above 0 are at an end; without signal all are.

    Parameters
    ----------
    chosen, scores : ndarray of shape (targets,)
        Penalty and cross-validated score.
    alphas : ndarray of shape (penalties,)
    """
    predicted = scores > 0
    if len(alphas) < 2 or not predicted.any():
        return
    for end, edge in (("smallest", alphas.min()), ("largest", alphas.max())):
        share = float((chosen[predicted] == edge).mean())
        if share > EDGE:
            warnings.warn(
                f"{share:.0%} of the targets with a score above 0 take the {end} alpha, "
                f"{edge:g}; extend the grid",
                GridEdgeWarning,
                stacklevel=3,
            )
