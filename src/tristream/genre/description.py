"""What a network is, and what its folder says of it; read while a study is parsed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tristream.errors import UserError
from tristream.errors.json_text import parse

MODEL = "genre_network"
CONFIG, TENSORS = "config.json", "model.safetensors"
LAYERS = {
    "lstm": ("lstm1", "last"),
    "crnn": ("conv1", "conv2", "conv3", "conv4", "last"),
    "tcn": ("block1", "block2", "block3", "block4", "last"),
}
"""Networks, and their layers from the sound upwards; all end in ``scores``."""
SENTENCES = {
    "lstm": (
        "two long short-term memory layers of 128 and 32 units [@hochreiter1997] on 33 "
        "descriptors of the spectrum (13 mel-frequency cepstral coefficients, spectral centroid, "
        "12 pitch classes, 7 values of spectral contrast; librosa [@mcfee2015])"
    ),
    "crnn": (
        "four convolutions and two gated recurrent layers [@choi2017] on a log-mel spectrogram "
        "of 64 bands (librosa [@mcfee2015])"
    ),
    "tcn": (
        "four residual blocks of dilated causal convolutions in time [@bai2018] on a log-mel "
        "spectrogram of 64 bands (librosa [@mcfee2015])"
    ),
}
"""What a methods section says of each network."""


@dataclass(frozen=True)
class Shape:
    """What a network was made for.

    Attributes
    ----------
    network : str
        One of :data:`LAYERS`.
    classes : tuple of str
        Genres, in the order of the scores.
    frames : int
        Spectra of a window.
    """

    network: str
    classes: tuple[str, ...]
    frames: int = 128


@dataclass(frozen=True)
class Description:
    """What ``config.json`` says.

    Attributes
    ----------
    shape : Shape
    kept_out : dict of str to str
        sha256 and name of sounds that training was kept from.
    trained_on : frozenset of str
        sha256 of all tracks that it learnt from or stopped by.
    report : dict
        ``accuracy``, ``chance``, ``p`` … of the test tracks, and how it was trained.
    """

    shape: Shape
    kept_out: dict[str, str]
    trained_on: frozenset[str]
    report: dict[str, Any]


def read_description(folder: Path) -> Description:
    """What ``config.json`` of a folder says.

    Raises
    ------
    UserError
        If it is missing, or not of such a network.
    """
    path = folder / CONFIG
    try:
        content = parse(path.read_text(encoding="utf-8"))
        if content["model_type"] != MODEL or content["network"] not in LAYERS:
            raise KeyError("model_type")
        shape = Shape(content["network"], tuple(content["classes"]), int(content["frames"]))
        return Description(
            shape, dict(content["kept_out"]), frozenset(content["trained_on"]), content["training"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path}: describes no genre network; give a folder that `tristream genre train` wrote"
        ) from None
