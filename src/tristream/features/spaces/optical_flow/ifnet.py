"""IFNet, the flow network of RIFE (Huang et al. 2022), version 3.1.

Given two frames it estimates, for each place of the picture midway between them, how far back to
the first and how far on to the second its content lies; together that is the whole displacement.
Three stages work on a quarter, a half and all of the resolution; each sees the frames warped by
the flow so far, and adds a residual at half its own resolution.
"""

from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import grid_sample, interpolate

from tristream.errors import UserError
from tristream.features.spaces.optical_flow.fields import IFNET_MEMBER, batched

if TYPE_CHECKING:
    from tristream.features.spaces.optical_flow.fields import Fields

WIDTH = 160
SCALES = (4, 2, 1)
TOGETHER = 8


class Residual(nn.Sequential):
    """Two convolutions beside the identity."""

    def __init__(self) -> None:
        super().__init__(_convolution(WIDTH, WIDTH, 1), _convolution(WIDTH, WIDTH, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x plus its residual."""
        return x + super().forward(x)


class Stage(nn.Module):
    """A step of refinement at one resolution.

    Parameters
    ----------
    channels : int
        6 for two frames; 10 with the flow so far.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(
            _convolution(channels, WIDTH // 2, 2), _convolution(WIDTH // 2, WIDTH, 2)
        )
        self.convblock0 = Residual()
        self.convblock1 = Residual()
        self.convblock2 = Residual()
        self.conv1 = nn.ConvTranspose2d(WIDTH, 4, 4, 2, 1)

    def forward(self, frames: torch.Tensor, flow: torch.Tensor | None, scale: int) -> torch.Tensor:
        """Residual flow (n, 4, height / 2, width / 2), in pixels of half the resolution.

        Parameters
        ----------
        frames : Tensor (n, 6, height, width)
        flow : Tensor (n, 4, height, width), optional
            In pixels.
        scale : int
            How many times smaller the stage sees the picture.
        """
        x = _resized(frames, 1 / scale)
        if flow is not None:
            x = torch.cat([x, _resized(flow, 1 / scale) / scale], dim=1)
        x = self.convblock2(self.convblock1(self.convblock0(self.conv0(x))))
        return _resized(self.conv1(x), scale) * scale


class IFNet(nn.Module):
    """The network; its parameters are named as in the published checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.block0 = Stage(6)
        self.block1 = Stage(10)
        self.block2 = Stage(10)

    def forward(self, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        """Displacement (n, 2, height, width) in pixels, on the picture midway.

        Parameters
        ----------
        before, after : Tensor (n, 3, height, width)
            RGB, 0 to 1; sides divisible by 32.
        """
        half = self.block0(torch.cat([before, after], dim=1), None, SCALES[0])
        for stage, scale in zip((self.block1, self.block2), SCALES[1:], strict=True):
            flow = _resized(half, 2) * 2
            warped = [warp(before, flow[:, :2]), warp(after, flow[:, 2:])]
            half = half + stage(torch.cat(warped, dim=1), flow, scale)
        flow = _resized(half, 2) * 2
        return flow[:, 2:] - flow[:, :2]


def warp(picture: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """What `picture` (n, c, height, width) shows `flow` (n, 2, height, width) pixels further on."""
    height, width = flow.shape[2:]
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=3)
    return grid_sample(picture, grid, padding_mode="border", align_corners=True)


def load_ifnet(folder: Path, device: str) -> "Fields":
    """IFNet with the weights of the folder's archive member, as a flow method.

    Raises
    ------
    UserError
        If the file doesn't hold them.
    """
    path = folder / IFNET_MEMBER
    network = IFNet()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict({key.removeprefix("module."): v for key, v in state.items()})
    except (UnpicklingError, RuntimeError, EOFError, AttributeError):
        raise UserError(
            f"{path}: does not hold IFNet's weights; delete it and fetch it again"
        ) from None
    ready: Any = network.eval().to(device)
    return batched(
        ready.to(memory_format=torch.channels_last),
        device,
        multiple=32,
        smallest=32,
        together=TOGETHER,
    )


def _convolution(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1), nn.PReLU(after))


def _resized(x: torch.Tensor, scale: float) -> torch.Tensor:
    return x if scale == 1 else interpolate(x, scale_factor=scale, mode="bilinear")
