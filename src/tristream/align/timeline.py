"""Whether the events of a stimulus timeline fit the BOLD."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tristream.bold.run_file import Run
from tristream.config.runs import Trims
from tristream.errors import UserError
from tristream.stimuli.timelines import TOLERANCE, Event


def check_fit(
    events: Mapping[str, Sequence[Event]],
    runs: Sequence[Run],
    trims: Trims,
    inventory: Path,
    absent: Sequence[str] = (),
) -> None:
    """Check that every run has BOLD and events, and that no event outlasts the BOLD.

    Parameters
    ----------
    events : dict of run to list of Event
        Of the timeline that the subject saw.
    runs : list of Run
        BOLD of one subject, or for each run of one of those who saw the timeline.
    trims : Trims
        The descriptor's; trimmed volumes were acquired, so events may reach into them.
    inventory : Path
        Named in messages.
    absent : list of str
        Runs that are not to be expected.

    Raises
    ------
    UserError
        Names the run and the seconds.
    """
    given = {run.run for run in runs}
    lacking = [run for run in events if run not in given and run not in absent]
    if lacking:
        raise UserError(f"{inventory}: no BOLD was given for {', '.join(lacking)}; prepare it")
    for run in runs:
        if run.run not in events:
            raise UserError(f"{inventory}: holds no event of {run.run}; take it out of `runs:`")
        if run.trials:
            trial_events(run, events[run.run])
            continue
        acquired = run.time[-1] - run.start_time + run.tr * (1 + trims.end)
        end = max(event.end for event in events[run.run])
        if end > acquired + run.tr:
            raise UserError(
                f"{inventory}: {run.run}: events last until {end:.2f} s, but its BOLD ends at "
                f"{acquired:.2f} s ({run.n_volumes} volumes of {run.tr:g} s after trims); fix the "
                "events, tr or trims"
            )


def trial_events(run: Run, events: Sequence[Event]) -> list[list[Event]]:
    """The events that begin with each trial of a run whose rows are trials.

    Raises
    ------
    UserError
        If a trial has none: the run was prepared from other events.
    """
    onsets = np.array([event.onset for event in events])
    close = np.abs(onsets - run.time[:, None]) <= TOLERANCE
    found = [[event for event, on in zip(events, row, strict=True) if on] for row in close]
    lost = [time for time, here in zip(run.time, found, strict=True) if not here]
    if lost:
        raise UserError(
            f"sub-{run.subject} {run.run}: its trial at {lost[0]:g} s is not in the inventory; "
            "prepare the run again"
        )
    return found
