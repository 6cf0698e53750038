"""Whether a subject's images, sidecars, masks and events fit together, before anything is read."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tristream.bold.copied_images import images_in_doubt, prints_of
from tristream.bold.image_checks import Images, RunImage
from tristream.bold.readers.reader import open_reader
from tristream.config.settings.bold import CheckSettings
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.stimuli.events import events_of_run
from tristream.stimuli.tables import read_inventory
from tristream.store import Provenance, read_json, write_json

KIND = "checked"

RunTimes = dict[str, tuple[int, float]]
"""Run to its number of volumes, and the second of its acquisition for which one stands."""


def write_checked(
    settings: CheckSettings, receipt: Path, inventory: Path, output: Path, code: str = ""
) -> None:
    """Check a subject's files and write the file of kind ``checked``: its runs' volumes.

    Raises
    ------
    UserError
        As :func:`check_subject`; why the subject's events are not in the inventory.
    """
    if why := read_inventory(inventory).left_out.get(settings.subject):
        raise UserError(why)
    files = Receipt.read(receipt)
    images = check_subject(settings, files)
    doubts = images_in_doubt(settings.subject, images) + trials_in_doubt(settings, files, images)
    for doubt in doubts:
        print(f"warning: {doubt}", file=sys.stderr)
    provenance = Provenance(KIND, files.simulated, settings.key(), code)
    content = {
        "subject": settings.subject,
        "volumes": {run: image.volumes for run, image in images.items()},
        "start_times": {run: image.start_time for run, image in images.items()},
        "doubts": doubts,
        "prints": prints_of(images),
    }
    write_json(output, content, provenance)


@dataclass(frozen=True)
class CheckedSubject:
    """What was found before BOLD was read.

    Attributes
    ----------
    subject : str
    times : dict of run to (int, float)
        Volumes, and the second of its acquisition for which one stands.
    doubts : list of str
        What looks wrong and was not refused.
    prints : dict of run to str
        See :func:`tristream.bold.copied_images.prints_of`.
    simulated : bool
    """

    subject: str
    times: RunTimes
    doubts: list[str]
    prints: Mapping[str, str]
    simulated: bool


def read_checked(path: Path) -> CheckedSubject:
    """Read a file of kind ``checked``."""
    stored, provenance = read_json(path, KIND)
    times = {run: (n, stored["start_times"][run]) for run, n in stored["volumes"].items()}
    return CheckedSubject(
        str(stored["subject"]), times, stored["doubts"], stored["prints"], provenance.simulated
    )


def check_subject(settings: CheckSettings, receipt: Receipt) -> Images:
    """Check a subject's files; reads no series.

    Parameters
    ----------
    settings : CheckSettings
        The subject, its runs, and how images and events are laid out.
    receipt : Receipt
        Lists the subject's files, which are there.

    Returns
    -------
    dict of str to RunImage
        Each run with its volumes, as far as the layout's headers tell them.

    Raises
    ------
    UserError
        The file, what is wrong and what to do.
    """
    found = open_reader(settings, receipt).inspect()
    for run in settings.runs:
        _check_events(settings, run, receipt, found[run])
    return {run: found[run] for run in settings.runs}


def trials_in_doubt(settings: CheckSettings, receipt: Receipt, images: Images) -> list[str]:
    """Runs whose trials one model of all does not determine, as far as onsets and TR say."""
    if settings.trials is None or settings.trials.estimate not in ("lsa", "glmsingle"):
        return []
    from tristream.bold.cleaning import projection_basis
    from tristream.bold.single_trials import doubts_of_design
    from tristream.bold.trials import ILL_CONDITIONED, condition_number, ill_conditioned

    found = []
    for run, image in images.items():
        events = events_of_run(settings.events, settings.subject, run, receipt)
        kept = [event for event in events if event.keep]
        others = [event for event in events if not event.keep]
        time = np.asarray(settings.tr * (0.5 + np.arange(image.volumes)), np.float64)
        basis = projection_basis(image.volumes)
        if kept and settings.trials.estimate == "glmsingle":
            doubts = doubts_of_design(time, basis, kept, others)
            found += [f"sub-{settings.subject} {run}: {doubt.why}" for doubt in doubts]
        elif kept:
            number = condition_number(time, kept, others, settings.trials.hrf, basis)
            if number > ILL_CONDITIONED:
                found.append(f"sub-{settings.subject} {run}: {ill_conditioned(number)}")
    return found


def _check_events(settings: CheckSettings, run: str, receipt: Receipt, image: RunImage) -> None:
    """Check that no event lasts longer than the run's BOLD, to one volume."""
    events = events_of_run(settings.events, settings.subject, run, receipt)
    if settings.layout.kind == "betas":  # have no times
        return
    last, tr = max((event.end for event in events), default=0.0), settings.tr
    if last > (image.volumes + 1) * tr:
        raise UserError(
            f"{image.path}: ends at {image.volumes * tr:g} s ({image.volumes} volumes of {tr:g} "
            f"s), but the events of {run} last until {last:g} s; it is cut short, or not of this "
            "run"
        )
