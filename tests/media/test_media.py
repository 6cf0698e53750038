"""Films and sounds keep their times, whatever their frame rate and wherever their sound starts."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers.odd_films import film as numbered_film
from helpers.odd_films import number_of
from helpers.stimuli_clips import RATE, write_film
from tristream.media.films import frames
from tristream.media.media_contents import media_info
from tristream.media.sounds import read_sound, sound

GREY = np.full((48, 64, 3), 100, np.uint8)
WHITE = np.full((48, 64, 3), 255, np.uint8)


def test_info_of_the_real_film(film: Path) -> None:
    info = media_info(film)
    assert info.duration == pytest.approx(596.47, abs=0.01)
    assert (info.width, info.height, info.fps) == (1280, 720, 24.0)
    assert (info.sample_rate, info.channels) == (44100, 2)


def test_frames_of_the_real_trailer(trailer: Path) -> None:
    read = [(time, frame.shape) for time, frame in frames(trailer, size=(64, 36))]
    times = np.array([time for time, _ in read])
    assert {shape for _, shape in read} == {(36, 64, 3)}
    assert len(times) == 1323
    np.testing.assert_allclose(np.diff(times), 1 / 24, atol=1e-6)


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(24000, 1001), Fraction(30)])
def test_times_at_constant_rates(tmp_path: Path, rate: Fraction) -> None:
    path = write_film(tmp_path / "film.mp4", [GREY] * 40, fps=rate)
    times = [time for time, _ in frames(path)]
    np.testing.assert_allclose(times, np.arange(40) / float(rate), atol=2e-5)


def test_times_at_a_variable_rate(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    steps = rng.choice([20, 40, 100], 50)
    times = [Fraction(int(t), 1000) for t in np.concatenate([[0], np.cumsum(steps)[:-1]])]
    pictures = [WHITE if index == 31 else GREY for index in range(50)]
    path = write_film(tmp_path / "film.mkv", pictures, times=times)
    read = [(time, frame.mean()) for time, frame in frames(path, format="gray")]
    np.testing.assert_allclose([t for t, _ in read], [float(t) for t in times], atol=1e-3)
    assert int(np.argmax([mean for _, mean in read])) == 31


def test_sampling_shows_what_is_on_screen_in_the_middle(tmp_path: Path) -> None:
    # One white frame on screen from 1.00 to 1.25 s: sample 4 of 4 Hz, and no other.
    times = [Fraction(n, 20) for n in range(20)] + [Fraction(1), Fraction(5, 4), Fraction(3, 2)]
    pictures = [GREY] * 20 + [WHITE, GREY, GREY]
    path = write_film(tmp_path / "film.mkv", pictures, times=times)
    read = [(time, frame.mean()) for time, frame in frames(path, format="gray", fps=4)]
    np.testing.assert_allclose([t for t, _ in read], np.arange(len(read)) / 4)
    white = [time for time, mean in read if mean > 200]
    assert white == [1.0]


def sampled(path: Path, fps: float) -> list[int]:
    """What the samples of a film of two seconds show, from all of its frames."""
    shown = [(time, number_of(frame)) for time, frame in frames(path)]
    middles = (np.arange(int(2 * fps + 1)) + 0.5) / fps
    return [[n for t, n in shown if t <= at][-1] for at in middles if at < 2]


@pytest.mark.parametrize("fps", [3.0, 12.5, 25.0, 7.3])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_frames_that_are_not_decoded_are_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, fps: float
) -> None:
    path = numbered_film(tmp_path / "film.mp4", 50, codec=codec, max_b_frames=2, gop_size=25)
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr("tristream.media.films.check_shown", lambda *args: asked.append(args))
    found = [number_of(frame) for _, frame in frames(path, fps=fps)]
    decoded = len(asked)
    assert found == sampled(path, fps)
    assert (decoded < 50) == (fps < 25)


def test_a_packet_that_shows_nothing_hides_no_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some codecs have packets that are never shown; a sample is what was on screen before."""
    path = numbered_film(tmp_path / "film.mp4", 50, max_b_frames=2, gop_size=25)
    right = sampled(path, 3.0)
    info = media_info(path)
    stamps = info.picture.stamps
    assert stamps is not None
    hidden = np.sort(np.append(stamps, (stamps[12] + stamps[13]) // 2))
    # At frame 12.5 is the middle of the second sample.
    changed = replace(info, picture=replace(info.picture, stamps=hidden))
    monkeypatch.setattr("tristream.media.films.media_info", lambda path: changed)
    assert [number_of(frame) for _, frame in frames(path, fps=3.0)] == right


def test_click_and_flash_are_simultaneous(tmp_path: Path) -> None:
    pictures = [WHITE if index == 48 else GREY for index in range(96)]
    click = np.zeros(4 * RATE)
    click[2 * RATE : 2 * RATE + 200] = 0.9
    path = write_film(tmp_path / "film.mp4", pictures, click)
    flash = max(frames(path, format="gray"), key=lambda f: f[1].mean())[0]
    heard = np.argmax(np.abs(read_sound(path, RATE)) > 0.3) / RATE
    assert heard == pytest.approx(flash, abs=0.003)


def test_late_sound_is_read_late(tmp_path: Path) -> None:
    click = np.zeros(RATE)
    click[: RATE // 2] = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE // 2) / RATE)
    path = write_film(tmp_path / "film.mkv", [GREY] * 48, click, sound_start=0.7)
    heard = np.argmax(np.abs(read_sound(path, 16000)) > 0.1) / 16000
    assert heard == pytest.approx(0.7, abs=0.025)  # one AAC frame: the encoder's priming


def test_sound_equals_soundfile(tmp_path: Path) -> None:
    stereo = np.random.default_rng(0).uniform(-0.5, 0.5, (3 * RATE, 2)).astype(np.float32)
    path = tmp_path / "sound.wav"
    soundfile.write(path, stereo, RATE, subtype="FLOAT")
    np.testing.assert_array_equal(read_sound(path, RATE, mono=False), stereo)
    np.testing.assert_allclose(read_sound(path, RATE), stereo.mean(1), atol=1e-7)


def test_a_part_equals_the_same_part_of_the_whole(trailer: Path) -> None:
    whole = np.concatenate(list(sound(trailer, 16000)))
    part = read_sound(trailer, 16000, 20.0, 21.5)
    np.testing.assert_array_equal(part, whole[320000:344000])
    past = read_sound(trailer, 16000, 54.0, 60.0)
    assert len(past) == 96000
    assert not past[32000:].any()
