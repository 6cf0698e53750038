"""Distances equal scipy's; crossvalidated ones are unbiased where plain ones are not."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from helpers.rsa_arrays import names, shown
from tristream.rsa.dissimilarity import crossvalidated, measure


def made(seed=0, voxels=40, signal=1.0, **design):
    rng = np.random.default_rng(seed)
    item, run = shown(rng, **design)
    pattern = rng.standard_normal((item.max() + 1, voxels))
    x = signal * pattern[item] + rng.standard_normal((len(item), voxels))
    return x, pattern, item, run


def test_distances_are_those_of_scipy():
    x, pattern, item, run = made()
    layers = {"wide": pattern[item]}
    found = measure({"V1": x}, layers, names(item), names(run))
    means = np.array([x[item == k].mean(0) for k in range(12)])
    assert found.items == names(range(12))
    assert found.region[0] == pytest.approx(pdist(means, "correlation"))
    assert found.layer[0] == pytest.approx(pdist(pattern, "correlation"))
    found = measure({"V1": x}, layers, names(item), names(run), feature_distance="euclidean")
    assert found.layer[0] == pytest.approx(pdist(pattern, "euclidean"))
    some = found.of(names([2, 5, 7]))
    assert some.layer[0] == pytest.approx(pdist(pattern[[2, 5, 7]], "euclidean"))
    assert some.shown.tolist() == [[1, 1, 1]] * 6


def test_crossvalidated_distances_are_products_of_different_runs():
    x, _, item, run = made(items=4, runs=3)
    kept = ~((item == 3) & (run == 0))
    found = crossvalidated(x[kept], item[kept], run[kept])
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    for (i, j), distance in zip(pairs, found, strict=True):
        used = [r for r in range(3) if not (3 in (i, j) and r == 0)]
        d = {r: (x[(item == i) & (run == r)] - x[(item == j) & (run == r)])[0] for r in used}
        products = [d[k] @ d[m] / 40 for k in used for m in used if k != m]
        assert distance == pytest.approx(np.mean(products))


def test_crossvalidated_distances_of_noise_are_zero_and_plain_ones_are_not():
    x, _, item, run = made(signal=0.0, items=30, voxels=100)
    found = crossvalidated(x, item, run)
    assert abs(found.mean()) < 3 * found.std() / 30**0.5
    means = np.array([x[item == k].mean(0) for k in range(30)])
    plain = pdist(means, "sqeuclidean") / 100
    assert plain.mean() > 20 * plain.std() / 30**0.5


def test_halves_show_every_item():
    x, pattern, item, run = made(runs=4)
    args = ({"V1": x}, {"a": pattern[item]}, names(item), names(run))
    assert measure(*args).halves.shape == (2, 3, 1, 66)
    # Each half of two runs gives crossvalidated distances, too.
    assert measure(*args, distance="crossvalidated").halves.shape == (2, 3, 1, 66)
    once = run == item % 4
    alone = measure(
        {"V1": x[once]}, {"a": pattern[item][once]}, names(item[once]), names(run[once])
    )
    assert alone.halves.shape == (2, 0, 1, 66)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda x, f: (x, f[:, :2]), {}, r"layer has 2 units.*feature_distance: euclidean"),
        (lambda x, f: (x[:2], f[:2]), {}, "2 items: distances need 3"),
        (lambda x, f: (x * np.nan, f), {}, "region holds values that are not finite"),
        (lambda x, f: (x[:8], f[:8]), {"distance": "crossvalidated"}, "fewer than two runs"),
    ],
)
def test_faults_are_one_readable_line(change, options, message):
    x, pattern, item, run = made()
    x, features = change(x, pattern[item])
    own = (names(item[: len(x)]), names(run[: len(x)]))
    with pytest.raises(ValueError, match=message) as caught:
        measure({"region": x}, {"layer": features}, *own, **options)
    assert "\n" not in str(caught.value)
