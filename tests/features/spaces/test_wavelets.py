"""Wavelets, modes and bispectra of sounds whose content is known."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from helpers.sounds import clicks, seconds, write
from tristream.features.core import registry
from tristream.features.spaces import bispectrum, hilbert_huang, wavelets
from tristream.features.spaces.wavelets import RATE, STEP


def run(name: str, path: Path, **options: object) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """All layers of an extractor: values and times."""
    found = registry.get(name)
    given = found.options(**options)
    layers = found.layers_of(given, None)
    blocks = list(found(path, layers, given, None, "cpu"))
    joined = {}
    for layer in layers:
        values = np.concatenate([b[layer].values for b in blocks])
        assert len(found.names(layer, given, values.shape[1])) == values.shape[1]
        joined[layer] = (values, np.concatenate([b[layer].times for b in blocks]))
    return joined


def test_tone_lands_in_its_wavelet_at_its_level() -> None:
    options = wavelets.Options()
    for frequency in (125.0, 1000.0, 4000.0):
        tone = 0.1 * np.sin(2 * np.pi * frequency * seconds(2.048))
        found = wavelets.scalogram(tone, options)[5:-5].mean(0)
        assert options.frequencies[found.argmax()] == pytest.approx(frequency)
        assert found.max() == pytest.approx(-20, abs=0.3)


def test_chirp_climbs_through_the_scalogram() -> None:
    t = seconds(4.096)
    frequency = 200 * 2 ** (t * 4 / 4.096)
    found = wavelets.scalogram(np.sin(2 * np.pi * np.cumsum(frequency) / RATE), wavelets.Options())
    peaks = wavelets.Options().frequencies[found.argmax(1)]
    expected = frequency.reshape(-1, STEP).mean(1)
    np.testing.assert_allclose(np.log2(peaks / expected)[1:-1], 0, atol=0.15)


def test_tone_lands_in_its_octave() -> None:
    names = wavelets.column_names("discrete", wavelets.Options(), 10)
    for name, frequency in ((names[2], 44.0), (names[6], 707.0), (names[9], 5657.0)):
        low, high = (float(f) for f in name.removesuffix(" Hz").split("-"))
        assert low < frequency < high
        found = wavelets.tree(np.sin(2 * np.pi * frequency * seconds(4.096)), wavelets.Options())
        assert names[found[8:-8].mean(0).argmax()] == name


def test_octaves_hold_the_energy() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(32 * STEP)
    found = wavelets.tree(noise, wavelets.Options())
    total = 10 * np.log10((10 ** (found / 10)).sum(1).mean() / 2)
    assert total == pytest.approx(-20, abs=0.1)  # all but what lies below 8 Hz


def test_click_stands_at_its_time(tmp_path: Path) -> None:
    file = write(tmp_path / "click.wav", clicks(1, 1.5, first=1.1))
    for layer, (values, times) in run("wavelets", file, per_octave=2).items():
        top = values[:, -1]
        assert abs(times[top.argmax()] - 1.1) <= STEP / RATE / 2, layer


def test_wavelets_in_chunks_equal_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE * 5)
    file = write(tmp_path / "noise.wav", noise)
    whole = run("wavelets", file, per_octave=1)
    monkeypatch.setattr(wavelets, "CHUNK", 7)
    for layer, (values, times) in run("wavelets", file, per_octave=1).items():
        np.testing.assert_allclose(values, whole[layer][0], atol=5e-3)
        np.testing.assert_array_equal(times, whole[layer][1])


def test_modes_separate_two_tones() -> None:
    t = seconds(1, 8000)
    options = hilbert_huang.Options()
    sound = 0.1 * np.sin(2 * np.pi * 900 * t) + 0.2 * np.sin(2 * np.pi * 120 * t)
    amplitude, frequency = hilbert_huang.modes(sound, 2000, options)
    assert frequency[0] == pytest.approx(900, rel=0.02)
    assert frequency[1] == pytest.approx(120, rel=0.02)
    assert amplitude[0] == pytest.approx(20 * np.log10(0.1 / np.sqrt(2)), abs=0.5)
    assert amplitude[1] == pytest.approx(20 * np.log10(0.2 / np.sqrt(2)), abs=0.5)
    assert amplitude[2:].max() < amplitude[1] - 15


def test_first_mode_follows_a_chirp_and_its_amplitude(tmp_path: Path) -> None:
    t = seconds(6)
    frequency = 200 + 150 * t
    loudness = 0.5 + 0.4 * np.sin(2 * np.pi * t / 6)
    chirp = loudness * np.sin(2 * np.pi * np.cumsum(frequency) / RATE)
    found = run("hilbert_huang", write(tmp_path / "chirp.wav", chirp))
    values, times = found["frequency"]
    np.testing.assert_allclose(times, 0.25 + 0.5 * np.arange(12))
    np.testing.assert_allclose(values[1:-1, 0], 200 + 150 * times[1:-1], rtol=0.05)
    level = 20 * np.log10((0.5 + 0.4 * np.sin(2 * np.pi * times / 6)) / np.sqrt(2))
    np.testing.assert_allclose(found["amplitude"][0][1:-1, 0], level[1:-1], atol=0.8)


def test_modes_do_not_depend_on_the_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE * 3)
    file = write(tmp_path / "noise.wav", noise)
    options = {"rate": 2000, "modes": 4, "step": 0.5}
    whole = run("hilbert_huang", file, **options)
    monkeypatch.setattr(hilbert_huang, "CHUNK", 2)
    for layer, (values, _) in run("hilbert_huang", file, **options).items():
        np.testing.assert_array_equal(values, whole[layer][0])


def coupled(share: float) -> np.ndarray:
    """Three tones, f3 = f1 + f2; in new phases every 40 ms, the third's bound to the others'."""
    rng = np.random.default_rng(0)
    t = seconds(2, 8000)
    part = (t // 0.04).astype(int)
    first, second, free = rng.uniform(0, 2 * np.pi, (3, part[-1] + 1))
    bound = np.where(rng.random(len(first)) < share, first + second, free)
    tones = zip((500, 1166.7, 1666.7), (first, second, bound), strict=True)
    sound = sum(0.2 * np.cos(2 * np.pi * f * t + phase[part]) for f, phase in tones)
    return sound + 0.001 * rng.standard_normal(len(t))


def test_coupled_frequencies_are_found() -> None:
    options = bispectrum.Options()
    names = bispectrum.column_names("bicoherence", options, 0)
    column = names.index("500 + 1167 Hz")
    found = [
        bispectrum.bispectra(coupled(s).reshape(-1, 8000), options)["bicoherence"].mean(0)
        for s in (1.0, 0.5, 0.0)
    ]
    assert found[0][column] > 0.8
    assert found[0][column] > found[1][column] + 0.15 > found[2][column] + 0.3


def test_noise_has_no_coupling_and_a_square_has() -> None:
    options = bispectrum.Options(bins=16)
    noise = np.random.default_rng(0).standard_normal((1, 8000))
    gauss = bispectrum.bispectra(noise, options)["bicoherence"]
    square = bispectrum.bispectra(noise + noise**2, options)["bicoherence"]
    assert gauss.mean() < 0.1 < 3 * gauss.mean() < square.mean()


def test_bispectrum_of_a_film(trailer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run("bispectrum", trailer, bins=8)
    monkeypatch.setattr(bispectrum, "CHUNK", 5)
    parts = run("bispectrum", trailer, bins=8)
    values, times = whole["bicoherence"]
    np.testing.assert_array_equal(parts["bicoherence"][0], values)
    np.testing.assert_allclose(times, 0.5 + np.arange(len(times)))
    assert 0 <= values.min() <= values.max() <= 1.001
    assert values.shape[1] == 16


def test_options_are_checked() -> None:
    for wrong in ("db20", "haarr", "cmor1.5-1.0"):
        with pytest.raises(ValidationError):
            wavelets.Options(wavelet=wrong)
