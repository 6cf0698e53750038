"""Image networks of ``transformers``, applied to film frames and images."""

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tristream.features.core.classifier import Classifier, ClassNetwork
from tristream.features.core.networks.families import (
    IMAGE,
    POOLED,
    check_fits,
    family_of,
    hidden_layer,
    layer_names,
    spread_layers,
    vision_config,
)
from tristream.features.core.networks.network_options import network_source, read_config
from tristream.features.core.networks.reduce import LayerOptions, pooled, reduced
from tristream.features.core.previews.network_preview import network_preview
from tristream.features.core.registry import Block, Used, extractor

# Batches that are stored together, where a layer is small.
TOGETHER = 8


class ImageNetworkOptions(LayerOptions):
    """Options of image networks."""

    fps: float | None = Field(
        default=2.0, gt=0, description="frames per second that the network sees; null: every frame"
    )
    batch: int = Field(default=16, ge=1, description="pictures that go through the network at once")


def _layers(options: ImageNetworkOptions, folder: Path | None) -> tuple[str, ...]:
    return layer_names(folder, IMAGE, options.tokens)


def _fits(options: ImageNetworkOptions, folder: Path) -> None:
    check_fits(folder, IMAGE)


def _default(options: ImageNetworkOptions, folder: Path | None) -> tuple[str, ...]:
    return spread_layers(_layers(options, folder))


def window(layer: str, options: Any) -> float:
    """Seconds for which a frame stands; 0 where every frame has its own."""
    return 1 / options.fps if options.fps else 0.0


def _methods(used: Used) -> str:
    return (
        f"hidden states of an image network, {pooled(used.options)}{reduced(used.options)}, "
        "computed with transformers [@wolf2020]"
    )


# Last maps of networks of convolutions in ``transformers``, by type.
LAST_MAPS = {
    "resnet": "resnet.encoder",
    "convnext": "convnext.encoder",
    "convnextv2": "convnextv2.encoder",
    "efficientnet": "efficientnet.encoder.top_activation",
    "mobilenet_v2": "mobilenet_v2.conv_1x1",
}


def _has_classes(options: ImageNetworkOptions, folder: Path | None) -> bool:
    if folder is None:
        return True  # known when it is fetched
    config = read_config(folder)
    trained = any("ImageClassification" in name for name in config.get("architectures") or [])
    return trained and config["model_type"] in LAST_MAPS


def _classes(options: ImageNetworkOptions, folder: Path | None) -> ClassNetwork:
    from tristream.features.core.networks.load_network import load_network

    assert folder is not None
    network = load_network(folder, "AutoModelForImageClassification", "cpu")
    path = LAST_MAPS[read_config(folder)["model_type"]]
    last = network.get_submodule(path)
    if path.endswith("encoder"):
        last = last.stages[-1]
    return ClassNetwork(lambda batch: network(batch).logits, last)


@extractor(
    "image_network",
    media="film",
    images=True,
    layers=_layers,
    default=_default,
    options=ImageNetworkOptions,
    weights=network_source,
    preview=network_preview,
    window=window,
    methods=_methods,
    can_skip=True,
    takes_notes=True,
    uses_gpu=True,
    network_types=tuple(IMAGE),
    fits=_fits,
    classifier=Classifier(_classes, _has_classes),
    stream="ventral",
)
def image_network(
    path: Path | tuple[Path, ...],
    layers: tuple[str, ...],
    options: ImageNetworkOptions,
    weights: Path,
    device: str,
    notes: MutableMapping[str, Any],
    skip: int = 0,
) -> Iterator[dict[str, Block]]:
    """Hidden states of a ``transformers`` image network (ResNet, ConvNeXt, ViT, DINOv2, CLIP …).

    Pictures are prepared as the network's ``preprocessor_config.json`` says. All wanted layers are
    read in one pass: ``embeddings``, ``layer1`` …, ``last``, ``pooled``, as ``transformers`` gives
    them in ``hidden_states``, ``last_hidden_state`` and ``pooler_output``. Columns are channels,
    and within each the cells of the picture in reading order.
    """
    from tristream.features.core.frames import pictures
    from tristream.features.core.networks.image_processor import read_preparation
    from tristream.features.core.networks.network_pass import run, stacked

    preparation = read_preparation(weights)
    compute = _network(weights, layers, options, device, preparation)
    chunk = options.batch * (TOGETHER if options.project or options.grid else 1)
    source = pictures(path, options.fps, skip=skip * chunk, prepare=preparation.pixels)
    yield from run(stacked(source, options.batch, chunk), compute, device, notes, chunk)


def _network(
    weights: Path, layers: tuple[str, ...], options: ImageNetworkOptions, device: str, prep: Any
) -> Any:
    """Function from pixels to the wanted layers' columns."""
    import torch

    from tristream.features.core.networks.fold_batch_norm import fuse
    from tristream.features.core.networks.image_processor import taken
    from tristream.features.core.networks.load_network import load_network
    from tristream.features.core.networks.network_pass import autocast
    from tristream.features.core.networks.reduce import Projection, columns

    config = vision_config(weights)
    family = family_of(config, IMAGE, weights)
    network = load_network(weights, family.kind, device, **family.options)
    layout = torch.channels_last if family.maps else torch.contiguous_format
    network = fuse(network).to(memory_format=layout)
    leading = family.leading(config)
    projection = Projection(options)

    def compute(pixels: Any) -> dict[str, np.ndarray]:
        batch = prep.tensor(pixels).contiguous(memory_format=layout)
        aspect = batch.shape[2] / batch.shape[3]
        with taken(weights, *batch.shape[2:]), autocast(device, options.precision):
            output = network(batch, output_hidden_states=True)
        out = {}
        for layer in layers:
            hidden = hidden_layer(output, layer, family).float()
            found = (
                hidden.flatten(1) if layer == POOLED else columns(hidden, options, leading, aspect)
            )
            out[layer] = projection(found.cpu().numpy())
        return out

    return compute
