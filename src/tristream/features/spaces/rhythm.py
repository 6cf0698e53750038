"""Onsets, tempo and beat."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tristream.config.base import Section
from tristream.features.core.audio.short_time import FRAMES, HOP, RATE, STEP, sample_times, spectra
from tristream.features.core.audio.sound_stream import Track, averaged, overlapping
from tristream.features.core.previews import waveform
from tristream.features.core.registry import Block, extractor
from tristream.media.librosa_loader import load_librosa

N_MELS = 64
WINDOW = 800
"""Frames that tempo is estimated from: 8 s."""
CHUNK = 6000
NAMES = {
    "onset": ["onset strength"],
    "tempo": ["beats per minute", "pulse clarity"],
    "beat": ["beat", "phase, sine", "phase, cosine"],
}


class Options(Section):
    """Options of the extractor."""

    tempo: float = Field(default=120.0, ge=30, le=300, description="likeliest tempo, in bpm")


@extractor(
    "rhythm",
    media="sound",
    layers=("onset", "tempo", "beat"),
    options=Options,
    names=lambda layer, options, p: NAMES[layer],
    window=lambda layer, options: (WINDOW if layer == "tempo" else FRAMES) * HOP / RATE,
    preview=waveform(lambda options: RATE),
    methods=(
        "onset strength, local tempo and beats of the sound [@ellis2007], computed with librosa "
        "[@mcfee2015]"
    ),
    stream="auditory",
)
def rhythm(
    path: Path, layers: tuple[str, ...], options: Options, weights: Path | None, device: str
) -> Iterator[dict[str, Block]]:
    """Onset strength, local tempo and beats (librosa) at 10 Hz.

    ``onset``: rise of the mel bands' levels (dB in 10 ms). ``tempo``: the likeliest tempo of 8 s
    around, and how periodic they are (0 to 1). ``beat``: whether a beat falls into the sample, and
    the phase between beats. The onsets of the whole sound (0.4 MB per 10 min) are held.

    References
    ----------
    Ellis D (2007). Beat tracking by dynamic programming. J New Music Research 36. Tempo from the
    autocorrelation: Grosche P et al. (2010), ICASSP.
    """
    track = Track.open(path, RATE, STEP / RATE)
    onsets = np.concatenate(list(onset_strength(track)))
    times = sample_times(len(onsets) // FRAMES)
    values = {"onset": averaged(onsets[:, None], FRAMES)}
    if {"tempo", "beat"} & set(layers):
        values["tempo"] = np.concatenate(list(local_tempo(onsets, options)))
    if "beat" in layers:
        values["beat"] = beat_phase(beats(onsets, values["tempo"][:, 0]), times)
    yield {layer: Block(values[layer].astype(np.float32), times) for layer in layers}


def onset_strength(track: Track, chunk: float = 60.0) -> Iterator[NDArray]:
    """Mean rise of the mel bands from frame to frame, in dB.

    Yields
    ------
    ndarray of float32, (frames,)
        At 100 Hz.
    """
    librosa = load_librosa()
    for frames in spectra(track, N_MELS, chunk, margin=1):
        found = librosa.onset.onset_strength(
            S=frames.levels[:, :N_MELS].T, sr=RATE, hop_length=HOP, center=False
        )
        yield found[frames.inner].astype(np.float32)


def local_tempo(onsets: NDArray, options: Options, chunk: int = CHUNK) -> Iterator[NDArray]:
    """Tempo in beats per minute and its clarity, of the window around each sample.

    Parameters
    ----------
    onsets : ndarray, (frames,)
    chunk : int
        Frames a piece; whole samples.

    Yields
    ------
    ndarray, (samples, 2)
    """
    librosa = load_librosa()
    half = WINDOW // 2
    for piece in overlapping(iter([onsets]), len(onsets), chunk, half, half):
        windows = np.lib.stride_tricks.sliding_window_view(piece, WINDOW)[FRAMES // 2 :: FRAMES]
        windows = (windows - windows.mean(1, keepdims=True)) * np.hanning(WINDOW)
        found = np.maximum(librosa.autocorrelate(windows, axis=1).T, 0)
        found /= np.maximum(found[0], 1e-6)
        bpm = librosa.feature.tempo(
            tg=found, sr=RATE, hop_length=HOP, start_bpm=options.tempo, aggregate=None
        )
        lag = np.round(60 * RATE / HOP / bpm).astype(int)
        clarity = found[lag, np.arange(len(lag))]
        yield np.stack([bpm, clarity], 1)


def beats(onsets: NDArray, tempo: NDArray) -> NDArray:
    """Times of beats in seconds; none in silence.

    Parameters
    ----------
    onsets : ndarray, (frames,)
    tempo : ndarray, (samples,)
        Beats per minute.
    """
    librosa = load_librosa("beat")
    _, found = librosa.beat.beat_track(
        onset_envelope=onsets,
        sr=RATE,
        hop_length=HOP,
        bpm=np.repeat(tempo, FRAMES)[: len(onsets)],
        units="time",
    )
    return np.asarray(found, np.float64)


def beat_phase(found: NDArray, times: NDArray) -> NDArray:
    """Beat, sine and cosine of the phase at each sample; zeros before the first and after the last.

    Parameters
    ----------
    found : ndarray, (beats,)
        Seconds.
    times : ndarray, (samples,)

    Returns
    -------
    ndarray, (samples, 3)
    """
    half = STEP / RATE / 2
    values = np.zeros((len(times), 3))
    edges = np.append(times - half, times[-1] + half)
    values[:, 0] = np.histogram(found, edges)[0] > 0
    if len(found) > 1:
        phase = 2 * np.pi * np.interp(times, found, np.arange(len(found)))
        between = (times >= found[0]) & (times <= found[-1])
        values[between, 1] = np.sin(phase[between])
        values[between, 2] = np.cos(phase[between])
    return values
