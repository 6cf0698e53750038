"""Prints of what is heard: the fine structure of the spectrum on a logarithmic frequency axis.

On that axis a change of pitch is a shift, so a transposed copy is found by sliding one print over
the other, as in cover-song and fingerprint retrieval (Fenet et al. 2011, "A scalable
audio fingerprint method with robustness to pitch-shifting", ISMIR).
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import uniform_filter1d

from tristream.media.sounds import sound
from tristream.stimuli.sequences import TRAIN_RATE, Bools, Floats, Likeness

RATE = 11024  # Hz; a whole number of samples per print
HOP = RATE // TRAIN_RATE
FFT = 2048
SPECTRA = 3  # averaged for one print
BANDS_PER_OCTAVE = 24
BANDS = 128
LOWEST_HZ = 110.0
STEPS_PER_SEMITONE = BANDS_PER_OCTAVE // 12
LARGEST_SHIFT = 2 * STEPS_PER_SEMITONE + 1  # bands: two semitones and a quarter tone
# Below the loud parts (95th percentile) by more than this is silence (dB).
SILENCE_DB = 60.0
# A sound that is quieter throughout than this is silence too (dB re full scale).
FLOOR_DB = -110.0


def sound_prints(path: Path) -> tuple[Floats, Bools]:
    """Print a sound, `TRAIN_RATE` times a second.

    Returns
    -------
    values : ndarray of float32, (n, 128)
        Log energy in bands of half a semitone, relative to the octave around each band.
    informative : ndarray of bool, (n,)
        False in silence.
    """
    energy = np.concatenate([_energies(part) for part in _parts(path)])
    if not len(energy):
        return energy, np.zeros(0, bool)
    level = 10 * np.log10(energy.mean(axis=1) + 1e-20)
    loud = np.percentile(level, 95)
    informative = level > max(loud - SILENCE_DB, FLOOR_DB)
    # The floor keeps quantisation noise from looking like structure.
    spectrum = np.log(energy + 1e-6 * 10 ** (max(loud, FLOOR_DB) / 10))
    fine = spectrum - uniform_filter1d(spectrum, BANDS_PER_OCTAVE, axis=1, mode="nearest")
    return fine.astype(np.float32), informative


def _parts(path: Path, prints: int = 64) -> Iterator[Floats]:
    """Segments of `prints` hops, each with the surroundings that its spectra need."""
    margin = np.zeros(FFT // 2, np.float32)
    length = prints * HOP
    kept = margin
    for chunk in sound(path, RATE):
        kept = np.concatenate([kept, chunk])
        while len(kept) >= length + 2 * len(margin):
            yield kept[: length + 2 * len(margin)]
            kept = kept[length:]
    hops = max((len(kept) - len(margin)) // HOP, 0)
    kept = np.concatenate([kept, margin])
    yield kept[: hops * HOP + 2 * len(margin)]


def _energies(part: Floats) -> Floats:
    """Energy per band of each hop in `part`: (hops, BANDS)."""
    hops = (len(part) - FFT) // HOP
    out = np.zeros((hops, BANDS), np.float32)
    for index in range(SPECTRA):
        first = round((index + 0.5) / SPECTRA * HOP)
        starts = first + HOP * np.arange(hops)
        pieces = part[starts[:, None] + np.arange(FFT)] * _WINDOW
        out += np.abs(np.fft.rfft(pieces, axis=1)).astype(np.float32) ** 2 @ _FILTERS.T / SPECTRA
    return out


def _filters() -> Floats:
    """Triangles around the bands' centres, at least three FFT bins wide."""
    frequencies = np.fft.rfftfreq(FFT, 1 / RATE)
    centres = LOWEST_HZ * 2 ** (np.arange(-1, BANDS + 1) / BANDS_PER_OCTAVE)
    width = np.maximum(centres[2:] - centres[:-2], 3 * RATE / FFT)
    distance = np.abs(frequencies[None, :] - centres[1:-1, None])
    triangles = np.maximum(0, 1 - distance / (width[:, None] / 2))
    return (triangles / triangles.sum(axis=1, keepdims=True)).astype(np.float32)


# Normalised so that a full-scale sine has energy of about 1.
_WINDOW = (np.hanning(FFT) * 4 / FFT).astype(np.float32)
_FILTERS = _filters()


def _slid(steps: int) -> Callable[[Floats], Floats]:
    """The bands that stand `steps` above the middle ones."""

    def slide(values: Floats) -> Floats:
        return values[:, LARGEST_SHIFT + steps : BANDS - LARGEST_SHIFT + steps]

    return slide


def _named(steps: int) -> str:
    return f"pitch {-steps / STEPS_PER_SEMITONE:+g} semitones" if steps else "as it is"


_MIDDLE = _slid(0)
LIKENESS = Likeness(
    # The test sound against the training sound raised or lowered by quarter tones.
    variants=tuple(
        (_named(steps), _slid(steps), _MIDDLE) for steps in range(-LARGEST_SHIFT, LARGEST_SHIFT + 1)
    ),
    threshold=0.57,
    false_alarms=(0, 1540),
)
"""Measured by benchmarks/leakage.py."""
