"""Layers of a network that the user trained to tell the genre of music."""

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tristream.config.base import Section
from tristream.config.sources import FolderSource
from tristream.features.core.audio.sound_stream import Track
from tristream.features.core.registry import Block, Preview, Used, extractor, numbered
from tristream.genre.description import LAYERS, SENTENCES, read_description
from tristream.genre.sound_inputs import RATE, window_samples, window_seconds, window_starts

CHUNK = 64
"""Windows that are computed at once."""


class GenreNetworkOptions(Section):
    """Options of the genre network."""

    folder: str = Field(
        default="",
        validate_default=True,
        min_length=1,
        description="what `tristream genre train` wrote",
    )
    step: float = Field(
        default=0.0, ge=0, description="seconds from window to window; 0: half a window"
    )

    @property
    def frames(self) -> int:
        """Spectra of a window."""
        return read_description(Path(self.folder)).shape.frames

    @property
    def hop(self) -> float:
        """Seconds from window to window."""
        return self.step or window_seconds(self.frames) / 2


def _layers(options: GenreNetworkOptions, folder: Path | None) -> tuple[str, ...]:
    if folder is None:
        return ("last", "scores")
    return (*LAYERS[read_description(folder).shape.network], "scores")


def _names(layer: str, options: GenreNetworkOptions, p: int) -> list[str]:
    if layer != "scores":
        return numbered(layer, options, p)
    return list(read_description(Path(options.folder)).shape.classes)


def _preview(path: Path, options: GenreNetworkOptions, at: float, folder: Path | None) -> Preview:
    """The window that is nearest to `at`, as the network hears it, columns upwards."""
    from tristream.genre.networks import NETWORKS
    from tristream.genre.sound_inputs import INPUTS

    shape = read_description(Path(options.folder)).shape
    track = Track.open(path, RATE)
    half = window_seconds(shape.frames) / 2
    starts = window_starts(track.samples, shape.frames, options.hop)
    start = min(starts, key=lambda one: abs(one / RATE + half - at))
    sound = next(track.segments([(start, start + window_samples(shape.frames))]))
    name = NETWORKS[shape.network].inputs
    values = INPUTS[name][0](sound).T
    what = "64 mel bands, dB" if name == "log_mel" else "33 descriptors of each spectrum"
    return Preview(values, start / RATE, start / RATE + 2 * half, what)


def _methods(used: Used) -> str:
    phrase = "activations of a network that was trained to name the genre of music"
    if not used.notes:
        return phrase
    notes = used.notes
    return (
        f"{phrase} ({SENTENCES[notes['network']]}; it names {notes['accuracy']:.0%} of "
        f"{notes['test_tracks']} held-out tracks, chance {notes['chance']:.0%}), means over "
        f"windows of {notes['window']:.2g} s"
    )


@extractor(
    "genre_network",
    media="sound",
    layers=_layers,
    default=("last",),
    options=GenreNetworkOptions,
    weights=lambda options: FolderSource(path=options.folder),
    names=_names,
    window=lambda layer, options: window_seconds(options.frames),
    preview=_preview,
    methods=_methods,
    can_skip=True,
    takes_notes=True,
    uses_gpu=True,
    stream="auditory",
)
def genre_network(
    path: Path,
    layers: tuple[str, ...],
    options: GenreNetworkOptions,
    weights: Path,
    device: str,
    notes: MutableMapping[str, Any],
    skip: int = 0,
) -> Iterator[dict[str, Block]]:
    """A network from sound to genre (LSTM, CRNN or TCN), trained by the user.

    ``last``: the 32 units before the linear scores; ``scores``: probabilities of the genres; the
    layers below, from the sound upwards, are ``lstm1``, ``conv1`` to ``conv4``, or ``block1`` to
    ``block4``. Each row is the mean over a window's time.
    """
    import torch

    from tristream.genre.network_folder import load_network
    from tristream.genre.networks import NETWORKS
    from tristream.genre.sound_inputs import INPUTS

    network, shape = load_network(weights, device)
    report = read_description(weights).report
    notes.update(
        {
            "network": shape.network,
            "accuracy": report["accuracy"],
            "chance": report["chance"],
            "test_tracks": report["tracks"]["test"],
            "window": window_seconds(shape.frames),
        }
    )
    hear = INPUTS[NETWORKS[shape.network].inputs][0]
    track = Track.open(path, RATE, window_seconds(shape.frames))
    starts = window_starts(track.samples, shape.frames, options.hop)[skip * CHUNK :]
    size = window_samples(shape.frames)
    sounds = track.segments((start, start + size) for start in starts)
    for first in range(0, len(starts), CHUNK):
        part = starts[first : first + CHUNK]
        windows = np.stack([hear(next(sounds)) for _ in part])
        with torch.inference_mode():
            out = network(torch.from_numpy(windows).to(device))
        out["scores"] = out["scores"].softmax(1)
        times = (np.array(part) + size / 2) / RATE
        yield {layer: Block(out[layer].cpu().numpy(), times) for layer in layers}
