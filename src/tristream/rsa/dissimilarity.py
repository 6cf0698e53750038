"""How far items are from one another, in patterns of voxels and in features.

Pairs of items are in the order of :func:`scipy.spatial.distance.pdist`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist, squareform

from tristream.decode.feature_decoder import average_showings
from tristream.decode.pattern_reliability import run_halves

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Distance = Literal["correlation", "crossvalidated"]
FeatureDistance = Literal["correlation", "euclidean"]
FEWEST_ITEMS = 3
FEWEST_UNITS = 3
SPLITS = 20


@dataclass(frozen=True)
class Dissimilarities:
    """Distances between the items that one subject met.

    Attributes
    ----------
    items : list of str
        In sorted order.
    regions, layers : list of str
    region : ndarray of shape (regions, pairs)
    layer : ndarray of shape (layers, pairs)
        NaN where an item has no pattern that varies.
    halves : ndarray of shape (2, splits, regions, pairs)
        From halves of the runs; no splits where halves don't show all items.
    shown : ndarray of int of shape (runs, items)
        How often each run shows each item.
    """

    items: list[str]
    regions: list[str]
    layers: list[str]
    region: Floats
    layer: Floats
    halves: Floats
    shown: Ints

    def of(self, items: Sequence[str]) -> "Dissimilarities":
        """The same of some of the items."""
        place = [self.items.index(item) for item in items]

        def chosen(distances: Floats) -> Floats:
            flat = distances.reshape(-1, distances.shape[-1])
            rows = [pairs_of(square_of(one)[np.ix_(place, place)]) for one in flat]
            pairs = len(place) * (len(place) - 1) // 2
            return np.reshape(rows, (*distances.shape[:-1], pairs))

        return replace(
            self,
            items=list(items),
            region=chosen(self.region),
            layer=chosen(self.layer),
            halves=chosen(self.halves),
            shown=self.shown[:, place],
        )


def square_of(pairs: Floats) -> Floats:
    """Distances of pairs as a symmetric matrix with zeros on its diagonal."""
    return np.asarray(squareform(pairs, checks=False))


def pairs_of(square: Floats) -> Floats:
    """The pairs of a symmetric matrix."""
    return np.asarray(squareform(square, checks=False))


def measure(
    regions: Mapping[str, Floats],
    layers: Mapping[str, Floats],
    item: Sequence[str],
    run: Sequence[str],
    distance: Distance = "correlation",
    feature_distance: FeatureDistance = "correlation",
    seed: int = 0,
) -> Dissimilarities:
    """Distances between items in each region and each layer.

    Parameters
    ----------
    regions : dict of str to ndarray of shape (showings, voxels)
        Patterns of each region.
    layers : dict of str to ndarray of shape (showings, units)
        Features of what was shown.
    item, run : sequence of str, one a showing
    distance : {'correlation', 'crossvalidated'}
        1 - r of mean patterns, or :func:`crossvalidated`.
    feature_distance : {'correlation', 'euclidean'}
    seed : int
        Of the splits of runs into halves.

    Raises
    ------
    ValueError
        If there are fewer than three items, a layer is too narrow for a correlation, values are
        not finite, or runs don't share items as crossvalidated distances need.
    """
    items, place = np.unique(np.asarray(item), return_inverse=True)
    runs, number = np.unique(np.asarray(run), return_inverse=True)
    if len(items) < FEWEST_ITEMS:
        raise ValueError(f"{len(items)} items: distances need {FEWEST_ITEMS} at least")
    for name, values in {**regions, **layers}.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds values that are not finite")
    shown = np.zeros((len(runs), len(items)), int)
    np.add.at(shown, (number, place), 1)
    half = _halves(regions, place, number, shown, distance, seed)
    return Dissimilarities(
        items=items.tolist(),
        regions=list(regions),
        layers=list(layers),
        region=np.stack([_of_patterns(x, place, number, distance) for x in regions.values()]),
        layer=np.stack(
            [of_features(name, x, place, feature_distance) for name, x in layers.items()]
        ),
        halves=half,
        shown=shown,
    )


def of_features(name: str, values: Floats, place: Ints, distance: FeatureDistance) -> Floats:
    """Distances between the mean features of items."""
    if distance == "correlation" and values.shape[1] < FEWEST_UNITS:
        raise ValueError(
            f"{name} has {values.shape[1]} units, too few for a correlation over units; set "
            "`feature_distance: euclidean`"
        )
    return _pdist(average_showings(values, place.tolist())[0], distance)


def _of_patterns(x: Floats, place: Ints, number: Ints, distance: Distance) -> Floats:
    if distance == "crossvalidated":
        return crossvalidated(x, place, number)
    return _pdist(average_showings(x, place.tolist())[0], "correlation")


def _pdist(values: Floats, metric: FeatureDistance) -> Floats:
    # Items that don't vary over units correlate with nothing: NaN, told by whoever compares.
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(pdist(np.asarray(values, np.float64), metric))


def crossvalidated(x: Floats, item: Sequence[Any] | Ints, run: Sequence[Any] | Ints) -> Floats:
    """Squared Euclidean distance a voxel, from differences in two different runs.

    With d_k the difference of two items' mean patterns in run k, it is the mean over pairs of runs
    k ≠ l that show both of d_k · d_l / voxels: noise that is independent between runs adds nothing
    to its expectation, which is 0 where the items don't differ (Walther et al. 2016, NeuroImage
    137:188, without noise normalisation).

    Parameters
    ----------
    x : ndarray of shape (showings, voxels)
    item, run : sequence, one a showing

    Raises
    ------
    ValueError
        If two items share fewer than two runs.
    """
    items, place = np.unique(np.asarray(item), return_inverse=True)
    runs, number = np.unique(np.asarray(run), return_inverse=True)
    total = np.zeros((len(runs), len(items), x.shape[1]))
    np.add.at(total, (number, place), x)
    count = np.zeros((len(runs), len(items)))
    np.add.at(count, (number, place), 1)
    means = total / np.maximum(count, 1)[:, :, None]
    there = (count > 0).astype(float)
    both = np.einsum("ri,rj->ij", there, there)
    if both[~np.eye(len(items), dtype=bool)].min() < 2:
        raise ValueError(
            "two items share fewer than two runs, as crossvalidated distances need; set "
            "`distance: correlation`"
        )
    found = np.zeros((len(items), len(items)))
    for k in range(len(runs)):
        for m in range(k):
            products = means[k] @ means[m].T
            own = np.diagonal(products)
            used = np.outer(there[k] * there[m], there[k] * there[m])
            found += used * (own[:, None] + own - products - products.T)
    return pairs_of(2 * found / np.maximum(both * (both - 1), 1) / x.shape[1])


def _halves(
    regions: Mapping[str, Floats],
    place: Ints,
    number: Ints,
    shown: Ints,
    distance: Distance,
    seed: int,
) -> Floats:
    """Distances from both halves of the runs, for splits whose halves show every item."""
    runs, items = shown.shape
    fewest = 2 if distance == "crossvalidated" else 1
    signs = run_halves(runs, np.random.default_rng(seed)) if runs >= 2 else np.empty((0, runs))
    found: list[list[list[Floats]]] = []
    for row in signs:
        if len(found) == SPLITS:
            break
        if min(int((shown[row == s] > 0).sum(0).min()) for s in (1, -1)) < fewest:
            continue
        own = [np.isin(number, np.flatnonzero(row == s)) for s in (1, -1)]
        try:
            found.append(
                [
                    [_of_patterns(x[half], place[half], number[half], distance) for half in own]
                    for x in regions.values()
                ]
            )
        except ValueError:
            # Each item is in two runs of the half, but not each two items are in the same two.
            continue
    if not found:
        return np.empty((2, 0, len(regions), items * (items - 1) // 2))
    return np.asarray(found).transpose(2, 0, 1, 3)
