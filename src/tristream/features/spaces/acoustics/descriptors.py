"""Descriptors of short-time spectra, each frame by itself or with the few frames around it."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tristream.media.librosa_loader import load_librosa

CONTRAST_BANDS = 6
CONTRAST_LOWEST = 200.0
QUANTILE = 0.02
DELTA_WIDTH = 9
MEDIAN = 31
"""Frames and bins of the median filters of the harmonic-percussive split."""


def cepstrum(mel: NDArray, count: int) -> NDArray:
    """Mel-frequency cepstral coefficients with first and second differences in time.

    As ``librosa.feature.mfcc`` (orthonormal DCT-II of mel bands in dB) and
    ``librosa.feature.delta`` (Savitzky-Golay, 9 frames).

    Parameters
    ----------
    mel : ndarray, (frames, bands)
        dB.
    count : int
        Coefficients.

    Returns
    -------
    ndarray, (frames, 3 * count)
    """
    librosa = load_librosa()
    coefficients = librosa.feature.mfcc(S=mel.T, n_mfcc=count)
    deltas = [
        librosa.feature.delta(coefficients, width=DELTA_WIDTH, order=order, mode="nearest")
        for order in (1, 2)
    ]
    return np.concatenate([coefficients, *deltas]).T


def contrast(power: NDArray, rate: int) -> NDArray:
    """Spectral contrast: dB between the peaks and the valleys of each octave.

    That of ``librosa.feature.spectral_contrast``, but without its floor relative to the loudest
    frame, so that a frame's value does not depend on others.

    Parameters
    ----------
    power : ndarray, (bins, frames)
    rate : int
        Hz.

    Returns
    -------
    ndarray, (frames, 7)
        Below 200 Hz, then octaves upwards.

    References
    ----------
    Jiang DN et al. (2002). Music type classification by spectral contrast feature. ICME.
    """
    frequencies = np.linspace(0, rate / 2, len(power))
    edges = [0.0, *(CONTRAST_LOWEST * 2.0 ** np.arange(CONTRAST_BANDS + 1))]
    magnitude = np.sqrt(power)
    columns = []
    for low, high in pairwise(edges):
        (inside,) = np.nonzero((frequencies >= low) & (frequencies <= high))
        first = max(inside[0] - (low > 0), 0)
        last = inside[-1] if high < edges[-1] else len(power) - 1
        count = max(round(QUANTILE * (last - first + 1)), 1)
        # The highest bin of a band belongs to the next one.
        band = np.sort(magnitude[first : last + (high >= edges[-1])], axis=0)
        peak, valley = band[-count:].mean(0), band[:count].mean(0)
        columns.append(10 * np.log10(np.maximum(peak, 1e-10) / np.maximum(valley, 1e-10)))
    return np.stack(columns, 1)


def harmonic_percussive(power: NDArray) -> tuple[NDArray, NDArray]:
    """Power of the harmonic and of the percussive part of each frame.

    Parameters
    ----------
    power : ndarray, (bins, frames)

    Returns
    -------
    harmonic, percussive : ndarray, (bins, frames)

    References
    ----------
    Fitzgerald D (2010). Harmonic/percussive separation using median filtering. DAFx-10.
    """
    librosa = load_librosa()
    harmonic, percussive = librosa.decompose.hpss(np.sqrt(power), kernel_size=MEDIAN)
    return harmonic**2, percussive**2


def chroma(power: NDArray, rate: int, n_fft: int) -> NDArray:
    """Energy of the twelve pitch classes, relative to the strongest one of each frame.

    Parameters
    ----------
    power : ndarray, (bins, frames)

    Returns
    -------
    ndarray, (frames, 12)
        C, C#, … B; tuned to 440 Hz.
    """
    librosa = load_librosa()
    return librosa.feature.chroma_stft(S=power, sr=rate, n_fft=n_fft, tuning=0.0).T


def modulation_depth(
    envelope: NDArray, rate: float, centres: NDArray, window: int, step: int
) -> NDArray:
    """Amplitude spectrum of an envelope relative to its mean: the depth of each rate.

    Parameters
    ----------
    envelope : ndarray, (frames,)
        Not negative.
    rate : float
        Its frames per second.
    centres : ndarray, (k,)
        Modulation rates in Hz, each half an octave from the next.
    window, step : int
        Frames of a window (Hann) and from one to the next.

    Returns
    -------
    ndarray, (1 + (frames - window) // step, k)
        Sine-shaped modulation of depth m gives m.
    """
    from scipy.signal.windows import hann

    taper = hann(window, sym=False)
    frames = np.lib.stride_tricks.sliding_window_view(envelope, window)[::step]
    mean = (frames @ taper) / taper.sum()
    spectrum = np.abs(np.fft.rfft((frames - mean[:, None]) * taper, axis=1)) ** 2
    spectrum *= (2 / taper.sum()) ** 2 / (window * (taper**2).sum() / taper.sum() ** 2)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(window, 1 / rate), 1e-9))
    inside = np.abs(octaves[:, None] - np.log2(centres)) <= 0.25 + 1e-9
    depth = np.sqrt(spectrum @ inside)
    return depth / np.maximum(mean, 1e-5)[:, None]
