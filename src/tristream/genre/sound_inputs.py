"""What the networks hear: windows of a sound, and what each becomes.

A window is computed from its own samples alone, so that training and extraction give a network the
same values, wherever in a sound the window lies.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tristream.media.librosa_loader import load_librosa

RATE = 22_050
"""Hz, that of GTZAN."""
N_FFT = 2048
HOP = 512
MEL_BANDS = 64
MFCC = 13
FLOOR = 1e-10

Floats = NDArray[np.float32]


def window_samples(frames: int) -> int:
    """Samples of a window of so many spectra."""
    return (frames - 1) * HOP + N_FFT


def window_seconds(frames: int) -> float:
    """Seconds that a window spans."""
    return window_samples(frames) / RATE


def window_starts(samples: int, frames: int, step: float) -> list[int]:
    """First sample of each window, `step` seconds apart, all within the sound.

    A sound that is shorter than a window gives one, which silence fills.
    """
    last = max(samples - window_samples(frames), 0)
    stride = max(round(step * RATE), 1)
    return list(range(0, last + 1, stride))


def windows_of(sound: Floats, frames: int, step: float) -> list[Floats]:
    """The windows of a sound in memory, (samples,) each."""
    size = window_samples(frames)
    padded = np.pad(sound, (0, max(size - len(sound), 0)))
    return [padded[start : start + size] for start in window_starts(len(sound), frames, step)]


def descriptors(window: Floats) -> Floats:
    """33 descriptors of each spectrum, by librosa.

    Parameters
    ----------
    window : ndarray of float32, (samples,)
        Mono, 22,050 Hz.

    Returns
    -------
    ndarray of float32, (frames, 33)
        13 mel-frequency cepstral coefficients, the spectral centroid (Hz), 12 pitch classes, 7
        values of spectral contrast (dB).
    """
    librosa = load_librosa()
    magnitude = _spectrum(window)
    power = magnitude**2
    mel = librosa.feature.melspectrogram(S=power, sr=RATE)
    parts = [
        librosa.feature.mfcc(S=_decibel(mel), n_mfcc=MFCC),
        librosa.feature.spectral_centroid(S=magnitude, sr=RATE),
        # librosa would estimate how the window is tuned, each anew.
        librosa.feature.chroma_stft(S=power, sr=RATE, tuning=0.0),
        librosa.feature.spectral_contrast(S=magnitude, sr=RATE),
    ]
    return np.concatenate(parts).T.astype(np.float32)


def log_mel(window: Floats) -> Floats:
    """Mel bands in dB.

    Parameters
    ----------
    window : ndarray of float32, (samples,)
        Mono, 22,050 Hz.

    Returns
    -------
    ndarray of float32, (frames, 64)
    """
    librosa = load_librosa()
    power = _spectrum(window) ** 2
    mel = librosa.feature.melspectrogram(S=power, sr=RATE, n_mels=MEL_BANDS)
    return _decibel(mel).T.astype(np.float32)


def _spectrum(window: Floats) -> NDArray[np.floating]:
    librosa = load_librosa()
    return np.abs(librosa.stft(window, n_fft=N_FFT, hop_length=HOP, center=False))


def _decibel(power: NDArray[np.floating]) -> NDArray[np.floating]:
    return 10 * np.log10(np.maximum(power, FLOOR))


INPUTS: dict[str, tuple[Callable[[Floats], Floats], int]] = {
    "descriptors": (descriptors, 33),
    "log_mel": (log_mel, MEL_BANDS),
}
"""Name to function of a window, and its columns."""
