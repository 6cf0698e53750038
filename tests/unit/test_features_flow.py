"""Optical flow of films whose motion is known."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from films import make_film
from tristream.features.extractors.optical_flow import MEASURES, FlowOptions, optical_flow

FPS = 24
SIZE = (160, 90)
COUNT = 13


def texture(width: int, height: int) -> np.ndarray:
    """A picture with structure at several scales."""
    rng = np.random.default_rng(0)
    layers = [
        cv2.GaussianBlur(rng.standard_normal((height, width)), (0, 0), sigma) * sigma
        for sigma in (1.5, 4, 10)
    ]
    image = np.sum(layers, axis=0)
    image = (image - image.min()) / (image.max() - image.min())
    return np.asarray(255 * image, np.uint8)


def warped_film(path: Path, matrix: Callable[[float], np.ndarray]) -> Path:
    """A film of a texture that a time-dependent affine map (about the middle) carries along."""
    source = texture(480, 270)
    images = []
    for index in range(COUNT):
        move = np.vstack([matrix(index / FPS), [0, 0, 1]])
        to_middle = np.array([[1, 0, SIZE[0] / 2], [0, 1, SIZE[1] / 2], [0, 0, 1.0]])
        from_source = np.array([[1, 0, -240], [0, 1, -135], [0, 0, 1.0]])
        whole = (to_middle @ move @ from_source)[:2]
        images.append(cv2.warpAffine(source, whole, SIZE, flags=cv2.INTER_CUBIC))
    return make_film(path, np.stack(images), np.arange(COUNT) / FPS)


def inner(cells: np.ndarray) -> float:
    """Mean over the cells away from the edge, where new picture comes in."""
    return float(cells[1:-1, 1:-1].mean())


def measured(film: Path, fps: float = FPS) -> dict[str, np.ndarray]:
    """Median over time of each measure, (rows, columns)."""
    options = FlowOptions(fps=fps)
    blocks = list(optical_flow(film, ("flow",), options, None, "cpu"))
    values = np.concatenate([b["flow"].values for b in blocks])
    maps = np.median(values, axis=0).reshape(len(MEASURES), *options.grid)
    names = optical_flow.names("flow", options, values.shape[1])
    assert names[options.grid[1]] == "speed_2_1"
    return dict(zip(MEASURES, maps, strict=True))


@pytest.mark.parametrize(("right", "down"), [(0.5, 0.0), (-0.3, 0.2), (0.0, -0.4)])
@pytest.mark.parametrize("fps", [24, 12])
def test_pan(tmp_path: Path, right: float, down: float, fps: float) -> None:
    """Velocities in picture heights per second, whatever the sampling."""
    shift = np.array([right, down]) * SIZE[1]
    film = warped_film(
        tmp_path / "pan.mp4", lambda t: np.array([[1, 0, shift[0] * t], [0, 1, shift[1] * t]])
    )
    flow = measured(film, fps)
    assert np.median(flow["right"]) == pytest.approx(right, abs=0.03)
    assert np.median(flow["down"]) == pytest.approx(down, abs=0.03)
    assert np.median(flow["speed"]) == pytest.approx(np.hypot(right, down), abs=0.03)
    assert abs(inner(flow["expansion"])) < 0.05
    assert abs(inner(flow["rotation"])) < 0.05


@pytest.mark.parametrize("rate", [0.6, -0.6])
def test_zoom(tmp_path: Path, rate: float) -> None:
    """Scaling by exp(rate t) has divergence 2 rate."""
    film = warped_film(
        tmp_path / "zoom.mp4", lambda t: np.exp(rate * t) * np.array([[1.0, 0, 0], [0, 1, 0]])
    )
    flow = measured(film)
    assert inner(flow["expansion"]) == pytest.approx(2 * rate, rel=0.1)
    assert abs(inner(flow["rotation"])) < 0.06
    outward = flow["right"][:, -1].mean() - flow["right"][:, 0].mean()
    assert np.sign(outward) == np.sign(rate)


@pytest.mark.parametrize("rate", [0.5, -0.5])
def test_rotation(tmp_path: Path, rate: float) -> None:
    """Turning clockwise on screen by `rate` radians a second has curl 2 rate."""

    def turned(t: float) -> np.ndarray:
        c, s = np.cos(rate * t), np.sin(rate * t)
        return np.array([[c, -s, 0], [s, c, 0]])

    flow = measured(warped_film(tmp_path / "turn.mp4", turned))
    assert inner(flow["rotation"]) == pytest.approx(2 * rate, rel=0.1)
    assert abs(inner(flow["expansion"])) < 0.06


def test_a_sample_stands_between_its_frames(tmp_path: Path) -> None:
    """One sudden step between the frames at 5/24 and 6/24 s: speed peaks at 6/24 s."""
    film = warped_film(
        tmp_path / "step.mp4",
        lambda t: np.array([[1, 0, 4.0 * (t > 5.5 / FPS)], [0, 1, 0]]),
    )
    options = FlowOptions(fps=FPS)
    blocks = list(optical_flow(film, ("flow",), options, None, "cpu"))
    assert sum(len(b["flow"].times) for b in blocks) == COUNT - 1
    speed = blocks[0]["flow"].values[:, :24].mean(axis=1)
    assert blocks[0]["flow"].times[speed.argmax()] == pytest.approx(6 / FPS)
