"""How long the runs of a synthetic dataset are, and when in their TR volumes are acquired."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tristream.config.dataset import Dataset
from tristream.config.layouts import (
    FmriprepLayout,
    MinimalLayout,
    RawLayout,
    ScanLayout,
    VolumeTableLayout,
)
from tristream.errors.json_text import read_object
from tristream.fetch.contents import inherited, raw_run
from tristream.stimuli.subject_timelines import check_run
from tristream.stimuli.timelines import Event

# Lengths that events don't tell: volumes of a run.
VOLUMES = {"ds000105": 121, "ds003720": 410}
# From the end of an event until its response has come and gone, but for the undershoot (s).
RESPONSE = 16.0


def volumes_of(
    dataset: Dataset, subject: str, runs: Mapping[str, Sequence[Event]], raw: Path
) -> dict[str, int]:
    """Volumes of each run.

    The real number where it is known, else until the response to the last event, or to the last
    row of the events file, is over.

    Parameters
    ----------
    dataset : Dataset
        Its layout may tell.
    subject : str
        Label without ``sub-``.
    runs : dict of str to sequence of Event
        The subject's runs.
    raw : Path
        The dataset, where its events lie.

    Raises
    ------
    UserError
        If events last longer than anybody lies in a scanner.
    """
    layout = dataset.layout
    if dataset.id in VOLUMES:
        return dict.fromkeys(runs, VOLUMES[dataset.id])
    if isinstance(layout, ScanLayout):
        return dict.fromkeys(runs, layout.volumes)
    if isinstance(layout, VolumeTableLayout):
        lines = (raw / layout.table).read_text(encoding="utf-8-sig").splitlines()
        rows = [line.split()[-1] for line in lines if line.strip()]
        numbers = [rows.count(run) for run in dict.fromkeys(rows)]
        return dict(zip(runs, numbers, strict=True))
    there = [p.relative_to(raw).as_posix() for p in raw.rglob("*_events.tsv")]
    found = {}
    for run, events in runs.items():
        ends = [event.end for event in events]
        if not dataset.events.shown:
            file = inherited(f"{raw_run(subject, run)}_events.tsv", there)[-1]
            ends.append(_end_of_rows(raw / file) + dataset.events.onset_shift)
        check_run(f"{dataset.id}: sub-{subject} {run}", max(ends))
        found[run] = math.ceil(round((max(ends) + RESPONSE) / dataset.tr, 6))
    return found


def _end_of_rows(path: Path) -> float:
    """When the last row of an events file ends (s), rest included; its text is not trusted."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    header = lines[0].split("\t")
    ends = [0.0]
    for line in lines[1:]:
        row = dict(zip(header, line.split("\t"), strict=False))
        try:
            end = float(row.get("onset", "")) + float(row.get("duration", ""))
        except ValueError:
            continue
        if math.isfinite(end):
            ends.append(end)
    return max(ends)


def starts_of(dataset: Dataset, subject: str, runs: Sequence[str], raw: Path) -> dict[str, float]:
    """Seconds from the start of a TR to what a volume stands for, of each run.

    Of raw images the middle of the acquisition, as their sidecars have it, of SPM's outputs too,
    but for slice times; of fMRIPrep's the middle of the TR; of an image with a table its start.
    """
    layout, tr = dataset.layout, dataset.tr
    if isinstance(layout, ScanLayout | VolumeTableLayout):
        return dict.fromkeys(runs, 0.0)
    if isinstance(layout, FmriprepLayout):
        return dict.fromkeys(runs, tr / 2)
    by_slices = isinstance(layout, RawLayout | MinimalLayout)
    return {run: _middle(stated_of(raw, subject, run), tr, by_slices) for run in runs}


def stated_of(raw: Path, subject: str, run: str) -> dict[str, Any]:
    """What the sidecars of a run's image say, those that it inherits included."""
    stated: dict[str, Any] = {}
    there = [p.relative_to(raw).as_posix() for p in raw.rglob("*_bold.json")]
    for name in inherited(f"{raw_run(subject, run)}_bold.json", there):
        stated |= read_object(raw / name, "not a usable sidecar", "fix it")
    return stated


def _middle(sidecar: Mapping[str, Any], tr: float, by_slices: bool) -> float:
    times = sidecar.get("SliceTiming")
    if times and by_slices:
        return float(min(times) + max(times)) / 2
    return (tr - float(sidecar.get("DelayTime", 0))) / 2
