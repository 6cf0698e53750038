"""What the tracks of a frame are together: numbers of a fixed count, whatever is there.

Lengths are in picture heights; places are measured from the middle of the picture, to the right
and down.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tristream.features.spaces.tracked_objects.film import Tracked
from tristream.features.spaces.tracked_objects.tracks import Frame

MOMENTS = ("x", "y", "width", "height", "right", "down", "speed", "acceleration", "age")
COUNTS = ("number", "births", "deaths", "area")
EACH = (
    *("present", "x", "y", "width", "height"),
    *("right", "down", "acceleration_right", "acceleration_down", "age"),
)
CELLS = ("occupied", "right", "down")


@dataclass(frozen=True)
class Scene:
    """Attributes
    ----------
    size : (width, height)
        Of the frames in pixels.
    fps : float
        Frames per second.
    """

    size: tuple[int, int]
    fps: float


def with_neighbours(
    tracked: Iterable[Tracked],
) -> Iterator[tuple[Frame | None, Tracked, Frame | None]]:
    """Each frame with the tracks of the one before and of the one after, if there are such."""
    before: Frame | None = None
    now: Tracked | None = None
    for after in tracked:
        if now is not None:
            yield before, now, after.tracks
            before = now.tracks
        now = after
    if now is not None:
        yield before, now, None


def table(before: Frame | None, now: Frame, after: Frame | None, scene: Scene) -> np.ndarray:
    """The tracks of a frame, largest first.

    Parameters
    ----------
    before, now, after : dict of int to State
        Tracks of three frames that follow each other.
    scene : Scene
        Sizes.

    Returns
    -------
    ndarray (tracks, 9)
        The columns of :data:`EACH` but the first. Accelerations are differences of the velocities
        of the frames around, 0 where the track is in none of them.
    """
    rows = []
    for number, state in now.items():
        states = [frame[number] for frame in (before, now, after) if frame and number in frame]
        span = (len(states) - 1) / scene.fps
        change = (states[-1].velocity - states[0].velocity)[:2] / span if span else np.zeros(2)
        centre = state.box[:2] - np.array(scene.size) / 2
        lengths = np.concatenate([centre, state.box[2:], state.velocity[:2], change])
        rows.append([*(lengths / scene.size[1]), state.age])
    found = np.array(rows).reshape(len(rows), len(EACH) - 1)
    return found[np.argsort(-found[:, 2] * found[:, 3], kind="stable")]


def summary_names() -> list[str]:
    """Columns of :func:`summary`."""
    return [*COUNTS, *(f"{kind}_{name}" for name in MOMENTS for kind in ("mean", "sd"))]


def summary(before: Frame | None, now: Frame, after: Frame | None, scene: Scene) -> np.ndarray:
    """How many there are, where, how large, how fast.

    ``number`` of tracks; ``births`` and ``deaths``: how many are in their first or last frame
    (tracks of the film's first frame are not born then, nor do those of its last one die);
    ``area``: the sum of the boxes, in squared picture heights; mean and standard deviation over
    the tracks of each of :data:`MOMENTS` (0 without tracks).
    """
    rows = table(before, now, after, scene)
    births = len(now.keys() - before.keys()) if before is not None else 0
    deaths = len(now.keys() - after.keys()) if after is not None else 0
    x, y, width, height, right, down, *acceleration, age = rows.T
    speed = np.hypot(right, down)
    columns = [x, y, width, height, right, down, speed, np.hypot(*acceleration), age]
    moments = [f(c) if len(c) else 0.0 for c in columns for f in (np.mean, np.std)]
    return np.array([len(now), births, deaths, (width * height).sum(), *moments])


def largest_names(count: int) -> list[str]:
    """Columns of :func:`largest`."""
    return [f"{name}_{rank}" for rank in range(1, count + 1) for name in EACH]


def largest(
    before: Frame | None, now: Frame, after: Frame | None, scene: Scene, count: int
) -> np.ndarray:
    """:data:`EACH` of the `count` largest tracks, by falling size; 0 where there are fewer."""
    rows = table(before, now, after, scene)[:count]
    out = np.zeros((count, len(EACH)))
    out[: len(rows), 0] = 1
    out[: len(rows), 1:] = rows
    return out.ravel()


def cell_names(grid: tuple[int, int]) -> list[str]:
    """Columns of :func:`cells`."""
    places = [f"{row + 1}_{column + 1}" for row in range(grid[0]) for column in range(grid[1])]
    return [f"{name}_{place}" for name in CELLS for place in places]


def cells(now: Frame, scene: Scene, grid: tuple[int, int]) -> np.ndarray:
    """In each cell of a grid: the share that boxes cover, and how they move.

    ``occupied`` adds up boxes that lie upon each other; ``right`` and ``down`` are velocities,
    weighed by the share of the cell that the box covers.
    """
    out = np.zeros((len(CELLS), *grid))
    cell = np.array(scene.size, float) / grid[::-1]
    for state in now.values():
        low, high = state.box[:2] - state.box[2:] / 2, state.box[:2] + state.box[2:] / 2
        across = _covered(low[0] / cell[0], high[0] / cell[0], grid[1])
        down = _covered(low[1] / cell[1], high[1] / cell[1], grid[0])
        share = np.outer(down, across)
        out += share * np.array([1.0, *(state.velocity[:2] / scene.size[1])])[:, None, None]
    return out.ravel()


def _covered(low: float, high: float, count: int) -> np.ndarray:
    """Share of each of `count` unit intervals that lies between `low` and `high`."""
    edges = np.arange(count)
    return np.clip(np.minimum(high, edges + 1) - np.maximum(low, edges), 0, 1)
