"""What extractors show of their input is what they compute from."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from tristream.features.core.frames import frame_batches
from tristream.features.core.registry import get, known
from tristream.media.sounds import read_sound


@pytest.mark.parametrize(
    ("name", "size", "fps", "format"),
    [
        ("lowlevel", (96, 54), 12, "gray"),
        ("colour", (96, 54), 4, "rgb24"),
        ("transnetv2", (48, 27), 24, "rgb24"),
    ],
)
def test_small_pictures(
    trailer: Path, name: str, size: tuple[int, int], fps: float, format: str
) -> None:
    found = get(name)
    batches = frame_batches(trailer, fps=fps, size=size, format=format, length=60)
    times, images = next(islice(batches, 1, None))
    assert found.preview is not None
    seen = found.preview(trailer, found.options(), float(times[7]), None)
    np.testing.assert_array_equal(seen.values, images[7])
    assert f"{size[0]} x {size[1]} pixels" in seen.what


def test_objects_are_looked_for_in_a_frame_of_the_wanted_width(trailer: Path) -> None:
    found = get("tracked_objects")
    assert found.preview is not None
    seen = found.preview(trailer, found.options(width=320), 20.0, None)
    assert seen.values.shape == (180, 320, 3)


@pytest.mark.parametrize("name", ["gammatone", "modulation"])
def test_a_tone_lights_up_its_filter_when_it_sounds(tmp_path: Path, name: str) -> None:
    import soundfile

    time = np.arange(16_000 * 6) / 16_000
    tone = np.where(time > 3, np.sin(2 * np.pi * 1000 * time), 0) * 0.3
    soundfile.write(tmp_path / "tone.wav", tone, 16_000)
    found = get(name)
    options = found.options()
    assert found.preview is not None
    seen = found.preview(tmp_path / "tone.wav", options, 3.0, None)
    assert (seen.start, seen.stop) == (2.0, pytest.approx(4.0))
    assert seen.values.shape[1] == 200
    before, after = np.array_split(seen.values, 2, axis=1)
    assert after[:, 10:].max() > before[:, :-10].max() + 40
    if name == "gammatone":
        loudest = float(found.names("cochleagram", options, 64)[int(after.mean(1).argmax())][:-3])
        assert loudest == pytest.approx(1000, rel=0.1)


@pytest.mark.parametrize(
    ("name", "rate"),
    [("wavelets", 16_000), ("hilbert_huang", None), ("bispectrum", 8_000), ("rhythm", 16_000)],
)
def test_waveforms_at_the_rate_that_is_heard(trailer: Path, name: str, rate: int | None) -> None:
    found = get(name)
    options = found.options()
    rate = rate or options.rate
    assert found.preview is not None
    seen = found.preview(trailer, options, 20.0, None)
    np.testing.assert_array_equal(seen.values, read_sound(trailer, rate, 19.0, 21.0))
    assert f"{rate} Hz" in seen.what


def test_every_extractor_of_films_and_sounds_shows_its_input() -> None:
    silent = [
        name
        for name, found in known().items()
        if found.media in ("film", "sound") and found.preview is None
    ]
    assert silent == []
