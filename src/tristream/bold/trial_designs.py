"""Designs of a run's trials under every response of the library."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tristream.bold.cleaning import project_out
from tristream.bold.response_library import CANONICAL, LIBRARY, Response, expected
from tristream.bold.run_file import Run
from tristream.bold.trial_fit import Array, Design
from tristream.stimuli.timelines import Event

# A regressor of which the projection leaves less than this share of its length is not estimable.
ESTIMABLE = 1e-3


@dataclass(frozen=True)
class RunDesigns:
    """Designs of one run.

    Attributes
    ----------
    library : tuple of Design
        One a response of `LIBRARY`.
    canonical : Design
        Under SPM's response.
    estimable : ndarray of bool, shape (trials,)
        Trials of whose expected response the projection leaves something.
    """

    library: tuple[Design, ...]
    canonical: Design
    estimable: npt.NDArray[np.bool_]


def designs_of(
    run: Run, trials: Sequence[Event], others: Sequence[Event], duration: float
) -> RunDesigns:
    """Expected responses, projected as the run's BOLD was.

    Parameters
    ----------
    run : Run
        Of which times and projection are used.
    trials, others : list of Event
        Samples, and events that share a regressor by their length.
    duration : float
        Length of the event (s) whose response peaks at 1.
    """
    columns = expected(CANONICAL, run.time, trials, duration)
    left = np.linalg.norm(project_out(columns, run.projection), axis=0)
    estimable = left > ESTIMABLE * np.maximum(np.linalg.norm(columns, axis=0), ESTIMABLE)

    def design(response: Response) -> Design:
        shown = expected(response, run.time, trials, duration) * estimable
        rest = _by_length(response, run.time, others, duration)
        return Design(project_out(shown, run.projection), project_out(rest, run.projection))

    return RunDesigns(tuple(map(design, LIBRARY)), design(CANONICAL), estimable)


def _by_length(response: Response, time: Array, events: Sequence[Event], duration: float) -> Array:
    if not events:
        return np.zeros((len(time), 0))
    lengths = np.array([round(event.duration, 3) for event in events])
    columns = expected(response, time, events, duration)
    return np.stack([columns[:, lengths == one].sum(axis=1) for one in np.unique(lengths)], axis=1)
