"""Where a class network looks: Grad-CAM (Selvaraju et al. 2017) with captum."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from tristream.features.core.resources import find_weights
from tristream.features.show.shown_space import Space


@dataclass(frozen=True)
class Attention:
    """One picture and where in it the evidence for the network's first choice lies.

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


def has_classes(space: Space) -> bool:
    """Whether a space is of a network of convolutions that ends in class scores."""
    checked = space.checked
    if checked is None or checked.extractor.classifier is None:
        return False
    return checked.extractor.classifier.exists(checked.options, checked.folder)


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

    checked = space.checked
    if checked is None or checked.extractor.classifier is None:
        raise ValueError(why_not(space))
    folder = find_weights(checked, space.weights).folder
    network = checked.extractor.classifier.load(checked.options, folder)
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
