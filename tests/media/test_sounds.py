"""Channels are mixed as players do; NaN and channels that cancel are told."""

import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from tristream.errors import UserError
from tristream.media.sounds import heard, read_sound

RATE = 48000
NOISE = np.random.default_rng(0).uniform(-0.4, 0.4, (RATE, 8)).astype(np.float32)


def of_layout(path: Path, layout: str) -> np.ndarray:
    """Write noise of several channels as WAV that names them."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=RATE, layout=layout)
        sound = NOISE[:, : len(stream.layout.channels)]
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(sound.reshape(1, -1)), format="flt", layout=layout
        )
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return sound


def test_speech_in_the_centre_of_surround_sound(tmp_path: Path) -> None:
    sound = of_layout(tmp_path / "a.wav", "5.1")
    left, right, centre, _, *surround = sound.T
    expected = left + right + 2**0.5 * centre + 0.5**0.5 * sum(surround)
    mixed = read_sound(tmp_path / "a.wav", RATE)
    np.testing.assert_allclose(mixed, expected / (2 + 2 * 2**0.5), atol=1e-6)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
@pytest.mark.parametrize("layout", ["stereo", "5.1", "5.1(side)", "quad", "7.1", "3.0"])
def test_the_mix_is_that_of_ffmpeg(tmp_path: Path, layout: str) -> None:
    of_layout(tmp_path / "a.wav", layout)
    command = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "a.wav"), "-ac", "1"]
    command += ["-c:a", "pcm_s16le", str(tmp_path / "mono.wav")]
    subprocess.run(command, check=True)
    theirs, _ = soundfile.read(tmp_path / "mono.wav")
    np.testing.assert_allclose(read_sound(tmp_path / "a.wav", RATE), theirs, atol=2e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_of_nan(tmp_path: Path, value: float) -> None:
    sound = NOISE[:, 0].copy()
    sound[RATE // 2] = value
    soundfile.write(tmp_path / "a.wav", sound, RATE, subtype="FLOAT")
    with pytest.raises(UserError, match=r"a\.wav: holds NaN or infinite .* from 0\.50 s") as caught:
        read_sound(tmp_path / "a.wav", RATE)
    assert "\n" not in str(caught.value)


def test_channels_that_cancel_out(tmp_path: Path) -> None:
    one, other = NOISE[:, 0], NOISE[:, 1]
    cases = {"a.wav": (one, -0.98 * one), "b.wav": (one, other), "c.wav": (one, one)}
    for name, channels in cases.items():
        soundfile.write(tmp_path / name, np.stack(channels, 1), RATE)
    assert "cancel out" in heard(tmp_path / "a.wav")[0]
    assert heard(tmp_path / "b.wav") == heard(tmp_path / "c.wav") == ()
    soundfile.write(tmp_path / "d.wav", np.zeros(RATE), RATE)
    assert heard(tmp_path / "d.wav") == ("its sound is silence",)


def test_surround_sound_of_which_nothing_is_mixed(tmp_path: Path) -> None:
    """The standard downmix leaves the channel of low frequencies out."""
    low, centre = np.zeros((2, RATE, 6), np.float32)
    low[:, 3] = centre[:, 2] = NOISE[:RATE, 0]
    for name, channels in (("low", low), ("centre", centre)):
        soundfile.write(tmp_path / f"{name}.wav", channels, RATE, format="WAVEX")
    assert "next to nothing is left" in heard(tmp_path / "low.wav")[0]
    assert heard(tmp_path / "centre.wav") == ()
