"""Layers of musicnn, a convolutional network trained to tag music (MagnaTagATune).

References
----------
Pons J, Serra X (2019). musicnn: pre-trained convolutional neural networks for music audio
tagging. arXiv:1909.06654.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from tristream.config.base import Section
from tristream.config.sources import ArchiveSource
from tristream.errors import UserError
from tristream.features.core.audio.sound_stream import Track
from tristream.features.core.registry import Block, Preview, extractor, numbered
from tristream.media.librosa_loader import load_librosa

if TYPE_CHECKING:
    import torch

RATE = 16_000
N_FFT = 512
HOP = 256
FRAMES = 187
"""Frames of the windows that the network was trained on: 3 s."""
FOLDER = "musicnn/MTT_musicnn"
BATCH = 4
CHUNK = 60
LAYERS = (
    "timbral",
    "temporal",
    "cnn1",
    "cnn2",
    "cnn3",
    "mean_pool",
    "max_pool",
    "penultimate",
    "tags",
)


class Options(Section):
    """Options of the extractor."""

    hop: float = Field(default=1.0, ge=0.1, description="seconds between windows of 3 s")


def _names(layer: str, options: Options, p: int) -> list[str]:
    if layer != "tags":
        return numbered(layer, options, p)
    from tristream.features.spaces.musicnn.network import TAGS

    return list(TAGS)


def _preview(path: Path, options: Options, at: float, folder: Path | None) -> Preview:
    """The log-mel spectrogram of the window that is nearest to `at`."""
    track = Track.open(path, RATE)
    start = min(window_starts(track.samples, options.hop), key=lambda s: abs(_centre(s) - at))
    centre, half = _centre(start), FRAMES * HOP / RATE / 2
    window = log_mel(next(track.segments([samples_of([start])]))).T
    return Preview(window, centre - half, centre + half, "96 mel bands, log power, 3 s")


def _centre(start: int) -> float:
    """Seconds at which the middle of a window stands that begins at spectrogram frame `start`."""
    return (start + (FRAMES - 1) / 2) * HOP / RATE


@extractor(
    "musicnn",
    media="sound",
    layers=LAYERS,
    default=("timbral", "cnn3", "penultimate"),
    options=Options,
    weights=ArchiveSource(
        package="musicnn",
        version="0.1.0",
        sha256="f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa",
        form="wheel",
        members=[f"{FOLDER}/.index", f"{FOLDER}/.data-00000-of-00001"],
        licence="ISC",
        credit="musicnn (c) 2019 Music Technology Group, Universitat Pompeu Fabra (Jordi Pons)",
    ),
    names=_names,
    window=lambda layer, options: FRAMES * HOP / RATE,
    preview=_preview,
    methods="activations of the music tagger musicnn [@pons2019] in windows of 3 s",
    can_skip=True,
    uses_gpu=True,
    stream="auditory",
)
def musicnn(
    path: Path,
    layers: tuple[str, ...],
    options: Options,
    weights: Path,
    device: str,
    skip: int = 0,
) -> Iterator[dict[str, Block]]:
    """Activations of the music tagger musicnn in windows of 3 s, averaged over each window.

    The spectrogram is the original's but for its rounding to half precision.
    """
    import torch

    from tristream.features.spaces.musicnn.checkpoint import read_checkpoint
    from tristream.features.spaces.musicnn.network import Musicnn

    variables = read_checkpoint(weights / FOLDER)
    try:
        network = Musicnn(variables).to(device)
    except ValueError as error:
        raise UserError(f"{weights / FOLDER}: {error}; fetch the weights again") from None
    track = Track.open(path, RATE)
    every = window_starts(track.samples, options.hop)
    chunks = [every[i : i + CHUNK] for i in range(skip * CHUNK, len(every), CHUNK)]
    pieces = track.segments(samples_of(starts) for starts in chunks)
    for starts, sound in zip(chunks, pieces, strict=True):
        spectrogram = torch.from_numpy(log_mel(sound)).to(device)
        outputs = []
        for begin in range(0, len(starts), BATCH):
            part = starts[begin : begin + BATCH]
            piece = spectrogram[part[0] - starts[0] : part[-1] - starts[0] + FRAMES]
            outputs.append(network.overlapping(piece, part))
        times = np.array([_centre(start) for start in starts])
        yield {
            layer: Block(torch.cat([_average(o[layer]) for o in outputs]).cpu().numpy(), times)
            for layer in layers
        }


def window_starts(samples: int, hop: float) -> list[int]:
    """First spectrogram frame of each window; frame k is centred on k * 16 ms.

    Windows start at the frame that is nearest to each multiple of `hop` seconds and lie inside the
    sound; a sound that is shorter than a window is followed by silence.
    """
    last = max(samples // HOP + 1 - FRAMES, 0)
    step = hop * RATE / HOP
    return [start for i in range(int(last / step) + 2) if (start := round(i * step)) <= last]


def samples_of(starts: list[int]) -> tuple[int, int]:
    """Samples that the spectrogram needs from the first of these windows to the end of the last.

    Parameters
    ----------
    starts : list of int
        Ascending, from :func:`window_starts`.
    """
    return starts[0] * HOP - N_FFT // 2, (starts[-1] + FRAMES - 1) * HOP + N_FFT // 2


def log_mel(sound: np.ndarray) -> np.ndarray:
    """Spectrogram of log10(10000 x mel power + 1).

    Parameters
    ----------
    sound : ndarray of shape (samples,)
        Mono, 16 kHz; from half a window before the first frame's middle on.

    Returns
    -------
    ndarray of float32, shape (frames, 96)
    """
    librosa = load_librosa()
    mel = librosa.feature.melspectrogram(
        y=sound, sr=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=96, center=False
    )
    return np.log10(10_000 * mel.T + 1).astype(np.float32)


def _average(activation: "torch.Tensor") -> "torch.Tensor":
    """Mean over the window's frames, for layers that have frames."""
    return activation.mean(1) if activation.ndim == 3 else activation
