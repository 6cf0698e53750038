"""Spectro-temporal modulation (MTF) energy: how fast and how finely the cochleagram changes.

The model is the cortical stage of Chi, Ru & Shamma (2005): a bank of two-dimensional filters, each
tuned to a rate (Hz), a scale (cycles per octave) and a direction of sweep, works on a cochleagram
with a logarithmic frequency axis. Encoding models of music take its energy (Nakai, Koide-Majima &
Nishimoto 2021, the paper of ds003720, which finds it the best of their acoustic spaces).

Where this one differs from the toolbox of Chi et al.: the cochleagram is the level in dB of
gammatone channels, 24 an octave, smoothed over 8 ms, instead of hair cells with lateral inhibition;
the temporal filters have the shape that Chi et al. give the spectral ones, without phase, so that
a feature stands at the time of its sound; filters have equal energy instead of equal gain, so that
modulations of flat spectrum give equal values and a train of clicks is strongest at its own rate.

References
----------
Chi T, Ru P, Shamma SA (2005). Multiresolution spectrotemporal analysis of complex sounds. JASA 118.
Nakai T, Koide-Majima N, Nishimoto S (2021). Correspondence of categorical and feature-based
representations of music in the human brain. Brain and Behavior 11.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import Field, field_validator, model_validator

from tristream.config.base import Section
from tristream.features.core.audio.cochlea import HOP, RATE, Bank, cochleagram, octave_spaced
from tristream.features.core.audio.sound_stream import Track, overlapping
from tristream.features.core.previews import cochlea
from tristream.features.core.registry import Block, extractor
from tristream.features.spaces.modulation.filters import Filters

PER_OCTAVE = 24
CHANNELS = 128
LOWEST = 180.0
"""Hz; with 128 channels up to 7.1 kHz."""
LEAK = 0.008
"""Seconds, as in Chi et al."""
FLOOR = -80.0
CHUNK = 30.0
DIRECTIONS = ("up", "down")


class Options(Section):
    """Options of the extractor."""

    rates: list[float] = Field(
        default=[1.0, 2.0, 4.0, 8.0, 16.0, 32.0], description="temporal modulations in Hz"
    )
    scales: list[float] = Field(
        default=[0.25, 0.5, 1.0, 2.0, 4.0, 8.0],
        description="spectral modulations in cycles per octave",
    )
    bands: int = Field(
        default=5, ge=1, le=CHANNELS, description="frequency bands that energy is averaged over"
    )
    step: float = Field(default=0.5, description="seconds of a sample")

    @field_validator("rates", "scales")
    @classmethod
    def _rising(cls, value: list[float]) -> list[float]:
        if not value or min(value) <= 0 or value != sorted(set(value)):
            raise ValueError("give rising numbers above 0")
        return value

    @model_validator(mode="after")
    def _resolved(self) -> "Options":
        if self.rates[0] < 0.25 or self.rates[-1] > 45:
            raise ValueError("rates lie between 0.25 and 45 Hz: frames are 10 ms long")
        if self.scales[-1] > 12:
            raise ValueError("scales end at 12 cycles per octave: channels are 1/24 octave apart")
        if not 0.1 <= self.step <= 10 or abs(self.step * 100 - round(self.step * 100)) > 1e-9:
            raise ValueError("step is a multiple of 0.01 s, from 0.1 s to 10 s")
        return self

    @property
    def filters(self) -> Filters:
        """The filters."""
        return Filters(
            tuple(self.rates), tuple(self.scales), self.bands, round(self.step * RATE / HOP)
        )


def _bank() -> Bank:
    return Bank(octave_spaced(LOWEST, PER_OCTAVE, CHANNELS))


def column_names(layer: str, options: Options, p: int) -> list[str]:
    """Rate, scale and direction of each column, and the band of frequencies."""
    filters = [
        f"{rate:g} Hz, {scale:g} c/o, {direction}"
        for rate in options.rates
        for scale in options.scales
        for direction in DIRECTIONS
    ]
    if layer == "summary":
        return filters
    parts = np.array_split(_bank().centres, options.bands)
    return [f"{name}, {part[0]:.0f}-{part[-1]:.0f} Hz" for name in filters for part in parts]


@extractor(
    "modulation",
    media="sound",
    layers=("mtf", "summary"),
    default=("mtf",),
    options=Options,
    names=column_names,
    window=lambda layer, options: options.step,
    preview=cochlea(lambda options: _bank(), LEAK),
    methods=(
        "energy of spectro-temporal modulation filters [@chi2005] on a cochleagram of gammatone "
        "levels"
    ),
    stream="auditory",
)
def modulation(
    path: Path, layers: tuple[str, ...], options: Options, weights: Path | None, device: str
) -> Iterator[dict[str, Block]]:
    """Spectro-temporal modulation (MTF) energy: rates x scales x sweep directions x bands.

    RMS response (dB of the cochleagram, scaled to equal energy of the filters) over each `step`:
    ``mtf`` in bands of frequencies, ``summary`` over all of them. See the module for its sources.
    """
    track = Track.open(path, RATE, options.step)
    filters = options.filters
    total = track.samples // HOP // filters.step * filters.step
    length = max(round(CHUNK / options.step), 1) * filters.step
    pieces = overlapping(
        cochleagram(track, _bank(), leak=LEAK), total, length, filters.margin, filters.margin, FLOOR
    )
    done = 0
    for piece in pieces:
        energy = filters.energy(piece)
        values = {"mtf": np.sqrt(energy), "summary": np.sqrt(filters.over_bands(energy))}
        n = len(energy)
        times = (done + np.arange(n) + 0.5) * options.step
        done += n
        yield {layer: Block(values[layer].reshape(n, -1), times) for layer in layers}
