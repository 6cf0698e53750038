"""The design of a study that is still to be scanned: what is shown when, which runs test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.align.aligned import read_aligned, read_info
from tristream.align.exchange import Unit
from tristream.align.resample import resample_items, shares
from tristream.align.samples import time_blocks
from tristream.bold.cleaning import projection_basis
from tristream.bold.high_pass import high_pass_cosines
from tristream.config.events import Events
from tristream.config.power import Power
from tristream.errors import UserError
from tristream.simulate.signals import STEP
from tristream.stimuli.events import read_bids_events
from tristream.stimuli.subject_timelines import LONGEST_RUN
from tristream.stimuli.tables import events_by_run, inventory_table
from tristream.stimuli.timelines import Event, Timeline, first_difference

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
# After the last event (s), where the number of volumes is not given.
LEAD_OUT = 10.0
HIGH_PASS = 128.0  # s
# Volumes to score a run on, as the encoder asks for.
FEWEST_SAMPLES = 5
# Columns that name media are not read: labels alone make the features.
NO_MEDIA = "{no_media}"


@dataclass(frozen=True)
class DesignRun:
    """One run.

    Attributes
    ----------
    name : str
        Entities without the subject.
    time : ndarray of shape (volumes,)
        Seconds at which the volumes stand: the middle of each TR.
    features : list of ndarray of shape (volumes, p)
        Undelayed features at the volumes, layer by layer.
    drive : ndarray of shape (steps, p of all layers)
        What is shown, every 0.1 s.
    rows : ndarray of int
        Volumes that are samples.
    unit, item : ndarray of int of shape (volumes,)
        Presentation, block or block of time, and what is shown (the same number in all runs); -1
        where there is none.
    projection : ndarray of shape (volumes, q)
        Orthonormal basis of mean, trend and high-pass cosines.
    trials : list of Event
        Labelled events; none where the design is one of features.
    shares : ndarray of shape (volumes, units)
        How much of what a volume's features are taken from each presentation or block fills; no
        columns for blocks of time.
    vectors : ndarray of shape (units, p)
        Features of each presentation or block.
    """

    name: str
    time: Doubles
    features: Sequence[Floats]
    drive: Floats
    rows: npt.NDArray[np.intp]
    unit: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    projection: Doubles
    trials: Sequence[Event] = ()
    shares: Doubles = field(default_factory=lambda: np.empty((0, 0)))
    vectors: Doubles = field(default_factory=lambda: np.empty((0, 0)))


@dataclass(frozen=True)
class Design:
    """All runs.

    Attributes
    ----------
    tr : float
        Seconds.
    unit : str
        ``block``, ``item`` or ``time``.
    train : list of DesignRun
    test : list of list of DesignRun
        Runs of one list show the same, and are averaged.
    labels : tuple of str
        Classes of a decoder; empty where the design is one of features.
    """

    tr: float
    unit: Unit
    train: list[DesignRun]
    test: list[list[DesignRun]]
    labels: tuple[str, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """In numbers, for the file."""
        runs = [*self.train, *(group[0] for group in self.test)]
        return {
            "tr": self.tr,
            "unit": self.unit,
            "training_runs": len(self.train),
            "test_runs": [len(group) for group in self.test],
            "volumes": sum(len(run.time) for run in self.train),
            "labels": list(self.labels),
            "trials": sum(len(run.trials) for run in runs),
        }


def read_design(name: str, block: Power) -> Design:
    """Read the design that a block of ``power:`` names.

    Parameters
    ----------
    name : str
        Of the block, for messages.
    block : Power

    Raises
    ------
    UserError
        If there are no events, only one label, an event after the run's end, or no test run.
    """
    files = [Path(path) for path in block.files(name)]
    if block.events:
        return _from_events(name, block, files)
    return _from_aligned(name, block, files)


def _from_events(name: str, block: Power, files: Sequence[Path]) -> Design:
    assert block.tr is not None
    timeline = _timeline(name, block, files)
    _check_split(name, block, list(timeline))
    labels = sorted({e.label for events in timeline.values() for e in events if e.label})
    if len(labels) < 2:
        raise UserError(
            f"power.{name}.label: the column {block.label!r} holds one label alone ({labels[0]}); "
            "encoding and decoding compare at least two"
        )
    unit = block.permuted.unit
    # Trials are units of a decoder even where an encoder's are blocks of time.
    shown = block.permuted.model_copy(update={"unit": "block"} if unit == "time" else {})
    table = inventory_table({name: timeline}, shown)
    runs = {
        run: _event_run(name, block, run, table[table["run"] == run], labels) for run in timeline
    }
    train = [run for run in timeline if not block.is_test(run)]
    groups: list[list[str]] = []
    for run in timeline:
        if block.is_test(run):
            _join(groups, run, lambda a, b: first_difference(timeline[a], timeline[b]) is None)
    _check_seen(name, [runs[run] for run in train], [runs[g[0]] for g in groups])
    return Design(
        tr=block.tr,
        unit=unit,
        train=[runs[run] for run in train],
        test=[[runs[run] for run in group] for group in groups],
        labels=tuple(labels),
    )


def _timeline(name: str, block: Power, files: Sequence[Path]) -> Timeline:
    """Events of each run; rows without a label are left out."""
    reading = Events(
        label=block.label, duration=block.duration, ignore=block.ignore, stimulus=NO_MEDIA
    )
    timeline: Timeline = {}
    for path in files:
        run = run_name(path)
        if run in timeline:
            raise UserError(
                f"power.{name}.events: {path} is a second {run}; name the files of one subject"
            )
        _check_label(name, block, path)
        events = [e for e in read_bids_events(path, reading=reading) if e.label]
        if not events:
            raise UserError(
                f"{path}: holds no event with a {block.label}; correct `label` and `ignore` of "
                f"power.{name}, or leave the file out"
            )
        timeline[run] = events
    return timeline


def _check_label(name: str, block: Power, path: Path) -> None:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        columns = [cell.strip("'\" \n") for cell in file.readline().split("\t")]
    if block.label not in columns:
        raise UserError(
            f"{path}: no column {block.label!r} (columns: {', '.join(columns)}); name the one that "
            f"names what was shown in power.{name}.label"
        )


def run_name(path: Path) -> str:
    """``sub-01_task-a_run-1_events.tsv`` -> ``task-a_run-1``."""
    parts = path.name.removesuffix(".tsv").removesuffix("_events").split("_")
    return "_".join(part for part in parts if not part.startswith("sub-")) or path.stem


def _check_split(name: str, block: Power, runs: Sequence[str]) -> None:
    tests = [run for run in runs if block.is_test(run)]
    if not tests:
        raise UserError(
            f"power.{name}.test: no run matches {', '.join(block.test)}; the runs are "
            f"{', '.join(runs)}"
        )
    if len(runs) - len(tests) < 2:
        raise UserError(
            f"power.{name}.test: leaves {len(runs) - len(tests)} training runs of {len(runs)}; "
            "two are needed to choose a penalty by leaving one out"
        )


def _check_seen(name: str, train: Sequence[DesignRun], test: Sequence[DesignRun]) -> None:
    seen = {event.label for run in train for event in run.trials}
    unseen = sorted({event.label for run in test for event in run.trials} - seen)
    if unseen:
        raise UserError(
            f"power.{name}: no training run shows {', '.join(unseen)}, which test runs show; "
            "correct `test`, or leave them out by `ignore`"
        )


def _event_run(
    name: str, block: Power, run: str, table: pd.DataFrame, labels: Sequence[str]
) -> DesignRun:
    assert block.tr is not None
    tr = block.tr
    rows = table.to_dict("records")
    onset, duration = (table[key].to_numpy(np.float64) for key in ("onset", "duration"))
    volumes = _volumes(name, block, run, float((onset + duration).max()))
    time = tr * (np.arange(volumes, dtype=np.float64) + 0.5)
    vectors = np.eye(len(labels))[[labels.index(row["label"]) for row in rows]]
    events = events_by_run(table)[run]
    shown = np.full(volumes, -1)
    for index, event in enumerate(events):
        shown[event.holds(time)] = index
    on = shown >= 0
    if on.sum() < FEWEST_SAMPLES:
        raise UserError(
            f"power.{name}: {run}: {on.sum()} volumes stand within events, at least "
            f"{FEWEST_SAMPLES} are needed; brief events want `duration` (s), as that of their block"
        )
    unit, own = np.full(volumes, -1), np.zeros((len(rows), 0))
    if block.permuted.unit == "time":
        unit[on] = time_blocks(time[on], block.permuted.seconds)
    else:
        number = pd.factorize(table["unit"])[0]
        unit[on] = number[shown[on]]
        own = np.eye(number.max() + 1)[number]
    item = np.full(volumes, -1)
    item[on] = np.array([labels.index(row["label"]) for row in rows])[shown[on]]
    return DesignRun(
        name=run,
        time=time,
        features=[resample_items(time, tr, onset, duration, vectors)],
        drive=_boxcars(time, tr, onset, duration, vectors),
        rows=np.flatnonzero(on),
        unit=unit,
        item=item,
        projection=_basis(time),
        trials=events,
        shares=shares(time, tr, onset, duration) @ own,
        # Events of a block have one label.
        vectors=vectors[own.argmax(0)] if own.size else np.empty((0, len(labels))),
    )


def _volumes(name: str, block: Power, run: str, end: float) -> int:
    """Volumes of a run whose last event ends at `end` (s)."""
    assert block.tr is not None
    tr = block.tr
    volumes = block.volumes or int(np.ceil((end + LEAD_OUT) / tr))
    if end > volumes * tr + tr:
        raise UserError(
            f"power.{name}.volumes: {run}: an event lasts until {end:.2f} s, but {volumes} volumes "
            f"of {tr:g} s end at {volumes * tr:.2f} s; correct the events, `tr` or `volumes`"
        )
    if volumes * tr > LONGEST_RUN:
        raise UserError(
            f"power.{name}: {run}: its events end at {end:g} s, and {volumes} volumes of {tr:g} s "
            f"last {volumes * tr / 3600:.0f} hours; correct the events (in seconds), `tr` or "
            "`volumes`"
        )
    return volumes


def _boxcars(time: Floats, tr: float, onset: Floats, duration: Floats, vectors: Floats) -> Floats:
    """What is on, every 0.1 s; a brief event has the area of one TR."""
    clock = np.arange(0, time[-1] + STEP, STEP)
    out = np.zeros((len(clock), vectors.shape[1]))
    for start, length, vector in zip(onset, duration, vectors, strict=True):
        if length > 0:
            out[(clock >= start - STEP / 2) & (clock < start + length - STEP / 2)] += vector
        elif start <= clock[-1]:
            out[round(start / STEP)] += vector * tr / STEP
    return out


def _basis(time: Doubles) -> Doubles:
    return projection_basis(len(time), high_pass_cosines(time, HIGH_PASS))


def _from_aligned(name: str, block: Power, files: Sequence[Path]) -> Design:
    infos = [read_info(path) for path in files]
    layers = [read_aligned(path) for path in files]
    first = infos[0]
    runs: dict[str, DesignRun] = {}
    _check_split(name, block, list(first.times))
    means, scales = _standards(block, layers)
    for run, time in first.times.items():
        for path, info in zip(files, infos, strict=True):
            if run not in info.times or not np.allclose(info.times[run], time, atol=1e-3):
                raise UserError(
                    f"{path}: its {run} is not that of {files[0]}; name files of one timeline"
                )
        features = [layer[run] for layer in layers]
        standard = [(x - m) / s for x, m, s in zip(features, means, scales, strict=True)]
        # Layers drive alike, however many columns they have.
        joined = np.hstack([x / np.sqrt(x.shape[1]) for x in standard])
        runs[run] = DesignRun(
            name=run,
            time=time,
            features=features,
            drive=_interpolated(time, joined),
            rows=np.arange(len(time)),
            unit=time_blocks(time, block.permuted.seconds),
            item=np.full(len(time), -1),
            projection=_basis(time),
        )
    groups: list[list[str]] = []
    for run in runs:
        if block.is_test(run):
            _join(groups, run, lambda a, b: np.array_equal(layers[0][a], layers[0][b]))
    return Design(
        tr=first.tr,
        unit="time",
        train=[own for run, own in runs.items() if not block.is_test(run)],
        test=[[runs[run] for run in group] for group in groups],
        labels=(),
    )


def _standards(
    block: Power, layers: Sequence[Mapping[str, Floats]]
) -> tuple[list[Floats], list[Floats]]:
    """Mean and deviation of each layer's columns over training runs; 1 where they don't vary."""
    means, scales = [], []
    for layer in layers:
        used = np.concatenate([x for run, x in layer.items() if not block.is_test(run)])
        deviation = used.std(axis=0, dtype=np.float64)
        means.append(used.mean(axis=0, dtype=np.float64))
        scales.append(np.where(deviation > 0, deviation, 1.0))
    return means, scales


def _interpolated(time: Floats, features: Floats) -> Floats:
    """Features every 0.1 s; before the first volume and after the last they are held."""
    clock = np.arange(0, time[-1] + STEP, STEP)
    right = np.clip(np.searchsorted(time, clock), 1, len(time) - 1)
    share = np.clip((clock - time[right - 1]) / (time[right] - time[right - 1]), 0, 1)[:, None]
    return (1 - share) * features[right - 1] + share * features[right]


def _join(groups: list[list[str]], run: str, same: Any) -> None:
    """Add a run to the group that shows the same, or start one."""
    for group in groups:
        if same(group[0], run):
            group.append(run)
            return
    groups.append([run])
