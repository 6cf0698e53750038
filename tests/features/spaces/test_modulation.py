"""Ripples and click trains land in their rate, scale and direction."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from helpers.sounds import clicks, seconds
from tristream.features.core import registry
from tristream.features.core.audio.cochlea import RATE, cochleagram
from tristream.features.core.audio.sound_stream import Track
from tristream.features.spaces.modulation import LEAK, LOWEST, Options, _bank, column_names
from tristream.features.spaces.modulation.filters import CHANNELS, PER_OCTAVE

FILTERS = Options().filters
RATES, SCALES = Options().rates, Options().scales


def cochlear(sound: np.ndarray) -> np.ndarray:
    return np.concatenate(list(cochleagram(Track.of(sound, RATE), _bank(), leak=LEAK)))


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize(("rate", "scale"), [(4, 1), (8, 2), (2, 0.5)])
def test_ripple_lands_in_its_filter(rate: float, scale: float, direction: str) -> None:
    t = np.arange(3200)[:, None] / 100
    octaves = np.arange(CHANNELS) / PER_OCTAVE
    sign = 1 if direction == "down" else -1  # a crest at rate * t = -scale * x falls
    ripple = 10 * np.cos(2 * np.pi * (rate * t + sign * scale * octaves))
    energy = FILTERS.over_bands(FILTERS.energy(ripple)).mean(0)
    where = np.unravel_index(energy.argmax(), energy.shape)
    assert (RATES[where[0]], SCALES[where[1]]) == (rate, scale)
    assert ("up", "down")[where[2]] == direction
    assert energy[where] > 100 * energy[where[0], where[1], 1 - where[2]]


def test_sweeps_of_a_real_sound_have_their_direction() -> None:
    """Tones that rise (or fall) by four octaves in half a second, over and over."""
    t = seconds(20)
    for direction, index in (("up", 0), ("down", 1)):
        along = (t % 0.5) / 0.5
        octave = 4 * (along if direction == "up" else 1 - along)
        phase = 2 * np.pi * np.cumsum(250 * 2**octave) / RATE
        energy = FILTERS.over_bands(FILTERS.energy(cochlear(0.3 * np.sin(phase))))
        total = energy.mean((0, 1, 2))
        assert total[index] > 1.5 * total[1 - index]


def test_click_train_lands_in_its_rate() -> None:
    for rate in RATES:
        frames = cochlear(clicks(rate, 20, first=0.5 / rate))
        energy = FILTERS.over_bands(FILTERS.energy(frames)).mean((0, 2, 3))
        assert RATES[energy.argmax()] == rate


def test_modulated_tone_lands_in_its_rate_and_band() -> None:
    t = seconds(20)
    sound = 0.3 * (1 + 0.7 * np.sin(2 * np.pi * 8 * t)) * np.sin(2 * np.pi * 3000 * t)
    sound += 0.003 * np.random.default_rng(0).standard_normal(len(t))
    energy = FILTERS.energy(cochlear(sound)).mean((0, 2, 3))
    rate, band = np.unravel_index(energy.argmax(), energy.shape)
    assert RATES[rate] == 8
    low, high = column_names("mtf", Options(), 0)[band].split(", ")[-1][:-3].split("-")
    assert float(low) < 3000 < float(high)


def test_chunks_give_the_numbers_of_one_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trailer: Path
) -> None:
    found = registry.get("modulation")
    options = found.options(rates=[2, 8], scales=[0.5, 2], bands=2, step=0.25)

    def run() -> tuple[np.ndarray, np.ndarray]:
        blocks = [b["mtf"] for b in found(trailer, ("mtf",), options, None, "cpu")]
        return tuple(np.concatenate([getattr(b, k) for b in blocks]) for k in ("values", "times"))

    monkeypatch.setattr("tristream.features.spaces.modulation.CHUNK", 100)
    whole, times = run()
    monkeypatch.setattr("tristream.features.spaces.modulation.CHUNK", 7)
    parts, again = run()
    np.testing.assert_allclose(parts, whole, rtol=2e-3, atol=2e-3)
    np.testing.assert_array_equal(again, times)
    np.testing.assert_allclose(times, 0.125 + 0.25 * np.arange(len(times)))
    assert whole.shape == (len(times), len(found.names("mtf", options, 16)))
    assert whole.std(0).min() > 0


def test_energy_at_low_rates_is_that_of_filters_at_full_rate() -> None:
    """Against one convolution a filter, of the whole cochleagram, without any decimation."""
    from tristream.features.spaces.modulation.filters import tuning

    filters = Options(rates=[2.0, 4.0], scales=[1.0], bands=1, step=0.5).filters
    piece = np.random.default_rng(0).standard_normal((1200, CHANNELS)).cumsum(0)
    piece -= np.linspace(piece[0], piece[-1], len(piece))
    found = filters.energy(piece)[:, :, 0, :, 0]
    frequency = np.fft.fftfreq(1200, 0.01)
    for index, rate in enumerate((2.0, 4.0)):
        gain = 2 * tuning(frequency, rate)
        gain /= np.sqrt((tuning(np.arange(0, 4 * rate, 0.01), rate) ** 2).sum() * 0.01)
        slow = np.fft.ifft(np.fft.fft(piece, axis=0) * gain[:, None], axis=0)
        for direction in (0, 1):
            power = np.abs(slow @ filters.spectral[0, direction].T) ** 2
            inner = power[filters.margin : -filters.margin].mean(1)
            expected = inner.reshape(-1, 50).mean(1)
            np.testing.assert_allclose(found[:, index, direction], expected, rtol=0.05)


def test_scales_keep_white_modulations_level() -> None:
    rng = np.random.default_rng(0)
    energy = FILTERS.over_bands(FILTERS.energy(rng.standard_normal((4000, CHANNELS)))).mean(0)
    inner = energy[1:5, 3:]  # wider filters reach beyond the outermost channels
    assert inner.max() / inner.min() < 1.2


def test_options_that_frames_cannot_hold_are_refused() -> None:
    for wrong in ({"rates": [60]}, {"rates": []}, {"scales": [2, 1]}, {"step": 0.123456}):
        with pytest.raises(ValidationError):
            Options(**wrong)
    assert LOWEST * 2 ** ((CHANNELS - 1) / PER_OCTAVE) < 7100
