"""CORnet-S, a recurrent network with areas named after the ventral stream's."""

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from tristream.features.core.classifier import Classifier, ClassNetwork
from tristream.features.core.networks.reduce import ColumnOptions, pooled, reduced
from tristream.features.core.previews.network_preview import prepared_preview
from tristream.features.core.registry import Block, Preview, Used, extractor

STEPS = {"V1": 1, "V2": 2, "V4": 4, "IT": 2}
DECODER = "decoder"
LAYERS = (*(f"{area}_t{step}" for area, n in STEPS.items() for step in range(n)), DECODER)
LAST_STEPS = tuple(f"{area}_t{n - 1}" for area, n in STEPS.items())
# Batches that are stored together, where a layer is small.
TOGETHER = 8


class CornetOptions(ColumnOptions):
    """Options of CORnet-S."""

    checkpoint: str = Field(
        default="", description="file of the published weights, or safetensors of them"
    )
    untrained: bool = Field(default=False, description="random weights instead, drawn by seed")
    fps: float | None = Field(
        default=2.0, gt=0, description="frames per second that the network sees; null: every frame"
    )
    batch: int = Field(default=16, ge=1, description="pictures that go through the network at once")

    @model_validator(mode="after")
    def _one_of_both(self) -> "CornetOptions":
        if bool(self.checkpoint) == self.untrained:
            raise ValueError("give the file of a checkpoint, or ask for `untrained: true`")
        return self


def _preview(
    path: Path | tuple[Path, ...], options: CornetOptions, at: float, folder: Path | None
) -> Preview:
    from tristream.features.core.networks.image_processor import IMAGENET

    return prepared_preview(path, at, IMAGENET)


def _methods(used: Used) -> str:
    trained = "untrained (random weights)" if used.options.untrained else "trained on ImageNet"
    columns = pooled(used.options) + reduced(used.options)
    return f"activations of CORnet-S [@kubilius2019], {trained}, {columns}"


def _has_classes(options: CornetOptions, folder: Path | None) -> bool:
    return bool(options.checkpoint)


def _classes(options: CornetOptions, folder: Path | None) -> ClassNetwork:
    from tristream.features.spaces.cornet_s import network as cornet

    network = cornet.load(Path(options.checkpoint))
    last = network.get_submodule("IT.norm3_1")
    return ClassNetwork(lambda batch: network(batch, (DECODER,))[DECODER], last)


@extractor(
    "cornet_s",
    media="film",
    images=True,
    layers=LAYERS,
    default=LAST_STEPS,
    options=CornetOptions,
    reads=lambda options: [options.checkpoint] if options.checkpoint else [],
    window=lambda layer, options: 1 / options.fps if options.fps else 0.0,
    preview=_preview,
    methods=_methods,
    can_skip=True,
    takes_notes=True,
    uses_gpu=True,
    classifier=Classifier(_classes, _has_classes),
    stream="ventral",
)
def cornet_s(
    path: Path | tuple[Path, ...],
    layers: tuple[str, ...],
    options: CornetOptions,
    weights: None,
    device: str,
    notes: MutableMapping[str, Any],
    skip: int = 0,
) -> Iterator[dict[str, Block]]:
    """Areas of CORnet-S (Kubilius et al. 2019) at each of their time steps.

    The short side of a picture becomes 256 pixels, its middle 224 x 224 is seen, as in training on
    ImageNet. ``V4_t2`` is area V4 after its third step; ``decoder`` the scores of the 1000 classes.
    A file of untrained features says ``untrained`` in its attributes.
    """
    from tristream.features.core.frames import pictures
    from tristream.features.core.networks.image_processor import IMAGENET
    from tristream.features.core.networks.network_pass import run, stacked

    if options.untrained:
        notes["untrained"] = True
    compute = _network(layers, options, device)
    chunk = options.batch * (TOGETHER if options.project or options.grid else 1)
    source = pictures(path, options.fps, skip=skip * chunk, prepare=IMAGENET.pixels)
    yield from run(stacked(source, options.batch, chunk), compute, device, notes, chunk)


def _network(layers: tuple[str, ...], options: CornetOptions, device: str) -> Any:
    """Function from pixels to the wanted layers' columns."""
    import torch

    from tristream.features.core.networks.image_processor import IMAGENET
    from tristream.features.core.networks.network_pass import autocast
    from tristream.features.core.networks.reduce import Projection, pool
    from tristream.features.spaces.cornet_s import network as cornet

    network: Any = (
        cornet.untrained(options.seed)
        if options.untrained
        else cornet.load(Path(options.checkpoint))
    )
    layout = torch.channels_last
    network.requires_grad_(False).to(device, memory_format=layout)
    projection = Projection(options)

    def compute(pixels: Any) -> dict[str, np.ndarray]:
        with autocast(device, options.precision):
            batch = IMAGENET.tensor(pixels).contiguous(memory_format=layout)
            states = network(batch, layers)
        return {
            layer: projection(
                (state if layer == DECODER else pool(state, options.grid)).float().cpu().numpy()
            )
            for layer, state in states.items()
        }

    return compute
