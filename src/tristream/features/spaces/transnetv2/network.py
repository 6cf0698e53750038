"""The network TransNetV2 in torch, and the names of its published checkpoint.

References
----------
Souček T, Lokoč J (2020). TransNet V2: an effective deep network architecture for fast shot
transition detection. arXiv:2008.04838.
"""

import re
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F

HEIGHT, WIDTH = 27, 48
DILATIONS = (1, 2, 4, 8)
FILTERS = (16, 32, 64)
"""Of each dilation, in the three blocks."""
SEEN = 50
"""Frames before and after a frame that it is compared with."""
COMPARED = 128
DENSE = 1024
COLOURS = 512
NAMES = (
    (r"^SDDCNN\.(\d)\.DDCNN\.(\d)\.Conv3D_(\d)\.layers\.(\d)", r"blocks.\1.cells.\2.\3.\4"),
    (r"^SDDCNN\.(\d)\.DDCNN\.(\d)\.bn", r"blocks.\1.cells.\2.normalisation"),
    (r"^frame_sim_layer\.fc", "similarity"),
    (r"^frame_sim_layer\.projection", "projection"),
    (r"^color_hist_layer\.fc", "colours"),
    (r"^fc1", "dense"),
    (r"^cls_layer1", "middle"),
    (r"^cls_layer2", "every"),
)
"""Names in the checkpoint, and here."""


class Cell(nn.Module):
    """Four (2 + 1)-D convolutions side by side that see 3, 5, 9 and 17 frames."""

    def __init__(self, inputs: int, filters: int) -> None:
        super().__init__()
        for dilation in DILATIONS:
            pair = nn.ModuleList(
                [
                    nn.Conv3d(inputs, 2 * filters, (1, 3, 3), padding=(0, 1, 1), bias=False),
                    nn.Conv3d(
                        2 * filters,
                        filters,
                        (3, 1, 1),
                        dilation=(dilation, 1, 1),
                        padding=(dilation, 0, 0),
                        bias=False,
                    ),
                ]
            )
            self.add_module(str(dilation), pair)
        self.normalisation = nn.BatchNorm3d(len(DILATIONS) * filters, eps=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, inputs, time, height, width) -> (batch, 4 filters, time, height, width)."""
        pairs = [getattr(self, str(dilation)) for dilation in DILATIONS]
        return self.normalisation(torch.cat([time(space(x)) for space, time in pairs], dim=1))


class Block(nn.Module):
    """Two cells with a shortcut around the second, and pooling of the picture by two."""

    def __init__(self, inputs: int, filters: int) -> None:
        super().__init__()
        wide = len(DILATIONS) * filters
        self.cells = nn.ModuleList([Cell(inputs, filters), Cell(wide, filters)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, inputs, time, height, width) -> (batch, 4 filters, time, height/2, width/2)."""
        first = F.relu(self.cells[0](x))
        return F.avg_pool3d(F.relu(self.cells[1](first)) + first, (1, 2, 2))


class TransNetV2(nn.Module):
    """Windows of frames to activations and to the probabilities of a transition.

    Parameters
    ----------
    state : mapping of str to Tensor
        The published checkpoint.

    Raises
    ------
    RuntimeError
        If a weight is missing or left over, or has another shape.
    """

    def __init__(self, state: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        widths = [len(DILATIONS) * filters for filters in FILTERS]
        inputs = [3, *widths[:-1]]
        self.blocks = nn.ModuleList(Block(i, f) for i, f in zip(inputs, FILTERS, strict=True))
        self.projection = nn.Linear(sum(widths), COMPARED)
        self.similarity = nn.Linear(2 * SEEN + 1, COMPARED)
        self.colours = nn.Linear(2 * SEEN + 1, COMPARED)
        halvings = 2 ** len(FILTERS)
        cells = (HEIGHT // halvings) * (WIDTH // halvings)
        self.dense = nn.Linear(2 * COMPARED + cells * widths[-1], DENSE)
        self.middle = nn.Linear(DENSE, 1)
        self.every = nn.Linear(DENSE, 1)
        self.load_state_dict({_renamed(name): tensor for name, tensor in state.items()})
        self.eval()

    @torch.inference_mode()
    def forward(self, frames: torch.Tensor) -> dict[str, torch.Tensor]:
        """Activations of each frame of windows.

        Parameters
        ----------
        frames : Tensor of uint8, (batch, time, 27, 48, 3)
            RGB.

        Returns
        -------
        dict
            ``block1`` (batch, time, 64), ``block2`` (…, 128) and ``block3`` (…, 256), averaged over
            the picture; ``dense`` (…, 1024); ``cuts`` (…, 2): probabilities that the frame is the
            middle of a transition, and that it belongs to one.
        """
        x = frames.permute(0, 4, 1, 2, 3).float() / 255
        pooled = []
        for block in self.blocks:
            x = block(x)
            pooled.append(x.mean(dim=(3, 4)).transpose(1, 2))
        compared = F.normalize(self.projection(torch.cat(pooled, dim=2)), dim=2)
        parts = [
            F.relu(self.colours(_around(F.normalize(_histograms(frames), dim=2)))),
            F.relu(self.similarity(_around(compared))),
            x.permute(0, 2, 3, 4, 1).flatten(2),
        ]
        dense = F.relu(self.dense(torch.cat(parts, dim=2)))
        logits = torch.cat([self.middle(dense), self.every(dense)], dim=2)
        blocks = {f"block{index}": values for index, values in enumerate(pooled, 1)}
        return {**blocks, "dense": dense, "cuts": logits.sigmoid()}


def _renamed(name: str) -> str:
    for pattern, ours in NAMES:
        renamed, found = re.subn(pattern, ours, name)
        if found:
            return renamed
    return name


def _histograms(frames: torch.Tensor) -> torch.Tensor:
    """Counts of colours in 8 x 8 x 8 bins, (batch, time, 512)."""
    red, green, blue = (frames.to(torch.int64) >> 5).flatten(2, 3).unbind(-1)
    bins = (red << 6) + (green << 3) + blue
    counts = torch.zeros((*bins.shape[:2], COLOURS), device=frames.device)
    return counts.scatter_add_(2, bins, torch.ones_like(bins, dtype=counts.dtype))


def _around(vectors: torch.Tensor) -> torch.Tensor:
    """Inner products of each frame's vector with those of the 50 frames before and after.

    (batch, time, d) -> (batch, time, 101); outside the window 0.
    """
    products = F.pad(vectors @ vectors.transpose(1, 2), (SEEN, SEEN))
    time = vectors.shape[1]
    index = torch.arange(time, device=vectors.device)[:, None]
    index = index + torch.arange(2 * SEEN + 1, device=vectors.device)
    return products.gather(2, index.expand(len(vectors), time, 2 * SEEN + 1))
