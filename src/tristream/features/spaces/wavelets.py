"""Wavelets of the sound: a scalogram, and the energies of an octave tree."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from tristream.config.base import Section
from tristream.features.core.audio.sound_stream import Track, averaged, decibel
from tristream.features.core.previews import waveform
from tristream.features.core.registry import Block, extractor

RATE = 16_000
STEP = 2048
"""Samples of a feature: 128 ms, two coefficients of the deepest level."""
LEVELS = 10
MORLET = "cmor1.5-1.0"
LOWEST = 62.5
HIGHEST = 7000.0
CHUNK = 64
MARGIN = 4
"""Steps around a chunk; the deepest discrete and the longest continuous wavelets are shorter."""


class Options(Section):
    """Options of the extractor."""

    per_octave: int = Field(default=6, ge=1, le=24, description="frequencies of the scalogram")
    wavelet: str = Field(default="db4", description="discrete wavelet, as PyWavelets names it")

    @field_validator("wavelet")
    @classmethod
    def _short(cls, value: str) -> str:
        import pywt

        if value not in pywt.wavelist(kind="discrete"):
            raise ValueError("not a discrete wavelet of PyWavelets, such as db4 or sym8")
        if pywt.Wavelet(value).dec_len > 8:
            raise ValueError("longer than 8 taps: its deepest level would reach beyond a chunk")
        return value

    @property
    def frequencies(self) -> NDArray:
        """Of the scalogram, in Hz."""
        count = int(np.floor(np.log2(HIGHEST / LOWEST) * self.per_octave)) + 1
        return LOWEST * 2 ** (np.arange(count) / self.per_octave)


def column_names(layer: str, options: Options, p: int) -> list[str]:
    """The band of frequencies of each column."""
    if layer == "continuous":
        return [f"{frequency:.0f} Hz" for frequency in options.frequencies]
    return [f"{RATE / 2 ** (i + 1):.4g}-{RATE / 2**i:.4g} Hz" for i in range(LEVELS, 0, -1)]


@extractor(
    "wavelets",
    media="sound",
    layers=("continuous", "discrete"),
    options=Options,
    names=column_names,
    window=lambda layer, options: STEP / RATE,
    preview=waveform(lambda options: RATE),
    methods="levels (dB) of wavelet transforms of the sound, computed with PyWavelets [@lee2019]",
    stream="auditory",
)
def wavelets(
    path: Path, layers: tuple[str, ...], options: Options, weights: Path | None, device: str
) -> Iterator[dict[str, Block]]:
    """Levels (dB) of the sound's wavelet transforms in segments of 128 ms.

    ``continuous``: complex Morlet wavelets, `per_octave` frequencies an octave from 62.5 Hz to
    7 kHz; a tone of full scale gives 0 dB. ``discrete``: mean squared coefficients of the ten
    octaves of a `wavelet` tree, from 8-16 Hz to 4-8 kHz.
    """
    track = Track.open(path, RATE, STEP / RATE)
    compute = {"continuous": scalogram, "discrete": tree}
    total, done = track.samples // STEP, 0
    margin = MARGIN * STEP
    for piece in track.pieces(CHUNK * STEP, margin, margin, total * STEP):
        n = len(piece) // STEP - 2 * MARGIN
        times = (done + np.arange(n) + 0.5) * STEP / RATE
        done += n
        yield {
            layer: Block(compute[layer](piece, options)[MARGIN : MARGIN + n], times)
            for layer in layers
        }


def scalogram(piece: NDArray, options: Options) -> NDArray:
    """Mean power of the Morlet transform over each step.

    Parameters
    ----------
    piece : ndarray, (steps * STEP,)

    Returns
    -------
    ndarray, (steps, frequencies)
        dB.
    """
    import pywt

    wavelet = pywt.ContinuousWavelet(MORLET)
    columns = []
    for frequency in options.frequencies:
        scale = pywt.central_frequency(wavelet) * RATE / frequency
        (found,), _ = pywt.cwt(piece, [scale], wavelet, method="fft", precision=12)
        # A sine of unit amplitude gives sqrt(scale) / 2: pywt's wavelets have equal energy, and
        # each of their samples is the mean over its interval.
        power = np.abs(found) ** 2 * (4 / scale / np.sinc(frequency / RATE) ** 2)
        columns.append(decibel(averaged(power, STEP)))
    return np.stack(columns, 1)


def tree(piece: NDArray, options: Options) -> NDArray:
    """Mean power of each octave over each step.

    Parameters
    ----------
    piece : ndarray, (steps * STEP,)
        Its first sample is one of the grid of the whole sound, so that its coefficients are the
        whole sound's.

    Returns
    -------
    ndarray, (steps, LEVELS)
        dB, low octaves first.
    """
    import pywt

    details = pywt.wavedec(piece, options.wavelet, mode="periodization", level=LEVELS)[1:]
    columns = []
    for index, detail in enumerate(details):
        per_step = STEP >> (LEVELS - index)
        # Orthonormal: the sum of squared coefficients is that of the samples; a sine has 1 / 2.
        columns.append(decibel(averaged(detail**2, per_step) * (2 * per_step / STEP)))
    return np.stack(columns, 1)
