"""One run of a subject, by the layout of its dataset."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tristream.bold.cleaned import cleaned_run
from tristream.bold.readers.reader import open_reader
from tristream.bold.run_file import Run, write_run
from tristream.config.settings.bold import BoldSettings
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt

# Imported where rows are trials; the rule names it in the code key of these datasets alone.
TRIALS = "tristream.bold.trials"


def prepare_run(
    settings: BoldSettings,
    run: str,
    receipt: Path,
    output: Path,
    code: str = "",
    registered: Sequence[Path] = (),
) -> None:
    """Read and clean a run, and write its file.

    Parameters
    ----------
    settings : BoldSettings
        The subject, the layout, and how runs are trimmed and trials estimated.
    run : str
        Name of the run.
    receipt : Path
        The subject's receipt.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.
    registered : sequence of Path
        For a layout that needs them: the subject's normalisation, then the registrations of all
        its runs.

    Raises
    ------
    UserError
        If the subject has no such run, or whatever is wrong with the data: the file and what to do.
    """
    prepared = read_and_clean(settings, run, Receipt.read(receipt), registered)
    write_run(output, prepared, settings.key(), code)


def read_and_clean(
    settings: BoldSettings, run: str, receipt: Receipt, registered: Sequence[Path] = ()
) -> Run:
    """The content of a run's file; see :func:`prepare_run`."""
    if run not in settings.runs:
        raise UserError(
            f"{settings.dataset}: sub-{settings.subject} has no run {run}: "
            f"{', '.join(settings.runs)}"
        )
    reader = open_reader(settings, receipt, registered)
    reading = reader.prepare(run)
    found = cleaned_run(settings, receipt.simulated, reading, reader.methods(reading))
    if settings.trials is None:
        return found
    return import_module(TRIALS).trials_of_run(found, settings, receipt)
