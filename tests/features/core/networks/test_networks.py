"""Image networks: prepared, read and pooled as transformers itself does, frame by frame."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from sklearn.datasets import load_sample_image

from helpers import tiny_networks
from helpers.watermarks import RATE, number_of, watermark, watermarked
from tristream.config.feature_spaces import FeatureSpace
from tristream.errors import UserError
from tristream.features.core import checked_space as spaces
from tristream.features.core.frames import pictures
from tristream.features.core.networks.families import IMAGE, VIDEO, layer_names
from tristream.features.core.networks.image_processor import read_preparation
from tristream.features.spaces.image_network import (
    ImageNetworkOptions,
    image_network,
)
from tristream.features.spaces.video_network import VideoNetworkOptions, clip_length
from tristream.media.films import frames

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("networks")
    return {
        name: tiny_networks.save(make, folder / name) for name, make in tiny_networks.IMAGE.items()
    }


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Photographs of odd sizes, wide and high."""
    folder = tmp_path_factory.mktemp("images")
    picture = load_sample_image("china.jpg")
    cuts = {"wide": picture[:150, :301], "high": picture[100:400, 50:207]}
    for name, cut in cuts.items():
        Image.fromarray(np.ascontiguousarray(cut)).save(folder / f"{name}.png")
    return tuple(folder / f"{name}.png" for name in cuts)


def layers_of(folder: Path, wanted: str = "all", **options: Any) -> tuple[str, ...]:
    block = FeatureSpace(
        stream="ventral",
        extractor="image_network",
        layers=[wanted] if wanted else [],
        options={"folder": str(folder), **options},
    )
    return spaces.check("net", block).layers


def run(
    source: Path | tuple[Path, ...], folder: Path, layers: tuple[str, ...], **options: Any
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Values of the layers and times of all chunks."""
    found = ImageNetworkOptions(folder=str(folder), **options)
    chunks = list(image_network(source, layers, found, folder, "cpu"))
    values = {name: np.concatenate([chunk[name].values for chunk in chunks]) for name in layers}
    return values, np.concatenate([chunk[layers[0]].times for chunk in chunks])


def direct(folder: Path, images: list[np.ndarray], kind: str = "AutoModel") -> tuple[Any, Any]:
    """What transformers gives for images: its output and its processor's pixels."""
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    given = [processor(image, return_tensors="pt")["pixel_values"] for image in images]
    network = getattr(transformers, kind).from_pretrained(folder).eval()
    with torch.no_grad():
        return network(torch.cat(given), output_hidden_states=True), torch.cat(given)


def close(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Equal to 1e-5, of the largest value where that is above 1, and not the same in all rows."""
    largest = np.abs(theirs).max()
    np.testing.assert_allclose(ours, theirs, atol=TOLERANCE * max(1, largest), rtol=0)
    assert np.ptp(theirs, axis=0).max() > 100 * TOLERANCE * largest


@pytest.mark.parametrize("name", tiny_networks.IMAGE)
def test_hidden_states_are_those_of_transformers(
    name: str, networks: dict[str, Path], photographs: tuple[Path, ...]
) -> None:
    folder = networks[name]
    images = [np.asarray(Image.open(path)) for path in photographs]
    kind = IMAGE[name].kind
    output, pixels = direct(folder, images, kind)
    preparation = read_preparation(folder)
    ours = np.stack([preparation.pixels(image) for image in images])
    torch.testing.assert_close(
        preparation.tensor(torch.from_numpy(ours)), pixels, atol=TOLERANCE, rtol=0
    )

    layers = layers_of(folder)
    values, _ = run(photographs, folder, layers, pooling="none", tokens="patches")
    states = list(output.hidden_states)
    numbered = [layer for layer in layers if layer.startswith(("embeddings", "layer"))]
    assert len(numbered) == len(states)
    expected = dict(zip(numbered, states, strict=True)) | {"last": output.last_hidden_state}
    leading = int(name in ("vit", "dinov2", "clip"))
    for layer, state in expected.items():
        flat = state if state.ndim == 4 else state[:, leading:].movedim(1, 2)
        close(values[layer], flat.flatten(1).numpy())
    if "pooled" in layers:
        close(values["pooled"], output.pooler_output.flatten(1).numpy())


def test_default_layers_go_through_the_network(networks: dict[str, Path]) -> None:
    assert layers_of(networks["vit"], "") == ("layer1", "layer2", "layer3")
    chosen = layers_of(networks["mobilenet_v2"], "")
    assert chosen == ("layer4", "layer8", "layer12", "layer16")


@pytest.mark.parametrize("name", [*IMAGE, *VIDEO])
def test_layers_of_configs_that_keep_quiet(name: str, tmp_path: Path) -> None:
    """What a config.json leaves out is as transformers takes it to be."""
    config = transformers.AutoConfig.for_model(name)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": name}))
    vision = getattr(config, "vision_config", config)
    if name == "efficientnet":
        with torch.device("meta"):
            blocks = len(transformers.EfficientNetModel(config).encoder.blocks)
    elif name == "mobilenet_v2":
        with torch.device("meta"):
            blocks = len(transformers.MobileNetV2Model(config).layer)
    elif hasattr(vision, "depths"):
        blocks = len(vision.depths)
    else:
        blocks = vision.num_hidden_layers
    names = layer_names(tmp_path, {**IMAGE, **VIDEO})
    assert [name for name in names if name.startswith("layer")][-1] == f"layer{blocks}"
    if name in VIDEO:
        length = getattr(vision, "num_frames", None) or vision.frames_per_clip
        assert clip_length(VideoNetworkOptions(folder="x"), tmp_path) == length


def test_tokens_and_pooling(networks: dict[str, Path], photographs: tuple[Path, ...]) -> None:
    folder = networks["vit"]
    images = [np.asarray(Image.open(path)) for path in photographs]
    state = direct(folder, images)[0].hidden_states[2].numpy()
    channels = state.shape[2]
    square = state[:, 1:].reshape(2, 4, 4, channels).transpose(0, 3, 1, 2)
    cells = square.reshape(2, channels, 2, 2, 2, 2).mean((3, 5)).reshape(2, -1)
    expected = {
        ("cls", "mean"): state[:, 0],
        ("patches", "mean"): state[:, 1:].mean(1),
        ("patches", "grid:2"): cells,
        ("all", "mean"): state.mean(1),
        ("all", "none"): state.transpose(0, 2, 1).reshape(2, -1),
    }
    for (tokens, pooling), values in expected.items():
        ours, _ = run(photographs, folder, ("layer2",), tokens=tokens, pooling=pooling)
        np.testing.assert_allclose(ours["layer2"], values, atol=TOLERANCE, rtol=0)


def test_a_wide_input_has_a_wide_grid() -> None:
    from tristream.features.core.networks.reduce import patch_grid

    assert patch_grid(32, 32 / 64) == (4, 8)
    assert patch_grid(36, 1.0) == (6, 6)


def test_projection_keeps_distances_and_is_the_same_everywhere(
    networks: dict[str, Path], photographs: tuple[Path, ...]
) -> None:
    """The projection of a chunk does not depend on what else is projected."""
    folder = networks["resnet"]
    options: dict[str, Any] = {"pooling": "none", "project": 500, "seed": 3}
    both, _ = run(photographs, folder, ("layer1", "layer3"), **options)
    one, _ = run(photographs[1:], folder, ("layer1",), **options)
    assert both["layer1"].shape == (2, 500)
    assert both["layer3"].shape == (2, 256)  # smaller already: as it is
    np.testing.assert_allclose(both["layer1"][1:], one["layer1"], rtol=1e-4, atol=1e-4)
    whole, _ = run(photographs, folder, ("layer1",), pooling="none")
    ratio = np.linalg.norm(np.diff(both["layer1"], axis=0)) / np.linalg.norm(
        np.diff(whole["layer1"], axis=0)
    )
    # Sparse random projections keep squared distances to about sqrt(2 / columns).
    assert 0.8 < ratio < 1.2


@pytest.mark.parametrize("fps", [6.0, None])
def test_frames_keep_their_order_and_times(
    fps: float | None, networks: dict[str, Path], tmp_path: Path
) -> None:
    """Each row is that of the frame whose watermark stood at its time."""
    film = watermarked(tmp_path / "film.mp4", 60)
    shown = [image for _, image in frames(film)]
    numbers = np.array([number_of(image) for image in shown])
    np.testing.assert_array_equal(numbers, np.arange(60))
    table = direct(networks["vit"], shown)[0].hidden_states[2][:, 1:].mean(1).numpy()
    values, times = run(film, networks["vit"], ("layer2",), fps=fps, batch=4)
    distance = ((values["layer2"][:, None] - table) ** 2).mean(2)
    nearest = numbers[distance.argmin(axis=1)]
    np.testing.assert_array_equal(nearest, np.floor(times * RATE + 1e-6).astype(int))
    assert len(times) == (60 if fps is None else 15)
    assert distance.min(axis=1).max() < 1e-9
    step = 1 / RATE if fps is None else 1 / fps
    np.testing.assert_allclose(times, (np.arange(len(times)) + 0.5) * step, atol=1e-4)


@pytest.mark.parametrize("name", tiny_networks.IMAGE)
def test_every_network_sees_the_frames_in_their_order(
    name: str, networks: dict[str, Path], tmp_path: Path
) -> None:
    """Two pictures at a time, each row that of the frame whose watermark stood at its time.

    Networks that see the middle of a picture read four of the eight squares: enough to tell the
    frames that are sampled.
    """
    film = watermarked(tmp_path / "film.mp4", 24)
    shown = [image for _, image in frames(film)]
    state = direct(networks[name], shown, IMAGE[name].kind)[0].hidden_states[0]
    leading = int(name in ("vit", "dinov2", "clip"))
    flat = state if state.ndim == 4 else state[:, leading:].movedim(1, 2)
    table = flat.flatten(1).numpy()
    first = layers_of(networks[name])[0]
    values, times = run(film, networks[name], (first,), fps=6, batch=2, pooling="none")
    numbers = np.floor(times * RATE + 1e-6).astype(int)
    np.testing.assert_array_equal(numbers, [2, 6, 10, 14, 18, 22])
    error = np.abs(values[first] - table[numbers]).max()
    assert error < TOLERANCE
    assert np.abs(np.diff(values[first], axis=0)).max(axis=1).min() > 100 * error


def test_frames_of_variable_rate_keep_their_times(tmp_path: Path) -> None:
    times = np.cumsum([0, 0.04, 0.2, 0.04, 0.1, 0.04])
    film = watermarked(tmp_path / "film.mp4", 6, times)
    given = [(at, number_of(image)) for at, image in pictures(film, None)]
    assert [number for _, number in given] == list(range(6))
    centres = (times[:-1] + times[1:]) / 2
    np.testing.assert_allclose([at for at, _ in given][:-1], centres, atol=1e-3)
    for skip in range(1, 7):
        assert [(at, number_of(image)) for at, image in pictures(film, None, skip=skip)] == given[
            skip:
        ]


def test_resumed_equals_unbroken(networks: dict[str, Path], tmp_path: Path) -> None:
    film = watermarked(tmp_path / "film.mp4", 60)
    folder = networks["clip"]
    options = ImageNetworkOptions(folder=str(folder), fps=24, batch=2)
    args = (film, ("embeddings", "pooled"), options, folder, "cpu")
    notes: dict[str, Any] = {}
    whole = list(image_network(*args, notes=notes))
    assert [len(chunk["pooled"].times) for chunk in whole] == [16, 16, 16, 12]
    rest = list(image_network(*args, skip=2))
    for one, other in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(one["pooled"].values, other["pooled"].values)
        np.testing.assert_array_equal(one["pooled"].times, other["pooled"].times)
    assert 0 < notes["busy"] <= 1


def test_half_precision_is_near(networks: dict[str, Path], photographs: tuple[Path, ...]) -> None:
    full, _ = run(photographs, networks["dinov2"], ("layer3",))
    half, _ = run(photographs, networks["dinov2"], ("layer3",), precision="bfloat16")
    assert half["layer3"].dtype == np.float32
    error = np.abs(half["layer3"] - full["layer3"]).max()
    assert 0 < error < 0.05 * np.abs(full["layer3"]).max()


@pytest.mark.parametrize(
    ("size", "crop"),
    [(40, 32), (20, 32), ({"height": 30, "width": 50}, {"height": 32, "width": 28})],
)
def test_crops_of_small_and_odd_pictures(size: Any, crop: Any, tmp_path: Path) -> None:
    processor = transformers.CLIPImageProcessor(size=size, crop_size=crop)
    processor.save_pretrained(tmp_path)
    image = np.random.default_rng(0).integers(0, 255, (41, 77, 3), dtype=np.uint8)
    expected = torch.as_tensor(np.asarray(processor(image)["pixel_values"][0]))
    preparation = read_preparation(tmp_path)
    ours = preparation.tensor(torch.from_numpy(preparation.pixels(image).copy()))
    torch.testing.assert_close(ours, expected, atol=TOLERANCE, rtol=0)


def test_old_processor_files(tmp_path: Path) -> None:
    """Files of the hub from before processors had types and dictionaries of sizes."""
    said = {"size": 32, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2}
    file = tmp_path / "preprocessor_config.json"
    image = watermark(5)
    file.write_text(json.dumps(said))
    assert read_preparation(tmp_path).pixels(image).shape == (32, 32, 3)
    old = {
        "feature_extractor_type": "CLIPFeatureExtractor",
        "crop_size": 24,
        "do_center_crop": True,
    }
    file.write_text(json.dumps({**said, **old}))
    assert read_preparation(tmp_path).shape(32, 64) == (32, 64)
    assert read_preparation(tmp_path).pixels(image).shape == (24, 24, 3)


def test_every_file_that_is_read_of_a_folder_is_an_input_of_its_job(tmp_path: Path) -> None:
    """So that a changed processor, or shard of the weights, makes features anew."""
    folder = tiny_networks.save(tiny_networks.IMAGE["vit"], tmp_path / "network")
    for name in ("processor_config.json", "video_preprocessor_config.json"):
        (folder / name).write_text("{}")
    (folder / "model-00001-of-00002.safetensors").touch()
    index = {"weight_map": {"one": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    block = FeatureSpace(
        stream="ventral", extractor="image_network", options={"folder": str(folder)}
    )
    found = spaces.check("net", block).own_files
    assert sorted(found) == sorted(str(path) for path in folder.iterdir())
    assert len(found) == 7


def test_a_processor_in_the_file_of_transformers_5(tmp_path: Path) -> None:
    processor = transformers.CLIPImageProcessor(size=40, crop_size=32)
    processor.save_pretrained(tmp_path)
    alone = read_preparation(tmp_path)
    said = json.loads((tmp_path / "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").unlink()
    whole = {"processor_class": "CLIPProcessor", "image_processor": said}
    (tmp_path / "processor_config.json").write_text(json.dumps(whole))
    assert read_preparation(tmp_path) == alone


@pytest.mark.parametrize("edge", [64, 400])
def test_a_convnext_that_does_not_resize(edge: int, tmp_path: Path) -> None:
    processor = transformers.ConvNextImageProcessor(size={"shortest_edge": edge}, do_resize=False)
    processor.save_pretrained(tmp_path)
    image = watermark(5)
    expected = torch.as_tensor(np.asarray(processor(image)["pixel_values"][0]))
    preparation = read_preparation(tmp_path)
    ours = preparation.tensor(torch.from_numpy(preparation.pixels(image).copy()))
    torch.testing.assert_close(ours, expected, atol=TOLERANCE, rtol=0)


def test_a_convnext_of_height_and_width_is_refused(tmp_path: Path) -> None:
    said = {"image_processor_type": "ConvNextImageProcessor", "size": {"height": 32, "width": 32}}
    said |= {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    with pytest.raises(UserError, match=r"preprocessor_config\.json: size .* lacks shortest_edge"):
        read_preparation(tmp_path)


def test_a_preview_is_what_reaches_the_network(networks: dict[str, Path], tmp_path: Path) -> None:
    film = watermarked(tmp_path / "film.mp4", 24)
    options = {"folder": str(networks["vit"])}
    block = FeatureSpace(stream="ventral", extractor="image_network", options=options)
    seen = spaces.check("net", block).preview(film, 10.5 / RATE)
    assert seen is not None
    assert seen.values.shape == (32, 32, 3)
    assert number_of(seen.values * 128 + 128) == 10
    assert seen.what.startswith("32 x 32 pixels, values -0.")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "give model and revision, or folder"),
        ({"model": "a/b", "revision": "main"}, "its full commit"),
        ({"folder": "x", "model": "a/b"}, "give model and revision, or folder"),
        ({"folder": "x", "tokens": "all", "pooling": "grid:2"}, "a grid needs patches"),
        ({"folder": "x", "pooling": "max"}, "String should match"),
        ({"folder": "nowhere"}, "nowhere/config.json: no such file"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], reason: str) -> None:
    block = FeatureSpace(stream="ventral", extractor="image_network", options=options)
    with pytest.raises(UserError, match=reason) as caught:
        spaces.check("net", block)
    assert str(caught.value).startswith("config.yaml: features.net.")
    assert "\n" not in str(caught.value)


def test_layers_that_cannot_be(networks: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no layer layer9; it has embeddings, layer1"):
        layers_of(networks["vit"], "layer9")
    with pytest.raises(UserError, match="swinv2 has no class token"):
        layers_of(networks["swinv2"], "all", tokens="cls")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="is a network of type 'bert'; read are clip"):
        layers_of(tmp_path)


def test_a_model_that_is_not_fetched_yet() -> None:
    """Its layers are believed; which there are cannot be asked."""
    options = {"model": "facebook/dinov2-base", "revision": "f" * 40}
    keys: dict[str, Any] = {"stream": "ventral", "extractor": "image_network", "options": options}
    checked = spaces.check("net", FeatureSpace(layers=["layer3", "layer99"], **keys))
    assert checked.layers == ("layer3", "layer99")
    assert checked.is_fetched
    with pytest.raises(UserError, match="run `tristream weights fetch`"):
        spaces.check("net", FeatureSpace(layers=["all"], **keys))
