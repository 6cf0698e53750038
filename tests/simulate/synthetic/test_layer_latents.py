"""Layers that parts of a simulated brain follow."""

from pathlib import Path

import numpy as np
import pytest

from helpers.feature_files import write_features
from tristream.errors import UserError
from tristream.simulate.synthetic.layer_latents import LEADING, layer_latents

PICTURES = [f"picture {n}" for n in range(60)]


def images(path: Path, values: np.ndarray, label: str = "net/one") -> Path:
    return write_features(path, label, items=PICTURES, values=values)


def test_measures_are_the_leading_dimensions_of_each_layer(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((2, len(PICTURES), LEADING))
    layers = hidden @ rng.standard_normal((2, LEADING, 30)) * 7 + 100
    paths = [images(tmp_path / f"{n}.h5", x, f"net/{n}") for n, x in enumerate(layers)]
    labels, found = layer_latents(paths, PICTURES[:50])
    assert labels == ["net/0", "net/1"]
    assert list(found) == sorted(PICTURES[:50])
    assert all(times.tolist() == [0.0] for times, _ in found.values())
    values = np.concatenate([found[name][1] for name in PICTURES[:50]])
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(values.std(axis=0, ddof=1), 1, atol=1e-6)
    for own, true in zip(np.hsplit(values, 2), hidden[:, :50], strict=True):
        # Each set of four spans what the layer was made of.
        centred = true - true.mean(axis=0)
        left = centred - own @ np.linalg.lstsq(own, centred, rcond=None)[0]
        assert np.abs(left).max() < 1e-4


def test_times_are_those_of_the_first_layer(tmp_path: Path) -> None:
    slow, fast = np.arange(0.5, 20), np.arange(0.125, 20, 0.25)
    paths = [
        write_features(tmp_path / f"{n}.h5", f"net/{n}", {"film": (np.sin(t)[:, None], t)})
        for n, t in enumerate((slow, fast))
    ]
    _, found = layer_latents(paths, ["film"])
    times, values = found["film"]
    np.testing.assert_array_equal(times, slow)
    # One dimension a layer: the others are zero.
    assert values.shape == (20, 2 * LEADING)
    assert not values[:, [1, 2, 3, 5, 6, 7]].any()
    assert abs(np.corrcoef(values[:, 0], values[:, LEADING])[0, 1]) > 0.999


def test_a_constant_layer_is_one_line(tmp_path: Path) -> None:
    path = images(tmp_path / "x.h5", np.ones((60, 5)))
    with pytest.raises(UserError, match=r"x\.h5: has the same values for all stimuli"):
        layer_latents([path], PICTURES)


def test_a_stimulus_without_features_is_one_line(tmp_path: Path) -> None:
    path = images(tmp_path / "x.h5", np.random.default_rng(0).standard_normal((60, 5)))
    with pytest.raises(UserError, match=r"x\.h5: holds no features of 'other'; simulate without"):
        layer_latents([path], ["other", "picture 1"])
