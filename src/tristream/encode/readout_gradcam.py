"""Grad-CAM of a network with a voxel readout, by captum."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from tristream.errors import UserError


def weigh_maps(
    evidence: Callable[..., torch.Tensor], module: nn.Module, inputs: Sequence[torch.Tensor]
) -> npt.NDArray[np.floating]:
    """Maps of a module, weighted by the mean gradient of the evidence, as large as the input.

    Parameters
    ----------
    evidence : callable
        The inputs to one number a sample, (n,).
    module : Module
        Gives maps (n, channels, …) while evidence is computed.
    inputs : sequence of Tensor, (n, …) each

    Returns
    -------
    ndarray of shape (n, …)
        As long as the first input along each of the maps' axes.

    Raises
    ------
    UserError
        If captum is not installed.
    """
    if find_spec("captum") is None:
        raise UserError("captum is not installed: pip install 'tristream[networks]'")
    from captum.attr import LayerAttribution, LayerGradCam

    heat = LayerGradCam(evidence, module).attribute(tuple(inputs), relu_attributions=True)
    places = heat.ndim - 2
    # Pictures have channels before their places, windows of sound begin with time.
    size = tuple(
        inputs[0].shape[-places:] if inputs[0].ndim == 4 else inputs[0].shape[1 : 1 + places]
    )
    heat = LayerAttribution.interpolate(heat, size, "bilinear" if places == 2 else "linear")
    return np.asarray(heat.detach()[:, 0].double().numpy())
