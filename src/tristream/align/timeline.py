"""Events of a stimulus timeline, and whether they fit the BOLD."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.bold.run_file import Run
from tristream.config.dataset import Trims
from tristream.errors import UserError
from tristream.store import Provenance, read_table

# Rounding in events files and headers (s).
TOLERANCE = 1e-3
TIMED = ("film", "sound")


@dataclass(frozen=True)
class Event:
    """One row of the inventory.

    Attributes
    ----------
    onset, duration : float
        Seconds from the start of the run.
    stimulus, kind : str
        Name in the stimulus table or label; film, sound, image or label.
    media_start : float
        Second of the film or sound at which the event begins; NaN for images and labels.
    item, unit : str
        What is shown, and the exchangeable unit (empty for stretches of time).
    keep : bool
        False for events that are modelled but are no samples.
    label : str
        What a decoder is to tell; empty where there is none.
    """

    onset: float
    duration: float
    stimulus: str
    kind: str
    media_start: float
    item: str
    unit: str
    keep: bool
    label: str = ""

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


def read_timeline(path: Path, timeline: str) -> tuple[dict[str, list[Event]], Provenance]:
    """Events of each run of a timeline.

    Raises
    ------
    UserError
        If the inventory holds no event of it.
    """
    table, provenance = read_table(path, "inventory")
    rows = table[table["timeline"].astype(str) == timeline]
    if rows.empty:
        raise UserError(f"{path}: holds no event of timeline {timeline!r}; write it again")
    events: dict[str, list[Event]] = {}
    for row in rows.to_dict("records"):
        events.setdefault(str(row["run"]), []).append(
            Event(
                onset=float(row["onset"]),
                duration=float(row["duration"]),
                stimulus=_text(row["stimulus"]),
                kind=str(row["kind"]),
                media_start=float(row["media_start"]),
                item=_text(row["item"]),
                unit=_text(row["unit"]),
                keep=bool(row["keep"]),
                label=_text(row["label"]),
            )
        )
    return events, provenance


def check_fit(
    events: Mapping[str, Sequence[Event]],
    runs: Sequence[Run],
    trims: Trims,
    inventory: Path,
    missing: Sequence[str] = (),
) -> None:
    """Check that every run has BOLD and events, and that no event outlasts the BOLD.

    Parameters
    ----------
    events : dict of run to list of Event
        From :func:`read_timeline`.
    runs : list of Run
        BOLD of one subject.
    trims : Trims
        The descriptor's; trimmed volumes were acquired, so events may reach into them.
    inventory : Path
        Named in messages.
    missing : list of str
        Runs that this subject lacks.

    Raises
    ------
    UserError
        Names the run and the seconds.
    """
    given = {run.run for run in runs}
    lacking = [run for run in events if run not in given and run not in missing]
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
                f"{acquired:.2f} s ({run.n_volumes} volumes of {run.tr:g} s after trims); mend the "
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


def _text(value: object) -> str:
    """A cell as text; a missing value is empty."""
    return "" if isinstance(value, float) and math.isnan(value) else str(value)
