"""Video networks: clips of the right frames at the right times, read as transformers does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from helpers import tiny_networks
from helpers.features_study import FilmStudy
from helpers.watermarks import number_of, watermarked
from tristream.config.feature_spaces import FeatureSpace
from tristream.errors import UserError
from tristream.features.core import checked_space as spaces
from tristream.features.core.feature_file import open_features
from tristream.features.core.frames import pictures
from tristream.features.core.networks.families import VIDEO
from tristream.features.core.networks.image_processor import read_preparation
from tristream.features.core.networks.video_clips import clip_columns, clips
from tristream.features.spaces.video_network import VideoNetworkOptions, video_network
from tristream.media.films import frames

TOLERANCE = 1e-5
FPS, LENGTH, STRIDE = 12, 4, 3


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("networks")
    return {
        name: tiny_networks.save(make, folder / name) for name, make in tiny_networks.VIDEO.items()
    }


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds: 48 frames, each with its number."""
    return watermarked(tmp_path_factory.mktemp("film") / "film.mp4", 48)


def layers_of(folder: Path, **options: Any) -> tuple[str, ...]:
    block = FeatureSpace(
        stream="dorsal",
        extractor="video_network",
        layers=["all"],
        options={"folder": str(folder), **options},
    )
    return spaces.check("net", block).layers


def run(
    film: Path, folder: Path, layers: tuple[str, ...], skip: int = 0, **options: Any
) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, Any]]:
    found = VideoNetworkOptions(folder=str(folder), fps=FPS, stride=STRIDE, **options)
    notes: dict[str, Any] = {}
    chunks = list(video_network(film, layers, found, folder, "cpu", notes=notes, skip=skip))
    values = {name: np.concatenate([chunk[name].values for chunk in chunks]) for name in layers}
    return values, np.concatenate([chunk[layers[0]].times for chunk in chunks]), notes


def test_a_clip_holds_its_frames_and_stands_at_its_centre(film: Path) -> None:
    found = list(clips(pictures(film, FPS), LENGTH, STRIDE))
    assert len(found) == 7
    for index, (time, clip) in enumerate(found):
        # At 12 of 24 frames a second, sample k shows the frame 2 k + 1 in its middle.
        numbers = [number_of(picture) for picture in clip]
        assert numbers == [2 * (index * STRIDE + k) + 1 for k in range(LENGTH)]
        assert time == pytest.approx((index * STRIDE + LENGTH / 2) / FPS)


@pytest.mark.parametrize("name", tiny_networks.VIDEO)
def test_hidden_states_are_those_of_transformers(
    name: str, networks: dict[str, Path], film: Path
) -> None:
    folder, family = networks[name], VIDEO[name]
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    shown = [image for _, image in frames(film, fps=FPS)]
    starts = range(0, len(shown) - LENGTH + 1, STRIDE)
    prepared = [
        processor(shown[start : start + LENGTH], return_tensors="pt")["pixel_values"]
        for start in starts
    ]
    network = getattr(transformers, family.kind).from_pretrained(folder).eval()
    with torch.no_grad():
        given = {family.pixels: torch.cat(prepared), "output_hidden_states": True}
        output = getattr(network, family.call)(**given, **family.forward)

    layers = layers_of(folder)
    values, times, notes = run(film, folder, layers, pooling="none", batch=3)
    np.testing.assert_allclose(times, (np.array(starts) + LENGTH / 2) / FPS)
    assert notes["window"] == LENGTH / FPS
    states = [*output.hidden_states, output.last_hidden_state]
    assert len(states) == len([layer for layer in layers if layer != "pooled"])
    for layer, state in zip(layers, states, strict=False):
        tokens = state.numpy()
        if name == "xclip":  # (clips x frames, tokens, channels)
            tokens = tokens.reshape(len(starts), LENGTH, 17, 32)[:, :, 1:].reshape(-1, 64, 32)
        elif name == "timesformer":  # a class token, then for each patch all frames
            tokens = tokens[:, 1:].reshape(-1, 16, LENGTH, 32).swapaxes(1, 2).reshape(-1, 64, 32)
        expected = tokens.transpose(0, 2, 1).reshape(len(starts), -1)
        np.testing.assert_allclose(values[layer], expected, atol=TOLERANCE, rtol=0)
    if "pooled" in layers:
        np.testing.assert_allclose(values["pooled"], output.pooler_output, atol=TOLERANCE)


@pytest.mark.parametrize(("order", "leading"), [("thw", 0), ("hwt", 1), ("frames", 1)])
def test_tokens_are_put_where_they_were(order: str, leading: int) -> None:
    """A token that says its time, row and column is found there."""
    time, row, column = np.meshgrid(range(2), range(4), range(6), indexing="ij")
    marks = (100 * time + 10 * row + column).astype("f4")  # steps, rows, columns
    if order == "hwt":
        flat = marks.transpose(1, 2, 0).reshape(1, -1)
    elif order == "frames":
        flat = marks.reshape(2, -1)
    else:
        flat = marks.reshape(1, -1)
    first = np.full((len(flat), leading), -1, "f4")
    hidden = torch.from_numpy(np.concatenate([first, flat], axis=1))[..., None]

    def columns(**options: Any) -> np.ndarray:
        found = VideoNetworkOptions(folder="x", **options)
        return clip_columns(hidden, found, leading, order, 2, 4 / 6).numpy()

    np.testing.assert_array_equal(columns(pooling="none"), marks.reshape(1, -1))
    np.testing.assert_allclose(columns(pooling="mean"), [[marks.mean()]])
    cells = marks.mean(0).reshape(2, 2, 2, 3).mean((1, 3)).reshape(1, -1)
    np.testing.assert_allclose(columns(pooling="grid:2"), cells)
    if leading:
        np.testing.assert_array_equal(columns(tokens="cls"), [[-1]])


def test_resumed_equals_unbroken(networks: dict[str, Path], film: Path) -> None:
    folder = networks["videomae"]
    options: dict[str, Any] = {"pooling": "none", "batch": 2}
    whole, times, _ = run(film, folder, ("layer1", "last"), **options)
    rest, late, _ = run(film, folder, ("layer1", "last"), skip=2, **options)
    np.testing.assert_allclose(late, times[4:])
    for layer in rest:
        np.testing.assert_array_equal(rest[layer], whole[layer][4:])


def test_the_file_says_window_and_business(
    networks: dict[str, Path], film: Path, tmp_path: Path
) -> None:
    options = {"folder": str(networks["vjepa2"]), "fps": FPS, "stride": STRIDE}
    space = {"stream": "dorsal", "extractor": "video_network", "options": options}
    study = FilmStudy(tmp_path, [film], {"net": {**space, "layers": ["layer2"]}})
    with open_features(study.extract("net", "layer2")) as file:
        shown = file.stimuli["film"]
        assert shown.window == LENGTH / FPS
        assert 0 < shown.notes["busy"] <= 1
        assert shown.values.shape == (7, 32)
        assert any("model.safetensors" in one["file"] for one in file.about.weights)


def test_lengths_of_clips(networks: dict[str, Path], film: Path) -> None:
    with pytest.raises(UserError, match="videomae takes clips of 4 frames"):
        layers_of(networks["videomae"], frames=8)
    values, times, notes = run(film, networks["timesformer"], ("layer1",), frames=6)
    assert notes["window"] == 6 / FPS
    assert times[0] == pytest.approx(3 / FPS)
    assert values["layer1"].shape == (7, 32)


def test_preparation_of_vjepa2_and_nested_files(tmp_path: Path) -> None:
    """Its processor resizes by its crop; processors inside one file are found."""
    said = (
        '{"video_processor": {"video_processor_type": "VJEPA2VideoProcessor", "crop_size": 224, '
        '"size": {"shortest_edge": 999}, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}}'
    )
    (tmp_path / "processor_config.json").write_text(said)
    preparation = read_preparation(tmp_path)
    assert preparation.shape(480, 640) == (256, 341)
    assert preparation.pixels(np.zeros((480, 640, 3), np.uint8)).shape == (224, 224, 3)
