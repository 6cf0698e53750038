"""What a detected object looks like, as a vector by which it is known again.

References
----------
Sandler M, Howard A, Zhu M, Zhmoginov A, Chen LC (2018). MobileNetV2: inverted residuals and linear
bottlenecks. CVPR.
"""

from pathlib import Path
from pickle import UnpicklingError

import cv2
import numpy as np
import torch
from torch import nn

from tristream.errors import UserError
from tristream.features.spaces.tracked_objects.detect import Boxes

SIZE = (64, 128)
"""Width and height to which objects are scaled: the usual form in re-identification."""
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
BATCH = 32
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks, stride of the first block."""
FIRST, DIMENSIONS = 32, 1280


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; with a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        expand = _convolution(inputs, wide, 1) if expansion > 1 else []
        self.conv = nn.Sequential(
            *expand,
            *_convolution(wide, wide, 3, stride, groups=wide),
            *_convolution(wide, outputs, 1)[:2],
        )
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, inputs, height, width) -> (n, outputs, height', width')."""
        return x + self.conv(x) if self.shortcut else self.conv(x)


class MobileNetV2(nn.Module):
    """The network up to its pooled features, with the names of the published checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Sequential(*_convolution(3, FIRST, 3, 2))]
        inputs = FIRST
        for expansion, outputs, blocks, stride in STAGES:
            for index in range(blocks):
                step = 1 if index else stride
                parts.append(InvertedResidual(inputs, outputs, step, expansion))
                inputs = outputs
        parts.append(nn.Sequential(*_convolution(inputs, DIMENSIONS, 1)))
        self.features = nn.Sequential(*parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 3, height, width), normalised -> (n, 1280)."""
        return self.features(x).mean(dim=(2, 3))


def _convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    ]


class Appearance:
    """Embeds the objects of a frame.

    Parameters
    ----------
    checkpoint : Path
        The published weights.
    device : str
        ``cpu`` or ``cuda``.

    Raises
    ------
    UserError
        If the file holds other weights.
    """

    def __init__(self, checkpoint: Path, device: str = "cpu") -> None:
        self._network = MobileNetV2()
        try:
            state = torch.load(checkpoint, map_location="cpu", weights_only=True)
            self._network.load_state_dict(state)
        except (UnpicklingError, RuntimeError, EOFError, AttributeError, TypeError):
            raise UserError(
                f"{checkpoint}: does not hold MobileNetV2's weights; delete it and fetch it again"
            ) from None
        self._network.eval().to(device)
        self._device = device

    def __call__(self, image: np.ndarray, boxes: Boxes) -> np.ndarray:
        """Embed what the boxes show.

        Parameters
        ----------
        image : ndarray of uint8, (height, width, 3)
            RGB.
        boxes : ndarray (n, 4)
            Left, top, width, height; parts outside the image are cut off.

        Returns
        -------
        ndarray of float32, (n, 1280)
            Of length 1: the inner product of two is the cosine of their angle.
        """
        if not len(boxes):
            return np.zeros((0, DIMENSIONS), np.float32)
        pieces = np.stack([_piece(image, box) for box in boxes])
        scaled = (pieces.astype(np.float32) / 255 - MEAN) / np.array(DEVIATION)
        inputs = torch.from_numpy(scaled.astype(np.float32).transpose(0, 3, 1, 2))
        with torch.inference_mode():
            parts = [self._network(part.to(self._device)) for part in inputs.split(BATCH)]
            found = nn.functional.normalize(torch.cat(parts), dim=1)
        return found.cpu().numpy()


def _piece(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The part of the image inside `box`, at least one pixel, scaled to the network's input."""
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(box[:2]), 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(box[:2] + box[2:]), [left + 1, top + 1], [width, height])
    piece = image[top : int(bottom), left : int(right)]
    return cv2.resize(piece, SIZE, interpolation=cv2.INTER_AREA)
