"""Tempo and beats of click tracks."""

from pathlib import Path

import numpy as np
import pytest

from helpers.sounds import RATE, clicks, write
from tristream.features.core import registry
from tristream.features.core.audio.sound_stream import Track
from tristream.features.spaces.rhythm import Options, beat_phase, local_tempo, onset_strength


def run(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    (blocks,) = registry.get("rhythm")(path, ("onset", "tempo", "beat"), Options(), None, "cpu")
    return {layer: block.values for layer, block in blocks.items()}, blocks["onset"].times


@pytest.mark.parametrize("bpm", [80, 120, 150])
def test_tempo_and_beats_of_a_click_track(tmp_path: Path, bpm: int) -> None:
    file = write(tmp_path / "clicks.wav", clicks(bpm / 60, 20, first=0.3))
    values, times = run(file)
    inner = slice(50, 150)
    np.testing.assert_allclose(values["tempo"][inner, 0], bpm, rtol=0.02)
    assert values["tempo"][inner, 1].min() > 0.6
    expected = np.arange(0.3, 20, 60 / bpm)
    nearest = [np.abs(expected - t).min() for t in times[values["beat"][:, 0] > 0]]
    assert np.max(nearest) < 0.06  # half a sample
    assert len(nearest) == pytest.approx(20 * bpm / 60, abs=2)
    found = times[values["onset"][:, 0] > 1]
    assert np.max([np.abs(expected - t).min() for t in found]) < 0.11


def test_a_tempo_that_changes_is_followed(tmp_path: Path) -> None:
    sound = np.concatenate([clicks(100 / 60, 18), clicks(140 / 60, 18)])
    values, times = run(write(tmp_path / "faster.wav", sound))
    np.testing.assert_allclose(values["tempo"][(times > 5) & (times < 13), 0], 100, rtol=0.02)
    np.testing.assert_allclose(values["tempo"][(times > 23) & (times < 31), 0], 140, rtol=0.02)


def test_noise_has_no_clear_pulse_and_silence_no_beat(tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE * 15)
    values, _ = run(write(tmp_path / "noise.wav", noise))
    assert np.median(values["tempo"][:, 1]) < 0.4
    silent, _ = run(write(tmp_path / "silence.wav", np.zeros(RATE * 3)))
    assert all(np.isfinite(found).all() for found in silent.values())
    assert not silent["beat"].any()
    assert not silent["onset"].any()


def test_chunks_give_the_numbers_of_one_pass() -> None:
    track = Track.of(0.1 * np.random.default_rng(0).standard_normal(RATE * 12), RATE)
    whole = np.concatenate(list(onset_strength(track)))
    parts = np.concatenate(list(onset_strength(track, 2.3)))
    np.testing.assert_allclose(parts, whole, atol=1e-4)
    tempo = np.concatenate(list(local_tempo(whole, Options())))
    again = np.concatenate(list(local_tempo(whole, Options(), chunk=370)))
    np.testing.assert_allclose(again, tempo, rtol=1e-5, atol=1e-6)


def test_phase_turns_once_between_beats() -> None:
    found = beat_phase(np.array([1.0, 2.0, 4.0]), np.array([0.5, 1.0, 1.25, 1.5, 3.0, 4.5]))
    np.testing.assert_allclose(found[:, 1], [0, 0, 1, 0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(found[:, 2], [0, 1, 0, -1, -1, 0], atol=1e-9)
