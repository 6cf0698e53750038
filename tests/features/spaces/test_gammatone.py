"""The bank is scipy's gammatone; tones and clicks land in their channel and at their time."""

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import fftconvolve
from scipy.signal import gammatone as scipy_gammatone

from helpers.sounds import clicks, seconds
from tristream.features.core import registry
from tristream.features.core.audio.cochlea import HOP, RATE, Bank, cochleagram, erb_spaced
from tristream.features.core.audio.sound_stream import Track, overlapping

BANK = Bank(erb_spaced(50, 7000, 24))


def levels(sound: np.ndarray, chunk: int = 520, leak: float = 0.0) -> np.ndarray:
    return np.concatenate(list(cochleagram(Track.of(sound, RATE), BANK, chunk, leak)))


def test_pure_tone_lands_in_its_channel_at_its_level() -> None:
    for channel in (2, 9, 15, 22):
        found = levels(0.1 * np.sin(2 * np.pi * BANK.centres[channel] * seconds(2)))[30:-30].mean(0)
        assert found.argmax() == channel
        assert found.max() == pytest.approx(-20, abs=0.1)


def test_click_is_heard_at_its_time_in_all_channels() -> None:
    found = levels(clicks(1, 1, first=0.503))
    np.testing.assert_array_equal(np.abs(found.argmax(0) - 50) <= 1, True)
    assert (found.argmax(0) == 50).mean() > 0.8


def test_envelopes_are_those_of_scipys_filters() -> None:
    """The real impulse response is scipy's; the envelope is that of it and its quadrature."""
    sound = 0.1 * np.random.default_rng(0).standard_normal(3 * RATE)
    found = levels(sound)
    for channel in (0, 8, 16, 20):
        centre, width = BANK.centres[channel], BANK.bandwidths[channel]
        real, _ = scipy_gammatone(centre, "fir", order=4, numtaps=4000, fs=RATE)
        t = np.arange(4000) / RATE
        shape = t**3 * np.exp(-2 * np.pi * width * t)
        kernel = shape * np.exp(2j * np.pi * centre * t)
        kernel *= (real @ kernel.real) / (kernel.real @ kernel.real)
        np.testing.assert_allclose(kernel.real, real, atol=1e-9 * np.abs(real).max())
        delay = round(3 / (2 * np.pi * width) * RATE)
        envelope = np.abs(fftconvolve(sound, kernel))[delay:]
        power = (envelope[: 280 * HOP] ** 2).reshape(280, HOP).mean(1)
        error = found[20:280, channel] - 10 * np.log10(power[20:])
        assert np.abs(error).mean() < 0.02
        assert np.abs(error).max() < 0.5  # at the zeros of the envelope


def test_chunks_give_the_numbers_of_one_pass() -> None:
    sound = 0.1 * np.random.default_rng(1).standard_normal(7 * RATE + 55)
    for leak in (0.0, 0.008):
        whole = levels(sound, 10_000, leak)
        assert whole.shape == (700, 24)
        for chunk in (50, 333):
            np.testing.assert_allclose(levels(sound, chunk, leak), whole, atol=0.01)


def test_pieces_overlap_whatever_the_chunks() -> None:
    rows = np.arange(100.0)
    padded = np.concatenate([np.full(7, -1.0), rows, np.full(5, -1.0)])
    for size in (1, 13, 100):
        chunks = (rows[i : i + size] for i in range(0, 100, size))
        pieces = list(overlapping(chunks, 100, 30, 7, 5, fill=-1))
        for piece, start in zip(pieces, (0, 30, 60, 90), strict=True):
            np.testing.assert_array_equal(piece, padded[start : min(start + 30, 100) + 12])
    assert len(list(overlapping(iter([rows]), 100, 30, 7, 5, skip=3))) == 1


def test_real_film(trailer: Path) -> None:
    found = registry.get("gammatone")
    options = found.options(channels=16, lowest=80)
    blocks = [b["cochleagram"] for b in found(trailer, ("cochleagram",), options, None, "cpu")]
    values = np.concatenate([b.values for b in blocks])
    times = np.concatenate([b.times for b in blocks])
    np.testing.assert_allclose(times, 0.05 + 0.1 * np.arange(len(times)), atol=1e-9)
    assert 540 <= len(times) <= 560
    assert values.std(0).min() > 1
    assert found.names("cochleagram", options, 16)[0] == "80 Hz"
