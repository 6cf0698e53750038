"""What came out of a feature space over the time of a film or sound."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tristream.errors import UserError
from tristream.features.show.look import thumbnail
from tristream.features.show.show_numbers import components, mean_rows
from tristream.features.show.shown_space import Space, some_rows
from tristream.media.media_contents import media_info

Array = npt.NDArray[np.float64]
# Rows that components are found from, points of a trace, frames of a strip and their width.
ROWS = 800
POINTS = 400
FRAMES = 10
WIDTH = 160
# Traces of each layer.
COMPONENTS = 2
# Moments that are shown by default, as shares of a stimulus, and of its first four minutes.
MOMENTS = (0.2, 0.5)
FIRST = 240.0


@dataclass(frozen=True)
class Traces:
    """First principal components of each layer over one stimulus.

    Attributes
    ----------
    times : ndarray of shape (n,)
        Seconds of media time.
    rows : dict of str to ndarray of shape (n,)
        ``LAYER, component 1`` to its time course, averaged between the times.
    span : (float, float)
        Seconds of media time that are drawn: the whole stimulus, if it is there.
    pictures : list of ndarray
        Frames of the film, evenly spaced in the span; empty for a sound.
    """

    times: Array
    rows: dict[str, Array]
    span: tuple[float, float]
    pictures: list[npt.NDArray[np.uint8]]


def traces(space: Space, stimulus: str) -> Traces:
    """Traces of all layers of a space over a film or sound, with its frames if it is there.

    Raises
    ------
    UserError
        If the space has no features of it.
    """
    if stimulus not in space.stimuli:
        known = ", ".join(space.stimuli) or "none"
        raise UserError(f"{space.name}: has no features of {stimulus!r}; it has {known}")
    rows: dict[str, Array] = {}
    times = np.zeros(0)
    for layer, path in space.layers.items():
        found = some_rows(path, ROWS, [stimulus])
        scores = components(found.values, COMPONENTS)
        number = min(POINTS, len(scores))
        means, middles = mean_rows(scores, found.times, number)
        times = middles if not len(times) else times
        for index in range(scores.shape[1]):
            trace = np.interp(times, middles, means[:, index])
            rows[f"{layer}, component {index + 1}"] = trace
    try:
        path = space.medium(stimulus)
        info = media_info(path)
    except UserError:
        return Traces(times, rows, (float(times[0]), float(times[-1])), [])
    middles = info.duration * (np.arange(FRAMES) + 0.5) / FRAMES
    pictures = [thumbnail(path, float(at), WIDTH) for at in middles] if info.has_video else []
    return Traces(times, rows, (0.0, info.duration), pictures)


def moments(space: Space, stimulus: str) -> list[float]:
    """Seconds at which a stimulus is looked at if nothing is asked for."""
    duration = media_info(space.medium(stimulus)).duration
    return [round(share * min(duration, FIRST), 1) for share in MOMENTS]
