"""Twenty haemodynamic responses to choose from, and expected responses to trials at exact times.

Each is a difference of two gamma densities as SPM's: the first has its mode 2.5 to 7 s after a
brief event and a standard deviation of 1.5 or 2.3 s, the second, the undershoot, is a sixth of it
and has its mode 10 s later. Their integrals are known, so that the response to an event of any
length is exact at any time: nothing is rounded to volumes or to a grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammainc

from tristream.stimuli.timelines import Event

Array = npt.NDArray[np.float64]

PEAKS = np.arange(2.5, 7.01, 0.5)
SPREADS = (1.5, 2.3)
# Seconds after an event's end at which every response is over, and steps in which peaks are sought.
OVER, STEP = 45.0, 0.02
# Events of no length are taken to last so long (s).
BRIEF = 0.1


@dataclass(frozen=True)
class Response:
    """A haemodynamic response to a brief event.

    Attributes
    ----------
    peak : float
        Seconds from the event to the first gamma density's mode.
    scale : float
        Of that density (s): how wide it is.
    """

    peak: float
    scale: float

    @classmethod
    def of(cls, peak: float, spread: float) -> "Response":
        """By the standard deviation (s) of its first density, sqrt(scale (peak + scale))."""
        return cls(peak, (-peak + (peak**2 + 4 * spread**2) ** 0.5) / 2)

    def after(self, lag: Array, duration: Array | float) -> Array:
        """Response `lag` seconds after the onset of an event, up to a factor (see `height`)."""
        length = np.maximum(duration, BRIEF)
        return self._integral(lag) - self._integral(lag - length)

    def height(self, duration: float) -> float:
        """Largest value of the response to an event of this length."""
        return float(self.after(np.arange(0, duration + OVER, STEP), duration).max())

    def _integral(self, lag: Array) -> Array:
        """Of the response from its onset on: both densities' distribution functions."""
        since = np.maximum(lag, 0)
        first = gammainc(self.peak / self.scale + 1, since / self.scale)
        return np.asarray(first - gammainc(self.peak + 11, since) / 6, np.float64)


# SPM's canonical response; what is found by the mean response to all trials assumes it.
CANONICAL = Response(5.0, 1.0)
LIBRARY = tuple(Response.of(peak, spread) for spread in SPREADS for peak in PEAKS.tolist())


def expected(response: Response, time: Array, events: Sequence[Event], duration: float) -> Array:
    """Expected responses to events, one column each.

    Parameters
    ----------
    response : Response
    time : ndarray of shape (volumes,)
        Seconds of the run at which the volumes stand.
    events : list of Event
    duration : float
        Length of the event (s) whose response peaks at 1.

    Returns
    -------
    ndarray of shape (volumes, events)
    """
    onsets = np.array([event.onset for event in events])
    lengths = np.array([event.duration for event in events])
    lag = time[:, None] - onsets
    near = (lag > 0) & (lag < lengths + OVER)
    columns = np.zeros(lag.shape)
    columns[near] = response.after(lag[near], np.broadcast_to(lengths, lag.shape)[near])
    return columns / response.height(duration)
