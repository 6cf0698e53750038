"""Where a class network looks: Grad-CAM (Selvaraju et al. 2017) with captum."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tristream.features.core.checked_space import CheckedSpace
from tristream.features.core.networks.network_options import read_config
from tristream.features.core.resources import find_weights
from tristream.features.show.shown_space import Space


@dataclass(frozen=True)
class Attention:
    """One picture and what in it speaks for the network's first choice.

    Attributes
    ----------
    picture : ndarray, (height, width, 3)
        The network's input.
    heat : ndarray, (height, width)
        From 0 to 1: the positive part of the last convolution's channels, each weighted by the
        mean gradient of the class score, scaled up to the input's size.
    label : int
        Number of the class, from 0 (for most networks, of ImageNet's 1000).
    probability : float
        Softmax of its score.
    """

    picture: npt.NDArray[Any]
    heat: npt.NDArray[np.float64]
    label: int
    probability: float


@dataclass(frozen=True)
class _ClassNetwork:
    """What gives class scores of a batch of pictures, and the module whose maps are weighed."""

    scores: Callable[[Any], Any]
    layer: Any


def _efficientnet_lite0(space: CheckedSpace, folder: Path | None) -> _ClassNetwork:
    from tristream.features.spaces.efficientnet_lite0 import load_network

    assert folder is not None
    network = load_network(folder, "cpu")
    return _ClassNetwork(network, network._conv_head)


def _cornet_s(space: CheckedSpace, folder: Path | None) -> _ClassNetwork:
    from tristream.features.spaces.cornet_s import DECODER, CornetOptions
    from tristream.features.spaces.cornet_s import network as cornet

    assert isinstance(space.options, CornetOptions)
    network = cornet.load(Path(space.options.checkpoint))
    last = network.get_submodule("IT.norm3_1")
    return _ClassNetwork(lambda batch: network(batch, (DECODER,))[DECODER], last)


# Last maps of networks of convolutions in ``transformers``, by type.
LAST_MAPS = {
    "resnet": "resnet.encoder",
    "convnext": "convnext.encoder",
    "convnextv2": "convnextv2.encoder",
    "efficientnet": "efficientnet.encoder.top_activation",
    "mobilenet_v2": "mobilenet_v2.conv_1x1",
}


def _image_network(space: CheckedSpace, folder: Path | None) -> _ClassNetwork:
    from tristream.features.core.networks.load_network import load_network

    assert folder is not None
    network = load_network(folder, "AutoModelForImageClassification", "cpu")
    path = LAST_MAPS[read_config(folder)["model_type"]]
    last = network.get_submodule(path)
    if path.endswith("encoder"):
        last = last.stages[-1]
    return _ClassNetwork(lambda batch: network(batch).logits, last)


CLASS_NETWORKS = {
    "efficientnet_lite0": _efficientnet_lite0,
    "cornet_s": _cornet_s,
    "image_network": _image_network,
}


def has_classes(space: Space) -> bool:
    """Whether a space is of a network of convolutions that ends in class scores."""
    checked = space.checked
    if checked is None or checked.extractor.name not in CLASS_NETWORKS:
        return False
    if checked.extractor.name == "cornet_s":
        return bool(getattr(checked.options, "checkpoint", ""))
    if checked.extractor.name != "image_network" or checked.folder is None:
        return True
    said = read_config(checked.folder)
    trained = any("ImageClassification" in name for name in said.get("architectures") or [])
    return trained and said["model_type"] in LAST_MAPS


def why_not(space: Space) -> str:
    """Why there is no Grad-CAM of a space; empty if there can be."""
    if not has_classes(space):
        return "Grad-CAM is for networks of convolutions that end in class scores"
    if find_spec("captum") is None:
        return "captum is not installed: pip install 'tristream[networks]'"
    assert space.checked is not None
    if space.checked.is_fetched and not space.weights.is_file():
        return f"the weights are not there: no {space.weights}"
    return ""


def attend(space: Space, pictures: list[npt.NDArray[Any]]) -> list[Attention]:
    """Grad-CAM of the class with the highest score, for each picture.

    Parameters
    ----------
    space : Space
        A space for which :func:`why_not` is empty.
    pictures : list of ndarray, (height, width, 3)
        Inputs of the network as its preview gives them, in the range that it expects.
    """
    import torch
    from captum.attr import LayerAttribution, LayerGradCam

    if space.checked is None:
        raise ValueError(why_not(space))
    folder = find_weights(space.checked, space.weights).folder
    network = CLASS_NETWORKS[space.checked.extractor.name](space.checked, folder)
    weigh = LayerGradCam(network.scores, network.layer)
    found = []
    for picture in pictures:  # one by one: images may differ in size
        batch = torch.from_numpy(picture[None].copy()).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            probabilities = network.scores(batch).softmax(1)[0]
        label = int(probabilities.argmax())
        heat = weigh.attribute(batch, target=label, relu_attributions=True)
        heat = LayerAttribution.interpolate(heat, batch.shape[-2:], "bilinear")
        map_ = heat.detach()[0, 0].double().numpy()
        top = map_.max()
        shares = map_ / top if top > 0 else map_
        found.append(Attention(picture, shares, label, float(probabilities[label])))
    return found
