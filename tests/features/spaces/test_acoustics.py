"""Tones, clicks and modulations land where they belong; chunks change nothing."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from tristream.errors import UserError
from tristream.features.core import registry
from tristream.features.core.audio.short_time import RATE, STEP, sample_times, spectra
from tristream.features.core.audio.sound_stream import Track, averaged
from tristream.features.spaces import acoustics
from tristream.features.spaces.acoustics import (
    DESCRIPTORS,
    MARGINS,
    RMS_RATES,
    Options,
    column_names,
    envelope,
)
from tristream.media.librosa_loader import load_librosa


@dataclass(frozen=True)
class Levels:
    """Levels in dB of a whole sound."""

    mel: np.ndarray
    carriers: np.ndarray
    times: np.ndarray


def levels(sound: np.ndarray, chunk: float = 60.0) -> Levels:
    track = Track.of(np.asarray(sound, np.float32), RATE)
    found = np.concatenate([frames.levels for frames in spectra(track, 64, chunk)])
    return Levels(averaged(found[:, :64], 10), found[:, 64:], sample_times(len(sound) // STEP))


def describe(layer: str, sound: np.ndarray, chunk: float = 60.0) -> np.ndarray:
    """A layer of a sound, computed in chunks."""
    track = Track.of(np.asarray(sound, np.float32), RATE)
    parts = spectra(track, 64, chunk, MARGINS.get(layer, 0))
    return np.concatenate([DESCRIPTORS[layer](frames, Options()) for frames in parts])


def seconds(duration: float) -> np.ndarray:
    return np.arange(round(duration * RATE)) / RATE


def test_pure_tone_lands_in_its_mel_band_at_its_level() -> None:
    names = column_names("logmel", Options(), 64)
    for frequency in (300.0, 1000.0, 5000.0):
        tone = 0.1 * np.sin(2 * np.pi * frequency * seconds(2))
        spectrum = levels(tone).mel[5:-5].mean(0)
        nearest = np.argmin([abs(float(n.removesuffix(" Hz")) - frequency) for n in names])
        assert spectrum.argmax() == nearest
        assert spectrum.max() == pytest.approx(-20, abs=3)  # 0.1 of full scale


def test_click_lands_at_its_time() -> None:
    for time in (0.53, 1.0, 2.345):
        click = np.zeros(4 * RATE)
        click[round(time * RATE)] = 1
        found = levels(click)
        energy = (found.mel + 80).sum(1)
        assert abs((found.times * energy).sum() / energy.sum() - time) < 0.05  # half a sample


def test_times_are_the_centres_of_ten_frames() -> None:
    found = levels(np.zeros(3 * RATE + 50))
    np.testing.assert_allclose(found.times, 0.045 + 0.1 * np.arange(30), atol=1e-12)
    assert found.carriers.shape == (300, 5)


def test_chunks_give_the_numbers_of_one_pass() -> None:
    sound = np.random.default_rng(0).standard_normal(RATE * 21 + 777).astype(np.float32) * 0.1
    whole = levels(sound, chunk=60)
    for chunk in (0.1, 3.7, 10):
        parts = levels(sound, chunk=chunk)
        assert np.abs(parts.mel - whole.mel).max() < 1e-4  # dB
        assert np.abs(parts.carriers - whole.carriers).max() < 1e-4
        np.testing.assert_array_equal(parts.times, whole.times)


def test_levels_are_those_of_a_full_scale_sine() -> None:
    found = levels(np.sin(2 * np.pi * 500 * seconds(2)).astype(np.float32))
    carriers = found.carriers[10:-10].mean(0)
    assert carriers[0] == pytest.approx(0, abs=0.05)
    assert carriers[2] == pytest.approx(0, abs=0.05)  # 250-1000 Hz
    assert carriers[4] < -60


def test_modulation_lands_at_its_rate_and_carrier() -> None:
    t = seconds(20)
    names = column_names("envelope", Options(), 25)
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.standard_normal(len(t))
    for rate, expected in ((1.4, "1-2 Hz"), (2.8, "2-4 Hz"), (5.6, "4-8 Hz"), (11.3, "8-16 Hz")):
        sound = 0.3 * (1 + 0.8 * np.sin(2 * np.pi * rate * t)) * np.sin(2 * np.pi * 500 * t)
        columns = envelope(levels(sound + noise).carriers)[20:-20, 5:].mean(0)
        tone = [i for i, name in enumerate(names[5:]) if name.startswith("250-1000 Hz")]
        assert (
            f"250-1000 Hz, {expected} modulation" == names[5:][max(tone, key=columns.__getitem__)]
        )
        # The carrier that holds only noise fluctuates less.
        other = names[5:].index(f"4000-8000 Hz, {expected} modulation")
        assert columns[other] < 0.5 * columns[tone].max()


def test_silence_stays_finite() -> None:
    found = levels(np.zeros(RATE))
    np.testing.assert_allclose(found.mel, -80, atol=1e-3)
    np.testing.assert_allclose(envelope(found.carriers)[:, 5:], 0, atol=1e-3)


def test_real_film(trailer: Path) -> None:
    (block,) = acoustics.acoustics(trailer, ("logmel", "envelope"), Options(), None, "cpu")
    n = len(block["logmel"].times)
    assert 540 <= n <= 560
    assert block["logmel"].values.shape == (n, 64)
    assert block["envelope"].values.shape == (n, len(column_names("envelope", Options(), 25)))
    assert np.isfinite(block["envelope"].values).all()
    assert block["logmel"].values.std(0).min() > 1


def test_only_the_wanted_layer_is_computed(tmp_path: Path) -> None:
    file = tmp_path / "noise.wav"
    noise = np.random.default_rng(0).normal(0, 3000, RATE).astype(np.int16)
    wavfile.write(file, RATE, noise)
    found = registry.get("acoustics")
    (block,) = found(file, ("logmel",), Options(n_mels=32), None, "cpu")
    assert list(block) == ["logmel"]
    assert block["logmel"].values.shape == (10, 32)
    assert len(found.names("logmel", Options(n_mels=32), 32)) == 32


def test_sound_that_is_too_short_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "short.wav"
    wavfile.write(file, RATE, np.zeros(800, np.int16))
    with pytest.raises(UserError, match=r"short\.wav.*shorter than 0\.1 s"):
        list(acoustics.acoustics(file, ("logmel",), Options(), None, "cpu"))


@pytest.mark.parametrize("layer", DESCRIPTORS)
def test_layers_in_chunks_equal_one_pass(layer: str) -> None:
    rng = np.random.default_rng(1)
    t = seconds(9.05)
    sound = 0.1 * rng.standard_normal(len(t)) * (1 + np.sin(2 * np.pi * t)) + np.sin(2500 * t) / 3
    whole = describe(layer, sound)
    assert whole.shape == (90, len(column_names(layer, Options(), whole.shape[1])))
    for chunk in (0.3, 2.5, 4.0):
        np.testing.assert_allclose(describe(layer, sound, chunk), whole, rtol=1e-3, atol=1e-4)


def test_pure_tone_lands_in_its_pitch_class() -> None:
    names = column_names("chroma", Options(), 12)
    for frequency, name in ((440.0, "A"), (261.63, "C"), (1479.98, "F#"), (3729.3, "A#")):
        found = describe("chroma", np.sin(2 * np.pi * frequency * seconds(2)))[3:-3].mean(0)
        assert names[found.argmax()] == name
        assert np.sort(found)[-3] < 0.4  # all but it and one neighbour


def test_shape_of_the_spectrum() -> None:
    rng = np.random.default_rng(0)
    tone = np.sin(2 * np.pi * 2000 * seconds(2))
    noise = 0.1 * rng.standard_normal(len(tone))
    centre = slice(3, -3)
    assert describe("centroid", tone)[centre].mean() == pytest.approx(2000, rel=0.01)
    assert describe("centroid", noise)[centre].mean() == pytest.approx(4000, rel=0.05)
    assert describe("flatness", tone)[centre].max() < 1e-3
    assert describe("flatness", noise)[centre].min() > 0.4
    assert describe("zero_crossing", tone)[centre].mean() == pytest.approx(0.25, rel=0.01)
    contrast = describe("contrast", tone + 0.01 * noise)[centre].mean(0)
    assert column_names("contrast", Options(), 7)[contrast.argmax()] == "1600-3200 Hz"


def test_harmonic_and_percussive_parts() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 500 * seconds(3))
    clicks = np.zeros(len(tone))
    clicks[4000::8000] = 1
    harmonic, percussive = describe("harmonic_percussive", tone)[5:-5].mean(0)
    assert harmonic > percussive + 15
    with_click = describe("harmonic_percussive", clicks)[5:-5].max(0)
    assert with_click[1] > with_click[0] + 15


def test_depth_and_rate_of_modulation() -> None:
    t = seconds(10)
    for rate in (2.0, 4.0, 8.0, 16.0):
        sound = 0.3 * (1 + 0.8 * np.sin(2 * np.pi * rate * t)) * np.sin(2 * np.pi * 1000 * t)
        found = describe("rms_spectrum", sound)[25:-25].mean(0)
        assert RMS_RATES[found.argmax()] == pytest.approx(rate)
        if rate <= 4:  # windows of 64 ms smooth faster ones
            assert found.max() == pytest.approx(0.8, abs=0.05)


def test_descriptors_are_librosas() -> None:
    """One frame in ten, computed by librosa from the sound itself."""
    librosa = load_librosa()
    sound = np.random.default_rng(2).standard_normal(RATE * 2).astype(np.float32) * 0.1
    spectrum = librosa.stft(sound, n_fft=1024, hop_length=160, pad_mode="constant")
    magnitude = np.abs(spectrum)[:, :200]
    mine = describe("contrast", sound)
    theirs = librosa.feature.spectral_contrast(S=magnitude, sr=RATE)
    np.testing.assert_allclose(mine, averaged(theirs.T, 10), rtol=2e-3, atol=2e-3)
    mel = levels(sound)
    frames = np.concatenate([f.levels[:, :64] for f in spectra(Track.of(sound, RATE), 64)])
    cepstrum = librosa.feature.mfcc(S=frames.T, n_mfcc=13)
    first = librosa.feature.delta(cepstrum, mode="nearest")
    found = describe("mfcc", sound)
    assert len(mel.mel) == len(found)
    np.testing.assert_allclose(found[:, :13], averaged(cepstrum.T, 10), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found[:, 13:26], averaged(first.T, 10), rtol=1e-4, atol=1e-3)
