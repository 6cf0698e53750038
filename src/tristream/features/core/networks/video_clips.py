"""Clips of film frames, and the tokens of networks that see clips."""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tristream.features.core.networks.reduce import LayerOptions, patch_grid, pool

if TYPE_CHECKING:
    import torch


def clips(
    pictures: Iterator[tuple[float, np.ndarray]], length: int, stride: int
) -> Iterator[tuple[float, np.ndarray]]:
    """Clips of `length` pictures, one begun every `stride` pictures; an unfinished one is none.

    Parameters
    ----------
    pictures : iterator of (time, picture)
        With the centres of the pictures' times.
    length, stride : int
        In pictures; a stride above the length leaves some out.

    Yields
    ------
    time : float
        Centre of the clip.
    clip : ndarray of uint8, (length, height, width, 3)
    """
    held: deque[tuple[float, np.ndarray]] = deque(maxlen=length)
    for index, picture in enumerate(pictures):
        held.append(picture)
        begun = index + 1 - length
        if begun >= 0 and begun % stride == 0:
            yield (held[0][0] + held[-1][0]) / 2, np.stack([image for _, image in held])


def clip_columns(
    hidden: "torch.Tensor",
    options: LayerOptions,
    leading: int,
    order: str,
    steps: int,
    aspect: float,
) -> "torch.Tensor":
    """Columns of a layer of a network that sees clips.

    Parameters
    ----------
    hidden : tensor (n, tokens, c), or (n * steps, tokens, c) for the order ``frames``
        What ``transformers`` gives.
    options : LayerOptions
        ``mean`` and ``grid:K`` average over the clip's time.
    leading : int
        Tokens before those of the patches.
    order : str
        ``thw``, ``hwt`` or ``frames``, see :class:`.families.Family`.
    steps : int
        Time steps of the tokens.
    aspect : float
        Height / width of the network's input.

    Returns
    -------
    tensor (n, p)
        Channels, within each the time steps if they are not pooled, within these the cells.
    """
    if order == "frames":
        hidden = hidden.unflatten(0, (-1, steps))  # n, steps, tokens, c
    tokens = hidden.ndim - 2
    if leading and options.tokens == "cls":
        first = hidden.select(tokens, 0)
        return first.mean(1) if order == "frames" else first
    if leading and options.tokens == "all":
        flat = hidden.flatten(1, tokens)
        return flat.mean(1) if options.grid else flat.movedim(1, 2).flatten(1)
    patches = hidden.narrow(tokens, leading, hidden.shape[tokens] - leading)
    if order == "thw":
        patches = patches.unflatten(1, (steps, -1))
    elif order == "hwt":
        patches = patches.unflatten(1, (-1, steps)).transpose(1, 2)
    maps = patches.movedim(3, 1)  # n, c, steps, cells
    maps = maps.unflatten(3, patch_grid(maps.shape[3], aspect))
    return pool(maps.mean(2), options.grid) if options.grid else maps.flatten(1)
