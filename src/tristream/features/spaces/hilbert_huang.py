"""Hilbert-Huang transform: the sound's own oscillations, their amplitude and frequency."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tristream.config.base import Section
from tristream.features.core.audio.sound_stream import Track, decibel
from tristream.features.core.previews import waveform
from tristream.features.core.registry import Block, extractor

SIFTINGS = 10
"""Fixed, as Wu & Huang (2010) advise: then modes are comparable between windows."""
CHUNK = 32
"""Windows a piece."""


class Options(Section):
    """Options of the extractor."""

    rate: int = Field(default=8000, ge=500, le=16000, description="Hz that the sound is taken at")
    step: float = Field(default=0.5, ge=0.1, le=10, description="seconds of a sample")
    modes: int = Field(default=8, ge=1, le=12, description="modes kept, the fastest first")


def column_names(layer: str, options: Options, p: int) -> list[str]:
    """Number of each mode, the fastest first."""
    return [f"mode {i}" for i in range(1, options.modes + 1)]


@extractor(
    "hilbert_huang",
    media="sound",
    layers=("amplitude", "frequency"),
    options=Options,
    names=column_names,
    window=lambda layer, options: options.step,
    preview=waveform(lambda options: options.rate),
    methods=(
        "amplitude and frequency of the sound's intrinsic modes, by empirical mode decomposition "
        "and the Hilbert transform [@huang1998]"
    ),
    stream="auditory",
)
def hilbert_huang(
    path: Path, layers: tuple[str, ...], options: Options, weights: Path | None, device: str
) -> Iterator[dict[str, Block]]:
    """Empirical mode decomposition of windows, and the Hilbert spectrum of their modes.

    Each window is decomposed with half its length on either side, where the ends' errors stay.
    ``amplitude``: RMS of each mode in dB. ``frequency``: its instantaneous frequency in Hz, each
    moment weighted by its energy; 0 where a window has fewer modes.

    References
    ----------
    Huang NE et al. (1998). The empirical mode decomposition and the Hilbert spectrum for nonlinear
    and non-stationary time series analysis. Proc R Soc A 454.
    """
    size = round(options.step * options.rate)
    around = size // 2
    track = Track.open(path, options.rate, options.step)
    total, done = track.samples // size, 0
    for piece in track.pieces(CHUNK * size, around, around, total * size):
        n = (len(piece) - 2 * around) // size
        windows = np.lib.stride_tricks.sliding_window_view(piece, size + 2 * around)[::size]
        found = np.array([modes(window, around, options) for window in windows])
        times = (done + np.arange(n) + 0.5) * size / options.rate
        done += n
        values = {"amplitude": found[:, 0], "frequency": found[:, 1]}
        yield {layer: Block(values[layer].astype(np.float32), times) for layer in layers}


def modes(window: NDArray, around: int, options: Options) -> NDArray:
    """Amplitude and frequency of each mode in the middle of a window.

    Parameters
    ----------
    window : ndarray, (around + samples + around,)
    around : int

    Returns
    -------
    ndarray, (2, modes)
        dB re full scale, Hz.
    """
    from PyEMD import EMD
    from scipy.signal import hilbert

    found = np.stack([np.full(options.modes, decibel(np.zeros(1))[0]), np.zeros(options.modes)])
    if np.ptp(window) < 1e-6:
        return found
    decomposition = EMD(FIXE=SIFTINGS)
    decomposition.emd(window.astype(np.float64), max_imf=options.modes)
    imfs, _ = decomposition.get_imfs_and_residue()
    inner = slice(around, len(window) - around)
    for index, imf in enumerate(imfs[: options.modes]):
        analytic = hilbert(imf)
        energy = np.abs(analytic[inner]) ** 2
        turns = np.gradient(np.unwrap(np.angle(analytic)))[inner] / (2 * np.pi)
        found[0, index] = decibel(np.mean(imf[inner] ** 2))
        found[1, index] = (turns * energy).sum() / max(energy.sum(), 1e-20) * options.rate
    return found
