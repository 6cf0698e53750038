"""Whether a subject's images, sidecars, masks and events fit together, before anything is read."""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tristream.bold.readers.reader import open_reader
from tristream.config.settings.bold import CheckSettings
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.stimuli.events import events_of_run
from tristream.stimuli.tables import read_inventory
from tristream.store import Provenance, write_json

KIND = "checked"


def write_checked(
    settings: CheckSettings, receipt: Path, inventory: Path, output: Path, code: str = ""
) -> None:
    """Check a subject's files and write the file of kind ``checked``: runs and their volumes.

    Raises
    ------
    UserError
        As :func:`check_subject`; why the subject's events are not in the inventory.
    """
    if why := read_inventory(inventory).left_out.get(settings.subject):
        raise UserError(why)
    files = Receipt.read(receipt)
    volumes = check_subject(settings, files)
    doubts = trials_in_doubt(settings, files, volumes)
    for doubt in doubts:
        print(f"warning: {doubt}", file=sys.stderr)
    provenance = Provenance(KIND, files.simulated, settings.key(), code)
    write_json(output, {"volumes": volumes, "doubts": doubts}, provenance)


def check_subject(settings: CheckSettings, receipt: Receipt) -> dict[str, int]:
    """Check a subject's files; reads no series.

    Parameters
    ----------
    settings : CheckSettings
        The subject, its runs, and how images and events are laid out.
    receipt : Receipt
        Lists the subject's files, which are there.

    Returns
    -------
    dict of str to int
        Each run with its volumes, as far as the layout's headers tell them.

    Raises
    ------
    UserError
        The file, what is wrong and what to do.
    """
    found = open_reader(settings, receipt).inspect()
    for run, (path, volumes) in found.items():
        _check_events(settings, run, receipt, path, volumes)
    return {run: volumes for run, (_, volumes) in found.items()}


def trials_in_doubt(
    settings: CheckSettings, receipt: Receipt, volumes: Mapping[str, int]
) -> list[str]:
    """Runs whose trials one model of all does not determine, as far as onsets and TR say."""
    if settings.trials is None or settings.trials.estimate != "lsa":
        return []
    from tristream.bold.cleaning import projection_basis
    from tristream.bold.trials import ILL_CONDITIONED, condition_number, ill_conditioned

    found = []
    for run, length in volumes.items():
        events = events_of_run(settings.events, settings.subject, run, receipt)
        kept = [event for event in events if event.keep]
        others = [event for event in events if not event.keep]
        time = np.asarray(settings.tr * (0.5 + np.arange(length)), np.float64)
        if kept:
            basis = projection_basis(length)
            number = condition_number(time, kept, others, settings.trials.hrf, basis)
            if number > ILL_CONDITIONED:
                found.append(f"sub-{settings.subject} {run}: {ill_conditioned(number)}")
    return found


def _check_events(
    settings: CheckSettings, run: str, receipt: Receipt, path: Path, volumes: int
) -> None:
    """Check that no event lasts longer than the run's BOLD, to one volume."""
    events = events_of_run(settings.events, settings.subject, run, receipt)
    last, tr = max((event.end for event in events), default=0.0), settings.tr
    if last > (volumes + 1) * tr:
        raise UserError(
            f"{path}: ends at {volumes * tr:g} s ({volumes} volumes of {tr:g} s), but the events "
            f"of {run} last until {last:g} s; it is cut short, or not of this run"
        )
