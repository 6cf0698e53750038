"""Log-mel spectrogram, and loudness with its slow modulations: what the sound is like."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from tristream.config.base import Section
from tristream.errors import UserError
from tristream.features.registry import Block, extractor

RATE = 16_000
N_FFT = 1024
HOP = 160
FRAMES = 10
"""STFT frames averaged into one output sample: 10 Hz."""
FLOOR = 1e-8
"""Smallest power, relative to a full-scale sine: -80 dB."""
CARRIERS = ((20.0, 8000.0), (50.0, 250.0), (250.0, 1000.0), (1000.0, 4000.0), (4000.0, 8000.0))
"""Hz; the first is the whole sound."""
MODULATIONS = ((1.0, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, 16.0))
"""Hz; one octave each."""
MODULATION_WINDOW = 1.0


@dataclass(frozen=True)
class Levels:
    """Levels of a sound in dB, relative to a full-scale sine.

    Attributes
    ----------
    mel : ndarray of shape (n, n_mels)
        Mel bands, averaged to 10 Hz.
    carriers : ndarray of shape (n * FRAMES, 5)
        The bands of ``CARRIERS`` at 100 Hz.
    times : ndarray of shape (n,)
        Centre of each 10 Hz sample in seconds.
    """

    mel: np.ndarray
    carriers: np.ndarray
    times: np.ndarray


def levels(sound: np.ndarray, n_mels: int = 64, chunk: float = 60.0) -> Levels:
    """Short-time spectrum in mel bands and in carrier bands, in dB.

    The sound is worked on in overlapping chunks, so that memory does not grow with its length;
    the numbers do not depend on `chunk`. Each STFT frame stands at a multiple of 10 ms, zeros
    stand before and after the sound; a last stretch shorter than 100 ms is left out.

    Parameters
    ----------
    sound : ndarray of shape (samples,)
        Mono, at 16 kHz, full scale 1.
    n_mels : int
        Number of mel bands (Slaney's scale, triangles of unit height) up to 8 kHz.
    chunk : float
        Seconds of sound per chunk.
    """
    import librosa

    n = len(sound) // (HOP * FRAMES)
    window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    mel = librosa.filters.mel(sr=RATE, n_fft=N_FFT, n_mels=n_mels, norm=None)
    bands = np.concatenate([mel * (4 / window.sum() ** 2), _carrier_filters(window)])
    padded = np.pad(np.asarray(sound, np.float32), N_FFT // 2)
    parts_mel, parts_carriers = [], []
    for start, stop in _chunks(n, round(chunk * RATE / (HOP * FRAMES))):
        piece = padded[start * FRAMES * HOP : (stop * FRAMES - 1) * HOP + N_FFT]
        spectrum = librosa.stft(
            piece, n_fft=N_FFT, hop_length=HOP, window=window, center=False, pad_mode="constant"
        )
        decibel = 10 * np.log10(np.maximum(bands @ np.abs(spectrum) ** 2, FLOOR)).T
        parts_mel.append(decibel[:, :n_mels].reshape(-1, FRAMES, n_mels).mean(1))
        parts_carriers.append(decibel[:, n_mels:])
    times = (np.arange(n) * FRAMES + (FRAMES - 1) / 2) * HOP / RATE
    return Levels(
        np.concatenate(parts_mel).astype(np.float32),
        np.concatenate(parts_carriers).astype(np.float32),
        times,
    )


def envelope(carriers: np.ndarray) -> np.ndarray:
    """Level of each carrier band at 10 Hz, and how strongly it fluctuates at slow rates.

    The modulation of a carrier is the RMS, over 1 s, of its level (in dB, 100 Hz) band-passed to
    one octave of modulation rates (second-order Butterworth, forwards and backwards): a coarse
    modulation transfer function.

    Parameters
    ----------
    carriers : ndarray of shape (n * FRAMES, 5)
        From :func:`levels`.

    Returns
    -------
    ndarray of shape (n, 25)
        Columns as in :func:`column_names`.
    """
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import butter, sosfiltfilt

    rate = RATE / HOP
    columns = [_average(carriers)]
    for low, high in MODULATIONS:
        filter_ = butter(2, (low, high), "bandpass", fs=rate, output="sos")
        padding = min(len(carriers) - 1, round(3 * rate / low))
        fluctuation = sosfiltfilt(filter_, carriers, axis=0, padtype="even", padlen=padding)
        power = uniform_filter1d(
            fluctuation**2, round(MODULATION_WINDOW * rate), axis=0, mode="nearest"
        )
        columns.append(np.sqrt(np.maximum(_average(power), 0)))
    return np.concatenate(columns, axis=1).astype(np.float32)


class Options(Section):
    """Options of the extractor."""

    n_mels: int = Field(default=64, ge=4, le=96, description="mel bands up to 8 kHz")


def column_names(layer: str, options: Options, p: int) -> list[str]:
    """Centre frequency of each mel band; carrier and rate of each column of the envelope."""
    if layer == "logmel":
        import librosa

        centres = librosa.mel_frequencies(options.n_mels + 2, fmax=RATE / 2)[1:-1]
        return [f"{f:.0f} Hz" for f in centres]
    carriers = ["whole sound"] + [f"{low:.0f}-{high:.0f} Hz" for low, high in CARRIERS[1:]]
    rates = [f"{low:.0f}-{high:.0f} Hz modulation" for low, high in MODULATIONS]
    return carriers + [f"{c}, {r}" for r in rates for c in carriers]


@extractor(
    "acoustics",
    media="sound",
    layers=("logmel", "envelope"),
    options=Options,
    names=column_names,
    window=lambda layer, options: FRAMES * HOP / RATE,
)
def acoustics(
    path: Path, layers: tuple[str, ...], options: Options, weights: Path | None, device: str
) -> Iterator[dict[str, Block]]:
    """Log-mel spectrogram; level and slow modulation of five bands; both at 10 Hz."""
    from tristream.stimuli.media import read_sound

    sound = read_sound(path, RATE)
    if len(sound) < HOP * FRAMES:
        raise UserError(f"{path}: its sound is shorter than 0.1 s; remove it from the stimuli")
    found = levels(sound, options.n_mels)
    values = {"logmel": lambda: found.mel, "envelope": lambda: envelope(found.carriers)}
    yield {layer: Block(values[layer](), found.times) for layer in layers}


def _carrier_filters(window: np.ndarray) -> np.ndarray:
    """Sum of power over each carrier band, as mean square relative to a full-scale sine."""
    frequencies = np.arange(N_FFT // 2 + 1) * RATE / N_FFT
    filters = np.stack([(frequencies >= low) & (frequencies < high) for low, high in CARRIERS])
    return (filters * (4 / (N_FFT * (window**2).sum()))).astype(np.float32)


def _chunks(n: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n, size):
        yield start, min(start + size, n)


def _average(frames: np.ndarray) -> np.ndarray:
    return frames.reshape(-1, FRAMES, frames.shape[1]).mean(1)
