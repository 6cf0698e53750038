"""One run of a subject, by the layout of its dataset."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tristream.bold.cleaned import cleaned_run
from tristream.bold.readers.reader import open_reader
from tristream.bold.run_file import Run, read_run, write_run
from tristream.config.settings.bold import BoldSettings
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt

# Imported where rows are trials; the rule names it in the code key of these datasets alone.
TRIALS = "tristream.bold.trials"
# Registers the estimate whose choices training runs make, likewise.
CHOSEN = "tristream.bold.single_trials"


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


def prepare_volumes(
    settings: BoldSettings,
    run: str,
    receipt: Path,
    output: Path,
    code: str = "",
    registered: Sequence[Path] = (),
) -> None:
    """Read and clean a run whose trials are estimated later, and write its volumes.

    Parameters and errors are those of :func:`prepare_run`.
    """
    cleaned = cleaned_volumes(settings, run, Receipt.read(receipt), registered)
    write_run(output, cleaned, settings.key(), code)


def prepare_chosen(
    settings: BoldSettings, volumes: Path, model: Path, receipt: Path, output: Path, code: str = ""
) -> None:
    """Estimate the trials of a run under what training runs chose, and write the run's file.

    Parameters
    ----------
    settings : BoldSettings
        The subject, and how trials are estimated.
    volumes : Path
        The run's file by :func:`prepare_volumes`.
    model : Path
        The subject's file by :func:`tristream.bold.trial_model.choose_model`.
    receipt, output, code
        As of :func:`prepare_run`.

    Raises
    ------
    UserError
        If a file is missing or damaged, or has other voxels than the model.
    """
    import_module(CHOSEN)
    files = Receipt.read(receipt)
    prepared = import_module(TRIALS).trials_of_run(read_run(volumes), settings, files, model)
    write_run(output, prepared, settings.key(), code)


def read_and_clean(
    settings: BoldSettings, run: str, receipt: Receipt, registered: Sequence[Path] = ()
) -> Run:
    """The content of a run's file; see :func:`prepare_run`."""
    found = cleaned_volumes(settings, run, receipt, registered)
    if settings.trials is None:
        return found
    return import_module(TRIALS).trials_of_run(found, settings, receipt)


def cleaned_volumes(
    settings: BoldSettings, run: str, receipt: Receipt, registered: Sequence[Path] = ()
) -> Run:
    """A run before trials are estimated; see :func:`prepare_run`."""
    if run not in settings.runs:
        raise UserError(
            f"{settings.dataset}: sub-{settings.subject} has no run {run}: "
            f"{', '.join(settings.runs)}"
        )
    reader = open_reader(settings, receipt, registered)
    reading = reader.prepare(run)
    return cleaned_run(settings, receipt.simulated, reading, reader.methods(reading))
