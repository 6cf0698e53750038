"""Grad-CAM of networks of `transformers` and of CORnet-S."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from helpers import tiny_networks
from helpers.features_study import FilmStudy
from tristream.features.show.gradcam import attend, has_classes, why_not
from tristream.features.show.shown_space import Space, find_space
from tristream.features.spaces.cornet_s import network as cornet

SMALL: dict[str, Any] = {"hidden_sizes": [8, 12, 16], "depths": [1, 2, 1]}
KINDS: dict[str, Any] = {
    "ResNet": transformers.ResNetConfig(embedding_size=8, num_labels=5, **SMALL),
    "EfficientNet": transformers.EfficientNetConfig(
        width_coefficient=0.25, depth_coefficient=0.5, hidden_dim=320, num_labels=5
    ),
    "MobileNetV2": transformers.MobileNetV2Config(
        depth_multiplier=0.25, num_labels=5, tf_padding=False
    ),
    "ConvNextV2": transformers.ConvNextV2Config(num_stages=3, num_labels=5, **SMALL),
}


def network_of(kind: str, folder: Path) -> Any:
    def make() -> tuple[Any, Any]:
        network = getattr(transformers, f"{kind}ForImageClassification")(KINDS[kind])
        return network, transformers.ConvNextImageProcessor(size={"shortest_edge": 64})

    tiny_networks.save(make, folder)
    return getattr(transformers, f"{kind}ForImageClassification").from_pretrained(folder).eval()


def space_of(tmp_path: Path, trailer: Path, extractor: str, options: dict[str, Any]) -> Space:
    block = {"stream": "ventral", "extractor": extractor, "options": options}
    study = FilmStudy(tmp_path, [trailer], {"net": block})
    return find_space(study.resolved(), "films", "net")


def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((64, 96, 3)).astype(np.float32) for _ in range(2)]


@pytest.mark.parametrize("kind", ["ResNet", "EfficientNet", "MobileNetV2"])
def test_where_the_head_is_linear_it_is_the_class_activation_map(
    tmp_path: Path, trailer: Path, kind: str
) -> None:
    """Zhou et al. 2016: the classifier's weights on the last maps."""
    network = network_of(kind, tmp_path / "network")
    space = space_of(
        tmp_path, trailer, "image_network", {"folder": str(tmp_path / "network"), "fps": 1}
    )
    assert why_not(space) == ""
    given = pictures()
    found = attend(space, given)
    batch = torch.from_numpy(np.stack(given)).permute(0, 3, 1, 2)
    with torch.no_grad():
        maps = network.base_model(batch).last_hidden_state
        scores = network(batch).logits.softmax(1)
    linear = [module for module in network.modules() if isinstance(module, torch.nn.Linear)][-1]
    for one, own, row in zip(found, maps, scores, strict=True):
        assert one.label == int(row.argmax())
        assert one.probability == pytest.approx(float(row.max()), abs=1e-5)
        expected = torch.einsum("c,chw->hw", linear.weight[one.label].detach(), own).relu()
        wide = torch.nn.functional.interpolate(expected[None, None], (64, 96), mode="bilinear")[
            0, 0
        ]
        np.testing.assert_allclose(one.heat, wide / wide.max().clamp_min(1e-12), atol=1e-4)


def test_other_heads_give_a_map_of_the_picture(tmp_path: Path, trailer: Path) -> None:
    network_of("ConvNextV2", tmp_path / "network")
    torch.save(cornet.untrained(0).state_dict(), tmp_path / "cornet.pth")
    for extractor, options in (
        ("image_network", {"folder": str(tmp_path / "network")}),
        ("cornet_s", {"checkpoint": str(tmp_path / "cornet.pth")}),
    ):
        found = attend(space_of(tmp_path, trailer, extractor, options), pictures())
        for one in found:
            assert one.heat.shape == (64, 96)
            assert one.heat.min() >= 0
            assert one.heat.std() > 0


def test_networks_without_classes_or_convolutions_have_none(tmp_path: Path, trailer: Path) -> None:
    for name in ("resnet", "vit"):
        folder = tiny_networks.save(tiny_networks.IMAGE[name], tmp_path / name)
        space = space_of(tmp_path, trailer, "image_network", {"folder": str(folder)})
        assert not has_classes(space)
    assert not has_classes(space_of(tmp_path, trailer, "cornet_s", {"untrained": True}))
