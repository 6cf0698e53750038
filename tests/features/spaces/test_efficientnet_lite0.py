"""EfficientNet-Lite0 knows what photographs show, and its layers are those of the network."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from sklearn.datasets import load_sample_image

from helpers.films import make_film
from tristream.features.core.frames import frame_batches
from tristream.features.spaces import efficientnet_lite0 as module
from tristream.features.spaces.efficientnet_lite0 import (
    LAYERS,
    EfficientNetOptions,
    efficientnet_lite0,
)

# ImageNet classes.
DAISY, PALACE, MONASTERY, STUPA = 985, 698, 663, 832


@pytest.fixture(scope="module")
def weights(extractor_weights: Callable[[str], Path]) -> Path:
    return extractor_weights("efficientnet_lite0")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film: a second of a Chinese palace, then a second of a flower."""
    pictures = [load_sample_image(f"{name}.jpg")[:426] for name in ("china", "flower")]
    images = np.stack([pictures[index // 24] for index in range(48)])
    path = tmp_path_factory.mktemp("film") / "photographs.mp4"
    return make_film(path, images, np.arange(48) / 24)


def run(
    film: Path | tuple[Path, ...], weights: Path, layers: tuple[str, ...], **options: float
) -> dict:
    found = EfficientNetOptions(**options)
    chunks = list(efficientnet_lite0(film, layers, found, weights, "cpu", notes={}))
    return {name: np.concatenate([chunk[name].values for chunk in chunks]) for name in layers}


def test_it_names_what_it_sees(photographs: Path, weights: Path) -> None:
    best = run(photographs, weights, ("logits",))["logits"].argsort(axis=1)[:, ::-1]
    assert best.shape == (4, 1000)
    for row in best[:2]:
        assert {PALACE, MONASTERY, STUPA} & set(row[:2])
    for row in best[2:]:
        assert DAISY in row[:2]


def test_it_names_what_it_sees_in_images(weights: Path, tmp_path: Path) -> None:
    paths = []
    for name in ("china", "flower"):
        paths.append(tmp_path / f"{name}.png")
        Image.fromarray(load_sample_image(f"{name}.jpg")).save(paths[-1])
    best = run(tuple(paths), weights, ("logits",))["logits"].argsort(axis=1)[:, ::-1]
    assert {PALACE, MONASTERY, STUPA} & set(best[0, :2])
    assert DAISY in best[1, :2]


def test_layers_are_those_of_the_network(photographs: Path, weights: Path) -> None:
    """The package's own network and forward pass, read by hooks."""
    network = EfficientNet.from_name("efficientnet-lite0").eval()
    network.load_state_dict(torch.load(weights / module.MEMBER, weights_only=True))
    seen: dict[str, np.ndarray] = {}
    for index, block in enumerate(network._blocks):
        block.register_forward_hook(
            lambda _, __, out, name=f"blocks{index}": seen.update({name: out.mean((2, 3)).numpy()})
        )
    network._fc.register_forward_pre_hook(lambda _, given: seen.update(head=given[0].numpy()))
    _, images = next(frame_batches(photographs, fps=2, length=4, size=(337, 224)))
    assert images.shape[1:3] == (224, 337)
    with torch.inference_mode():
        squares = torch.from_numpy(np.stack([module._square(image) for image in images]))
        seen["logits"] = network(module._prepared(squares)).numpy()
    ours = run(photographs, weights, LAYERS)
    assert list(ours) == list(LAYERS)
    # The film is 640 x 426, so that its short side becomes 224 and its long side 337.
    for layer in LAYERS:
        np.testing.assert_allclose(ours[layer], seen[layer], rtol=1e-3, atol=1e-3)


def test_cells_average_to_the_whole(photographs: Path, weights: Path) -> None:
    whole = run(photographs, weights, ("blocks2", "head"))
    cells = run(photographs, weights, ("blocks2", "head"), grid=4)
    assert cells["blocks2"].shape == (4, 24 * 16)
    average = cells["blocks2"].reshape(4, 24, 16).mean(axis=2)
    np.testing.assert_allclose(average, whole["blocks2"], rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(cells["head"], whole["head"])


def test_one_layer_equals_that_of_a_joint_pass(photographs: Path, weights: Path) -> None:
    alone = run(photographs, weights, ("blocks6",))
    joint = run(photographs, weights, ("blocks2", "blocks6", "head"))
    np.testing.assert_array_equal(alone["blocks6"], joint["blocks6"])
