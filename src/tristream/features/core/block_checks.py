"""What an extractor gives, checked (the module may be a user's), and joined."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from tristream.errors import UserError
from tristream.features.core.registry import Block

# Times may lie so much outside of a film or sound (s).
MARGIN = 1.0
# A window that is longer than this and than the film or sound is not in seconds (s).
LONGEST = 60.0


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
    if not isinstance(chunk[layer], Block):
        raise UserError(
            f"{where}: {layer}: gave {type(chunk[layer]).__name__} where a Block(values, times) is "
            "due"
        )
    try:
        values = np.asarray(chunk[layer].values)
        times = np.asarray(chunk[layer].times, np.float64)
        values.astype(np.float32, copy=False)
    except (RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            f"{where}: {layer}: values and times can't be read as arrays of numbers ({reason}); "
            "give NumPy arrays: `tensor.detach().cpu().numpy()`"
        ) from None
    if values.ndim != 2 or times.shape != values.shape[:1]:
        raise UserError(
            f"{where}: {layer}: values {values.shape} and times {times.shape} don't fit; they "
            "must be (n, p) and (n,)"
        )
    if not (np.isfinite(values).all() and np.isfinite(times).all()):
        raise UserError(f"{where}: {layer}: gave values that are not finite")


def checked_chunks(where: str, given: object) -> Iterator[dict[str, Block]]:
    """The dicts that an extractor yields.

    Raises
    ------
    UserError
        If it returned something else, such as one dict.
    """
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise UserError(
            f"{where}: returned {type(given).__name__} where a generator is due; "
            "`yield` each dict of layer to Block"
        )
    for chunk in given:
        if not isinstance(chunk, dict):
            raise UserError(
                f"{where}: yielded {type(chunk).__name__} where a dict of layer to Block is due"
            )
        yield chunk


def check_in_medium(where: str, layer: str, times: np.ndarray, window: float, end: float) -> None:
    """Refuse times outside of a film or sound of `end` seconds, or a window that is longer.

    Raises
    ------
    UserError
        One line.
    """
    if not 0 <= window <= max(end, LONGEST):
        raise UserError(
            f"{where}: {layer}: a window of {window:g} s in {end:.2f} s of film or sound; give "
            "seconds"
        )
    # A window may reach beyond either end, and headers round a duration.
    margin = max(window, MARGIN)
    if len(times) and (times.min() < -margin or times.max() > end + margin):
        raise UserError(
            f"{where}: {layer}: gave times from {times.min():.2f} to {times.max():.2f} s, but it "
            f"lasts {end:.2f} s; give seconds of media time"
        )


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
