"""Sounds in overlapping pieces, so that memory does not grow with a film's length."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tristream.errors import UserError


@dataclass(frozen=True)
class Track:
    """A mono sound that is read piece by piece.

    Attributes
    ----------
    rate : int
        Hz.
    samples : int
        Its length: the film's duration, or the array's.
    chunks : callable
        Gives the samples from the first on, in chunks of any lengths.
    """

    rate: int
    samples: int
    chunks: Callable[[], Iterator[NDArray]]

    @classmethod
    def open(cls, path: Path, rate: int, shortest: float = 0.0) -> "Track":
        """The sound of a film or sound file, from media time 0 to the end of the file.

        Parameters
        ----------
        path : Path
            Film or sound; its channels are averaged.
        rate : int
            It is resampled to this rate (Hz).
        shortest : float
            Seconds that are needed at least.

        Raises
        ------
        UserError
            If it can't be decoded, has no sound, or is too short.
        """
        from tristream.media.media_contents import media_info
        from tristream.media.sounds import sound

        samples = round(media_info(path).duration * rate)
        if samples < round(shortest * rate):
            raise UserError(
                f"{path}: its sound is shorter than {shortest:g} s; remove it from the stimuli"
            )

        def chunks() -> Iterator[NDArray]:
            empty = True
            for chunk in sound(path, rate):
                yield chunk
                empty = False
            if empty:
                raise UserError(f"{path}: its sound track is empty")

        return cls(rate, samples, chunks)

    @classmethod
    def of(cls, sound: NDArray, rate: int) -> "Track":
        """A sound that is in memory."""
        return cls(rate, len(sound), lambda: iter([sound]))

    def pieces(
        self, length: int, before: int = 0, after: int = 0, total: int | None = None, skip: int = 0
    ) -> Iterator[NDArray]:
        """See :func:`overlapping`; outside of the sound there is silence."""
        total = self.samples if total is None else total
        return overlapping(self._source(), total, length, before, after, skip=skip)

    def segments(self, bounds: Iterable[tuple[int, int]]) -> Iterator[NDArray]:
        """See :func:`segments`; outside of the sound there is silence."""
        return segments(self._source(), bounds)

    def _source(self) -> Iterator[NDArray]:
        """The first `samples`: a track may outlast what the file's header says."""
        left = self.samples
        for chunk in self.chunks():
            yield chunk[:left]
            left -= min(len(chunk), left)
            if not left:
                return


def overlapping(
    chunks: Iterator[NDArray],
    total: int,
    length: int,
    before: int,
    after: int,
    fill: float = 0.0,
    skip: int = 0,
) -> Iterator[NDArray]:
    """Cut a stream of rows into pieces that overlap.

    Piece `i` holds rows ``i * length - before`` to ``min((i + 1) * length, total) + after``. What
    lies outside of the stream is `fill`.

    Parameters
    ----------
    chunks : iterator of ndarray, (n, ...)
        Consecutive rows.
    total : int
        Rows that the pieces cover.
    length : int
        Rows a piece, without its margins.
    before, after : int
        Rows of margin.
    fill : float
        What stands before the first and after the last row.
    skip : int
        Leave out this many pieces.

    Yields
    ------
    ndarray, (rows + before + after, ...)
    """
    bounds = (
        (start - before, min(start + length, total) + after)
        for start in range(skip * length, total, length)
    )
    return segments(chunks, bounds, fill)


def segments(
    chunks: Iterator[NDArray], bounds: Iterable[tuple[int, int]], fill: float = 0.0
) -> Iterator[NDArray]:
    """Stretches of a stream of rows; only what is needed for one is held.

    Parameters
    ----------
    chunks : iterator of ndarray, (n, ...)
        Consecutive rows.
    bounds : iterable of (int, int)
        First row and end of each segment, neither falling.
    fill : float
        What stands before the first and after the last row.

    Yields
    ------
    ndarray, (end - first, ...)
    """
    held = next(chunks)
    start = 0
    for low, high in bounds:
        parts, end = [held], start + len(held)
        while end < high and (chunk := next(chunks, None)) is not None:
            if end + len(chunk) <= low:
                start, parts = end + len(chunk), [chunk[:0]]
            else:
                parts.append(chunk)
            end += len(chunk)
        held = np.concatenate(parts)
        gone = min(max(low - start, 0), len(held))
        held, start = held[gone:], start + gone
        inside = held[: max(high - start, 0)]
        before = min(max(start - low, 0), high - low)
        margins = (before, high - low - before - len(inside))
        rest = ((0, 0),) * (inside.ndim - 1)
        yield np.pad(inside, (margins, *rest), constant_values=fill) if any(margins) else inside


def averaged(frames: NDArray, size: int) -> NDArray:
    """Means of `size` consecutive rows each; a rest is left out.

    Parameters
    ----------
    frames : ndarray, (n, ...)

    Returns
    -------
    ndarray, (n // size, ...)
    """
    n = len(frames) // size
    return frames[: n * size].reshape(n, size, *frames.shape[1:]).mean(1)


def decibel(power: NDArray, floor: float = 1e-8) -> NDArray:
    """10 log10 of power, not less than that of `floor`."""
    return 10 * np.log10(np.maximum(power, floor))
