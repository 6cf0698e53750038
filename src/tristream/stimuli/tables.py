"""The tables of the stimuli: events (``inventory.tsv``), splits of runs, findings of leakage."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from tristream.config.runs import Exchange
from tristream.errors import UserError
from tristream.rounds import are_rounds
from tristream.stimuli.timelines import Event, Timeline
from tristream.store import Provenance, read_json, read_table, sidecar, write_table

INVENTORY = {
    "timeline": "Subjects of one timeline saw the same at the same times",
    "run": "BIDS entities without the subject",
    "trial": "Number of the event in its run, from 1",
    "onset": "Seconds from the start of the run's first volume",
    "duration": "Seconds",
    "stimulus": "Name in the stimulus table, or the label",
    "kind": "film, sound, image or label",
    "media_start": "Second of the film or sound at which the event begins",
    "item": "What is shown: label, image or clip",
    "label": "What a decoder is to name; n/a where there is none",
    "unit": "Exchangeable unit; n/a where it is an interval of time",
    "keep": "False: modelled, but not a sample",
}
SPLITS = {
    "timeline": "Subjects of one timeline saw the same at the same times",
    "run": "BIDS entities without the subject",
    "split": "train, test, or each (leave-one-run-out)",
    "repeat": "Test runs of one group show the same stimuli at the same times",
}
LEAKAGE = {
    "timeline": "Subjects of one timeline saw the same at the same times",
    "check": "overlap, gap, picture, sound, order, or known (the descriptor says it)",
    "train": "Training run",
    "test": "Test run",
    "train_start": "Seconds from the start of the training run",
    "test_start": "Seconds from the start of the test run",
    "seconds": "How long it lasts in the test run",
    "score": "Seconds (overlap, gap), correlation (picture, sound) or accuracy (order)",
    "threshold": "From which score, or below which gap, it is a finding",
    "action": "What is done about it: warn or drop",
    "note": "In words",
}


@dataclass(frozen=True)
class StimulusFile:
    """A stimulus whose file is there.

    Attributes
    ----------
    stimulus, kind : str
        Name in the stimulus table; film, sound or image.
    path : str
        Inside the source of the stimuli.
    sha256 : str
        Of its content.
    duration : float or None
        Seconds; None for images.
    facts : dict of str to str
        Of films and sounds: size, frame rate, rotation, colour, tracks, in words.
    notes : tuple of str
        What a reader should know of it, such as gaps.
    """

    stimulus: str
    kind: str
    path: str
    sha256: str
    duration: float | None = None
    facts: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SampleCounts:
    """Samples of a dataset's runs, as far as events and TR tell.

    Attributes
    ----------
    rows : str
        ``volumes`` or ``trials``.
    samples : dict of timeline to dict of run to int
    of : dict of timeline to dict of run to int
        Volumes until the last event is over, or events that are modelled.
    doubts : list of str
        One line each: what is doubtful, and the way out.
    """

    rows: str
    samples: dict[str, dict[str, int]]
    of: dict[str, dict[str, int]]
    doubts: list[str]


@dataclass(frozen=True)
class Inventory:
    """Every event of every run, once per stimulus timeline.

    Attributes
    ----------
    path : Path
    table : DataFrame
        A row an event; columns `INVENTORY`.
    stimuli : tuple of StimulusFile
        Stimuli whose files are there.
    provenance : Provenance
    counts : SampleCounts or None
        Samples that the events give, before there is BOLD.
    left_out : dict of subject to str
        Subjects of the descriptor whose events are not in the table, and why.
    """

    path: Path
    table: pd.DataFrame
    stimuli: tuple[StimulusFile, ...]
    provenance: Provenance
    counts: SampleCounts | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

    def timeline(self, name: str) -> Timeline:
        """Events of each run of a timeline.

        Raises
        ------
        UserError
            If the inventory holds no event of it.
        """
        rows = self.table[self.table["timeline"].astype(str) == name]
        if rows.empty:
            raise UserError(f"{self.path}: holds no event of timeline {name!r}; write it again")
        return events_by_run(rows)


@dataclass(frozen=True)
class Splits:
    """Which run trains, which tests, and which test runs repeat each other.

    Attributes
    ----------
    path : Path
    table : DataFrame
        A row a run of each timeline; columns `SPLITS`.
    provenance : Provenance
    """

    path: Path
    table: pd.DataFrame
    provenance: Provenance

    def of(self, timeline: str) -> dict[str, tuple[str, str | None]]:
        """Run to (split, group of repeats) in one timeline."""
        rows = self.table[self.table["timeline"].astype(str) == timeline]
        return {
            str(row["run"]): (str(row["split"]), _text(row["repeat"]) or None)
            for row in rows.to_dict("records")
        }


@dataclass(frozen=True)
class LeakageTable:
    """What the leakage audit of a dataset found.

    Attributes
    ----------
    path : Path
    table : DataFrame
        A row a finding; columns `LEAKAGE`.
    checked : list of dict
        What was compared, with thresholds and counts.
    baseline : list of dict
        Per timeline: accuracy of labels from time alone, chance, p.
    drop : list of dict
        ``timeline``, ``run``, ``start``, ``end`` (s): left out of the test samples.
    across : dict or None
        Labels from the order of other timelines (`order_across.OrderAcross`).
    provenance : Provenance
    labels : list of dict
        Per timeline: labels and items of training and of test runs (`label_overlap.LabelOverlap`).
    """

    path: Path
    table: pd.DataFrame
    checked: list[dict[str, Any]]
    baseline: list[dict[str, Any]]
    drop: list[dict[str, Any]]
    across: dict[str, Any] | None
    provenance: Provenance
    labels: list[dict[str, Any]] = field(default_factory=list)


def inventory_table(timelines: Mapping[str, Timeline], exchange: Exchange) -> pd.DataFrame:
    """One row an event; see `INVENTORY`.

    Parameters
    ----------
    timelines : dict of name to Timeline
    exchange : Exchange
        The exchangeable unit. ``block``: consecutive events of one label; ``item``: each event;
        ``time``: none here, units are intervals of time.
    """
    rows = [
        {
            "timeline": name,
            "run": run,
            "trial": number,
            "onset": round(event.onset, 6),
            "duration": round(event.duration, 6),
            "stimulus": event.stimulus,
            "kind": event.kind,
            "media_start": event.media_start,
            "item": event.item,
            "label": event.label or None,
            "unit": f"{run}/{units[number - 1]}" if units else None,
            "keep": event.keep,
        }
        for name, runs in timelines.items()
        for run, events in runs.items()
        for units in [_units(events, exchange, run)]
        for number, event in enumerate(events, start=1)
    ]
    return pd.DataFrame(rows, columns=list(INVENTORY))


def events_by_run(rows: pd.DataFrame) -> Timeline:
    """Rows of one timeline of :func:`inventory_table` as events."""
    events: Timeline = {}
    for row in rows.to_dict("records"):
        events.setdefault(str(row["run"]), []).append(
            Event(
                onset=float(row["onset"]),
                duration=float(row["duration"]),
                stimulus=_text(row["stimulus"]),
                kind=str(row["kind"]),
                item=_text(row["item"]),
                media_start=float(row["media_start"]),
                keep=bool(row["keep"]),
                label=_text(row["label"]),
                unit=_text(row["unit"]),
            )
        )
    return events


def write_inventory(
    path: Path | str,
    timelines: Mapping[str, Timeline],
    exchange: Exchange,
    stimuli: Sequence[StimulusFile],
    provenance: Provenance,
    counts: SampleCounts | None = None,
    left_out: Mapping[str, str] | None = None,
) -> None:
    """Write events; all else that an :class:`Inventory` holds goes into the sidecar."""
    listed = [asdict(one) for one in stimuli]
    table = inventory_table(timelines, exchange)
    counted = asdict(counts) if counts else None
    write_table(
        path,
        table,
        provenance,
        INVENTORY,
        stimuli=listed,
        samples=counted,
        left_out=dict(left_out or {}),
    )


def read_inventory(path: Path | str) -> Inventory:
    """Read what :func:`write_inventory` wrote."""
    table, provenance = read_table(path, "inventory")
    side = read_json(sidecar(path), "inventory")[0]
    listed = tuple(StimulusFile(**one) for one in side.get("stimuli", []))
    counts = SampleCounts(**side["samples"]) if side.get("samples") else None
    return Inventory(Path(path), table, listed, provenance, counts, side.get("left_out", {}))


def write_splits(path: Path | str, table: pd.DataFrame, provenance: Provenance) -> None:
    """Write a table of `splits.split_table`."""
    write_table(path, table, provenance, SPLITS)


def read_splits(path: Path | str) -> Splits:
    """Read what :func:`write_splits` wrote."""
    return Splits(Path(path), *read_table(path, "splits"))


def write_leakage(found: LeakageTable) -> None:
    """Write the findings to their path; all else goes into the sidecar."""
    write_table(
        found.path,
        found.table,
        found.provenance,
        LEAKAGE,
        checked=found.checked,
        baseline=found.baseline,
        drop=found.drop,
        across=found.across,
        labels=found.labels,
    )


def read_leakage(path: Path | str) -> LeakageTable:
    """Read what :func:`write_leakage` wrote."""
    table, provenance = read_table(path, "leakage")
    side = read_json(sidecar(path), "leakage")[0]
    return LeakageTable(
        path=Path(path),
        table=table,
        checked=side.get("checked", []),
        baseline=side.get("baseline", []),
        drop=side.get("drop", []),
        across=side.get("across"),
        provenance=provenance,
        labels=side.get("labels", []),
    )


def _units(events: Sequence[Event], exchange: Exchange, run: str) -> list[int]:
    """Number of each event's exchangeable unit, from 1; empty for ``time``."""
    if exchange.unit == "time":
        return []
    numbers: list[int] = []
    for index, event in enumerate(events):
        before = events[index - 1] if index else None
        joins = (
            exchange.unit in ("block", "round")
            and before is not None
            and before.item == event.item
            and event.onset - before.end < exchange.pause
        )
        numbers.append(numbers[-1] + (not joins) if numbers else 1)
    if exchange.unit == "round":
        first = dict(reversed(list(zip(numbers, events, strict=True))))
        blocks = [first[number].item for number in sorted(first)]
        if not are_rounds(blocks):
            some = ", ".join(blocks[:8]) + ", …" * (len(blocks) > 8)
            raise UserError(
                f"{run}: its blocks ({some}) do not come in rounds that show every label once: put "
                "`block` under exchange.unit, or `ignore` events that are none"
            )
    return numbers


def _text(value: object) -> str:
    """A cell as text; a missing value is empty."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)
