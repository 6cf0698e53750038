"""What a dataset says of itself, and which of its files one subject needs."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tristream.config.dataset import Dataset, FmriprepLayout
from tristream.errors import UserError
from tristream.paths import resolve_inside

DESCRIPTION = "dataset_description.json"


@dataclass(frozen=True)
class RunFiles:
    """Where the files of one run lie, relative to the dataset's root.

    Attributes
    ----------
    bold, mask, confounds, events : str
        Preprocessed BOLD, brain mask, confounds table, and the raw dataset's events.
    """

    bold: str
    mask: str
    confounds: str
    events: str


def run_files(layout: FmriprepLayout, subject: str, run: str) -> RunFiles:
    """BIDS and fMRIPrep names of the files of a run.

    Parameters
    ----------
    layout : FmriprepLayout
        Derivatives folder and space.
    subject : str
        Label without ``sub-``.
    run : str
        BIDS entities without the subject, ``task-training_run-01``; a session comes first,
        ``ses-1_task-rest``.
    """
    session = re.match(r"ses-[A-Za-z0-9]+", run)
    middle = f"{session.group()}/func" if session else "func"
    name = f"sub-{subject}_{run}"
    raw = f"sub-{subject}/{middle}/{name}"
    made = f"{layout.derivatives.strip('/')}/{raw}"
    return RunFiles(
        bold=f"{made}_space-{layout.space}_desc-preproc_bold.nii.gz",
        mask=f"{made}_space-{layout.space}_desc-brain_mask.nii.gz",
        confounds=f"{made}_desc-confounds_timeseries.tsv",
        events=f"{raw}_events.tsv",
    )


def subject_files(dataset: Dataset, subject: str, listed: Iterable[str]) -> list[str]:
    """Files that the analysis of `subject` reads, in a fixed order.

    Parameters
    ----------
    dataset : Dataset
        Descriptor.
    subject : str
        Label without ``sub-``.
    listed : iterable of str
        All files of the dataset.

    Raises
    ------
    UserError
        If the dataset lacks one of them; says which and what to do.
    """
    there = set(listed)
    layout = dataset.layout
    if not isinstance(layout, FmriprepLayout):
        wanted = [layout.bold, layout.table, *([layout.mask] if layout.mask else [])]
        for path in wanted:
            if path not in there:
                raise UserError(
                    f"{dataset.id}: has no file {path}; mend `layout` in the descriptor, or add "
                    "the file to the source's `members`"
                )
        return [*wanted, *_if_there([DESCRIPTION], there)]
    wanted = _if_there([DESCRIPTION, f"{layout.derivatives.strip('/')}/{DESCRIPTION}"], there)
    for run in dataset.runs_of(subject):
        wanted += _of_run(dataset, layout, subject, run, there)
    return list(dict.fromkeys(wanted))


def _of_run(
    dataset: Dataset, layout: FmriprepLayout, subject: str, run: str, there: set[str]
) -> list[str]:
    files = run_files(layout, subject, run)
    needed = [files.bold, files.mask, *([files.confounds] if layout.confounds else [])]
    for path in needed:
        if path not in there:
            raise _absent(dataset, subject, run, path)
    events = inherited(files.events, there)
    if not events:
        raise _absent(dataset, subject, run, files.events)
    raw_json = files.events.replace("_events.tsv", "_bold.json")
    beside = [files.bold.replace(".nii.gz", ".json"), files.confounds.replace(".tsv", ".json")]
    return [*needed, *events, *inherited(raw_json, there), *_if_there(beside, there)]


def inherited(path: str, listed: Iterable[str]) -> list[str]:
    """Files that apply to `path` by the BIDS inheritance principle, the most general first.

    A file applies if it lies in the same folder or one above, has the same suffix and extension,
    and no entity that `path` does not have.
    """
    target = PurePosixPath(path)
    entities = set(target.name.split("_"))
    applies = [
        other
        for other in map(PurePosixPath, listed)
        if (other.parent == target.parent or other.parent in target.parent.parents)
        and set(other.name.split("_")) <= entities
        and other.name.split("_")[-1] == target.name.split("_")[-1]
    ]
    return [p.as_posix() for p in sorted(applies, key=lambda p: (len(p.parts), len(p.name)))]


def description(root: Path, listed: Iterable[str]) -> dict[str, Any]:
    """The dataset's own dataset_description.json; empty if it has none."""
    if DESCRIPTION not in set(listed):
        return {}
    path = resolve_inside(root, DESCRIPTION)
    try:
        said = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: can't be read as JSON ({error})") from None
    if not isinstance(said, dict):
        raise UserError(f"{path}: must hold a JSON object")
    return said


def _if_there(paths: list[str], there: set[str]) -> list[str]:
    return [path for path in paths if path in there]


def _absent(dataset: Dataset, subject: str, run: str, path: str) -> UserError:
    return UserError(
        f"{dataset.id}: has no file {path}; if sub-{subject} lacks this run, put {run} under "
        f"`missing: {{{subject}: [...]}}` in the descriptor, else mend `layout` or `runs`"
    )
