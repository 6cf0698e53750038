"""What an extractor gives, checked (the module may be a user's), and joined."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from tristream.errors import UserError
from tristream.features.core.registry import Block


def check_block(where: str, layer: str, chunk: Mapping[str, Block]) -> None:
    """Refuse a chunk without a layer, or with values and times that don't fit.

    Parameters
    ----------
    where : str
        Module and name of the extractor, for messages.
    layer : str
        The layer.
    chunk : dict of str to Block
        What the extractor gave.

    Raises
    ------
    UserError
        One line.
    """
    if layer not in chunk:
        raise UserError(f"{where}: gave no layer {layer}")
    values, times = np.asarray(chunk[layer].values), np.asarray(chunk[layer].times)
    if values.ndim != 2 or times.shape != values.shape[:1]:
        raise UserError(
            f"{where}: {layer}: values {values.shape} and times {times.shape} don't fit; they "
            "must be (n, p) and (n,)"
        )
    if not (np.isfinite(values).all() and np.isfinite(times).all()):
        raise UserError(f"{where}: {layer}: gave values that are not finite")


def check_layers_given(where: str, wanted: Collection[str], chunk: Mapping[str, Block]) -> None:
    """Refuse layers that nobody asked for.

    Raises
    ------
    UserError
        One line.
    """
    if unknown := [layer for layer in chunk if layer not in wanted]:
        raise UserError(
            f"{where}: gave {', '.join(unknown)}, but was asked for {', '.join(wanted)} alone"
        )


def joined(chunks: Sequence[Mapping[str, Block]], layers: Sequence[str]) -> dict[str, Block]:
    """Chunks one after the other, as one."""
    return {
        layer: Block(
            np.concatenate([chunk[layer].values for chunk in chunks]),
            np.concatenate([chunk[layer].times for chunk in chunks]),
        )
        for layer in layers
    }
