"""Films, sounds and images that the descriptor says were shown, in place of events files."""

import math
from fnmatch import fnmatchcase

from tristream.config.events import EventReading
from tristream.config.runs import whole_run
from tristream.errors import UserError
from tristream.stimuli.entry_points import entered_at
from tristream.stimuli.timelines import TIMED, Event


def shown_in(reading: EventReading, run: str) -> list[Event]:
    """Events of a run by the descriptor's ``events.shown``.

    Returns
    -------
    list of Event
        By onset. One that lasts until its film or sound ends has the duration NaN, until the
        inventory has looked at the file.

    Raises
    ------
    UserError
        If nothing is known of the run, or not for how long an image was shown.
    """
    table = {row.stimulus: row for row in reading.stimuli}
    events = []
    for shown in reading.events.shown:
        if not any(fnmatchcase(name, shown.runs) for name in (run, whole_run(run))):
            continue
        row = table[shown.stimulus]
        length = math.nan if shown.duration is None else shown.duration
        onset = shown.onset + reading.events.onset_shift
        event = Event(onset, length, row.stimulus, row.kind, row.stimulus, label=row.label)
        if row.kind in TIMED:
            event = entered_at(event, shown.media_start)
        elif shown.duration is None:
            raise UserError(
                f"{reading.dataset}: events.shown: say for how long {row.stimulus} was shown in "
                f"{shown.runs} (duration), as an image has no length"
            )
        events.append(event)
    if not events:
        raise UserError(
            f"{reading.dataset}: events.shown: says nothing of {run}; add what was shown there, or "
            "take the run out of `runs`"
        )
    return sorted(events, key=lambda event: event.onset)
