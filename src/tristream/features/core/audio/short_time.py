"""Short-time spectra of a sound, chunk by chunk, in mel bands and in carrier bands."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tristream.features.core.audio.sound_stream import Track, averaged
from tristream.media.librosa_loader import load_librosa

RATE = 16_000
N_FFT = 1024
HOP = 160
FRAMES = 10
"""STFT frames averaged into one output sample: 10 Hz."""
STEP = HOP * FRAMES
FLOOR = 1e-8
"""Smallest power, relative to a full-scale sine: -80 dB."""
CARRIERS = ((20.0, 8000.0), (50.0, 250.0), (250.0, 1000.0), (1000.0, 4000.0), (4000.0, 8000.0))
"""Hz; the first is the whole sound."""


@dataclass(frozen=True)
class Frames:
    """Short-time spectra of one chunk of a sound.

    Attributes
    ----------
    sound : ndarray
        The chunk's samples, and `around` samples before and after (silence outside of the sound).
    around : int
        Where in `sound` the middle of the chunk's own first frame stands.
    power : ndarray of shape (N_FFT // 2 + 1, frames)
        Squared magnitude, Hann windows 10 ms apart, of the chunk's own frames and of as many
        neighbours as wanted and there.
    levels : ndarray of shape (frames, n_mels + 5)
        Mel bands and carriers in dB.
    inner : slice
        The chunk's own frames.
    """

    sound: NDArray
    around: int
    power: NDArray
    levels: NDArray
    inner: slice

    @property
    def count(self) -> int:
        """Own frames."""
        return int(self.inner.stop - self.inner.start)

    def own(self, frames: NDArray) -> NDArray:
        """Averages to 10 Hz of the chunk's own rows among those of all frames."""
        return averaged(frames[self.inner], FRAMES)


def spectra(track: Track, n_mels: int, chunk: float = 60.0, margin: int = 0) -> Iterator[Frames]:
    """Short-time spectrum in mel bands and in carrier bands, in dB relative to a full-scale sine.

    Each STFT frame stands at a multiple of 10 ms, zeros stand before and after the sound; a last
    segment shorter than 100 ms is left out. The numbers do not depend on `chunk`.

    Parameters
    ----------
    track : Track
        16 kHz.
    n_mels : int
        Number of mel bands (Slaney's scale, triangles of unit height) up to 8 kHz.
    chunk : float
        Seconds of sound per chunk.
    margin : int
        Frames before and after the chunk's own, as far as the sound goes.
    """
    librosa = load_librosa()
    window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    mel = librosa.filters.mel(sr=RATE, n_fft=N_FFT, n_mels=n_mels, norm=None)
    bands = np.concatenate([mel * (4 / window.sum() ** 2), _carrier_filters(window)])
    total = track.samples // STEP * FRAMES
    length = round(chunk * RATE / STEP) * FRAMES
    around = margin * HOP + N_FFT // 2
    pieces = track.pieces(length * HOP, around, around, total * HOP)
    for start, piece in zip(range(0, total, length), pieces, strict=True):
        stop = min(start + length, total)
        before, after = min(margin, start), min(margin, total - stop)
        frames = before + stop - start + after
        first = (margin - before) * HOP
        spectrum = librosa.stft(
            piece[first : first + (frames - 1) * HOP + N_FFT],
            n_fft=N_FFT,
            hop_length=HOP,
            window=window,
            center=False,
        )
        power = np.abs(spectrum) ** 2
        levels = 10 * np.log10(np.maximum(bands @ power, FLOOR)).T
        yield Frames(piece, around, power, levels, slice(before, before + stop - start))


def sample_times(n: int) -> NDArray:
    """Centres of the first `n` samples of 10 Hz: the mean time of their ten frames."""
    return (np.arange(n) * FRAMES + (FRAMES - 1) / 2) * HOP / RATE


def _carrier_filters(window: NDArray) -> NDArray:
    """Sum of power over each carrier band, as mean square relative to a full-scale sine."""
    frequencies = np.arange(N_FFT // 2 + 1) * RATE / N_FFT
    filters = np.stack([(frequencies >= low) & (frequencies < high) for low, high in CARRIERS])
    return (filters * (4 / (N_FFT * (window**2).sum()))).astype(np.float32)
