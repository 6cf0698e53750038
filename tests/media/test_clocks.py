"""Order, gaps, restarts and pace of time stamps: numbered frames and clicks at known times."""

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.odd_films import clicks, clicks_in, film, number_of
from tristream.media.clocks import Clock
from tristream.media.films import frame_at, frames
from tristream.media.media_contents import media_info
from tristream.media.sounds import read_sound


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_frames_of_an_avi_with_b_frames(tmp_path: Path, codec: str) -> None:
    path = film(tmp_path / "film.avi", 50, codec=codec, max_b_frames=2)
    read = [(time, number_of(image)) for time, image in frames(path)]
    assert [number for _, number in read] == list(range(50))
    np.testing.assert_allclose([time for time, _ in read], np.arange(50) / 25, atol=1e-6)
    sampled = [number_of(image) for _, image in frames(path, fps=25)]
    assert sampled == list(range(50))
    assert [number_of(frame_at(path, (k + 0.5) / 25)) for k in (0, 7, 33, 49)] == [0, 7, 33, 49]


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts", "film.flv"])
def test_frames_of_containers_with_true_time_stamps(tmp_path: Path, name: str) -> None:
    path = film(tmp_path / name, 50, max_b_frames=2)
    read = [(time, number_of(image)) for time, image in frames(path)]
    assert [number for _, number in read] == list(range(50))
    steps = np.array([time for time, _ in read])
    np.testing.assert_allclose(steps - steps[0], np.arange(50) / 25, atol=2e-3)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
def test_numbers_are_those_of_ffmpeg(tmp_path: Path) -> None:
    path = film(tmp_path / "film.avi", 30, max_b_frames=2)
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-fps_mode", "passthrough"]
    command += ["-f", "rawvideo", "-pix_fmt", "gray", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    theirs = [number_of(one) for one in np.frombuffer(raw, np.uint8).reshape(-1, 32, 64)]
    assert [number_of(image) for _, image in frames(path)] == theirs


@pytest.mark.parametrize("name", ["film.ts", "film.mpg"])
def test_parts_that_were_joined_go_on(tmp_path: Path, name: str) -> None:
    """The second part begins at 0 again, in the clock of a broadcast."""
    options: Any = {"codec": "mpeg2video", "sound_codec": "mp2"}
    a = film(tmp_path / f"a_{name}", 50, clicks(2.0), **options)
    b = film(tmp_path / f"b_{name}", 75, clicks(3.0), first=50, **options)
    path = tmp_path / name
    path.write_bytes(a.read_bytes() + b.read_bytes())
    info = media_info(path)
    assert info.duration == pytest.approx(5.0, abs=0.06)
    assert any("joined" in note for note in info.notes)
    read = [(time, number_of(image)) for time, image in frames(path)]
    assert [number for _, number in read] == list(range(125))
    shown = np.array([time for time, _ in read])
    np.testing.assert_allclose(shown - shown[0], np.arange(125) / 25, atol=0.05)
    heard = clicks_in(read_sound(path, 16000), 16000)
    np.testing.assert_allclose(heard, shown[::25], atol=0.06)


def test_a_sound_that_drifts_is_heard_when_its_time_stamps_say(tmp_path: Path) -> None:
    """Of a sound card that runs slow: after 40 s it is 0.2 s behind its time stamps."""
    path = film(
        tmp_path / "film.mkv", 1000, clicks(40.0), sound_codec="pcm_s16le", pace=1.005, fps=25
    )
    heard = clicks_in(read_sound(path, 16000), 16000)
    np.testing.assert_allclose(heard, np.arange(len(heard)) * 1.005, atol=0.01)
    assert len(heard) == 40
    assert any("off its time stamps" in note for note in media_info(path).notes)


def test_a_pause_in_the_picture_is_told(tmp_path: Path) -> None:
    times = [Fraction(k, 25) + (4 if k >= 25 else 0) for k in range(50)]
    path = film(tmp_path / "film.mkv", 50, times=times, stream_options={"bf": "0"})
    assert any("no picture from 1.0 to 5.0 s" in note for note in media_info(path).notes)
    assert [number_of(image) for _, image in frames(path, fps=1)] == [12, 24, 24, 24, 24, 37]


def test_pictures_without_time_stamps_follow_after_a_period() -> None:
    clock = Clock(period=0.04)
    given = [(0.0, "a"), (None, "b"), (0.08, "c"), (0.04, "d"), (0.3, "e")]
    times = [time for time, _ in clock.in_order(given)]
    np.testing.assert_allclose(times, [0, 0.04, 0.08, 0.12, 0.3])
