"""What all extractors of the picture share: exact times, and chunks that don't depend on cuts."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from helpers.films import clocks, flash_film
from tristream.features.core.frames import frame_batches
from tristream.features.core.registry import Block, get
from tristream.media.films import frames

CLOCKS = clocks(4.0)
# Extractor, options, the layer and how it shows a flash: one number a sample.
SHOWS_FLASH: dict[str, tuple[dict[str, Any], Callable[[np.ndarray], np.ndarray]]] = {
    "lowlevel": ({"fps": 96}, lambda values: values[:, 0]),
    "colour": ({"fps": 96}, lambda values: values[:, -1]),
    "motion_energy": (
        {"fps": 96, "size": (32, 18), "spatial_frequencies": [0, 2]},
        lambda values: np.exp(values[:, 1]),
    ),
    "efficientnet_lite0": ({"fps": 12}, lambda values: np.abs(values - values[0]).sum(axis=1)),
}


def run(
    name: str, film: Path, options: dict[str, Any], weights: Path | None = None, **extras: Any
) -> list[Block]:
    found = get(name)
    layer = "blocks0" if name == "efficientnet_lite0" else found.layers[0]
    arguments = (film, (layer,), found.options(**options), weights, "cpu")
    return [chunk[layer] for chunk in found(*arguments, **extras)]


@pytest.fixture(scope="module")
def clip(trailer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 16 s of a real film with its sound, small."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(trailer)) as source, av.open(str(path), "w") as target:
        sound = target.add_stream_from_template(source.streams.audio[0])
        picture = target.add_stream("libx264", rate=24)
        picture.width, picture.height, picture.pix_fmt = 192, 108, "yuv420p"
        for packet in source.demux(audio=0):
            if packet.dts is not None and packet.pts * packet.time_base < 16:
                packet.stream = sound
                target.mux(packet)
        for index, (_, image) in enumerate(frames(trailer, size=(192, 108))):
            if index == 16 * 24:
                break
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            target.mux(picture.encode(frame))
        target.mux(picture.encode())
    return path


def joined(blocks: list[Block]) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.concatenate([block.times for block in blocks]),
        np.concatenate([block.values for block in blocks]),
    )


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("name", ["lowlevel", "colour", "motion_energy"])
def test_a_flash_is_where_the_film_has_it(tmp_path: Path, clock: str, name: str) -> None:
    """A white frame, sampled finely: the centre of what it does lies within half a sample."""
    options, shown = SHOWS_FLASH[name]
    middle = flash_film(tmp_path / "flash.mp4", CLOCKS[clock], 2.0, (64, 36))
    times, values = joined(run(name, tmp_path / "flash.mp4", options))
    signal = shown(values)
    near = np.abs(times - middle) < 0.5
    signal = np.abs(signal - np.median(signal)) * near
    centre = float((signal * times).sum() / signal.sum())
    assert centre == pytest.approx(middle, abs=0.5 / 96)


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_flash_in_the_network(
    tmp_path: Path, clock: str, extractor_weights: Callable[[str], Path]
) -> None:
    """Only the sample in whose middle the white frame is on screen differs."""
    options, shown = SHOWS_FLASH["efficientnet_lite0"]
    path = tmp_path / "flash.mp4"
    middle = flash_film(path, CLOCKS[clock], 2.0 + 0.5 / 12, (64, 36))
    weights = extractor_weights("efficientnet_lite0")
    times, values = joined(run("efficientnet_lite0", path, options, weights))
    assert times[shown(values).argmax()] == pytest.approx(middle, abs=1 / 24)
    assert times[shown(values).argmax()] == pytest.approx(2.0 + 0.5 / 12)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("colour", {"fps": 24}),
        ("optical_flow", {"fps": 12, "size": (48, 28)}),
        ("motion_energy", {"fps": 12, "size": (32, 18), "spatial_frequencies": [0, 2]}),
    ],
)
def test_skipping_gives_the_other_chunks(
    clip: Path, monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any]
) -> None:
    """Chunks after the skipped ones are bit for bit those of an unbroken pass."""
    found = get(name)
    constant = "LENGTH" if name == "motion_energy" else "BATCH"
    monkeypatch.setattr(f"{found.module}.{constant}", 45)
    whole = run(name, clip, options)
    rest = run(name, clip, options, skip=2)
    assert len(rest) == len(whole) - 2 > 1
    for one, other in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(one.times, other.times)
        np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lowlevel", {}),
        ("optical_flow", {"fps": 12, "size": (48, 28)}),
        ("motion_energy", {"fps": 12, "size": (32, 18), "spatial_frequencies": [0, 2]}),
    ],
)
def test_chunk_length_changes_nothing(
    clip: Path, monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any]
) -> None:
    found = get(name)
    constant = "LENGTH" if name == "motion_energy" else "BATCH"
    times, values = joined(run(name, clip, options))
    monkeypatch.setattr(f"{found.module}.{constant}", 7)
    cut_times, cut_values = joined(run(name, clip, options))
    np.testing.assert_array_equal(times, cut_times)
    np.testing.assert_allclose(values, cut_values, rtol=1e-4, atol=1e-4)
    assert np.all(np.diff(times) > 0)


def test_frame_batches(tmp_path: Path) -> None:
    flash_film(tmp_path / "film.mp4", CLOCKS["24"], 1.0, (32, 18))
    batches = list(
        frame_batches(tmp_path / "film.mp4", fps=10, length=15, overlap=2, format="gray")
    )
    assert [len(times) for times, _ in batches] == [15, 17, 12]
    np.testing.assert_allclose(batches[0][0], np.arange(15) / 10 + 0.05)
    np.testing.assert_array_equal(batches[1][0][:2], batches[0][0][-2:])
    np.testing.assert_array_equal(batches[1][1][:2], batches[0][1][-2:])
    skipped = list(
        frame_batches(tmp_path / "film.mp4", fps=10, length=15, overlap=2, format="gray", skip=1)
    )
    for one, other in zip(batches[1:], skipped, strict=True):
        np.testing.assert_array_equal(one[1], other[1])
