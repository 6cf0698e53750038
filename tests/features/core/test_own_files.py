"""Features of files of one's own, by one command."""

import numpy as np
import pytest
import soundfile

from tristream.cli import main
from tristream.features.core.feature_file import open_features
from tristream.features.core.own_files import parsed_options

RATE = 16000


def test_loudness_of_two_sounds(tmp_path, capsys):
    quiet = np.sin(np.arange(2 * RATE) / 5).astype(np.float32) / 10
    soundfile.write(tmp_path / "a-1.wav", np.concatenate([quiet, 5 * quiet]), RATE)
    soundfile.write(tmp_path / "b.flac", quiet, RATE)
    out = tmp_path / "loud.h5"
    call = ["features", "extract", str(tmp_path / "a-1.wav"), str(tmp_path / "b.flac")]
    call += ["--space", "acoustics", "--layers", "rms", "--output", str(out)]
    assert main(call) == 0
    with open_features(out) as found:
        assert list(found.stimuli) == ["a_1", "b"]
        values, times = found.stimuli["a_1"].values[:], found.stimuli["a_1"].times
    first, last = values[times < 1.5], values[times > 2.5]
    # Levels are in dB, and the second half is five times as loud.
    assert np.median(last) - np.median(first) == pytest.approx(20 * np.log10(5), abs=0.2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-1.wav", "b.flac", "loud.h5"]
    assert main(call) == 2
    assert "is there already" in capsys.readouterr().err


def test_several_layers_need_a_folder(tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    call = ["features", "extract", str(tmp_path / "a.wav"), "--space", "acoustics"]
    assert main([*call, "--output", str(tmp_path / "x.h5")]) == 2
    assert "choose one by --layers" in capsys.readouterr().err


def test_options_are_yaml():
    assert parsed_options(["fps=2", "pooling=grid:2"]) == {"fps": 2, "pooling": "grid:2"}
