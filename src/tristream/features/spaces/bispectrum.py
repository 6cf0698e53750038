"""Bispectrum of the sound: which pairs of frequencies are phase-locked to their sum."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tristream.config.base import Section
from tristream.features.core.audio.sound_stream import Track
from tristream.features.core.previews import waveform
from tristream.features.core.registry import Block, extractor

RATE = 8_000
CHUNK = 32
"""Windows a piece."""
FLOOR = 1e-12


class Options(Section):
    """Options of the extractor."""

    window: float = Field(default=1.0, ge=0.25, le=30, description="seconds of a sample")
    bins: int = Field(
        default=24, ge=4, le=64, description="frequencies between 0 and 4 kHz, exclusive of 0"
    )

    @property
    def n_fft(self) -> int:
        """Samples of a segment."""
        return 2 * self.bins

    @property
    def pairs(self) -> NDArray:
        """Bins (k, 2) of frequencies f1 <= f2 with f1 + f2 <= 4 kHz."""
        first, second = np.triu_indices(self.bins)
        pairs = np.stack([first, second], 1) + 1
        return pairs[pairs.sum(1) <= self.bins]


def column_names(layer: str, options: Options, p: int) -> list[str]:
    """The two frequencies of each column."""
    width = RATE / options.n_fft
    return [f"{a * width:.0f} + {b * width:.0f} Hz" for a, b in options.pairs]


@extractor(
    "bispectrum",
    media="sound",
    layers=("bicoherence", "magnitude"),
    default=("bicoherence",),
    options=Options,
    names=column_names,
    window=lambda layer, options: options.window,
    preview=waveform(lambda options: RATE),
    methods="the bispectrum of the sound [@nikias1987], averaged over short segments of a window",
    stream="auditory",
)
def bispectrum(
    path: Path, layers: tuple[str, ...], options: Options, weights: Path | None, device: str
) -> Iterator[dict[str, Block]]:
    """Bispectrum of each window: mean of X(f1) X(f2) X*(f1 + f2) over its short segments.

    ``bicoherence``: its magnitude relative to the largest that these powers allow (0 to 1, Kim &
    Powers' squared bicoherence is its square): the share of f1 + f2 that is phase-locked to both.
    ``magnitude``: its cube root in dB. Segments of 2 `bins` samples at 8 kHz (Hann) overlap by
    half.

    References
    ----------
    Kim YC, Powers EJ (1979). Digital bispectral analysis and its applications to nonlinear wave
    interactions. IEEE Trans Plasma Sci 7.
    """
    size = round(options.window * RATE)
    track = Track.open(path, RATE, options.window)
    total, done = track.samples // size, 0
    for piece in track.pieces(CHUNK * size, total=total * size):
        found = bispectra(piece.reshape(-1, size), options)
        times = (done + np.arange(len(piece) // size) + 0.5) * size / RATE
        done += len(times)
        yield {layer: Block(found[layer], times) for layer in layers}


def bispectra(windows: NDArray, options: Options) -> dict[str, NDArray]:
    """Bispectrum of each window.

    Parameters
    ----------
    windows : ndarray, (n, samples)

    Returns
    -------
    dict of str to ndarray of float32, (n, pairs)
    """
    from scipy.signal.windows import hann

    n_fft = options.n_fft
    first, second = options.pairs.T
    taper = hann(n_fft, sym=False)
    coherence, magnitude = [], []
    for window in windows:
        segments = np.lib.stride_tricks.sliding_window_view(window, n_fft)[:: n_fft // 2]
        spectrum = np.fft.rfft(segments * taper, axis=1) * (2 / taper.sum())
        product = spectrum[:, first] * spectrum[:, second]
        total = spectrum[:, first + second]
        mean = np.abs((product * total.conj()).mean(0))
        largest = np.sqrt((np.abs(product) ** 2).mean(0) * (np.abs(total) ** 2).mean(0))
        coherence.append(mean / np.maximum(largest, FLOOR))
        magnitude.append(20 / 3 * np.log10(np.maximum(mean, FLOOR)))
    return {
        "bicoherence": np.array(coherence, np.float32),
        "magnitude": np.array(magnitude, np.float32),
    }
