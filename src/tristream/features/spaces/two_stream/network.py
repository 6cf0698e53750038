"""Two small convolutional networks side by side, and the folder that keeps them trained.

References
----------
Simonyan K, Zisserman A (2014). Two-stream convolutional networks for action recognition in videos.
NeurIPS.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tristream.errors import UserError
from tristream.errors.json_text import parse
from tristream.store import atomic_path

CHANNELS = (16, 32, 64)
UNITS = 64
STREAMS = ("spatial", "temporal")
MODEL = "two_stream"
CONFIG, TENSORS = "config.json", "model.safetensors"


@dataclass(frozen=True)
class Shape:
    """What the network was made for.

    Attributes
    ----------
    classes : tuple of str
        Labels, in the order of the scores.
    fps : float
        Frames per second.
    size : int
        Height and width of the picture in pixels.
    stack : int
        Flow fields that the temporal stream sees at once.
    subtract_mean : bool
        Whether each field's mean is taken from it, against the camera's motion.
    """

    classes: tuple[str, ...]
    fps: float
    size: int
    stack: int
    subtract_mean: bool

    @property
    def channels(self) -> dict[str, int]:
        """Input channels of the streams."""
        return {"spatial": 3, "temporal": 2 * self.stack}


class Stream(nn.Module):
    """Convolutions, average over the picture, a dense layer, scores of the classes."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.BatchNorm2d(inputs, affine=False)]
        for outputs in CHANNELS:
            layers += [
                nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            inputs = outputs
        self.convolutions = nn.Sequential(*layers)
        self.dense = nn.Linear(inputs, UNITS)
        self.dropout = nn.Dropout(0.5)
        self.scores = nn.Linear(UNITS, classes)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(n, channels, size, size) -> convolutions (n, 64), units (n, 64), scores (n, classes)."""
        pooled = self.convolutions(x).mean(dim=(2, 3))
        units = torch.relu(self.dense(pooled))
        return pooled, units, self.scores(self.dropout(units))


class TwoStream(nn.Module):
    """The spatial and the temporal stream; trained apart, fused late."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        for stream in STREAMS:
            self.add_module(stream, Stream(shape.channels[stream], len(shape.classes)))

    def forward(self, images: torch.Tensor, flows: torch.Tensor) -> dict[str, torch.Tensor]:
        """Activations of all layers.

        Parameters
        ----------
        images : Tensor (n, 3, size, size)
            0 to 1.
        flows : Tensor (n, 2 stack, size, size)
            Pixels a frame: all to the right first, then all down.

        Returns
        -------
        dict
            For each stream ``STREAM_conv``, ``STREAM`` (n, 64) and ``STREAM_scores``, probabilities
            (n, classes); ``fusion``: the mean of the two streams' probabilities.
        """
        out = {}
        for stream, x in zip(STREAMS, (images, flows), strict=True):
            pooled, units, scores = getattr(self, stream)(x)
            out[f"{stream}_conv"], out[stream] = pooled, units
            out[f"{stream}_scores"] = scores.softmax(dim=1)
        out["fusion"] = (out["spatial_scores"] + out["temporal_scores"]) / 2
        return out


def save(network: TwoStream, folder: Path, report: dict[str, Any]) -> None:
    """Write ``config.json`` (with `report` under ``training``) and ``model.safetensors``."""
    from safetensors.torch import save_file

    config = {"model_type": MODEL, **asdict(network.shape), "training": report}
    with atomic_path(folder / TENSORS) as temporary:
        save_file(network.state_dict(), temporary)
    with atomic_path(folder / CONFIG) as temporary:
        temporary.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load(folder: Path, device: str = "cpu") -> TwoStream:
    """The network of a folder, in evaluation mode.

    Raises
    ------
    UserError
        If the folder holds none.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    shape = read_shape(folder)
    network = TwoStream(shape)
    try:
        network.load_state_dict(load_file(folder / TENSORS))
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder / TENSORS}: not the network's weights ({reason})") from None
    return network.eval().requires_grad_(False).to(device)


def read_shape(folder: Path) -> Shape:
    """What ``config.json`` says.

    Raises
    ------
    UserError
        If it is missing, or not a two-stream network's.
    """
    path = folder / CONFIG
    try:
        config = parse(path.read_text(encoding="utf-8"))
        if config["model_type"] != MODEL:
            raise KeyError("model_type")
        return Shape(
            tuple(config["classes"]),
            float(config["fps"]),
            int(config["size"]),
            int(config["stack"]),
            bool(config["subtract_mean"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path}: describes no two-stream network; give a folder that "
            "`tristream features train-two-stream` wrote"
        ) from None
