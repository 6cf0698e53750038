"""Audio networks of ``transformers``, applied to the sound of films."""

import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from tristream.features.core.block_checks import joined
from tristream.features.core.networks.families import spread_layers
from tristream.features.core.networks.network_options import NetworkOptions, network_source
from tristream.features.core.networks.reduce import reduced
from tristream.features.core.networks.sound_networks import (
    ENCODEC,
    KNOWN,
    Grid,
    Window,
    sound_layers,
)
from tristream.features.core.registry import Block, Preview, Used, extractor

if TYPE_CHECKING:
    import torch

SHORTEST = 0.1


class AudioNetworkOptions(NetworkOptions):
    """Options of audio networks."""

    window: float = Field(
        default=0.0, ge=0, description="seconds heard at once; 0: as in training (speech: 20)"
    )
    hop: float = Field(
        default=0.0, ge=0, description="seconds kept of each window; 0: half of it (CLAP: 2)"
    )
    step: float = Field(
        default=0.5, ge=0, description="seconds that frames are averaged over; 0: every frame"
    )
    batch: int = Field(default=4, ge=1, description="windows that go through the network at once")
    project: int = Field(
        default=0, ge=0, description="columns of a sparse random projection; 0: none"
    )
    seed: int = Field(default=0, ge=0, description="seed of the projection")
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32", description="of the network's arithmetic; features are float32"
    )


def _layers(options: AudioNetworkOptions, folder: Path | None) -> tuple[str, ...]:
    return sound_layers(folder)


def _default(options: AudioNetworkOptions, folder: Path | None) -> tuple[str, ...]:
    layers = sound_layers(folder)
    return spread_layers(layers) if len(layers) > 1 else layers


def _preview(
    path: Path, options: AudioNetworkOptions, at: float, folder: Path | None
) -> Preview | None:
    """The window that answers for `at`, as the network's feature extractor prepares it."""
    from tristream.features.core.audio.sound_stream import Track
    from tristream.features.core.networks import sound_networks as sounds
    from tristream.features.core.previews import waveform

    if folder is None:
        return None
    config = sounds.sound_config(folder)
    preparation = sounds.Preparation(folder)
    if config["model_type"] == ENCODEC:
        return waveform(lambda options: preparation.rate)(path, options, at, folder)
    grid = sounds.grid_of(config, preparation, options.window, options.hop, options.step)
    track = Track.open(path, preparation.rate, SHORTEST)
    total = grid.frames(track.samples)
    index = min(int(at * grid.rate / grid.hop), (total - 1) * grid.stride // grid.hop)
    one = next(sounds.windows(track, grid, 1, index))
    given = next(iter(preparation([one.sound]).values()))[0].numpy().squeeze()
    start = (one.first - one.kept.start) * grid.stride / grid.rate
    stop = start + len(one.sound) / grid.rate
    if given.ndim == 1:
        return Preview(given, start, stop, f"mono waveform, {grid.rate} Hz, normalised")
    bands = given if config["model_type"] == sounds.WHISPER else given.T
    what = f"{bands.shape[0]} mel bands, normalised"
    return Preview(bands, start, max(stop, start + grid.window / grid.rate), what)


def _methods(used: Used) -> str:
    step = "every frame" if not used.options.step else f"means over {used.options.step:g} s"
    return (
        f"hidden states of an audio network, {step}{reduced(used.options)}, computed with "
        "transformers [@wolf2020]"
    )


@extractor(
    "audio_network",
    media="sound",
    layers=_layers,
    default=_default,
    options=AudioNetworkOptions,
    weights=network_source,
    window=lambda layer, options: options.step,
    preview=_preview,
    methods=_methods,
    can_skip=True,
    takes_notes=True,
    uses_gpu=True,
    network_types=KNOWN,
    stream="auditory",
)
def audio_network(
    path: Path,
    layers: tuple[str, ...],
    options: AudioNetworkOptions,
    weights: Path,
    device: str,
    notes: MutableMapping[str, Any],
    skip: int = 0,
) -> Iterator[dict[str, Block]]:
    """Hidden states of an audio network (AST, CLAP, wav2vec 2, HuBERT, WavLM, Whisper, EnCodec).

    The sound is resampled to the network's rate and prepared by its own feature extractor, in
    windows (see :mod:`tristream.features.core.networks.sound_networks`). A sample is the mean of
    the frames of `step` seconds; it stands at the mean of the centres of what they see. CLAP gives
    one sample a window.
    """
    from tristream.features.core.audio.sound_stream import Track
    from tristream.features.core.networks import sound_networks as sounds
    from tristream.features.core.networks.reduce import ColumnOptions, Projection

    config = sounds.sound_config(weights)
    preparation = sounds.Preparation(weights)
    network = sounds.load(weights, device)
    track = Track.open(path, preparation.rate, SHORTEST)
    project = Projection(ColumnOptions(project=options.project, seed=options.seed))
    if config["model_type"] == ENCODEC:
        found = _encodec(network, track, options, device, skip)
    else:
        grid = sounds.grid_of(config, preparation, options.window, options.hop, options.step)
        if config["model_type"].startswith("clap"):
            notes["window"] = grid.window / grid.rate
        compute = _Windows(network, config, preparation, layers, options, device, grid)
        found = compute.blocks(track, skip, notes)
    for block in found:
        yield {name: Block(project(one.values), one.times) for name, one in block.items()}


class _Windows:
    """Windows of a sound through a network, batch by batch."""

    def __init__(
        self,
        network: Any,
        config: dict[str, Any],
        preparation: Any,
        layers: tuple[str, ...],
        options: AudioNetworkOptions,
        device: str,
        grid: Grid,
    ) -> None:
        self.network, self.config, self.preparation = network, config, preparation
        self.layers, self.options, self.device, self.grid = layers, options, device, grid

    def blocks(
        self, track: Any, skip: int, notes: MutableMapping[str, Any]
    ) -> Iterator[dict[str, Block]]:
        """One block a batch; the sound is decoded and prepared ahead of the network.

        `notes` gets ``busy``, the share of this pass in which the network computed.
        """
        from contextlib import closing

        from tristream.features.core.networks.network_pass import prefetch

        frames = self.grid.frames(track.samples)
        step = min(max(round(self.options.step * self.grid.rate / self.grid.stride), 1), frames)
        begin, busy = time.perf_counter(), 0.0
        with closing(prefetch(self._prepared(track, step, skip))) as batches:  # type: ignore[type-var]
            for groups in batches:
                start = time.perf_counter()
                computed = [self._computed(*group, step) for group in groups]
                end = time.perf_counter()
                busy += end - start
                notes["busy"] = round(busy / (end - begin), 4)
                yield joined(computed, self.layers)

    def _prepared(
        self, track: Any, step: int, skip: int
    ) -> Iterator[list[tuple[list[Window], dict[str, Any]]]]:
        """Batches of windows; within each, those of one length together."""
        from itertools import groupby, islice

        from tristream.features.core.networks.sound_networks import windows

        size = self.options.batch
        source = windows(track, self.grid, step, skip * size)
        while batch := list(islice(source, size)):
            groups = [list(same) for _, same in groupby(batch, key=lambda one: len(one.sound))]
            yield [(same, self.preparation([one.sound for one in same])) for same in groups]

    def _computed(
        self, windows: list[Window], given: dict[str, Any], step: int
    ) -> dict[str, Block]:
        import torch

        from tristream.features.core.networks.network_pass import autocast
        from tristream.features.core.networks.sound_networks import hidden

        on_device = {name: value.to(self.device) for name, value in given.items()}
        with torch.inference_mode(), autocast(self.device, self.options.precision):
            states = hidden(self.network, self.config, on_device, self.layers)
        blocks = {}
        for layer in self.layers:
            state = states[layer].float().cpu()
            values = torch.cat([state[i, one.kept] for i, one in enumerate(windows)])
            times = [self.grid.times(w.first, w.kept.stop - w.kept.start) for w in windows]
            blocks[layer] = _averaged(values, np.concatenate(times), step)
        return blocks


def _encodec(
    network: Any, track: Any, options: AudioNetworkOptions, device: str, skip: int
) -> Iterator[dict[str, Block]]:
    """Latents; after a kill the recurrence has to begin at the first sample again."""
    import torch

    from tristream.features.core.networks.encodec import CHUNK, latents, stride_of

    stride = stride_of(network)
    frames = -(-track.samples // stride)
    step = min(max(round(options.step * track.rate / stride), 1), frames)
    chunk = max(CHUNK // step, 1) * step
    with torch.inference_mode():
        for index, (first, values) in enumerate(latents(network, track, device, chunk)):
            if index >= skip:
                times = (first + np.arange(len(values)) + 0.5) * stride / track.rate
                yield {"latents": _averaged(values.float().cpu(), times, step)}


def _averaged(values: "torch.Tensor", times: np.ndarray, step: int) -> Block:
    from tristream.features.core.audio.sound_stream import averaged

    return Block(averaged(values.numpy(), step), averaged(times, step))
