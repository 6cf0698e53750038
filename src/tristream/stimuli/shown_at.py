"""Which event a volume shows: one rule for the index of samples and for the counts before BOLD.

- An event lasts one TR at least. Otherwise chance would decide whether a volume falls into a brief
  one (1 s at a TR of 2 s), and none would into an instant.
- Where events overlap, one that is a sample goes before one that is only modelled (a button press
  within a block), then the later onset counts, then the shorter event.
- A volume outside of events shows none.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tristream.stimuli.timelines import Event

NONE = -1


def shown_at(
    time: npt.NDArray[np.float64], tr: float, events: Sequence[Event]
) -> npt.NDArray[np.intp]:
    """Place among the events of the one that each volume shows; `NONE` where there is none.

    Parameters
    ----------
    time : ndarray of shape (volumes,)
        Seconds of the run at which the volumes stand.
    tr : float
        Seconds.
    events : list of Event

    Returns
    -------
    ndarray of int, shape (volumes,)
    """
    shown = np.full(len(time), NONE, np.intp)
    order = sorted(
        range(len(events)),
        key=lambda n: (events[n].keep, events[n].onset, -events[n].duration),
    )
    for n in order:
        event = events[n]
        shown[replace(event, duration=max(event.duration, tr)).holds(time)] = n
    return shown
