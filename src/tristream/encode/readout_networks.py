"""Networks that a voxel readout can be put on: how they are begun, and which layers they have."""

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from tristream.errors import UserError

if TYPE_CHECKING:
    from tristream.encode.voxel_readout import Ints

LAYERS = {
    "two_stream": ("spatial", "temporal"),
    "lstm": ("lstm1",),
    "crnn": ("conv4",),
    "tcn": ("block4",),
}
"""Networks by name, and the layers that voxels are read from unless others are named."""


def begin(
    network: str | nn.Module,
    inputs: Sequence[torch.Tensor],
    learn: "Ints",
    classes: tuple[str, ...],
    seed: int,
) -> nn.Module:
    """A network with random weights, or a copy of one that is given.

    Parameters
    ----------
    network : str or Module
        One of :data:`LAYERS`, or a module.
    inputs : sequence of Tensor
        All samples.
    learn : ndarray of int
        Samples that are learnt from: inputs of audio networks are z-scored by them.
    classes : tuple of str
    seed : int

    Raises
    ------
    UserError
        If there is no network of this name, or the inputs are not what it takes.
    """
    if isinstance(network, nn.Module):
        # Weights of a network that was read from a folder are locked.
        return deepcopy(network).requires_grad_(True)
    if network not in LAYERS:
        raise UserError(f"network: {network!r} is none of {', '.join(LAYERS)}")
    if network == "two_stream":
        return _two_stream(inputs, classes, seed)
    return _audio(network, inputs, learn, classes, seed)


def layers_of(network: str | nn.Module, layers: Sequence[str] | None) -> tuple[str, ...]:
    """The layers that voxels are read from.

    Raises
    ------
    UserError
        If none are named for a module that is none of ours.
    """
    if layers is not None:
        return tuple(layers)
    name = network if isinstance(network, str) else _name(network)
    if name not in LAYERS:
        raise UserError(
            f"layers: name those of {type(network).__name__} that voxels are to be read from"
        )
    return LAYERS[name]


def convolution_of(network: nn.Module) -> nn.Module:
    """The last convolution of a network; of two streams, that of the frames.

    Raises
    ------
    UserError
        If it has none, or it isn't known which it is.
    """
    name = _name(network)
    if name == "two_stream":
        # Before it is pooled the last time.
        *_, convolution, _ = network.get_submodule("spatial.convolutions").children()
        return convolution
    if name in ("crnn", "tcn"):
        *_, block = network.get_submodule("blocks").children()
        return block
    raise UserError(
        f"module: Grad-CAM needs the convolution of {type(network).__name__} whose maps are to be "
        "weighted; name it, or choose a network with convolutions (crnn, tcn, two_stream)"
    )


def _name(network: nn.Module) -> str:
    from tristream.features.spaces.two_stream.network import TwoStream
    from tristream.genre.networks import NETWORKS

    kinds: dict[str, type[Any]] = {"two_stream": TwoStream, **NETWORKS}
    return next((name for name, kind in kinds.items() if isinstance(network, kind)), "")


def _two_stream(inputs: Sequence[torch.Tensor], classes: tuple[str, ...], seed: int) -> nn.Module:
    from tristream.features.spaces.two_stream.network import Shape, TwoStream

    sizes = [tuple(one.shape[1:]) for one in inputs]
    if len(inputs) != 2 or [len(size) for size in sizes] != [3, 3] or sizes[0][0] != 3:
        raise UserError(
            f"inputs: have shapes {sizes} a sample; two_stream takes frames (3, size, size) and "
            "flow (2 stack, size, size)"
        )
    # Frames per second are of extraction, and arrays have none.
    shape = Shape(classes, float("nan"), sizes[0][1], sizes[1][0] // 2, False)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TwoStream(shape)


def _audio(
    name: str, inputs: Sequence[torch.Tensor], learn: "Ints", classes: tuple[str, ...], seed: int
) -> nn.Module:
    from tristream.genre import training
    from tristream.genre.description import Shape
    from tristream.genre.networks import NETWORKS
    from tristream.genre.sound_inputs import INPUTS
    from tristream.genre.windows import Windows

    columns = INPUTS[NETWORKS[name].inputs][1]
    if len(inputs) != 1 or inputs[0].ndim != 3 or inputs[0].shape[2] != columns:
        raise UserError(
            f"inputs: have shapes {[tuple(one.shape[1:]) for one in inputs]} a sample; {name} "
            f"takes windows (frames, {columns}) of {NETWORKS[name].inputs}"
        )
    values = inputs[0].numpy()
    none = np.zeros(len(values), int)
    shape = Shape(name, classes, values.shape[1])
    return training.begin(shape, Windows(values, none, none), learn, seed)
