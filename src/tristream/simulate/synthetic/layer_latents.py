"""Layers of a network that parts of a simulated brain can follow."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tristream.errors import UserError
from tristream.features.core.feature_file import open_features
from tristream.simulate.synthetic.latents import Latents
from tristream.simulate.synthetic.settings import Array

LEADING = 4
"""Principal components of each layer that are followed."""


def layer_latents(paths: Sequence[Path], shown: Collection[str]) -> tuple[list[str], Latents]:
    """The leading principal components of layers, side by side.

    Parameters
    ----------
    paths : sequence of Path
        Feature files, one a layer.
    shown : collection of str
        Names of the stimuli.

    Returns
    -------
    list of str
        ``space/layer`` of each file.
    dict of str to (times, values)
        Of each stimulus: seconds, (n,), those of the first file; and `LEADING` measures a layer,
        (n, layers * `LEADING`), of mean 0 and variance 1 over all rows of these stimuli. A layer of
        fewer dimensions has zeros instead. Images have one row, at 0.

    Raises
    ------
    UserError
        If a file holds no features, lacks a stimulus or has the same values for all.
    """
    labels: list[str] = []
    layers: list[Latents] = []
    for path in paths:
        label, rows = _rows(path, sorted(shown))
        labels.append(label)
        layers.append(_components(rows))
    times = {name: at for name, (at, _) in layers[0].items()}
    return labels, {
        name: (at, np.hstack([_resampled(at, *layer[name]) for layer in layers]))
        for name, at in times.items()
    }


def _rows(path: Path, shown: Sequence[str]) -> tuple[str, Latents]:
    """The label of a layer, and its rows of each stimulus with their times."""
    with open_features(path) as file:
        if file.about.timed:
            found = {
                name: (one.times, np.asarray(one.values)) for name, one in file.stimuli.items()
            }
        else:
            pairs = zip(file.items, np.asarray(file.item_values)[:, None], strict=True)
            found = {name: (np.zeros(1), row) for name, row in pairs}
        if lacking := [name for name in shown if name not in found]:
            raise UserError(
                f"{path}: holds no features of {lacking[0]!r}; simulate without --features first, "
                "and extract the features of the stimuli that this writes"
            )
        rows = {name: found[name] for name in shown}
        every = np.concatenate([values for _, values in rows.values()])
        if not np.ptp(every, axis=0).any():
            raise UserError(f"{path}: has the same values for all stimuli; give another layer")
        return file.about.label, rows


def _components(rows: Latents) -> Latents:
    every = np.concatenate([values for _, values in rows.values()], dtype=np.float64)
    count = min(LEADING, *every.shape)
    pca = PCA(count, whiten=True, random_state=0)
    found = make_pipeline(StandardScaler(), pca).fit_transform(every)
    # Components of no variance are rounding errors, which whitening makes large.
    found[:, pca.explained_variance_ < 1e-9] = 0
    found = np.pad(found, ((0, 0), (0, LEADING - count)))
    ends = np.cumsum([len(at) for at, _ in rows.values()])[:-1]
    parts = np.split(found, ends)
    return {name: (at, part) for (name, (at, _)), part in zip(rows.items(), parts, strict=True)}


def _resampled(to: Array, times: Array, values: Array) -> Array:
    return np.column_stack([np.interp(to, times, column) for column in values.T])
