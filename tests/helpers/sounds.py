"""Sounds made for a test."""

from pathlib import Path

import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly

RATE = 16_000


def seconds(duration: float, rate: int = RATE) -> np.ndarray:
    """Times of the samples of `duration` seconds."""
    return np.arange(round(duration * rate)) / rate


def clicks(rate: float, duration: float, first: float = 0.0) -> np.ndarray:
    """Clicks of one sample each, `rate` a second."""
    sound = np.zeros(round(duration * RATE), np.float32)
    sound[np.round(np.arange(first, duration, 1 / rate) * RATE).astype(int)] = 0.9
    return sound


def write(path: Path, sound: np.ndarray, rate: int = RATE, channels: int = 1) -> Path:
    """Write a sound given at 48 kHz or 16 kHz multiples as 16-bit WAV; channels are equal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)
    wavfile.write(path, rate, whole if channels == 1 else np.repeat(whole[:, None], channels, 1))
    return path


def at_rate(sound: np.ndarray, rate: int) -> np.ndarray:
    """A sound of 16 kHz at another rate."""
    divisor = np.gcd(RATE, rate)
    return resample_poly(sound, rate // divisor, RATE // divisor)
