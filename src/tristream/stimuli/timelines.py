"""What is shown in the runs of a stimulus timeline: events, and when two runs show the same.

A timeline is a set of subjects who saw the same at the same times.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Events closer than this are the same event, seen in two files (s).
TOLERANCE = 1e-3
TIMED = ("film", "sound")


@dataclass(frozen=True)
class Event:
    """One presentation.

    Attributes
    ----------
    onset, duration : float
        Seconds from the start of the run's first volume.
    stimulus : str
        Name in the stimulus table, or the label.
    kind : str
        ``film``, ``sound``, ``image`` or ``label``.
    item : str
        What is shown: the label, the image, or the clip (``film@30`` when it starts at 30 s).
    media_start : float
        Second of the film or sound at which the event begins; NaN where there is no media time.
    keep : bool
        False for events that are modelled but are not samples.
    label : str
        What a decoder is to name from the BOLD; may be empty.
    unit : str
        The exchangeable unit; empty where it is an interval of time, and before the inventory.
    """

    onset: float
    duration: float
    stimulus: str
    kind: str
    item: str
    media_start: float = math.nan
    keep: bool = True
    label: str = ""
    unit: str = ""

    @property
    def end(self) -> float:
        """Second of the run at which the event ends."""
        return self.onset + self.duration

    @property
    def timed(self) -> bool:
        """Whether it has a media time: a film or a sound."""
        return self.kind in TIMED

    def holds(self, time: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Which of the time stamps (s) lie in the event: onset included, end not, to 1 ms."""
        return (time >= self.onset - TOLERANCE) & (time < self.end - TOLERANCE)

    def same(self, other: "Event") -> bool:
        """Whether `other` shows the same at the same time, to 1 ms."""
        if (self.stimulus, self.kind, self.label) != (other.stimulus, other.kind, other.label):
            return False
        if self.keep != other.keep:
            return False
        return all(
            (math.isnan(a) and math.isnan(b)) or abs(a - b) <= TOLERANCE
            for a, b in (
                (self.onset, other.onset),
                (self.duration, other.duration),
                (self.media_start, other.media_start),
            )
        )


Timeline = dict[str, list[Event]]
"""Run to its events, by onset."""


def first_difference(a: Sequence[Event], b: Sequence[Event]) -> int | None:
    """Index of the first event in which two runs differ; None if they are the same."""
    for index, (one, other) in enumerate(zip(a, b, strict=False)):
        if not one.same(other):
            return index
    return None if len(a) == len(b) else min(len(a), len(b))
