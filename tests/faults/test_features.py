"""Bad films, bad requests, bad extractors: each is one clear line, and no file is left."""

import json
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import tiny_networks
from helpers.features_study import FilmStudy
from helpers.films import make_film
from tristream.config.feature_spaces import FeatureSpace
from tristream.errors import UserError
from tristream.features.core import registry
from tristream.features.core.checked_space import check
from tristream.features.core.registry import get
from tristream.fetch.receipt import Receipt

FLOW = {"stream": "dorsal", "extractor": "optical_flow", "options": {"size": [32, 18]}}

OWN = '''
import numpy as np

from tristream.features.core.registry import Block, extractor


@extractor("own", media="film", layers=("a",), methods="what a test asks for")
def own(path, layers, options, weights, device):
    """Gives what the test asks for."""
    {body}
'''


@pytest.fixture
def study(tmp_path: Path) -> FilmStudy:
    images = np.random.default_rng(0).integers(0, 255, (240, 18, 32), dtype=np.uint8)
    film = make_film(tmp_path / "stimuli/clip.mp4", images, np.arange(240) / 24)
    return FilmStudy(tmp_path, [film], {"flow": FLOW})


def fails(study: FilmStudy, space: str, layer: str, **inputs: Path) -> str:
    """The one line of an extraction that must fail, and leave no file."""
    with pytest.raises(UserError) as caught:
        study.extract(space, layer, **inputs)
    assert not study.output(space, layer).exists()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_unknown_space(study: FilmStudy) -> None:
    assert fails(study, "flows", "flow") == (
        "features: there is no 'flows' in the study; it has flow"
    )


def test_layer_that_the_extractor_does_not_have(study: FilmStudy) -> None:
    assert fails(study, "flow", "speed") == (
        "config.yaml: features.flow.layers: optical_flow has no layer speed; it has flow, "
        "directions, speeds, camera, local"
    )


def test_unknown_option(study: FilmStudy) -> None:
    study.write_config({"flow": {**FLOW, "options": {"cells": 3}}})
    message = fails(study, "flow", "flow")
    assert message.startswith("config.yaml: features.flow.options.cells: unknown option")


def test_text_instead_of_a_film(study: FilmStudy) -> None:
    study.films[0].write_text("not a film")
    study.write_receipt()
    assert "clip.mp4: can't be read as a film" in fails(study, "flow", "flow")


def test_truncated_film(study: FilmStudy) -> None:
    content = study.films[0].read_bytes()
    study.films[0].write_bytes(content[: len(content) // 2])
    study.write_receipt()
    assert "clip.mp4" in fails(study, "flow", "flow")


def test_empty_film(study: FilmStudy) -> None:
    study.films[0].write_bytes(b"")
    study.write_receipt()
    assert "clip.mp4: is empty" in fails(study, "flow", "flow")


def test_film_that_is_gone(study: FilmStudy) -> None:
    study.films[0].unlink()
    assert "its content is not present" in fails(study, "flow", "flow")


def test_film_too_short_for_a_sample(tmp_path: Path) -> None:
    images = np.zeros((2, 18, 32), np.uint8)
    film = make_film(tmp_path / "stimuli/clip.mp4", images, [0, 1 / 24])
    study = FilmStudy(tmp_path, [film], {"flow": FLOW})
    assert "gave no samples: is it long enough?" in fails(study, "flow", "flow")


def test_sound_features_of_a_silent_film(study: FilmStudy) -> None:
    study.write_config({"acoustics": {"stream": "auditory", "extractor": "acoustics"}})
    layer = get("acoustics").default_layers[0]
    assert fails(study, "acoustics", layer).startswith("films.yaml: stimuli.table: acoustics reads")


def test_missing_and_wrong_weights(study: FilmStudy) -> None:
    study.write_config({"net": {"stream": "ventral", "extractor": "efficientnet_lite0"}})
    assert fails(study, "net", "head") == ("features extract: efficientnet_lite0 needs --weights")
    other = study.folder / "weights.json"
    Receipt("w", None, {"sha256": "0" * 64}, "", study.folder, "", "", (), False).write(other)
    assert "is not the archive of efficientnet_lite0" in fails(study, "net", "head", weights=other)


def test_pickled_weights_are_not_executed(tmp_path: Path, study: FilmStudy) -> None:
    """A weight file that would run code when unpickled is refused."""
    import pickle

    from tristream.features.spaces.efficientnet_lite0 import MEMBER, load_network

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "executed",))

    file = tmp_path / MEMBER
    file.parent.mkdir(parents=True)
    file.write_bytes(pickle.dumps({"weight": Evil()}, protocol=2))
    with pytest.raises(UserError, match="does not hold EfficientNet-Lite0's weights"):
        load_network(tmp_path, "cpu")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("yield {'b': Block(np.ones((2, 1)), np.arange(2))}", "own: gave no layer a"),
        ("yield {'a': Block(np.ones((2, 1)), np.arange(3))}", "don't fit"),
        ("yield {'a': Block(np.ones(2), np.arange(2))}", "don't fit"),
        ("yield {'a': Block(np.full((2, 1), np.nan), np.arange(2))}", "not finite"),
        ("yield {'a': Block(np.ones((2, 1)), np.array([1, 1]))}", "times that do not rise"),
        ("yield from ()", "no samples"),
        ("yield {'a': Block(np.ones((2, 1)), np.array([0, 99]))}", "but it lasts 10.00 s"),
        ("yield {'a': Block(np.ones((2, 1)), np.array([-9, 1]))}", "but it lasts 10.00 s"),
        (
            "yield {n: Block(np.ones((2, 1)), np.arange(2)) for n in 'ab'}",
            "own: gave b, but was asked for a alone",
        ),
        (
            "yield {'a': Block(np.ones((2, 1)), np.array([0, 9990.0]))}",
            "gave times from 0.00 to 9990.00 s, but it lasts 10.00 s; give seconds of media time",
        ),
        ("return {'a': Block(np.ones((2, 1)), np.arange(2))}", "returned dict where a generator"),
        ("return None", "returned NoneType where a generator is due"),
        ("yield Block(np.ones((2, 1)), np.arange(2))", "yielded Block where a dict of layer"),
        ("yield {'a': np.ones((2, 1))}", "gave ndarray where a Block(values, times) is due"),
        (
            "import torch; yield {'a': Block(torch.ones(2, 1, requires_grad=True), np.arange(2))}",
            "give NumPy arrays: `tensor.detach().cpu().numpy()`",
        ),
        ("yield {'a': Block(np.array([['x'], ['y']]), np.arange(2))}", "arrays of numbers"),
    ],
)
def test_faulty_extractors(study: FilmStudy, body: str, message: str) -> None:
    module = study.folder / "own.py"
    module.write_text(OWN.format(body=body))
    study.write_config({"own": {"stream": "dorsal", "extractor": "own", "module": str(module)}})
    assert message in fails(study, "own", "a")


def test_names_that_are_not_one_a_column(study: FilmStudy) -> None:
    module = study.folder / "own.py"
    body = "yield {'a': Block(np.ones((2, 3)), np.arange(2))}"
    for names, words in (
        ("list('xy')", "2 different names for 3"),
        ("list('xxy')", "2 different names for 3"),
        ("['rms']", "1 different names for 3"),
        ("'rms'", "names must be a list of text, not 'rms'"),
        ("[1, 2, 3]", "names must be a list of text"),
    ):
        text = OWN.format(body=body).replace('methods="', f'names=lambda *_: {names}, methods="')
        module.write_text(text)
        registry._imported.cache_clear()
        study.write_config({"own": {"stream": "dorsal", "extractor": "own", "module": str(module)}})
        assert words in fails(study, "own", "a")


def test_a_window_in_milliseconds(study: FilmStudy) -> None:
    module = study.folder / "own.py"
    body = "yield {'a': Block(np.ones((2, 1)), np.array([0, 9000.0]))}"
    text = OWN.format(body=body).replace('methods="', 'window=lambda *_: 9500.0, methods="')
    module.write_text(text)
    study.write_config({"own": {"stream": "dorsal", "extractor": "own", "module": str(module)}})
    assert "a window of 9500 s in 10.00 s of film or sound" in fails(study, "own", "a")


def test_stimuli_with_other_numbers_of_columns(study: FilmStudy) -> None:
    images = np.zeros((24, 18, 32), np.uint8)
    study.films.append(make_film(study.folder / "stimuli/other.mp4", images, np.arange(24) / 24))
    study.write_descriptor()
    study.write_receipt()
    module = study.folder / "own.py"
    body = "yield {'a': Block(np.ones((2, len(path.stem))), np.arange(2))}"
    module.write_text(OWN.format(body=body))
    study.write_config({"own": {"stream": "dorsal", "extractor": "own", "module": str(module)}})
    assert "stimuli differ in their number of columns: [4, 5]" in fails(study, "own", "a")


@pytest.fixture
def network(study: FilmStudy) -> Path:
    """The study with a space of a tiny network; the network's folder."""
    folder = tiny_networks.save(tiny_networks.IMAGE["vit"], study.folder / "network")
    net = {"stream": "ventral", "extractor": "image_network", "options": {"folder": str(folder)}}
    study.write_config({"net": {**net, "layers": ["layer1"]}})
    return folder


def test_truncated_film_in_a_network(study: FilmStudy, network: Path) -> None:
    """The thread that decodes hands its error on, and ends."""
    before = threading.active_count()
    content = study.films[0].read_bytes()
    study.films[0].write_bytes(content[: len(content) // 2])
    study.write_receipt()
    assert "clip.mp4" in fails(study, "net", "layer1")
    assert threading.active_count() == before


def test_network_without_a_preparation(study: FilmStudy, network: Path) -> None:
    (network / "preprocessor_config.json").unlink()
    assert "does not say how images are prepared" in fails(study, "net", "layer1")


def test_network_that_says_no_mean(study: FilmStudy, network: Path) -> None:
    (network / "preprocessor_config.json").write_text('{"size": 32, "image_std": [1, 1, 1]}')
    assert "lacks image_mean or image_std" in fails(study, "net", "layer1")


def test_pictures_that_a_network_cannot_take(study: FilmStudy, network: Path) -> None:
    """Its own processor prepares another size than it has positions for."""
    path = network / "preprocessor_config.json"
    for change in ({"size": {"height": 48, "width": 48}}, {"do_resize": False}):
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        message = fails(study, "net", "layer1")
        assert "the network cannot take pictures of" in message
        assert "preprocessor_config.json" in message


@pytest.mark.parametrize(
    ("kind", "change", "told"),
    [
        ("vit", {"size": {"height": 48, "width": 48}}, "resizes to 48 x 48"),
        ("vit", {"do_resize": False}, "resizes nothing"),
        ("clip", {"do_center_crop": False}, "keeps the shape of each picture"),
        ("clip", {"crop_size": {"height": 32, "width": 40}}, "cuts out 32 x 40"),
        ("siglip", {"size": {"height": 32, "width": 24}}, "resizes to 32 x 24"),
        ("videomae", {"crop_size": {"height": 48, "width": 48}}, "cuts out 48 x 48"),
        ("vit", None, "does not say how images are prepared"),
    ],
)
def test_a_wrong_size_of_pictures_is_told_before_any_job(
    tmp_path: Path, kind: str, change: dict[str, Any] | None, told: str
) -> None:
    """When config.yaml is checked; networks that take every size are left alone."""
    known = tiny_networks.IMAGE | tiny_networks.VIDEO
    folder = tiny_networks.save(known[kind], tmp_path / "network")
    extractor = "video_network" if kind in tiny_networks.VIDEO else "image_network"
    block = FeatureSpace(
        stream="ventral", extractor=extractor, options={"folder": str(folder)}, layers=["layer1"]
    )
    check("net", block)
    path = next(folder.glob("*preprocessor_config.json"))
    if change is None:
        path.unlink()
    else:
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=re.escape(told)) as caught:
        check("net", block)
    assert str(caught.value).startswith("config.yaml: features.net: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["resnet", "convnextv2", "dinov2", "swinv2"])
def test_networks_of_every_size_take_pictures_as_they_are(study: FilmStudy, kind: str) -> None:
    folder = tiny_networks.save(tiny_networks.IMAGE[kind], study.folder / "network")
    path = folder / "preprocessor_config.json"
    kept = {**json.loads(path.read_text()), "do_resize": False, "do_center_crop": False}
    path.write_text(json.dumps(kept))
    options = {"folder": str(folder), "pooling": "mean", "fps": 1}
    net = {"stream": "ventral", "extractor": "image_network", "options": options}
    study.write_config({"net": {**net, "layers": ["layer1"]}})
    study.extract("net", "layer1")
    assert study.output("net", "layer1").exists()


def test_network_of_pickles(study: FilmStudy, network: Path) -> None:
    (network / "model.safetensors").rename(network / "pytorch_model.bin")
    assert "weights must be safetensors" in fails(study, "net", "layer1")


def test_network_without_its_config(study: FilmStudy, network: Path) -> None:
    (network / "config.json").unlink()
    message = fails(study, "net", "layer1")
    assert "network: holds no config.json" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"_attn_implementation": "kernels-community/flash-attn"}, "_attn_implementation asks for"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "quantization_config asks for"),
        ({"vision": {"attn_implementation": "flash_attention_2"}}, "attn_implementation asks for"),
    ],
)
def test_network_that_asks_for_code_of_others(
    study: FilmStudy, network: Path, change: dict[str, object], words: str
) -> None:
    path = network / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert words in fails(study, "net", "layer1")


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/x.safetensors", "weights.bin"])
def test_network_whose_index_names_other_files(study: FilmStudy, network: Path, name: str) -> None:
    index = network / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": {"layer1": name}}))
    message = fails(study, "net", "layer1")
    assert f"names {name!r}, which is not a safetensors file beside it" in message
    index.write_text("[]")
    assert "does not list files of weights" in fails(study, "net", "layer1")


def test_network_of_half_its_weights(study: FilmStudy, network: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(network / "model.safetensors")
    kept = {name: value for name, value in state.items() if "layers.1." not in name}
    kept = {name: value for name, value in kept.items() if "layer.1." not in name}
    assert len(kept) < len(state)
    save_file(kept, network / "model.safetensors", metadata={"format": "pt"})
    assert "an untrained network is not used in its place" in fails(study, "net", "layer1")
