"""CORnet-S, a shallow recurrent network whose areas stand for V1, V2, V4 and IT.

Written from the description of Kubilius et al. (2019): V1 is two convolutions; each further area
is a bottleneck block that runs `times` times on its own output with the same convolutions, but with
batch normalisation of its own at each time step, and halves the picture in its first step.

References
----------
Kubilius J, Schrimpf M, Kar K, et al. (2019). Brain-like object recognition with high-performing
shallow recurrent ANNs. NeurIPS 32.
"""

from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn
from torch.nn.functional import relu

from tristream.errors import UserError

# Area: channels, time steps.
AREAS = {"V2": (128, 2), "V4": (256, 4), "IT": (512, 2)}
V1_CHANNELS = 64
# Channels inside a block, in multiples of its output's.
SCALE = 4
CLASSES = 1000


def _convolution(given: int, out: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(given, out, size, stride, padding=size // 2, bias=False)


class V1(nn.Module):
    """Two convolutions with a maximum pooling between them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _convolution(3, V1_CHANNELS, 7, stride=2)
        self.norm1 = nn.BatchNorm2d(V1_CHANNELS)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.conv2 = _convolution(V1_CHANNELS, V1_CHANNELS, 3)
        self.norm2 = nn.BatchNorm2d(V1_CHANNELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 3, h, w) to (n, 64, h / 4, w / 4)."""
        x = self.pool(relu(self.norm1(self.conv1(x))))
        return relu(self.norm2(self.conv2(x)))


class Area(nn.Module):
    """A recurrent bottleneck block."""

    def __init__(self, given: int, out: int, times: int) -> None:
        super().__init__()
        wide = out * SCALE
        self.times = times
        self.conv_input = _convolution(given, out, 1)
        self.skip = _convolution(out, out, 1, stride=2)
        self.norm_skip = nn.BatchNorm2d(out)
        self.conv1 = _convolution(out, wide, 1)
        self.conv2 = _convolution(wide, wide, 3)
        self.conv3 = _convolution(wide, out, 1)
        for step in range(times):
            self.add_module(f"norm1_{step}", nn.BatchNorm2d(wide))
            self.add_module(f"norm2_{step}", nn.BatchNorm2d(wide))
            self.add_module(f"norm3_{step}", nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(n, given, h, w) to the area's output (n, out, h / 2, w / 2) at each time step."""
        states = []
        x = self.conv_input(x)
        for step in range(self.times):
            norm1, norm2, norm3 = (self.get_submodule(f"norm{i}_{step}") for i in (1, 2, 3))
            kept = x if step else self.norm_skip(self.skip(x))
            stride = 1 if step else 2
            x = relu(norm1(self.conv1(x)))
            x = nn.functional.conv2d(x, self.conv2.weight, stride=stride, padding=1)
            x = relu(norm2(x))
            x = relu(norm3(self.conv3(x)) + kept)
            states.append(x)
        return states


class CORnetS(nn.Module):
    """The whole network."""

    def __init__(self) -> None:
        super().__init__()
        self.V1 = V1()
        given = V1_CHANNELS
        for name, (channels, times) in AREAS.items():
            self.add_module(name, Area(given, channels, times))
            given = channels
        self.decoder = nn.ModuleDict({"linear": nn.Linear(given, CLASSES)})

    def forward(self, x: torch.Tensor, wanted: Sequence[str]) -> dict[str, torch.Tensor]:
        """States of the wanted layers; nothing is computed above the highest.

        Parameters
        ----------
        x : tensor (n, 3, h, w)
            Pixels.
        wanted : sequence of str
            ``V1_t0``, ``V4_t3`` … and ``decoder``.

        Returns
        -------
        dict of layer to tensor (n, channels, h, w), or (n, 1000) for the decoder
        """
        x = self.V1(x)
        out = {"V1_t0": x}
        left = set(wanted) - set(out)
        for name in AREAS:
            if left:
                states = self.get_submodule(name)(x)
                out |= {f"{name}_t{step}": state for step, state in enumerate(states)}
                x = states[-1]
                left -= set(out)
        if left:
            out["decoder"] = self.decoder["linear"](x.mean((2, 3)))
        return {layer: out[layer] for layer in wanted}


def untrained(seed: int) -> CORnetS:
    """Random weights: normal, scaled by the fan out, as in the published training's beginning."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CORnetS()
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                fan = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, 0, (2 / fan) ** 0.5)
    return network.eval()


def load(path: Path) -> CORnetS:
    """A trained network from the published checkpoint, or safetensors of the same names.

    Raises
    ------
    UserError
        If the file is missing, is not such a checkpoint, or holds more than tensors.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; give the published checkpoint of CORnet-S")
    try:
        state = _state(path)
        plain = {name.removeprefix("module."): value for name, value in state.items()}
        network = CORnetS()
        network.load_state_dict(plain)
    except (UnpicklingError, RuntimeError, EOFError, ValueError, AttributeError, KeyError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"{path}: does not hold the weights of CORnet-S ({reason}); give the published "
            "checkpoint (state_dict of module.V1.conv1.weight …) or safetensors of it"
        ) from None
    return network.eval()


def _state(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(str(error)) from None
    config = torch.load(path, map_location="cpu", weights_only=True)
    return dict(config.get("state_dict", config))
