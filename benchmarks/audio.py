"""Auditory spaces against straightforward computations of the same numbers; and their speed.

Each pair is computed in turns from the sound of a real film, in CPU seconds of one thread; a ratio
is that of the medians, after a first turn that doesn't count.

gammatone     each filter of ``scipy.signal.gammatone`` over the whole sound (by FFT), Hilbert
              envelope, mean power in 10 ms. Gate: median difference of the levels below 0.1 dB.
modulation    each filter as a product with the two-dimensional Fourier transform of the whole
              cochleagram, as in the toolbox of Chi et al. Gate: correlation of each filter's
              response (RMS) in time above 0.999.
musicnn       patch by patch, as the package musicnn does: each window of 3 s by itself. Gate:
              1e-5 of each layer's largest value.
acoustics     librosa on the whole sound, each feature from the samples. Gate: correlation above
              0.999 for chroma, centroid and flatness.

The last table says how many seconds of sound each space hears in one CPU second.

    python benchmarks/audio.py
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.signal import fftconvolve, gammatone, hilbert
from threadpoolctl import threadpool_limits

from tristream.config.sources import ArchiveSource
from tristream.features.core import registry
from tristream.features.core.audio.cochlea import HOP, RATE, Bank, cochleagram, erb_spaced
from tristream.features.core.audio.sound_stream import Track, averaged, decibel
from tristream.features.spaces import acoustics, modulation, musicnn
from tristream.features.spaces.modulation.filters import CHANNELS, PER_OCTAVE, tuning
from tristream.features.spaces.musicnn.checkpoint import read_checkpoint
from tristream.features.spaces.musicnn.network import TEMPORAL, Musicnn
from tristream.fetch.archive import fetch_archive
from tristream.media.librosa_loader import load_librosa
from tristream.media.sounds import read_sound

FILM = ArchiveSource(
    package="moviepy",
    version="2.2.1",
    sha256="c80cb56815ece94e5e3e2d361aa40070eeb30a09d23a24c4e684d03e16deacb1",
    members=["docs/_static/medias/getting_started/moviepy_10_minutes/trailer_bbb.mp4"],
)
SPACES = (
    "acoustics",
    "rhythm",
    "gammatone",
    "modulation",
    "wavelets",
    "hilbert_huang",
    "bispectrum",
    "musicnn",
)
Pair = tuple[Callable[[], Any], Callable[[], Any], Callable[[Any, Any], bool]]


def gammatone_pair(sound: np.ndarray) -> Pair:
    """Levels of 64 channels, (frames, channels)."""
    bank = Bank(erb_spaced(50, 7000, 64))
    track = Track.of(sound, RATE)

    def ours() -> np.ndarray:
        return np.concatenate(list(cochleagram(track, bank)))

    def peer() -> np.ndarray:
        columns = []
        for centre, width in zip(bank.centres, bank.bandwidths, strict=True):
            taps, _ = gammatone(centre, "fir", order=4, numtaps=RATE // 4, fs=RATE)
            envelope = np.abs(hilbert(fftconvolve(sound, taps)))
            envelope = envelope[round(3 / (2 * np.pi * width) * RATE) :]
            columns.append(averaged(envelope[: len(sound)] ** 2, HOP))
        return np.asarray(decibel(np.stack(columns, 1)))

    def equal(a: np.ndarray, b: np.ndarray) -> bool:
        heard = b > -70
        error = float(np.median(np.abs(a - b)[heard]))
        print(f"gammatone: median difference {error:.4f} dB")
        return error < 0.1

    return ours, peer, equal


def modulation_pair(sound: np.ndarray) -> Pair:
    """Energies of rates x scales x directions, (steps, filters)."""
    options = modulation.Options()
    filters = options.filters
    track = Track.of(sound, RATE)
    frames = np.concatenate(list(cochleagram(track, modulation._bank(), leak=modulation.LEAK)))
    margin, step = filters.margin, filters.step
    total = len(frames) // step * step
    frames = np.pad(frames[:total], ((margin, margin), (0, 0)), constant_values=modulation.FLOOR)

    def ours() -> np.ndarray:
        return filters.over_bands(filters.energy(frames)).reshape(total // step, -1)

    def peer() -> np.ndarray:
        rate = np.fft.fftfreq(len(frames), 0.01)[:, None]
        scale = np.fft.fftfreq(3 * CHANNELS, 1 / PER_OCTAVE)[None]
        plane = np.fft.fft2(np.pad(frames, ((0, 0), (CHANNELS, CHANNELS)), "edge"))
        columns = []
        for best_rate in filters.rates:
            for best_scale in filters.scales:
                for sign in (-1, 1):
                    gain = tuning(rate, best_rate) * tuning(sign * scale, best_scale)
                    response = np.fft.ifft2(plane * gain)[margin:-margin, CHANNELS:-CHANNELS]
                    columns.append(averaged((np.abs(response) ** 2).mean(1), step))
        return np.stack(columns, 1)

    def equal(a: np.ndarray, b: np.ndarray) -> bool:
        r = [np.corrcoef(np.sqrt(x), np.sqrt(y))[0, 1] for x, y in zip(a.T, b.T, strict=True)]
        print(f"modulation: correlation, worst filter {min(r):.5f}")
        return min(r) > 0.999

    return ours, peer, equal


def musicnn_pair(sound: np.ndarray, weights: Path) -> Pair:
    """All layers of windows 1 s apart."""
    network = Musicnn(read_checkpoint(weights / musicnn.FOLDER))
    track = Track.of(sound, RATE)
    starts = musicnn.window_starts(len(sound), 1.0)

    def heard(some: list[int]) -> torch.Tensor:
        (piece,) = track.segments([musicnn.samples_of(some)])
        return torch.from_numpy(musicnn.log_mel(piece))

    def ours() -> dict[str, torch.Tensor]:
        spectrogram, outputs = heard(starts), []
        for begin in range(0, len(starts), musicnn.BATCH):
            part = starts[begin : begin + musicnn.BATCH]
            outputs.append(
                network.overlapping(spectrogram[part[0] : part[-1] + musicnn.FRAMES], part)
            )
        return {layer: torch.cat([o[layer] for o in outputs]) for layer in outputs[0]}

    @torch.inference_mode()
    def peer() -> dict[str, torch.Tensor]:
        spectrogram = heard(starts)
        patches = torch.stack([spectrogram[s : s + musicnn.FRAMES] for s in starts])
        outputs = [_patches(network, part) for part in patches.split(musicnn.BATCH)]
        return {layer: torch.cat([o[layer] for o in outputs]) for layer in outputs[0]}

    def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
        worst = max(float((a[k] - b[k]).abs().max() / b[k].abs().max()) for k in b)
        print(f"musicnn: largest difference {worst:.1e} of the layer's largest value")
        return worst < 1e-5

    return ours, peer, equal


def _patches(network: Musicnn, windows: torch.Tensor) -> dict[str, torch.Tensor]:
    """The front end as the original has it: every layer of everything, then the maximum."""
    x = network.input(windows[:, None])
    timbral = torch.cat([block(x, 3, 3).amax(3) for block in network.timbral], 1)
    temporal = [
        block(x, (frames - 1) // 2, frames - 1 - (frames - 1) // 2).amax(3)
        for block, (frames, _) in zip(network.temporal, TEMPORAL, strict=True)
    ]
    layers = [torch.cat([timbral, *temporal], 1)]
    for block in network.middle:
        new = block(layers[-1].transpose(1, 2)[:, None], 3, 3)[..., 0]
        layers.append(new if len(layers) == 1 else new + layers[-1])
    return {
        "timbral": timbral.transpose(1, 2),
        **{f"cnn{i}": layers[i].transpose(1, 2) for i in (1, 2, 3)},
    }


def acoustics_pair(path: Path) -> Pair:
    """MFCC with deltas, chroma, centroid, contrast, flatness, RMS."""
    layers = ("logmel", "mfcc", "chroma", "centroid", "contrast", "flatness", "rms")
    options = acoustics.Options()

    def ours() -> dict[str, np.ndarray]:
        blocks = list(acoustics.acoustics(path, layers, options, None, "cpu"))
        return {layer: np.concatenate([b[layer].values for b in blocks]) for layer in layers}

    def peer() -> dict[str, np.ndarray]:
        y, found = read_sound(path, RATE), load_librosa().feature
        common: dict[str, Any] = {"y": y, "sr": RATE, "hop_length": 160}
        mfcc = found.mfcc(**common, n_fft=1024, n_mels=64, n_mfcc=13)
        parts = {
            "logmel": load_librosa().power_to_db(
                found.melspectrogram(**common, n_fft=1024, n_mels=64)
            ),
            "mfcc": np.concatenate([mfcc, found.delta(mfcc), found.delta(mfcc, order=2)]),
            "chroma": found.chroma_stft(**common, n_fft=4096, tuning=0),
            "centroid": found.spectral_centroid(**common, n_fft=1024),
            "contrast": found.spectral_contrast(**common, n_fft=1024),
            "flatness": found.spectral_flatness(y=y, n_fft=1024, hop_length=160),
            "rms": found.rms(y=y, frame_length=1024, hop_length=160),
        }
        return {layer: averaged(part.T, 10) for layer, part in parts.items()}

    def equal(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
        r = {
            layer: np.corrcoef(a[layer][:, at], b[layer][: len(a[layer]), at])[0, 1]
            for layer, at in (("centroid", 0), ("chroma", 0), ("flatness", 0))
        }
        print("acoustics: correlation " + ", ".join(f"{k} {v:.5f}" for k, v in r.items()))
        return min(r.values()) > 0.999

    return ours, peer, equal


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds, and what was computed."""
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def compare(name: str, pair: Pair, repeats: int) -> bool:
    """Run a pair in turns, print its ratio, say whether the gate holds."""
    ours, peer, equal = pair
    seconds: list[tuple[float, float]] = []
    for _ in range(repeats + 1):
        (mine, a), (theirs, b) = timed(ours), timed(peer)
        seconds.append((mine, theirs))
    mine, theirs = np.median(seconds[1:], axis=0)
    holds = equal(a, b)
    print(f"{name}: CPU seconds: ours {mine:.2f}, peer {theirs:.2f}")
    print(f"RATIO {name}={theirs / mine:.2f}")
    return holds


def table(path: Path, weights: Path, seconds: float) -> None:
    """Seconds of sound that each space hears in one CPU second, default layers."""
    print("space: seconds of sound per CPU second")
    for name in SPACES:
        found = registry.get(name)
        options = found.options()
        layers = found.default_of(options, None)
        taken, _ = timed(
            lambda f=found, o=options, k=layers: list(f(path, k, o, weights, "cpu"))  # type: ignore[misc]
        )
        print(f"  {name:14} {seconds / taken:6.0f}   {', '.join(layers)}")


def main() -> int:
    """Run all pairs; the exit status says whether the gates hold."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("data"), help="cache of downloads")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the film")
    parser.add_argument("--repeats", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    root, files = fetch_archive(FILM, args.data)
    path = root / files[0].path
    weights, _ = fetch_archive(registry.get("musicnn").weights, args.data)  # type: ignore[arg-type]
    sound = read_sound(path, RATE, 0, args.seconds)
    with threadpool_limits(1):
        holds = [
            compare("gammatone", gammatone_pair(sound), args.repeats),
            compare("modulation", modulation_pair(sound), args.repeats),
            compare("acoustics", acoustics_pair(path), args.repeats),
            compare("musicnn", musicnn_pair(sound, weights), args.repeats),
        ]
        table(path, weights, read_sound(path, 100).size / 100)
    return int(not all(holds))


if __name__ == "__main__":
    sys.exit(main())
