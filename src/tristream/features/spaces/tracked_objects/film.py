"""A film's tracks, frame by frame."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tristream.features.spaces.tracked_objects.associate import Weights
from tristream.features.spaces.tracked_objects.detect import Boxes, Detector
from tristream.features.spaces.tracked_objects.tracks import Frame, Tracker
from tristream.media.films import frames
from tristream.media.media_contents import media_info

Embedder = Callable[[np.ndarray, Boxes], np.ndarray]
"""Image and boxes -> unit vectors."""


@dataclass(frozen=True)
class Tracked:
    """The tracks of one sampled frame.

    Attributes
    ----------
    time : float
        Middle of the sample, seconds.
    tracks : dict of int to State
        In pixels of the sampled size.
    """

    time: float
    tracks: Frame


def sampled_size(path: Path, width: int) -> tuple[int, int]:
    """Width and height to which a film is scaled for detection; the aspect ratio is kept."""
    info = media_info(path)
    return width, max(round(info.height * width / info.width), 1)


def track_film(
    path: Path,
    detector: Detector,
    embed: Embedder,
    *,
    fps: float,
    width: int,
    memory: float,
    weights: Weights | None = None,
) -> Iterator[Tracked]:
    """Follow the objects of a film.

    Parameters
    ----------
    path : Path
        The film.
    detector : callable
        Finds objects in a frame.
    embed : callable
        Gives what they look like.
    fps : float
        Frames per second that are looked at.
    width : int
        Pixels to which frames are scaled.
    memory : float
        Seconds for which an object that is not found is remembered.
    weights : Weights, optional
        How looks and distance are weighed.

    Yields
    ------
    Tracked
        Each sampled frame, in time order.
    """
    tracker = Tracker(fps, memory, weights)
    waiting: deque[float] = deque()
    for start, image in frames(path, fps=fps, size=sampled_size(path, width)):
        waiting.append(start + 0.5 / fps)
        found = detector(image)
        for tracks in tracker.step(found, embed(image, found.boxes)):
            yield Tracked(waiting.popleft(), tracks)
    for tracks in tracker.finish():
        yield Tracked(waiting.popleft(), tracks)
