"""Descriptors of the short-time spectrum: what the sound is like."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from tristream.config.base import Section
from tristream.features.core.audio.short_time import (
    CARRIERS,
    FRAMES,
    HOP,
    N_FFT,
    RATE,
    STEP,
    Frames,
    sample_times,
    spectra,
)
from tristream.features.core.audio.sound_stream import Track, averaged, decibel
from tristream.features.core.registry import Block, Preview, extractor
from tristream.features.spaces.acoustics import descriptors as describe
from tristream.media.librosa_loader import load_librosa

MODULATIONS = ((1.0, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, 16.0))
"""Hz; one octave each."""
MODULATION_WINDOW = 1.0
RMS_WINDOW = 400
"""Frames of the envelope's spectrum: 4 s."""
RMS_RATES = 2.0 ** (np.arange(11) / 2)
"""Hz, 1 to 32."""
CHROMA_FFT = 4096
MARGINS = {"mfcc": 4, "rms_spectrum": 200, "chroma": 10, "harmonic_percussive": 15}
"""Neighbouring frames that a layer needs."""


def envelope(carriers: np.ndarray) -> np.ndarray:
    """Level of each carrier band at 10 Hz, and how strongly it fluctuates at slow rates.

    The modulation of a carrier is the RMS, over 1 s, of its level (in dB, 100 Hz) band-passed to
    one octave of modulation rates (second-order Butterworth, forwards and backwards): a coarse
    modulation transfer function.

    Parameters
    ----------
    carriers : ndarray of shape (n * FRAMES, 5)
        Levels in dB at 100 Hz, from :func:`levels`.

    Returns
    -------
    ndarray of shape (n, 25)
        Columns as in :func:`column_names`.
    """
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import butter, sosfiltfilt

    rate = RATE / HOP
    columns = [averaged(carriers, FRAMES)]
    for low, high in MODULATIONS:
        filter_ = butter(2, (low, high), "bandpass", fs=rate, output="sos")
        padding = min(len(carriers) - 1, round(3 * rate / low))
        fluctuation = sosfiltfilt(filter_, carriers, axis=0, padtype="even", padlen=padding)
        power = uniform_filter1d(
            fluctuation**2, round(MODULATION_WINDOW * rate), axis=0, mode="nearest"
        )
        columns.append(np.sqrt(np.maximum(averaged(power, FRAMES), 0)))
    return np.concatenate(columns, axis=1).astype(np.float32)


class Options(Section):
    """Options of the extractor."""

    n_mels: int = Field(default=64, ge=4, le=96, description="mel bands up to 8 kHz")
    n_mfcc: int = Field(default=13, ge=2, le=40, description="cepstral coefficients")

    @model_validator(mode="after")
    def _fewer(self) -> "Options":
        if self.n_mfcc > self.n_mels:
            raise ValueError("n_mfcc is above n_mels")
        return self


def column_names(layer: str, options: Options, p: int) -> list[str]:
    """What each column of a layer is."""
    if layer == "logmel":
        librosa = load_librosa()
        centres = librosa.mel_frequencies(options.n_mels + 2, fmax=RATE / 2)[1:-1]
        return [f"{f:.0f} Hz" for f in centres]
    if layer == "mfcc":
        kinds = ("c{}", "delta c{}", "delta delta c{}")
        return [kind.format(i) for kind in kinds for i in range(options.n_mfcc)]
    if layer == "envelope":
        carriers = ["whole sound"] + [f"{low:.0f}-{high:.0f} Hz" for low, high in CARRIERS[1:]]
        rates = [f"{low:.0f}-{high:.0f} Hz modulation" for low, high in MODULATIONS]
        return carriers + [f"{c}, {r}" for r in rates for c in carriers]
    return {
        "chroma": ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"],
        "contrast": ["below 200 Hz"] + [f"{200 * 2**i}-{400 * 2**i} Hz" for i in range(6)],
        "rms_spectrum": [f"{rate:.3g} Hz" for rate in RMS_RATES],
        "harmonic_percussive": ["harmonic", "percussive"],
    }.get(layer, [layer])


def _preview(path: Path, options: Options, at: float, folder: Path | None) -> Preview:
    """Mel bands at 100 Hz, 2 s around `at`, before they are averaged."""
    from tristream.media.media_contents import media_info
    from tristream.media.sounds import read_sound

    end = media_info(path).duration
    first, stop = max(round(at - 1, 1), 0.0), min(round(at + 1, 1), end)
    # A tenth of a second more on both sides: a cut through the sound is heard at all frequencies.
    before = min(first, 0.1)
    track = Track.of(read_sound(path, RATE, first - before, min(stop + 0.1, end)), RATE)
    levels = np.concatenate([f.levels[f.inner] for f in spectra(track, options.n_mels)])
    skipped, count = round(before * RATE / HOP), round((stop - first) * RATE / HOP)
    levels = levels[skipped : skipped + count, : options.n_mels]
    what = f"{options.n_mels} mel bands up to 8 kHz, dB"
    return Preview(levels.T, first, first + len(levels) * HOP / RATE, what)


@extractor(
    "acoustics",
    media="sound",
    layers=(
        "logmel",
        "envelope",
        "mfcc",
        "rms",
        "rms_spectrum",
        "chroma",
        "centroid",
        "contrast",
        "flatness",
        "zero_crossing",
        "harmonic_percussive",
    ),
    default=("logmel", "envelope"),
    options=Options,
    names=column_names,
    window=lambda layer, options: (RMS_WINDOW if layer == "rms_spectrum" else FRAMES) * HOP / RATE,
    preview=_preview,
    methods=(
        "descriptors of the short-time spectrum of the sound at 10 Hz, computed with librosa "
        "[@mcfee2015]"
    ),
    stream="auditory",
)
def acoustics(
    path: Path, layers: tuple[str, ...], options: Options, weights: Path | None, device: str
) -> Iterator[dict[str, Block]]:
    """Descriptors of the short-time spectrum at 10 Hz: mel bands, levels, cepstrum, chroma.

    ``logmel``: mel bands (dB). ``envelope``: level of five bands and its slow modulations (dB).
    ``mfcc``: cepstral coefficients with deltas. ``rms``: level (dB); ``rms_spectrum``: depth of
    the amplitude's modulations, 1 to 32 Hz, in windows of 4 s. ``chroma``: pitch classes.
    ``centroid`` (Hz), ``contrast`` (dB, by octave), ``flatness`` (0 tone, 1 noise) of the
    spectrum. ``zero_crossing``: crossings a sample. ``harmonic_percussive``: levels (dB) of the
    two parts.
    """
    track = Track.open(path, RATE, STEP / RATE)
    times = sample_times(track.samples // STEP)
    margin = max(MARGINS.get(layer, 0) for layer in layers)
    carriers: list[np.ndarray] = []
    done = 0
    for frames in spectra(track, options.n_mels, margin=margin):
        stop = done + frames.count // FRAMES
        given = {
            layer: Block(DESCRIPTORS[layer](frames, options).astype(np.float32), times[done:stop])
            for layer in layers
            if layer != "envelope"
        }
        if "envelope" in layers:
            carriers.append(frames.levels[frames.inner, options.n_mels :].astype(np.float32))
            # Its filters run forwards and backwards: it is given when all is heard.
            whole = stop == len(times)
            values = envelope(np.concatenate(carriers)) if whole else np.zeros((0, 25))
            given["envelope"] = Block(values, times[: len(values)])
        yield given
        done = stop


def _logmel(frames: Frames, options: Options) -> np.ndarray:
    return frames.own(frames.levels[:, : options.n_mels])


def _mfcc(frames: Frames, options: Options) -> np.ndarray:
    return frames.own(describe.cepstrum(frames.levels[:, : options.n_mels], options.n_mfcc))


def _rms(frames: Frames, options: Options) -> np.ndarray:
    return frames.own(frames.levels[:, options.n_mels, None])


def _rms_spectrum(frames: Frames, options: Options) -> np.ndarray:
    """Windows around each sample; at the ends of the sound they are filled by its mirror image."""
    amplitude = 10 ** (frames.levels[:, options.n_mels] / 20)
    before = RMS_WINDOW // 2 - FRAMES // 2 - frames.inner.start
    after = RMS_WINDOW // 2 + FRAMES // 2 - FRAMES - (len(amplitude) - frames.inner.stop)
    amplitude = np.pad(amplitude[max(-before, 0) :], (max(before, 0), max(after, 0)), "symmetric")
    depth = describe.modulation_depth(amplitude, RATE / HOP, RMS_RATES, RMS_WINDOW, FRAMES)
    return depth[: frames.count // FRAMES]


def _chroma(frames: Frames, options: Options) -> np.ndarray:
    librosa = load_librosa()
    first = frames.around - CHROMA_FFT // 2
    piece = frames.sound[first : first + (frames.count - 1) * HOP + CHROMA_FFT]
    spectrum = librosa.stft(piece, n_fft=CHROMA_FFT, hop_length=HOP, center=False)
    return averaged(describe.chroma(np.abs(spectrum) ** 2, RATE, CHROMA_FFT), FRAMES)


def _centroid(frames: Frames, options: Options) -> np.ndarray:
    librosa = load_librosa()
    magnitude = np.sqrt(frames.power[:, frames.inner])
    return averaged(librosa.feature.spectral_centroid(S=magnitude, sr=RATE).T, FRAMES)


def _contrast(frames: Frames, options: Options) -> np.ndarray:
    return averaged(describe.contrast(frames.power[:, frames.inner], RATE), FRAMES)


def _flatness(frames: Frames, options: Options) -> np.ndarray:
    librosa = load_librosa()
    magnitude = np.sqrt(frames.power[:, frames.inner])
    return averaged(librosa.feature.spectral_flatness(S=magnitude).T, FRAMES)


def _zero_crossing(frames: Frames, options: Options) -> np.ndarray:
    librosa = load_librosa()
    first = frames.around - HOP // 2
    piece = frames.sound[first - 1 : first + frames.count * HOP]
    crossings = librosa.zero_crossings(piece, pad=False)[1:].astype(np.float32)
    return averaged(crossings[:, None], STEP)


def _harmonic_percussive(frames: Frames, options: Options) -> np.ndarray:
    parts = describe.harmonic_percussive(frames.power)
    return frames.own(np.stack([decibel(part.mean(0) / N_FFT) for part in parts], 1))


DESCRIPTORS: dict[str, Callable[[Frames, Options], np.ndarray]] = {
    "logmel": _logmel,
    "mfcc": _mfcc,
    "rms": _rms,
    "rms_spectrum": _rms_spectrum,
    "chroma": _chroma,
    "centroid": _centroid,
    "contrast": _contrast,
    "flatness": _flatness,
    "zero_crossing": _zero_crossing,
    "harmonic_percussive": _harmonic_percussive,
}
