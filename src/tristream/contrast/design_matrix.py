"""The design of a run: one expected response a condition."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from nilearn.glm.first_level import make_first_level_design_matrix

from tristream.bold.run_file import Run
from tristream.stimuli.timelines import Event

Floats = npt.NDArray[np.float64]
# Name of the regressor of events that are modelled, but are not samples.
OTHERS = "no sample"
# An event may still be answered so many seconds after it: nilearn's default of `min_onset`.
REACH = 24.0


def condition(event: Event) -> str:
    """Regressor that an event belongs to: its label, or the one of all that are not samples."""
    return (event.label or event.item) if event.keep else OTHERS


def carried(
    runs: Sequence[str], events: Mapping[str, Sequence[Event]], length: float
) -> dict[str, list[tuple[float, Event]]]:
    """Events of runs that are parts of one scan, with those whose response reaches in from before.

    Parameters
    ----------
    runs : list of str
        The parts in their order.
    events : dict of str to list of Event
        Events of each.
    length : float
        Seconds of a part.

    Returns
    -------
    dict of run to list of (onset, Event)
        Onsets in seconds of the part; negative for those of the part before.
    """
    out: dict[str, list[tuple[float, Event]]] = {}
    for number, run in enumerate(runs):
        before = [(e.onset - length, e) for e in events[runs[number - 1]]] if number else []
        late = [(onset, e) for onset, e in before if onset > -REACH]
        out[run] = [*late, *((event.onset, event) for event in events[run])]
    return out


def design(
    run: Run, events: Sequence[tuple[float, Event]], hrf: str, duration: float | None = None
) -> tuple[Floats, list[str]]:
    """Expected responses at the times of a run's volumes.

    Parameters
    ----------
    run : Run
        Its `time` is used.
    events : list of (onset, Event)
    hrf : str
        nilearn's name of the response function.
    duration : float, optional
        Seconds of every event; 0 makes it an instant. By default each has its own.

    Returns
    -------
    responses : ndarray of shape (volumes, conditions)
    conditions : list of str
        In alphabetical order, those that are not samples last.
    """
    table = pd.DataFrame(
        {
            "onset": [onset for onset, _ in events],
            "duration": [e.duration if duration is None else duration for _, e in events],
            "trial_type": [condition(event) for _, event in events],
        }
    )
    names = sorted(set(table["trial_type"]), key=lambda name: (name == OTHERS, name))
    # nilearn's columns must be names that Python could have; labels are any text.
    table["trial_type"] = [f"c{names.index(name):05d}" for name in table["trial_type"]]
    with warnings.catch_warnings():
        # Instants are asked for.
        warnings.filterwarnings("ignore", "The following conditions contain events with null")
        made = make_first_level_design_matrix(
            run.time, table, hrf_model=hrf, drift_model=None, min_onset=-REACH
        )
    columns = [f"c{number:05d}" for number in range(len(names))]
    return made[columns].to_numpy(np.float64), names
