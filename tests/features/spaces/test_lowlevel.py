"""Low-level signals and colours whose values are known."""

from pathlib import Path

import numpy as np
import pytest

from helpers.films import make_film
from tristream.features.spaces.colour import ColourOptions, colour
from tristream.features.spaces.lowlevel import COLUMNS, LowlevelOptions, lowlevel
from tristream.media.sounds import read_sound

FPS = 24


def signals(film: Path, fps: float = FPS) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    blocks = list(lowlevel(film, ("lowlevel",), LowlevelOptions(fps=fps), None, "cpu"))
    values = np.concatenate([b["lowlevel"].values for b in blocks])
    times = np.concatenate([b["lowlevel"].times for b in blocks])
    return times, dict(zip(COLUMNS, values.T, strict=True))


def textures(count: int) -> np.ndarray:
    """Pictures with different, smooth content."""
    rng = np.random.default_rng(1)
    coarse = rng.uniform(0, 255, (count, 9, 16))
    return np.repeat(np.repeat(coarse, 10, axis=1), 10, axis=2).astype(np.uint8)


def test_luminance_and_contrast(tmp_path: Path) -> None:
    half = np.zeros((90, 160), np.uint8)
    half[:, 80:] = 200
    film = make_film(tmp_path / "f.mp4", np.stack([half] * 24), np.arange(24) / FPS)
    _, found = signals(film)
    np.testing.assert_allclose(found["luminance"], 100 / 255, atol=0.02)
    np.testing.assert_allclose(found["contrast"], 100 / 255, atol=0.02)
    np.testing.assert_allclose(found["loudness"], -100)
    assert not found["cut"].any()


def test_cuts_are_found_and_motion_is_none(tmp_path: Path) -> None:
    """Hard cuts after 1 s and 2.5 s; the picture pans all the time."""
    shots = np.repeat(np.arange(3), [24, 36, 30])
    wide = [np.tile(picture, (1, 3)) for picture in textures(3)]
    images = np.stack([wide[s][:, 3 * i % 160 :][:, :160] for i, s in enumerate(shots)])
    film = make_film(tmp_path / "f.mp4", images, np.arange(len(images)) / FPS)
    times, found = signals(film)
    np.testing.assert_allclose(times[found["cut"] == 1], [1 + 0.5 / FPS, 2.5 + 0.5 / FPS])


def test_cuts_of_a_real_trailer(trailer: Path) -> None:
    """Cuts are rare events, and the picture does change there."""
    _, found = signals(trailer, 12)
    cuts = np.flatnonzero(found["cut"])
    assert 10 <= len(cuts) <= 40
    jumps = np.abs(np.diff(found["luminance"], prepend=found["luminance"][0]))
    assert jumps[cuts].mean() > 5 * np.delete(jumps, cuts).mean()


def test_loudness_is_the_rms_of_the_sound(trailer: Path) -> None:
    times, found = signals(trailer, 10)
    sound = read_sound(trailer, 16000).astype(float)
    blocks = sound[: len(sound) // 1600 * 1600].reshape(-1, 1600)
    expected = 20 * np.log10(np.maximum(np.sqrt((blocks**2).mean(axis=1)), 1e-5))
    n = min(len(expected), len(times)) - 1
    np.testing.assert_allclose(found["loudness"][:n], expected[:n], atol=1e-3)


@pytest.mark.parametrize(
    ("rgb", "bright"),
    [
        ((255, 0, 0), ["hue_0", "saturation_4", "value_4"]),
        ((0, 200, 0), ["hue_120", "saturation_4", "value_4"]),
        ((0, 0, 100), ["hue_240", "saturation_4", "value_2"]),
        ((150, 150, 150), ["saturation_1", "value_3"]),
    ],
)
def test_colours(tmp_path: Path, rgb: tuple[int, int, int], bright: list[str]) -> None:
    images = np.full((12, 36, 64, 3), rgb, np.uint8)
    film = make_film(tmp_path / "f.mp4", images, np.arange(12) / FPS)
    options = ColourOptions()
    block = next(iter(colour(film, ("histogram",), options, None, "cpu")))["histogram"]
    names = colour.names("histogram", options, block.values.shape[1])
    assert len(names) == block.values.shape[1] == 20
    shown = [name for name, value in zip(names, block.values[0], strict=True) if value > 0.3]
    assert shown == bright
    np.testing.assert_allclose(block.values[:, 12:16].sum(axis=1), 1)
    np.testing.assert_allclose(block.values[:, 16:].sum(axis=1), 1)
