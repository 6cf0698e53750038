"""Cochleagram: levels of a bank of gammatone filters, as the inner ear resolves sound."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from tristream.config.base import Section
from tristream.features.core.audio.cochlea import HOP, RATE, Bank, cochleagram, erb_spaced
from tristream.features.core.audio.sound_stream import Track, averaged
from tristream.features.core.previews import cochlea
from tristream.features.core.registry import Block, extractor

FRAMES = 10
"""Frames of 10 ms averaged into one sample: 10 Hz."""


class Options(Section):
    """Options of the extractor."""

    channels: int = Field(default=64, ge=4, le=256, description="number of filters")
    lowest: float = Field(default=50.0, ge=30, description="centre of the lowest filter in Hz")
    highest: float = Field(default=7000.0, le=7000, description="centre of the highest in Hz")

    @model_validator(mode="after")
    def _ordered(self) -> "Options":
        if self.lowest >= self.highest:
            raise ValueError("lowest is not below highest")
        return self

    @property
    def bank(self) -> Bank:
        """The filters."""
        return Bank(erb_spaced(self.lowest, self.highest, self.channels))


@extractor(
    "gammatone",
    media="sound",
    layers=("cochleagram",),
    options=Options,
    names=lambda layer, options, p: [f"{centre:.0f} Hz" for centre in options.bank.centres],
    window=lambda layer, options: FRAMES * HOP / RATE,
    preview=cochlea(lambda options: options.bank),
    methods=(
        "levels (dB) of a bank of fourth-order gammatone filters spaced by equivalent rectangular "
        "bandwidths [@glasberg1990]"
    ),
    stream="auditory",
)
def gammatone(
    path: Path, layers: tuple[str, ...], options: Options, weights: Path | None, device: str
) -> Iterator[dict[str, Block]]:
    """Level of each channel of an ERB-spaced bank of fourth-order gammatone filters, at 10 Hz.

    The squared envelope in dB re a full-scale sine, averaged over 100 ms.

    References
    ----------
    Patterson RD et al. (1992). Complex sounds and auditory images. Auditory Physiology and
    Perception. Envelopes by the complex gammatone: Hohmann V (2002), Acta Acustica 88.
    """
    track = Track.open(path, RATE, FRAMES * HOP / RATE)
    done = 0
    for frames in cochleagram(track, options.bank):
        values = averaged(frames, FRAMES)
        times = (done + np.arange(len(values)) + 0.5) * FRAMES * HOP / RATE
        done += len(values)
        yield {"cochleagram": Block(values, times)}
