"""How many dimensions a layer has, how many of them live, and how its samples lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.manifold import TSNE
from sklearn.preprocessing import StandardScaler
from sklearn.utils.extmath import randomized_svd

from tristream.features.core.feature_file import open_features
from tristream.features.show.shown_space import BLOCK

Array = npt.NDArray[np.float64]
# A dimension whose standard deviation is below this share of its largest value does not vary.
DEAD = 1e-6
FEWEST_POINTS = 10
TSNE_COMPONENTS = 30
PERPLEXITY = 30.0
STEPS = 300
SHARE = 0.9


@dataclass(frozen=True)
class Summary:
    """One layer in numbers.

    Attributes
    ----------
    samples, dimensions : int
        Rows and columns.
    dead : list of str
        Names of columns that do not vary.
    variance : float
        Sum of the columns' variances.
    effective : float
        Participation ratio of the variances of the principal components, ``(Σλ)² / Σλ²``: 1 if
        all lies in one direction, the number of columns if it is spread evenly.
    for_most : int
        Principal components that hold 90 % of the variance.
    spectrum : ndarray
        Share of the variance of each principal component of the rows that were looked at.
    """

    samples: int
    dimensions: int
    dead: list[str]
    variance: float
    effective: float
    for_most: int
    spectrum: Array


def summarise(path: Path, rows: Array) -> Summary:
    """Numbers of a layer: dead dimensions and variance from all rows, the spectrum from `rows`.

    Parameters
    ----------
    path : Path
        Feature file.
    rows : ndarray of shape (n, p)
        Some of its rows.
    """
    scaler, largest, samples = StandardScaler(), np.zeros(rows.shape[1]), 0
    with open_features(path) as file:
        names = file.names
        for values in file.all_values:
            rows_at_once = max(BLOCK // max(values.shape[1], 1), 1)
            for first in range(0, len(values), rows_at_once):
                block = values[first : first + rows_at_once].astype(np.float64)
                scaler.partial_fit(block)
                largest = np.maximum(largest, np.abs(block).max(axis=0))
                samples += len(block)
    variance = np.asarray(scaler.var_)
    dead = np.sqrt(variance) <= DEAD * np.maximum(largest, DEAD)
    centred = rows - rows.mean(axis=0)
    gram = centred @ centred.T if len(rows) < rows.shape[1] else centred.T @ centred
    spectrum = np.maximum(np.linalg.eigvalsh(gram)[::-1], 0)
    total = spectrum.sum()
    shares = spectrum / total if total > 0 else spectrum
    return Summary(
        samples=samples,
        dimensions=rows.shape[1],
        dead=[name for name, is_dead in zip(names, dead, strict=True) if is_dead],
        variance=float(variance.sum()),
        effective=float(1 / (shares**2).sum()) if total > 0 else 0.0,
        for_most=int(np.searchsorted(np.cumsum(shares), SHARE) + 1) if total > 0 else 0,
        spectrum=shares,
    )


def components(rows: Array, number: int) -> Array:
    """First principal components (n, number) of z-scored columns, signs fixed."""
    centred = rows - rows.mean(axis=0)
    spread = centred.std(axis=0)
    scaled = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)
    u, s, _ = randomized_svd(scaled, min(number, *rows.shape), random_state=0)
    scores = u * s
    peaks = scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])]
    return np.asarray(scores * np.where(peaks < 0, -1.0, 1.0))


def embed_points(rows: Array, seed: int = 0) -> Array | None:
    """t-SNE (n, 2) of rows (van der Maaten & Hinton 2008), from their first principal components.

    None if there are fewer than 10 rows, whose neighbourhoods mean nothing, or a single column,
    which is a line already.
    """
    if len(rows) < FEWEST_POINTS or rows.shape[1] < 2:
        return None
    reduced = components(rows, TSNE_COMPONENTS)
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    model = TSNE(perplexity=perplexity, max_iter=STEPS, init="pca", random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(reduced), np.float64)


def mean_rows(values: Array, times: Array, number: int) -> tuple[Array, Array]:
    """Columns averaged in `number` equal intervals of time, and the intervals' middles.

    Intervals without a sample are NaN.
    """
    edges = np.linspace(times[0], times[-1] + 1e-9, number + 1)
    which = np.clip(np.searchsorted(edges, times, "right") - 1, 0, number - 1)
    sums = np.zeros((number, values.shape[1]))
    np.add.at(sums, which, values)
    counts = np.bincount(which, minlength=number)[:, None].astype(float)
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return means, (edges[:-1] + edges[1:]) / 2


def labels_of(
    times: Array, owners: Sequence[str], events: Sequence[tuple[str, float, float, str]]
) -> list[str]:
    """A label for each row: the label of the event (stimulus, start, stop, label) at its time.

    Images have no time (NaN): the label of the event that shows the image. Labels, and stimuli that
    no event shows, are their own label.
    """
    shown = {stimulus for stimulus, *_ in events}
    labels = [f"{owner}, in no run" if owner in shown else owner for owner in owners]
    for stimulus, start, stop, label in reversed(events):
        for row, (time, owner) in enumerate(zip(times, owners, strict=True)):
            if owner == stimulus and (np.isnan(time) or start <= time < stop):
                labels[row] = label
    return labels
