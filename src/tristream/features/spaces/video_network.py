"""Video networks of ``transformers``, applied to clips of films."""

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tristream.errors import UserError
from tristream.features.core.networks.families import (
    POOLED,
    VIDEO,
    Family,
    check_fits,
    family_of,
    hidden_layer,
    layer_names,
    spread_layers,
    vision_config,
)
from tristream.features.core.networks.network_options import network_source
from tristream.features.core.networks.reduce import LayerOptions, pooled, reduced
from tristream.features.core.previews.network_preview import network_preview
from tristream.features.core.registry import Block, Used, extractor

# Batches that are stored together, where a layer is small.
TOGETHER = 8


class VideoNetworkOptions(LayerOptions):
    """Options of video networks."""

    fps: float = Field(default=8.0, gt=0, description="frames per second of a clip")
    frames: int = Field(default=0, ge=0, description="frames of a clip; 0: as in training")
    stride: int = Field(default=8, ge=1, description="frames from a clip's beginning to the next")
    batch: int = Field(default=2, ge=1, description="clips that go through the network at once")


def clip_length(options: VideoNetworkOptions, folder: Path | None) -> int:
    """Frames of a clip."""
    config = vision_config(folder)
    family = family_of(config, VIDEO, folder)
    usual = {"videomae": 16, "timesformer": 8, "vjepa2": 64, "xclip": 8}[config["model_type"]]
    trained = int(config.get("num_frames", config.get("frames_per_clip", usual)))
    if options.frames and options.frames != trained and not family.any_length:
        raise UserError(f"{config['model_type']} takes clips of {trained} frames; leave frames out")
    return options.frames or trained


def _layers(options: VideoNetworkOptions, folder: Path | None) -> tuple[str, ...]:
    clip_length(options, folder)
    return layer_names(folder, VIDEO, options.tokens)


def _fits(options: VideoNetworkOptions, folder: Path) -> None:
    check_fits(folder, VIDEO)


def _default(options: VideoNetworkOptions, folder: Path | None) -> tuple[str, ...]:
    return spread_layers(_layers(options, folder))


def _window(layer: str, options: VideoNetworkOptions) -> float:
    """Of a clip; of the network's own length it is among the notes of the pass."""
    return options.frames / options.fps


def _methods(used: Used) -> str:
    time = " and the time of a clip" if used.options.grid else ""
    return (
        "hidden states of a video network on clips of the film, "
        f"{pooled(used.options)}{time}{reduced(used.options)}, computed with transformers "
        "[@wolf2020]"
    )


@extractor(
    "video_network",
    media="film",
    layers=_layers,
    default=_default,
    options=VideoNetworkOptions,
    weights=network_source,
    preview=network_preview,
    window=_window,
    methods=_methods,
    can_skip=True,
    takes_notes=True,
    uses_gpu=True,
    network_types=tuple(VIDEO),
    fits=_fits,
    stream="dorsal",
)
def video_network(
    path: Path,
    layers: tuple[str, ...],
    options: VideoNetworkOptions,
    weights: Path,
    device: str,
    notes: MutableMapping[str, Any],
    skip: int = 0,
) -> Iterator[dict[str, Block]]:
    """Hidden states of a ``transformers`` video network (VideoMAE, TimeSformer, V-JEPA 2, X-CLIP).

    The film is sampled at `fps`; a clip of as many frames as in training begins every `stride`
    frames and stands at its centre. Layers are ``embeddings``, ``layer1`` …, ``last`` and, for
    X-CLIP, ``pooled``: its summary of the clip. ``mean`` and ``grid:K`` average over the clip's
    time, too.
    """
    from tristream.features.core.frames import pictures
    from tristream.features.core.networks.image_processor import read_preparation
    from tristream.features.core.networks.network_pass import run, stacked
    from tristream.features.core.networks.video_clips import clips

    preparation = read_preparation(weights)
    length = clip_length(options, weights)
    notes["window"] = length / options.fps
    compute = _network(weights, layers, options, device, preparation)
    chunk = options.batch * (TOGETHER if options.project or options.grid else 1)
    begin = skip * chunk * options.stride
    source = pictures(path, options.fps, skip=begin, prepare=preparation.pixels)
    found = stacked(clips(source, length, options.stride), options.batch, chunk)
    yield from run(found, compute, device, notes, chunk)


def _network(
    weights: Path, layers: tuple[str, ...], options: VideoNetworkOptions, device: str, prep: Any
) -> Any:
    """Function from the pixels of clips to the wanted layers' columns."""
    from tristream.features.core.networks.image_processor import taken
    from tristream.features.core.networks.load_network import load_network
    from tristream.features.core.networks.network_pass import autocast
    from tristream.features.core.networks.reduce import Projection
    from tristream.features.core.networks.video_clips import clip_columns

    config = vision_config(weights)
    family: Family = family_of(config, VIDEO, weights)
    network = load_network(weights, family.kind, device, **family.options)
    leading = family.leading(config)
    projection = Projection(options)
    tubelet = int(config.get("tubelet_size", 2)) if family.order == "thw" else 1

    def compute(pixels: Any) -> dict[str, np.ndarray]:
        batch = prep.tensor(pixels).contiguous()
        aspect = batch.shape[3] / batch.shape[4]
        given = {family.pixels: batch, **family.forward, "output_hidden_states": True}
        with taken(weights, *batch.shape[3:]), autocast(device, options.precision):
            output = getattr(network, family.call)(**given)
        out = {}
        for layer in layers:
            hidden = hidden_layer(output, layer, family).float()
            if layer != POOLED:
                steps = batch.shape[1] // tubelet
                hidden = clip_columns(hidden, options, leading, family.order, steps, aspect)
            out[layer] = projection(hidden.cpu().numpy())
        return out

    return compute
