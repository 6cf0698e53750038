"""Optical flow of films whose motion is known."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from helpers.features_study import FilmStudy
from helpers.films import clocks, make_film
from tristream.errors import UserError
from tristream.features.core.feature_file import open_features
from tristream.features.core.flow_measures import DIRECTIONS, MEASURES, SPEEDS, Motion
from tristream.features.spaces.optical_flow import FlowOptions, camera, optical_flow
from tristream.features.spaces.optical_flow.fields import IFNET, flow_fields
from tristream.features.spaces.optical_flow.ifnet import warp
from tristream.fetch.archive import fetch_archive
from tristream.fetch.steps import fetch_weights

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


TEXTURE = texture(480, 270)


def warped_film(path: Path, matrix: Callable[[float], np.ndarray], count: int = COUNT) -> Path:
    """A film of a texture that a time-dependent affine map (about the middle) carries along."""
    images = [warped(matrix(index / FPS)) for index in range(count)]
    return make_film(path, np.stack(images), np.arange(count) / FPS)


def warped(matrix: np.ndarray) -> np.ndarray:
    """The texture's middle after an affine map (2, 3) about it."""
    to_middle = np.array([[1, 0, SIZE[0] / 2], [0, 1, SIZE[1] / 2], [0, 0, 1.0]])
    from_source = np.array([[1, 0, -240], [0, 1, -135], [0, 0, 1.0]])
    whole = (to_middle @ np.vstack([matrix, [0, 0, 1]]) @ from_source)[:2]
    return np.asarray(cv2.warpAffine(TEXTURE, whole, SIZE, flags=cv2.INTER_CUBIC))


def shifted(right: float, down: float) -> np.ndarray:
    """A pan by so many picture heights."""
    return np.array([[1, 0, right * SIZE[1]], [0, 1, down * SIZE[1]]])


def zoomed(growth: float) -> np.ndarray:
    return np.exp(growth) * np.array([[1.0, 0, 0], [0, 1, 0]])


def turned(angle: float) -> np.ndarray:
    """Clockwise on screen, radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0]])


def square(growth: float) -> np.ndarray:
    """A zoom that an affine map can follow, (3, 3)."""
    return np.diag([np.exp(growth), np.exp(growth), 1.0])


def inner(cells: np.ndarray) -> float:
    """Mean over the cells away from the edge, where new picture comes in."""
    return float(cells[1:-1, 1:-1].mean())


@pytest.fixture(scope="session")
def ifnet(cache: Path) -> Path:
    """Folder of IFNet's weights."""
    return fetch_archive(IFNET, cache)[0]


@pytest.fixture(params=["dis", "farneback", "tvl1", "ifnet"])
def method(request: pytest.FixtureRequest) -> tuple[str, Path | None]:
    """Each method that runs offline, with its weights."""
    weights = request.getfixturevalue("ifnet") if request.param == "ifnet" else None
    return request.param, weights


def series(
    film: Path, layer: str, options: FlowOptions, weights: Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of a layer; they fit its names."""
    blocks = list(optical_flow(film, (layer,), options, weights, "cpu"))
    values = np.concatenate([block[layer].values for block in blocks])
    assert len(set(optical_flow.names(layer, options, 0))) == values.shape[1]
    return np.concatenate([block[layer].times for block in blocks]), values


def measured(
    film: Path,
    fps: float = FPS,
    method: tuple[str, Path | None] = ("dis", None),
    layer: str = "flow",
) -> dict[str, np.ndarray]:
    """Median over time of each measure, (rows, columns)."""
    options = FlowOptions(fps=fps, method=method[0])
    _, values = series(film, layer, options, method[1])
    maps = np.median(values, axis=0).reshape(len(MEASURES), *options.grid)
    names = optical_flow.names(layer, options, values.shape[1])
    assert names[options.grid[1]] == "speed_2_1"
    return dict(zip(MEASURES, maps, strict=True))


def camera_of(film: Path, fps: float = FPS) -> dict[str, float]:
    """Median over time of the camera's motion."""
    _, values = series(film, "camera", FlowOptions(fps=fps))
    return dict(zip(camera.COLUMNS, np.median(values, axis=0), strict=True))


@pytest.mark.parametrize(("right", "down"), [(0.5, 0.0), (-0.3, 0.2), (0.0, -0.4)])
@pytest.mark.parametrize("fps", [24, 12])
def test_pan(tmp_path: Path, right: float, down: float, fps: float) -> None:
    """Velocities in picture heights per second, whatever the sampling."""
    film = warped_film(tmp_path / "pan.mp4", lambda t: shifted(right * t, down * t))
    flow = measured(film, fps)
    assert np.median(flow["right"]) == pytest.approx(right, abs=0.03)
    assert np.median(flow["down"]) == pytest.approx(down, abs=0.03)
    assert np.median(flow["speed"]) == pytest.approx(np.hypot(right, down), abs=0.03)
    assert abs(inner(flow["expansion"])) < 0.05
    assert abs(inner(flow["rotation"])) < 0.05


def test_every_method_sees_a_pan(tmp_path: Path, method: tuple[str, Path | None]) -> None:
    film = warped_film(tmp_path / "pan.mp4", lambda t: shifted(-0.6 * t, 0.4 * t), count=4)
    flow = measured(film, FPS, method)
    assert np.median(flow["right"]) == pytest.approx(-0.6, abs=0.05)
    assert np.median(flow["down"]) == pytest.approx(0.4, abs=0.05)


def test_every_method_sees_a_zoom_and_a_turn(
    tmp_path: Path, method: tuple[str, Path | None]
) -> None:
    film = warped_film(tmp_path / "both.mp4", lambda t: turned(-0.8 * t) @ square(0.6 * t), count=4)
    flow = measured(film, FPS, method)
    assert inner(flow["expansion"]) == pytest.approx(2 * 0.6, abs=0.25)
    assert inner(flow["rotation"]) == pytest.approx(2 * -0.8, abs=0.25)


@pytest.mark.parametrize("rate", [0.6, -0.6])
def test_zoom(tmp_path: Path, rate: float) -> None:
    """Scaling by exp(rate t) has divergence 2 rate."""
    film = warped_film(tmp_path / "zoom.mp4", lambda t: zoomed(rate * t))
    flow = measured(film)
    assert inner(flow["expansion"]) == pytest.approx(2 * rate, rel=0.1)
    assert abs(inner(flow["rotation"])) < 0.06
    outward = flow["right"][:, -1].mean() - flow["right"][:, 0].mean()
    assert np.sign(outward) == np.sign(rate)
    assert camera_of(film)["expansion"] == pytest.approx(2 * rate, rel=0.05)


@pytest.mark.parametrize("rate", [0.5, -0.5])
def test_rotation(tmp_path: Path, rate: float) -> None:
    """Turning clockwise on screen by `rate` radians a second has curl 2 rate."""
    film = warped_film(tmp_path / "turn.mp4", lambda t: turned(rate * t))
    flow = measured(film)
    assert inner(flow["rotation"]) == pytest.approx(2 * rate, rel=0.1)
    assert abs(inner(flow["expansion"])) < 0.06
    found = camera_of(film)
    assert found["rotation"] == pytest.approx(2 * rate, rel=0.05)
    assert found["expansion"] == pytest.approx(0, abs=0.05)
    assert np.hypot(found["right"], found["down"]) < 0.02


@pytest.mark.parametrize("pan", [(0.3, 0.0), (0.0, 0.0)])
def test_the_camera_is_told_from_what_moves_in_the_scene(
    tmp_path: Path, pan: tuple[float, float]
) -> None:
    """A sprite of another texture moves on its own path over a panned background."""
    own = np.array([-0.2, 0.4])
    sprite = texture(36, 36)[::-1]
    images = []
    for index in range(COUNT):
        image = warped(shifted(pan[0] * index / FPS, pan[1] * index / FPS))
        x, y = (np.array([100, 20]) + own * SIZE[1] * index / FPS).round().astype(int)
        image[y : y + 36, x : x + 36] = sprite
        images.append(image)
    film = make_film(tmp_path / "sprite.mp4", np.stack(images), np.arange(COUNT) / FPS)
    found = camera_of(film)
    assert found["right"] == pytest.approx(pan[0], abs=0.02)
    assert found["down"] == pytest.approx(pan[1], abs=0.02)
    assert abs(found["expansion"]) < 0.05
    assert 36**2 / 90 / 160 * 0.5 < found["others"] < 0.3
    local = measured(film, layer="local")
    # Centre of the sprite at half time: 113 of 160, 47 of 90 pixels.
    assert np.unravel_index(local["speed"].argmax(), (4, 6)) in {(1, 4), (2, 4), (1, 3), (2, 3)}
    still = local["speed"][:, :3]
    assert still.max() < 0.05
    fastest = np.unravel_index(local["speed"].argmax(), (4, 6))
    velocity = np.array([local["right"][fastest], local["down"][fastest]])
    angle = np.dot(velocity, own - pan) / np.linalg.norm(velocity) / np.linalg.norm(own - pan)
    assert angle > 0.95


def test_camera_without_common_motion() -> None:
    """Noise: the median velocity, and nearly all of the picture moves otherwise."""
    noise = np.random.default_rng(0).uniform(-5, 5, (90, 160, 2)) + np.array([1.0, 0])
    found = camera.camera_motion(Motion(noise, np.array([1 / 90, 1 / 90])), FPS)
    assert np.isfinite(found.values).all()
    assert found.values[camera.COLUMNS.index("others")] > 0.9
    assert abs(found.values[0] - 1) < 1


@pytest.mark.parametrize("angle", [0, 45, 100, 180, 270, 337.5])
def test_histograms(tmp_path: Path, angle: float) -> None:
    """Directions as on the unit circle; an angle between two is shared; speeds in their band."""
    speed = 0.3
    right, up = speed * np.cos(np.deg2rad(angle)), speed * np.sin(np.deg2rad(angle))
    film = warped_film(tmp_path / "pan.mp4", lambda t: shifted(right * t, -up * t), count=5)
    options = FlowOptions(fps=FPS)
    _, values = series(film, "directions", options)
    cells = np.median(values, axis=0).reshape(len(DIRECTIONS), *options.grid)
    found = np.array([inner(cell) for cell in cells])
    distance = np.abs((np.array(DIRECTIONS) - angle + 180) % 360 - 180)
    np.testing.assert_allclose(found, speed * np.maximum(1 - distance / 45, 0), atol=0.03)
    _, values = series(film, "speeds", options)
    bands = np.median(values, axis=0).reshape(len(SPEEDS) + 1, *options.grid)
    np.testing.assert_allclose(bands.sum(axis=0), 1)
    assert inner(bands[SPEEDS.index(0.2) + 1]) > 0.9


@pytest.mark.parametrize("clock", ["24", "23.976", "variable"])
def test_motion_is_where_the_film_has_it(tmp_path: Path, clock: str) -> None:
    """One sudden step, sampled finely: speed peaks at the border between the two samples."""
    times = clocks(2.0)[clock]
    step = float(times[np.searchsorted(times, 1.0)])
    images = np.stack([warped(shifted(0.05 * (t >= step), 0)) for t in times])
    film = make_film(tmp_path / "step.mp4", images, times)
    at, values = series(film, "flow", FlowOptions(fps=96))
    assert at[values[:, :24].mean(axis=1).argmax()] == pytest.approx(step, abs=0.5 / 96 + 1e-3)


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


def test_a_study_names_the_network_and_its_weights(tmp_path: Path, cache: Path) -> None:
    """Two layers from one pass, with what the file says of IFNet's weights; none without them."""
    film = warped_film(tmp_path / "films/pan.mp4", lambda t: shifted(0.4 * t, 0), count=4)
    space = {
        "stream": "dorsal",
        "extractor": "optical_flow",
        "layers": ["flow", "camera"],
        "options": {"method": "ifnet", "fps": FPS},
    }
    study = FilmStudy(tmp_path, [film], {"motion": space})
    with pytest.raises(UserError, match="optical_flow needs --weights"):
        study.extract("motion", "flow")
    fetch_weights("motion", IFNET, cache).write(tmp_path / "weights.json")
    for layer in ("flow", "camera"):
        path = study.extract("motion", layer, weights=tmp_path / "weights.json")
        with open_features(path) as file:
            assert file.about.weights[0]["sha256"] == IFNET.sha256
            assert len(file.stimuli["pan"].values) == 3
    names = list(camera.COLUMNS)
    with open_features(path) as file:
        assert file.names == names
        assert np.median(file.stimuli["pan"].values[:, 0]) == pytest.approx(0.4, abs=0.05)


def test_warp_takes_from_where_the_flow_points() -> None:
    """Whole pixels and half ones; beyond the edge the edge goes on."""
    picture = torch.arange(24.0).view(1, 1, 4, 6)
    flow = torch.zeros(1, 2, 4, 6)
    flow[:, 0] = 2
    np.testing.assert_allclose(warp(picture, flow)[0, 0, 1], [8, 9, 10, 11, 11, 11], atol=1e-5)
    flow[:, 0], flow[:, 1] = 0.5, -1
    np.testing.assert_allclose(warp(picture, flow)[0, 0, 2, :5], np.arange(6, 11) + 0.5, atol=1e-5)


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    file = tmp_path / IFNET.members[0]
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"flownet\.pkl: does not hold IFNet's weights"):
        flow_fields("ifnet", tmp_path, "", "cpu")


def test_raft_and_its_checkpoint_go_together() -> None:
    for options in ({"method": "raft"}, {"checkpoint": "raft.pth"}):
        with pytest.raises(ValidationError, match="needs its checkpoint"):
            FlowOptions(**options)
    assert optical_flow.reads(FlowOptions(method="raft", checkpoint="raft.pth")) == ["raft.pth"]
    assert optical_flow.weights_of(FlowOptions()) is None
    assert optical_flow.weights_of(FlowOptions(method="ifnet")) == IFNET


def test_raft_without_torchvision_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(UserError, match="raft needs torchvision"):
        flow_fields("raft", None, str(tmp_path / "raft.pth"), "cpu")


class Network(torch.nn.Module):
    """Stands in for torchvision's: checks what it gets, gives the mean of each frame as flow."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_encoder = torch.nn.Module()
        self.feature_encoder.convnormrelu = torch.nn.Sequential(torch.nn.Conv2d(3, 32, 7))

    def forward(
        self, before: torch.Tensor, after: torch.Tensor, num_flow_updates: int
    ) -> list[torch.Tensor]:
        assert before.shape == after.shape == (2, 3, 128, 160)
        assert -1 <= before.min() < -0.9
        assert 0.9 < before.max() <= 1
        flow = torch.stack([before[:, 0], after[:, 1]], dim=1)
        return [flow * 0, flow]


def test_raft_gets_what_it_was_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RGB from -1 to 1, edges repeated up to 128 pixels; the last update, cut to the picture."""
    stub = ModuleType("torchvision.models")
    stub.optical_flow = ModuleType("optical_flow")  # type: ignore[attr-defined]
    stub.optical_flow.raft_small = Network  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision.models", stub)
    torch.save(Network().state_dict(), tmp_path / "raft.pth")
    images = np.random.default_rng(0).integers(0, 256, (3, 90, 160, 3), dtype=np.uint8)
    fields = list(flow_fields("raft", None, str(tmp_path / "raft.pth"), "cpu")(images))
    scaled = images.astype(np.float32) / 255 * 2 - 1
    for index, field in enumerate(fields):
        np.testing.assert_allclose(field[..., 0], scaled[index, :, :, 0], atol=1e-6)
        np.testing.assert_allclose(field[..., 1], scaled[index + 1, :, :, 1], atol=1e-6)
    torch.save({"weight": torch.zeros(2)}, tmp_path / "raft.pth")
    with pytest.raises(UserError, match="does not hold the weights of torchvision's raft_small"):
        flow_fields("raft", None, str(tmp_path / "raft.pth"), "cpu")
    with pytest.raises(UserError, match=r"none\.pth: no such file"):
        flow_fields("raft", None, str(tmp_path / "none.pth"), "cpu")
