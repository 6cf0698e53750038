"""Clusters and enhanced voxels against nilearn's code, and their error rates."""

import numpy as np
import pytest
from nilearn.mass_univariate._utils import calculate_cluster_measures, calculate_tfce
from scipy import stats
from scipy.ndimage import gaussian_filter, generate_binary_structure, label

from tristream.inference.resolution import StoredNull
from tristream.inference.spatial import STEP, cluster_mass, spatial_tests, tfce
from tristream.space.adjacency import adjacency

SHAPE = (11, 12, 9)
FACES = generate_binary_structure(3, 1)


def smooth(rng, *count):
    noise = gaussian_filter(rng.standard_normal((*count, *SHAPE)), (0,) * len(count) + (1.2,) * 3)
    return noise / noise.std()


@pytest.fixture(scope="module")
def volume():
    """A smooth map in a mask with holes."""
    rng = np.random.default_rng(0)
    mask = rng.random(SHAPE) < 0.8
    ijk = np.argwhere(mask)
    return np.where(mask, 1.5 * smooth(rng), 0), ijk, np.stack(adjacency(ijk).nonzero())


def test_masses_are_those_of_nilearn(volume):
    image, ijk, edges = volume
    found = cluster_mass(image[tuple(ijk.T)], edges, 2.0)
    _, expected = calculate_cluster_measures(image[..., None], 2.0, FACES, two_sided_test=False)
    assert found.max() == pytest.approx(expected[0])
    clusters, number = label(image > 2.0, FACES)
    assert number > 3
    for one in range(1, number + 1):
        own = clusters == one
        mass = (image[own] - 2.0).sum()
        assert found[own[tuple(ijk.T)]] == pytest.approx(mass)
    assert (found[image[tuple(ijk.T)] <= 2.0] == 0).all()


def test_enhanced_voxels_are_those_of_nilearn(volume):
    image, ijk, edges = volume
    # nilearn divides the range into equal steps, and does not multiply by them.
    highest = image[tuple(ijk.T)].max()
    steps = int(highest / STEP)
    scaled = image * (steps * STEP / highest)
    expected = (
        calculate_tfce(scaled[..., None], FACES, dh=STEP, two_sided_test=False)[..., 0] * STEP
    )
    z = scaled[tuple(ijk.T)]
    assert steps > 30
    assert tfce(z, edges) == pytest.approx(expected[tuple(ijk.T)], rel=1e-9)


def nulls(seed, driven=None, permutations=99):
    """Maps of smooth noise; with `driven`, the observed one has signal there."""
    rng = np.random.default_rng(seed)
    maps = smooth(rng, 1 + permutations).reshape(1 + permutations, -1)
    # Voxels whose null is wide must not win alone.
    maps = (maps * np.where(np.arange(maps.shape[1]) % 7, 1, 3)).astype(np.float32) / 20
    if driven is not None:
        maps[0, driven] += 0.2
    return StoredNull(maps[0].astype(float), maps[1:], 10**9)


def test_error_rates_without_signal_and_what_is_found_with_it():
    ijk = np.argwhere(np.ones(SHAPE))
    touch = adjacency(ijk)
    wanted = ("cluster_mass", "tfce")
    hits = {name: 0 for name in wanted}
    for seed in range(80):
        found = spatial_tests(nulls(seed), 99, touch, wanted, 2.5)
        for name in wanted:
            hits[name] += found[name].p.min() <= 0.05
    for count in hits.values():
        assert stats.binomtest(count, 80, 0.05).pvalue > 0.01
    # An extended signal that the largest voxel does not show.
    driven = (np.abs(ijk - [5, 5, 4]) <= 2).all(1) & (np.arange(len(ijk)) % 7 > 0)
    null = nulls(0, driven)
    found = spatial_tests(null, 99, touch, wanted, 2.5)
    assert (null.every.max(1) >= null.observed[driven].max()).mean() > 0.05
    for name in wanted:
        assert found[name].p[driven].min() == 0.01
        assert (found[name].p[~driven] <= 0.05).sum() < driven.sum()


def test_maps_that_are_tested_together_do_not_touch(monkeypatch):
    null, touch = nulls(3), adjacency(np.argwhere(np.ones(SHAPE)))
    together = spatial_tests(null, 99, touch, ("cluster_mass", "tfce"), 2.5)
    monkeypatch.setattr("tristream.inference.spatial.NODES", 1)
    for name, alone in spatial_tests(null, 99, touch, ("cluster_mass", "tfce"), 2.5).items():
        assert alone.null_max == pytest.approx(together[name].null_max)
        assert alone.null_max.std() > 0


def test_a_voxel_that_does_not_vary_takes_no_part():
    null = nulls(3)
    null.every[:, 5] = null.observed[5] = 0.3
    found = spatial_tests(null, 99, adjacency(np.argwhere(np.ones(SHAPE))), ("tfce",), 2.5)
    assert found["tfce"].statistic[5] == 0
    assert found["tfce"].p[5] == 1
