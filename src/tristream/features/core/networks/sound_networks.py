"""Networks of ``transformers`` that hear: windows of a sound, their preparation, their layers.

**Windows.** Most of these networks attend to all that they are given, so a number depends on the
window that it was computed in. Windows are therefore part of the method, and not of the chunks:
the sound is cut into segments of `hop` seconds; each is heard in a window of `window` seconds
around it, moved inside the sound at its ends, and of the window's frames those that begin in the
segment are kept. A sound no longer than a window gives what ``transformers`` gives for it. Layers
that have no long memory (the convolutions of wav2vec 2 with layer normalisation) and EnCodec, whose
recurrence is carried on, equal one pass of the whole sound.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tristream.errors import UserError
from tristream.errors.json_text import read_object
from tristream.features.core.audio.sound_stream import Track
from tristream.features.core.networks.network_options import read_config

AST, CLAP, WHISPER, ENCODEC = "audio-spectrogram-transformer", "clap", "whisper", "encodec"
SPEECH = ("wav2vec2", "hubert", "wavlm")
KNOWN = (AST, CLAP, "clap_audio_model", *SPEECH, WHISPER, ENCODEC)
PREPARATION, PROCESSOR = "preprocessor_config.json", "processor_config.json"
SPEECH_WINDOW = 20.0
CLAP_HOP = 2.0
FBANK_HOP, FBANK_WINDOW = 160, 400
"""Samples of the spectrograms of AST and Whisper."""


@dataclass(frozen=True)
class Grid:
    """Where the frames of a network stand in the sound.

    Attributes
    ----------
    rate : int
        Hz of its input.
    stride : int
        Samples from a frame to the next.
    field : int
        Samples that a frame needs from its begin on.
    centre : float
        Samples from its begin to its time.
    window, hop : int
        Samples of a window and of the segment that is kept of it; whole frames are kept.
    """

    rate: int
    stride: int
    field: int
    centre: float
    window: int
    hop: int

    def frames(self, samples: int) -> int:
        """How many frames a sound has."""
        return max((samples - self.field) // self.stride + 1, 1)

    def times(self, first: int, count: int) -> NDArray:
        """Times of frames in seconds."""
        return ((first + np.arange(count)) * self.stride + self.centre) / self.rate


@dataclass(frozen=True)
class Window:
    """A window of a sound, and which of its frames are kept.

    Attributes
    ----------
    sound : ndarray, (samples,)
    first : int
        First frame that is kept, counted in the sound.
    kept : slice
        The same, counted in the window.
    """

    sound: NDArray
    first: int
    kept: slice


def sound_config(folder: Path | None) -> dict[str, Any]:
    """The network's config; of a network of sounds and words, that of the sounds' half.

    Raises
    ------
    UserError
        If it is none that hears, or an EnCodec that is not causal.
    """
    config = read_config(folder)
    kind = config["model_type"]
    if kind not in KNOWN:
        raise UserError(f"{folder}: is a network of type {kind!r}; read are {', '.join(KNOWN)}")
    if kind == ENCODEC and not (
        config.get("use_causal_conv", True)
        and config.get("norm_type", "weight_norm") == "weight_norm"
        and config.get("audio_channels", 1) == 1
    ):
        raise UserError(f"{folder}: is not the causal, mono EnCodec of 24 kHz, which alone is read")
    return {**config, **config.get("audio_config", {}), "model_type": kind}


def sound_layers(folder: Path | None) -> tuple[str, ...]:
    """Every layer of the network in `folder`.

    Names are those of ``hidden_states`` of ``transformers``: ``embeddings`` enters the first
    block, ``layerI`` leaves block I (CLAP: stage I). ``conv``: the convolutions of wav2vec 2,
    HuBERT and WavLM. ``last``: after the final normalisation. CLAP: ``pooled``, or ``projected``
    into the space shared with words. EnCodec: ``latents``.
    """
    config = sound_config(folder)
    kind = config["model_type"]
    if kind == ENCODEC:
        return ("latents",)
    if kind in SPEECH:
        return ("conv", "embeddings", *_blocks(config.get("num_hidden_layers", 12)), "last")
    if kind == WHISPER:
        return ("embeddings", *_blocks(config.get("encoder_layers", 4) - 1), "last")
    if kind == AST:
        return ("embeddings", *_blocks(config.get("num_hidden_layers", 12)), "last")
    summary = "projected" if _clap_kind(config).endswith("WithProjection") else "pooled"
    return ("embeddings", *_blocks(len(config.get("depths", (2, 2, 6, 2)))), summary)


def _blocks(count: int) -> list[str]:
    return [f"layer{index}" for index in range(1, count + 1)]


def _clap_kind(config: Mapping[str, Any]) -> str:
    plain = config["model_type"] != CLAP and "ClapAudioModel" in config.get("architectures", ())
    return "ClapAudioModel" if plain else "ClapAudioModelWithProjection"


class Preparation:
    """The network's own feature extractor of ``transformers``.

    Parameters
    ----------
    folder : Path
        Holds ``preprocessor_config.json``.

    Raises
    ------
    UserError
        If the file is missing or not understood.
    """

    def __init__(self, folder: Path) -> None:
        from tristream.features.core.networks.load_network import import_transformers

        path = folder / PREPARATION
        if not path.is_file() and (folder / PROCESSOR).is_file():
            path = folder / PROCESSOR  # of transformers 5: with the processor of words
        if not path.exists():
            raise UserError(
                f"{path}: no such file; save the network's feature extractor there with "
                "save_pretrained"
            )
        read_object(path, remedy="fetch the network again")
        try:
            made = import_transformers().AutoFeatureExtractor.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
            self.rate = int(made.sampling_rate)
        except Exception as error:  # whatever comes of a file in which anything may stand
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{path}: can't be used ({reason}); fetch the network again") from None
        self.extractor: Any = made

    def __call__(self, windows: Sequence[NDArray]) -> dict[str, Any]:
        """What the network is given for windows of one length."""
        given = dict(self.extractor(list(windows), sampling_rate=self.rate, return_tensors="pt"))
        if "is_longer" in given:
            # CLAP's extractor calls one window in a batch "longer" by chance; none is.
            given["is_longer"] = given["is_longer"].new_zeros(given["is_longer"].shape)
        given.pop("attention_mask", None)
        return given


def grid_of(
    config: Mapping[str, Any], preparation: Preparation, window: float, hop: float, step: float
) -> Grid:
    """Windows and frames of a network.

    Parameters
    ----------
    config : mapping
        From :func:`sound_config`.
    preparation : Preparation
    window, hop : float
        Seconds; 0: as in training, half a window (CLAP: 2 s).
    step : float
        Seconds; `hop` becomes a multiple of it.

    Raises
    ------
    UserError
        If a window is longer than the network can hear, or its hop than the window.
    """
    kind, rate = config["model_type"], preparation.rate
    trained, stride, field, centre = _frames(config, preparation)
    seconds = window or trained / rate
    if kind not in SPEECH and seconds * rate > trained + 0.5:
        raise UserError(f"{kind} hears {trained / rate:g} s at once; window is {seconds:g}")
    if kind.startswith("clap"):
        wide = round(seconds * rate)
        length = round((hop or CLAP_HOP) * rate)
        return Grid(rate, length, wide, wide / 2, wide, length)
    unit = max(round(step * rate / stride), 1) * stride
    wide = round(seconds * rate)
    length = max(round((hop or seconds / 2) * rate / unit), 1) * unit
    if length + 2 * (field - stride) > wide:
        raise UserError(
            f"hop: {length / rate:g} s of a window of {seconds:g} s leave its frames no context; "
            "make window longer or hop shorter"
        )
    return Grid(rate, stride, field, centre, wide, length)


def _frames(config: Mapping[str, Any], preparation: Preparation) -> tuple[int, int, int, float]:
    """Samples of a window in training, of a frame's stride and field, and to its centre."""
    made = preparation.extractor
    if config["model_type"] in SPEECH:
        stride, field = 1, 1
        kernels = config.get("conv_kernel", (10, 3, 3, 3, 3, 2, 2))
        for kernel, step in zip(
            kernels, config.get("conv_stride", (5, 2, 2, 2, 2, 2, 2)), strict=True
        ):
            field += (kernel - 1) * stride
            stride *= step
        return round(SPEECH_WINDOW * preparation.rate), stride, field, field / 2
    if config["model_type"] == AST:
        stride = int(config.get("time_stride", 10)) * FBANK_HOP
        field = (int(config.get("patch_size", 16)) - 1) * FBANK_HOP + FBANK_WINDOW
        return int(made.max_length) * FBANK_HOP, stride, field, field / 2
    if config["model_type"] == WHISPER:
        # A convolution of stride 2 around every second frame, which stands at its begin.
        stride = 2 * int(made.hop_length)
        return int(made.n_samples), stride, stride, 0.0
    return int(made.nb_max_samples), 0, 0, 0.0


def windows(track: Track, grid: Grid, step: int, skip: int = 0) -> Iterator[Window]:
    """The windows of a sound.

    Parameters
    ----------
    track : Track
        At the grid's rate.
    step : int
        Frames that will be averaged: a rest of fewer is left out.
    skip : int
        Leave out this many.
    """
    total = grid.frames(track.samples) // step * step
    hop, around = grid.hop // grid.stride, (grid.window - grid.hop) // 2 // grid.stride
    last = max(math.ceil((track.samples - grid.window) / grid.stride), 0)
    pieces = track.pieces(
        grid.hop, grid.window, grid.window, math.ceil(total / hop) * grid.hop, skip
    )
    for index, piece in enumerate(pieces, skip):
        first = index * hop
        start = min(max(first - around, 0), last)
        at = (start - first) * grid.stride + grid.window
        length = min(grid.window, track.samples - start * grid.stride)
        kept = slice(first - start, min(first + hop, total) - start)
        yield Window(piece[at : at + length], first, kept)


def load(folder: Path, device: str) -> Any:
    """The part of the network that hears."""
    from tristream.features.core.networks.load_network import load_network

    config = sound_config(folder)
    kind = config["model_type"]
    if kind == WHISPER:
        return load_network(folder, "WhisperModel", device).encoder
    if kind.startswith("clap"):
        return load_network(folder, _clap_kind(config), device)
    return load_network(folder, "AutoModel", device)


def hidden(
    network: Any, config: Mapping[str, Any], given: Mapping[str, Any], layers: Sequence[str]
) -> dict[str, Any]:
    """Layers of a batch of windows.

    Parameters
    ----------
    network : torch.nn.Module
        From :func:`load`.
    config : mapping
        From :func:`sound_config`.
    given : mapping
        From :class:`Preparation`, on the network's device.
    layers : sequence of str

    Returns
    -------
    dict of str to tensor (windows, frames, columns)
        AST: averaged over the frequencies of each moment. CLAP: one frame, the window's average.
    """
    kind = config["model_type"]
    found: dict[str, Any] = {}
    hook = None
    if "conv" in layers:
        hook = network.feature_extractor.register_forward_hook(
            lambda module, inputs, output: found.update(conv=output.transpose(1, 2))
        )
    try:
        output = network(**given, output_hidden_states=True)
    finally:
        if hook is not None:
            hook.remove()
    for layer in layers:
        if layer == "conv":
            continue
        if layer == "last":
            state = output.last_hidden_state
        elif layer == "pooled":
            state = output.pooler_output
        elif layer == "projected":
            state = output.audio_embeds
        else:
            number = layer.removeprefix("layer") if layer != "embeddings" else 0
            state = output.hidden_states[int(number)]
        found[layer] = _by_time(state, kind, config)
    return found


def _by_time(state: Any, kind: str, config: Mapping[str, Any]) -> Any:
    """A state of (windows, frames, columns)."""
    if kind == AST:
        patch, step = int(config.get("patch_size", 16)), int(config.get("frequency_stride", 10))
        rows = (int(config.get("num_mel_bins", 128)) - patch) // step + 1
        return state[:, 2:].unflatten(1, (rows, -1)).mean(1)  # without the two class tokens
    if not kind.startswith("clap"):
        return state
    if state.ndim == 4:
        state = state.flatten(2).mean(2)
    return (state.mean(1) if state.ndim == 3 else state)[:, None]
