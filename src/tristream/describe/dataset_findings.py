"""All that is found of a dataset before a line of its descriptor is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tristream.describe.derivative_outputs import Outputs, find_outputs
from tristream.describe.events_profile import GENERIC, EventTables, read_event_tables
from tristream.describe.image_sizes import ImageSizes, image_sizes
from tristream.describe.media_files import Medium, media_among, stimulus_table, without_events
from tristream.describe.open_dataset import Opened
from tristream.describe.run_list import RunList, compact, entity, find_runs, tasks_of
from tristream.describe.sidecar_facts import RepetitionTimes, about, repetition_times
from tristream.errors import UserError

# More than these go into a table beside the descriptor.
FEW_STIMULI = 12
FEW_MISSING = 12
RESOLUTION = 3.0
"""Edge in mm of the voxels to which images are resampled, as it is proposed."""


@dataclass(frozen=True)
class Found:
    """What was found of a dataset: all that the lines of its descriptor are made from.

    Attributes
    ----------
    opened : Opened
    about : dict
        Its dataset_description.json.
    runs : RunList
        Those that the descriptor takes.
    left_out : dict of str to str
        Task to why its runs are not taken.
    outputs : Outputs
    times : RepetitionTimes
    tables : EventTables
    sizes : ImageSizes or None
        Of the images that are here.
    media : list of Medium
        Rows of the stimulus table.
    run_file, table_file : str
        Tables beside the descriptor; empty where there is none.
    """

    opened: Opened
    about: Mapping[str, object]
    runs: RunList
    left_out: Mapping[str, str]
    outputs: Outputs
    times: RepetitionTimes
    tables: EventTables
    sizes: ImageSizes | None = None
    media: list[Medium] = field(default_factory=list)
    run_file: str = ""
    table_file: str = ""


def look(opened: Opened) -> Found:
    """What there is of a dataset."""
    listed = opened.listing.listed
    every = find_runs(listed)
    if not every.runs:
        raise UserError(
            f"{opened.listing.root}: holds no BOLD under BIDS names (sub-01/func/sub-01_…_bold"
            ".nii.gz), nor responses to trials with a table of as many rows: name the folder of "
            "the raw dataset, and that of its outputs by --derivatives"
        )
    tables = read_event_tables(opened.listing, every)
    left_out = tasks_left_out(every, tables)
    runs = every.only([run for run in every.runs if entity(run, "task") not in left_out])
    if left_out:
        tables = read_event_tables(opened.listing, runs)
    outputs = find_outputs(listed, runs)
    if outputs.lacking:
        have = {s: set(own) - set(outputs.lacking.get(s, [])) for s, own in runs.of.items()}
        runs = RunList.among((s, run) for s, own in have.items() for run in own)
    if not runs.runs:
        raise UserError(
            f"{opened.listing.root}: none of its runs is among the outputs in "
            f"{outputs.home or outputs.bold}; name the folder of its own outputs by --derivatives"
        )
    media = _media(listed, tables)
    return Found(
        opened,
        about(opened.listing),
        runs,
        left_out,
        outputs,
        repetition_times(opened.listing, runs),
        tables,
        image_sizes(opened.listing, runs, outputs, RESOLUTION, _origin(opened)),
        media,
        f"{opened.name}_runs.tsv" if needs_run_file(runs) else "",
        f"{opened.name}_stimuli.tsv" if len(media) > FEW_STIMULI else "",
    )


def _origin(opened: Opened) -> Path | None:
    address = getattr(opened.source, "url", "").removeprefix("file://")
    return Path(address) if address and Path(address).is_dir() else None


def _media(listed: frozenset[str], tables: EventTables) -> list[Medium]:
    shipped = media_among(listed)
    for column in tables.of_role("stimulus"):
        if media := stimulus_table(list(column.values), shipped):
            return media
    return [] if tables.rows else without_events(shipped)


def needs_run_file(runs: RunList) -> bool:
    """Whether so many runs are missing that those that exist are better listed in a table."""
    return sum(len(compact(own)) for own in runs.missing.values()) > FEW_MISSING


def tasks_left_out(runs: RunList, tables: EventTables) -> dict[str, str]:
    """Tasks that are not of the experiment, and why.

    Where some tasks have events, those without are left out (rest); where the events of some name
    stimuli, those whose events name conditions alone (localizers).
    """
    tasks = tasks_of(runs.runs)
    shown = {entity(run, "task") for _, run in tables.rows}
    if not shown:
        return {}
    out = {task: "no events" for task in tasks if task not in shown}
    media = {task for column in tables.of_role("stimulus") for task in column.tasks}
    plain = ("onset", "duration", *GENERIC)
    for task in shown - media if media else ():
        columns = [name for name, column in tables.columns.items() if task in column.tasks]
        if all(name in plain for name in columns):
            out[task] = "its events name conditions alone, those of other tasks name stimuli"
    return out
