"""Where a class network looks: Grad-CAM (Selvaraju et al. 2017) with captum."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tristream.features.resources import find_weights
from tristream.features.show.space import Space


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
        Number of the class (of ImageNet's 1000, from 0).
    probability : float
        Softmax of its score.
    """

    picture: npt.NDArray[Any]
    heat: npt.NDArray[np.float64]
    label: int
    probability: float


@dataclass(frozen=True)
class _ClassNetwork:
    """How to get a network that ends in class scores, and its last convolution."""

    load: Callable[[Path], Any]
    layer: Callable[[Any], Any]


def _efficientnet(weights: Path) -> Any:
    from tristream.features.extractors.efficientnet_lite0 import load_network

    return load_network(weights, "cpu")


CLASS_NETWORKS = {
    "efficientnet_lite0": _ClassNetwork(_efficientnet, lambda network: network._conv_head),
}


def why_not(space: Space) -> str:
    """Why there is no Grad-CAM of a space; empty if there can be."""
    if space.checked is None or space.checked.extractor.name not in CLASS_NETWORKS:
        return "Grad-CAM is for networks that end in class scores"
    if find_spec("captum") is None:
        return "captum is not installed: pip install 'tristream[networks]'"
    if not space.weights.is_file():
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
    kind = CLASS_NETWORKS[space.checked.extractor.name]
    weights = find_weights(space.checked, space.weights).folder
    if weights is None:
        raise ValueError("a class network without weights")
    network = kind.load(weights)
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        probabilities = network(batch).softmax(1)
    best = probabilities.argmax(1)
    heat = LayerGradCam(network, kind.layer(network)).attribute(
        batch, target=best, relu_attributions=True
    )
    heat = LayerAttribution.interpolate(heat, batch.shape[-2:], "bilinear")[:, 0]
    found = []
    for picture, map_, label, row in zip(pictures, heat.detach(), best, probabilities, strict=True):
        map_ = map_.double().numpy()
        top = map_.max()
        found.append(
            Attention(picture, map_ / top if top > 0 else map_, int(label), float(row[label]))
        )
    return found
