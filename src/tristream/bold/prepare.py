"""One run of a subject, by the layout of its dataset."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tristream.bold.image_checks import Images, check_events
from tristream.bold.readers import fmriprep, minimal, raw, scan, spm, volume_table
from tristream.bold.run_file import Run, write_run
from tristream.config.dataset import Dataset
from tristream.config.events import EventReading
from tristream.config.layouts import (
    FmriprepLayout,
    MinimalLayout,
    RawLayout,
    ScanLayout,
    SpmLayout,
    VolumeTableLayout,
)
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.stimuli.events import events_of_run

ROADS: dict[type, Callable[[Dataset, str, str, Receipt], Run]] = {
    FmriprepLayout: fmriprep.prepare,
    VolumeTableLayout: volume_table.prepare,
    ScanLayout: scan.prepare,
    SpmLayout: spm.prepare,
    MinimalLayout: minimal.prepare,
}


CHECKS: dict[type, Callable[[Dataset, str, Receipt], Images]] = {
    FmriprepLayout: fmriprep.inspect,
    VolumeTableLayout: volume_table.inspect,
    ScanLayout: scan.inspect,
    SpmLayout: spm.inspect,
    MinimalLayout: minimal.inspect,
    RawLayout: raw.inspect,
}


def check_subject(dataset: Dataset, subject: str, receipt: Receipt) -> None:
    """Check that a subject's images, sidecars, masks and events fit together; reads no series.

    Parameters
    ----------
    dataset : Dataset
        The descriptor.
    subject : str
        Subject label.
    receipt : Receipt
        Lists the subject's files, which are there.

    Raises
    ------
    UserError
        The file, what is wrong and what to do.
    """
    inspect = CHECKS.get(type(dataset.layout))
    found = inspect(dataset, subject, receipt) if inspect else {}
    for run, (path, volumes) in found.items():
        check_events(dataset, subject, run, receipt, path, volumes)


def prepare_run(
    dataset: Dataset,
    subject: str,
    run: str,
    receipt: Path,
    output: Path,
    code: str = "",
    registered: Sequence[Path] = (),
) -> None:
    """Read and clean a run, and write its file.

    Parameters
    ----------
    dataset : Dataset
        The descriptor.
    subject, run : str
        Subject label, and name of the run.
    receipt : Path
        The subject's receipt.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.
    registered : sequence of Path
        Layout ``raw`` only: the subject's normalisation, then the registrations of all its runs.

    Raises
    ------
    UserError
        If the subject has no such run, or whatever is wrong with the data: the file and what to do.
    """
    runs = dataset.runs_of(subject)
    if run not in runs:
        raise UserError(f"{dataset.id}: sub-{subject} has no run {run}: {', '.join(runs)}")
    files = Receipt.read(receipt)
    if isinstance(dataset.layout, RawLayout):
        prepared = raw.prepare(dataset, subject, run, files, tuple(registered))
    else:
        prepared = ROADS[type(dataset.layout)](dataset, subject, run, files)
    if dataset.trials:
        from tristream.bold.trials import as_trials

        events = events_of_run(EventReading.of(dataset), subject, run, files)
        prepared = as_trials(prepared, events, dataset.trials, dataset.trims.end)
    said = dataset.model_dump(mode="json", include={"layout", "tr", "trims", "trials"})
    write_run(output, prepared, {"dataset": dataset.id, **said}, code)
