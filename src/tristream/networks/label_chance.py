"""How well labels would be named by chance: held-out items get each other's labels."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

QUANTILES = {"low": 0.025, "high": 0.975}


def label_chance(
    named: Mapping[str, npt.NDArray[np.str_]],
    labels: npt.NDArray[np.str_],
    moved: Sequence[str],
    permutations: int,
    seed: int = 0,
) -> pd.DataFrame:
    """Balanced accuracy, mean over seeds, where labels of items are permuted.

    Parameters
    ----------
    named : dict of str to ndarray of str, shape (seeds, samples)
        Regime to what its networks call the held-out samples.
    labels : ndarray of str, shape (samples,)
        What these are.
    moved : sequence of str, length samples
        The item of each, whose label moves with all its samples.
    permutations, seed : int

    Returns
    -------
    DataFrame
        Index ``regime``: ``mean``, and ``low`` and ``high``, between which 95 % of permutations
        are.
    """
    group, place = np.unique(np.asarray(moved).astype(str), return_inverse=True)
    first = np.array([np.argmax(place == k) for k in range(len(group))])
    classes, own = np.unique(labels, return_inverse=True)
    shares = {
        regime: np.stack([(values == one).mean(0) for one in classes], 1)
        for regime, values in named.items()
    }
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {regime: [] for regime in named}
    for _ in range(permutations):
        given = np.eye(len(classes))[own[first][rng.permutation(len(group))][place]]
        for regime, share in shares.items():
            drawn[regime].append(float(((given * share).sum(0) / given.sum(0)).mean()))
    rows = {
        regime: {"mean": np.mean(values)}
        | {name: np.quantile(values, level) for name, level in QUANTILES.items()}
        for regime, values in drawn.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("regime")
