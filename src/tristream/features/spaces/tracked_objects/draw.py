"""Tracks drawn over their film, to see whether they are right."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from tristream.config.load import Resolved
from tristream.errors import UserError
from tristream.features.core.checked_space import check
from tristream.features.core.resources import find_weights
from tristream.features.spaces.tracked_objects.film import Tracked, sampled_size
from tristream.features.spaces.tracked_objects.tracks import State
from tristream.media.films import frames
from tristream.store import atomic_path

TRAIL = 24
"""Frames for which a track's path stays visible."""


def draw_space(
    resolved: Resolved, space: str, film: Path, receipt: Path, output: Path, threads: int = 1
) -> None:
    """Track a film as a feature space does, and draw it.

    Parameters
    ----------
    resolved : Resolved
        The study.
    space : str
        One of its spaces, of the extractor ``tracked_objects``.
    film : Path
        The film.
    receipt : Path
        Receipt of the space's weights.
    output : Path
        An ``.mp4`` to write.
    threads : int
        Threads of torch and OpenCV.

    Raises
    ------
    UserError
        If the space is another one, or an input is not usable.
    """
    import torch

    from tristream.features.spaces.tracked_objects import TrackingOptions, follow

    block = resolved.study.features.get(space)
    if block is None or block.extractor != "tracked_objects":
        raise UserError(f"config.yaml: features: {space!r} is not a space of tracked_objects")
    if output.suffix != ".mp4":
        raise UserError(f"{output}: give a name that ends in .mp4")
    checked = check(space, block)
    weights = find_weights(checked, receipt).folder
    assert isinstance(checked.options, TrackingOptions)
    assert weights is not None
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    tracked = follow(film, checked.options, weights, "cpu")
    size = sampled_size(film, checked.options.width)
    draw(film, tracked, output, fps=checked.options.fps, size=size)


def draw(
    film: Path, tracked: Iterable[Tracked], output: Path, *, fps: float, size: tuple[int, int]
) -> None:
    """Write a film of boxes, numbers and trails.

    Parameters
    ----------
    film : Path
        The film that was tracked.
    tracked : iterable of Tracked
        Its tracks, in time order.
    output : Path
        An ``.mp4`` to write.
    fps : float
        Frames per second of the tracks.
    size : (width, height)
        Of the tracks' frames in pixels.
    """
    width, height = (side + side % 2 for side in size)
    trails: dict[int, list[np.ndarray]] = {}
    with atomic_path(output) as temporary, av.open(str(temporary), "w") as container:
        rate = Fraction(fps).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=rate, options={"crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        shown = frames(film, fps=fps, size=(width, height))
        for (_, image), now in zip(shown, tracked, strict=True):
            _add(trails, now)
            drawn = np.ascontiguousarray(image)
            for number, state in now.tracks.items():
                _draw_track(drawn, number, state, trails[number])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(drawn, format="rgb24")))
        container.mux(stream.encode())


def _add(trails: dict[int, list[np.ndarray]], now: Tracked) -> None:
    for number in [number for number in trails if number not in now.tracks]:
        del trails[number]
    for number, state in now.tracks.items():
        foot = state.box[:2] + state.box[2:] * [0, 0.5]
        trails[number] = [*trails.get(number, []), foot][-TRAIL:]


def _draw_track(image: np.ndarray, number: int, state: State, trail: list[np.ndarray]) -> None:
    """Box, number and path of one track, in a colour of its own."""
    # Steps of the golden ratio around the colour circle: neighbours in number differ.
    hue = np.array([[[int(180 * (number * 0.618034 % 1)), 220, 255]]], np.uint8)
    colour = tuple(int(part) for part in cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0])
    low = np.round(state.box[:2] - state.box[2:] / 2).astype(int)
    high = np.round(state.box[:2] + state.box[2:] / 2).astype(int)
    cv2.rectangle(image, low.tolist(), high.tolist(), colour, 2)
    cv2.polylines(image, [np.round(trail).astype(np.int32)], False, colour, 2)
    place = (int(low[0]), int(low[1]) - 4)
    cv2.putText(image, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 2)
