"""Tests of signal that extends in space: mass of clusters, and threshold-free cluster enhancement.

Both use the permutations that test the voxels, and one implementation serves voxels and vertices,
whose neighbours a sparse matrix holds (:mod:`tristream.space.adjacency`). Each voxel's statistic is
standardised over its permutations, the observed one among them: a voxel whose null is wide would
else make the largest clusters of noise.

The largest value over the brain in each permutation is the null of the observed ones, which
controls the family-wise error. What is significant is the cluster, or some part of what supports a
voxel, not every voxel in it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from tristream.inference.inference_file import SpatialTest
from tristream.inference.resolution import COLUMNS, Null, against_largest

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]
CLUSTER_MASS, TFCE = "cluster_mass", "tfce"
# Weights of extent and height, and the step of heights, of Smith & Nichols 2009, NeuroImage 44:83.
EXTENT, HEIGHT, STEP = 0.5, 2.0, 0.1
# Voxels of all maps that are enhanced at a time.
NODES = 100_000


def spatial_tests(
    null: Null, permutations: int, touch: csr_array, wanted: Sequence[str], cluster_z: float
) -> dict[str, SpatialTest]:
    """Family-wise tests of clusters and enhanced voxels.

    Parameters
    ----------
    null : Null
        Of the voxels.
    permutations : int
        As many maps are held in memory, in float32.
    touch : csr_array of shape (voxels, voxels)
        Pairs of voxels that touch, each once.
    wanted : sequence of str
        :data:`CLUSTER_MASS`, :data:`TFCE`.
    cluster_z : float
        Standardised statistic above which voxels form clusters.
    """
    edges = np.stack(touch.nonzero())
    statistics: Mapping[str, Callable[[Floats, Ints], Doubles]] = {
        CLUSTER_MASS: partial(cluster_mass, threshold=cluster_z),
        TFCE: tfce,
    }
    maps = _standardised(null, permutations)
    voxels = maps.shape[1]
    # Several maps at a time, as one graph whose parts do not touch.
    batch = max(1, NODES // voxels)
    out = {}
    for name in wanted:
        observed = statistics[name](maps[0], edges)
        null_max = np.empty(permutations)
        for start in range(0, permutations, batch):
            part = maps[1 + start : 1 + min(start + batch, permutations)]
            copies = edges[:, None] + voxels * np.arange(len(part))[:, None]
            values = statistics[name](part.ravel(), copies.reshape(2, -1))
            null_max[start : start + len(part)] = values.reshape(part.shape).max(1)
        # Rounding grows with the statistic; 0 is reached by every permutation.
        seen = observed * (1 - 1e-6)
        p = np.where(observed > 0, against_largest(seen, null_max), 1.0)
        out[name] = SpatialTest(observed, p, null_max)
    return out


def _standardised(null: Null, permutations: int) -> npt.NDArray[np.float32]:
    """Maps as observed and permuted, (1 + permutations, voxels), over which each voxel has SD 1."""
    voxels = len(null.observed)
    maps = np.empty((1 + permutations, voxels), np.float32)
    maps[0] = null.observed
    for start in range(0, voxels, COLUMNS):
        part = np.arange(start, min(start + COLUMNS, voxels))
        maps[1:, part] = null.values(0, permutations, part)
        own = maps[:, part].astype(np.float64)
        own -= own.mean(0)
        spread = own.std(0)
        # A voxel that does not vary has rounding errors for values.
        usable = spread > 1e-6
        maps[:, part] = np.where(usable, own / np.where(usable, spread, 1), 0)
    return maps


def cluster_mass(z: Floats, edges: Ints, threshold: float) -> Doubles:
    """Sum over its cluster of what voxels are above the threshold, (voxels,); 0 outside.

    Parameters
    ----------
    z : ndarray of shape (voxels,)
    edges : ndarray of int of shape (2, pairs)
        Voxels that touch.
    threshold : float
    """
    above = np.flatnonzero(z > threshold)
    label = _labels(above, edges, len(z))
    mass = np.bincount(label, z[above] - threshold)
    out = np.zeros(len(z))
    out[above] = mass[label]
    return out


def tfce(z: Floats, edges: Ints) -> Doubles:
    """Integral over height of extent^0.5 height^2 dh, in steps of 0.1, (voxels,).

    Parameters
    ----------
    z : ndarray of shape (voxels,)
    edges : ndarray of int of shape (2, pairs)
        Voxels that touch.
    """
    out = np.zeros(len(z))
    above, heights = np.arange(len(z)), z
    for step in range(1, 1 + int(z.max(initial=0) / STEP + 1e-6)):
        height = step * STEP
        kept = heights >= height
        # What is above the next height is above this one: all shrinks as it rises.
        edges = edges[:, kept[edges].all(0)]
        edges = (np.cumsum(kept) - 1)[edges]
        above, heights = above[kept], heights[kept]
        graph = coo_array((np.ones(edges.shape[1], bool), tuple(edges)), shape=(len(above),) * 2)
        label = connected_components(graph, directed=False)[1]
        extent = np.bincount(label)
        out[above] += (extent**EXTENT * height**HEIGHT * STEP)[label]
    return out


def _labels(above: Ints, edges: Ints, voxels: int) -> Ints:
    """The cluster of each voxel that is above a threshold, (len(above),)."""
    place = np.full(voxels, -1)
    place[above] = np.arange(len(above))
    own = place[edges]
    own = own[:, (own >= 0).all(0)]
    graph = coo_array((np.ones(own.shape[1], bool), tuple(own)), shape=(len(above),) * 2)
    return np.asarray(connected_components(graph, directed=False)[1])
