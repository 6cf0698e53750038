"""Sounds of every kind: equal features at equal times, or one clear error."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.films import make_film
from helpers.sounds import RATE, at_rate, write
from tristream.errors import UserError
from tristream.features.core import registry

SPACES = (
    "acoustics",
    "rhythm",
    "gammatone",
    "modulation",
    "wavelets",
    "hilbert_huang",
    "bispectrum",
    "musicnn",
)
# Values of band-limited sounds differ by the resamplers: share of the values' standard deviation.
CLOSE = {"hilbert_huang": 0.35}


def features(name: str, path: Path, weights: Path | None) -> dict[str, tuple[Any, Any]]:
    found = registry.get(name)
    options = found.options()
    layers = found.default_of(options, None)
    blocks = list(found(path, layers, options, weights, "cpu"))
    return {
        layer: tuple(
            np.concatenate([getattr(b[layer], kind) for b in blocks])
            for kind in ("values", "times")
        )
        for layer in layers
    }


@pytest.fixture(scope="module")
def weights(extractor_weights: Callable[[str], Path]) -> dict[str, Path]:
    return {"musicnn": extractor_weights("musicnn")}


@pytest.fixture(scope="module")
def band_limited() -> np.ndarray:
    """Six seconds of tones below 3 kHz that come and go, over faint noise of the same band."""
    rng = np.random.default_rng(0)
    t = np.arange(6 * RATE) / RATE
    sound = np.zeros(len(t))
    for _ in range(25):
        frequency, start = rng.uniform(80, 2800), rng.uniform(0, 5.5)
        envelope = np.clip((t - start) * 20, 0, 1) * np.clip((start + 0.6 - t) * 20, 0, 1)
        sound += 0.05 * envelope * np.sin(2 * np.pi * frequency * t)
    spectrum = np.fft.rfft(rng.standard_normal(len(t)))
    spectrum[18_000:] = 0
    return sound + 0.002 * np.fft.irfft(spectrum, len(t))


@pytest.mark.parametrize("name", SPACES)
def test_rates_and_channels_give_the_same_features(
    tmp_path: Path, band_limited: np.ndarray, weights: dict[str, Path], name: str
) -> None:
    reference = features(name, write(tmp_path / "16.wav", band_limited), weights.get(name))
    for rate, channels in ((8000, 1), (22050, 2), (44100, 1), (96000, 2)):
        sound = at_rate(band_limited, rate)
        file = write(tmp_path / f"{rate}_{channels}.wav", sound, rate, channels)
        for layer, (values, times) in features(name, file, weights.get(name)).items():
            expected, at = reference[layer]
            np.testing.assert_array_equal(times, at)
            inside = expected.mean(0) > -70 if layer in ("logmel", "cochleagram") else slice(None)
            error = np.median(np.abs(values - expected)[:, inside])
            assert error < CLOSE.get(name, 0.05) * expected[:, inside].std(), (layer, rate)


@pytest.mark.parametrize("name", SPACES)
def test_a_film_without_sound_is_refused(
    tmp_path: Path, weights: dict[str, Path], name: str
) -> None:
    images = np.full((12, 32, 32), 90, np.uint8)
    film = make_film(tmp_path / "mute.mp4", images, np.arange(12) / 4)
    with pytest.raises(UserError, match=r"mute\.mp4: has no sound"):
        features(name, film, weights.get(name))


@pytest.mark.parametrize("name", SPACES)
def test_a_sound_of_no_length_is_refused(
    tmp_path: Path, weights: dict[str, Path], name: str
) -> None:
    empty = write(tmp_path / "empty.wav", np.zeros(0))
    with pytest.raises(UserError, match=r"empty\.wav"):
        features(name, empty, weights.get(name))
    (tmp_path / "nothing.wav").touch()
    with pytest.raises(UserError, match=r"nothing\.wav: is empty"):
        features(name, tmp_path / "nothing.wav", weights.get(name))


@pytest.mark.parametrize("name", SPACES)
def test_silence_stays_finite(tmp_path: Path, weights: dict[str, Path], name: str) -> None:
    for values, _ in features(
        name, write(tmp_path / "silence.wav", np.zeros(4 * RATE)), weights.get(name)
    ).values():
        assert np.isfinite(values).all()


def test_a_damaged_sound_is_refused(tmp_path: Path, band_limited: np.ndarray) -> None:
    file = write(tmp_path / "noise.wav", band_limited)
    file.write_bytes(b"RIFF" + bytes(np.random.default_rng(0).bytes(5000)))
    with pytest.raises(UserError, match=r"noise\.wav: can't be read"):
        features("gammatone", file, None)
