"""The sample index: what each volume of a subject shows, and whether it is a sample."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.align.exchange import Unit
from tristream.align.resample import shares
from tristream.align.timeline import check_fit, trial_events
from tristream.bold.run_file import Run, read_runs
from tristream.config.runs import Exchange, Parts
from tristream.config.settings.align import SamplesSettings
from tristream.errors import UserError
from tristream.stimuli.shown_at import shown_at
from tristream.stimuli.tables import read_inventory, read_leakage, read_splits
from tristream.stimuli.timelines import TOLERANCE, Event
from tristream.store import Provenance, read_table, write_table

KIND = "samples"
SMALLEST_SHARE = 1e-6
Presentations = dict[int, list[tuple[str, int]]]
"""Row to the (run, row) of all presentations of its item."""
COLUMNS = {
    "run": "BIDS entities of the run",
    "row": "Volume in the run's BOLD file, from 0",
    "time": "Seconds of the run at which the volume stands",
    "item": "What is shown; n/a outside of events",
    "exchange": "What moves as a whole where items are exchanged: the item, or the presentation of "
    "an event that is known by its label alone; n/a where nothing moves",
    "label": "What a decoder is to name; n/a where there is none",
    "unit": "Exchangeable unit, as RUN/3; n/a where nothing moves",
    "shares": "How much of what the volume's features are taken from each unit fills, as "
    "UNIT=SHARE, joined by semicolons; n/a where no unit does, and for blocks of time",
    "split": "train, test, or each (leave-one-run-out)",
    "repeat": "Test runs of one group show the same at the same times",
    "censor": "True: the volume carries no data",
    "keep": "True: the volume is a sample",
    "session": "Session of the run; n/a where the dataset has none",
    "average": "Rows of one name are averaged, in place of the first; n/a: the row stands alone",
    "presentation": "How often the subject has met the item, from 1; n/a where rows are volumes",
}


def read_samples(path: Path | str) -> tuple[pd.DataFrame, Provenance]:
    """Read a sample index: one row a volume, columns as `COLUMNS`, text missing as ""."""
    table, provenance = read_table(path, KIND)
    table = table if "average" in table else table.assign(average="")
    table = table if "exchange" in table else table.assign(exchange=table["item"])
    table = table if "shares" in table else table.assign(shares="")
    for column in (
        "run",
        "item",
        "exchange",
        "label",
        "unit",
        "shares",
        "split",
        "repeat",
        "session",
        "average",
    ):
        if column not in table:
            continue
        table[column] = table[column].astype(object).where(table[column].notna(), "").astype(str)
    for column in ("censor", "keep"):
        table[column] = table[column].astype(bool)
    return table, provenance


def exchange_unit(provenance: Provenance) -> Unit:
    """The exchangeable unit of a sample index, as its job was told; blocks of time if it was not.

    Parameters
    ----------
    provenance : Provenance
        Of the index.
    """
    return provenance.config.get("exchange", {}).get("unit", "time")


def kept_rows(samples: pd.DataFrame, run: str) -> npt.NDArray[np.intp]:
    """Volumes of a run that are samples, rising."""
    mine = samples[(samples["run"] == run) & samples["keep"]]
    return np.sort(mine["row"].to_numpy(np.intp))


def presentations(samples: pd.DataFrame, run: str) -> Presentations:
    """Rows of a run that stand for an average, each with all the rows that it is the mean of."""
    grouped = samples[samples["average"] != ""].groupby("average", sort=False)
    found: Presentations = {}
    for _, rows in grouped:
        first = rows[rows["keep"]].iloc[0]
        if first["run"] == run:
            found[int(first["row"])] = list(zip(rows["run"], rows["row"].astype(int), strict=True))
    return found


def mean_rows(
    run: str,
    rows: npt.NDArray[np.integer],
    shared: Presentations,
    signal: Callable[[str], npt.NDArray[np.float32]],
) -> npt.NDArray[np.float32]:
    """BOLD of some rows of a run, that of repeated items averaged where this was asked for.

    Parameters
    ----------
    run : str
        Its name.
    rows : ndarray of int
        Rows of its file.
    shared : dict
        From :func:`presentations`.
    signal : callable
        BOLD of a run by its name, (rows, voxels).

    Returns
    -------
    ndarray of shape (rows, voxels)
    """
    if not shared:
        return signal(run)[rows]
    wanted: dict[str, list[tuple[int, int]]] = {}
    for place, row in enumerate(rows):
        for name, other in shared.get(int(row), [(run, int(row))]):
            wanted.setdefault(name, []).append((place, other))
    total, counted = None, np.zeros(len(rows))
    for name, pairs in wanted.items():
        places, others = (list(column) for column in zip(*pairs, strict=True))
        values = signal(name)[others].astype(np.float64)
        total = np.zeros((len(rows), values.shape[1])) if total is None else total
        np.add.at(total, places, values)
        np.add.at(counted, places, 1)
    assert total is not None
    return (total / counted[:, None]).astype(np.float32)


def write_samples(
    settings: SamplesSettings,
    inventory: Path,
    splits: Path,
    leakage: Path,
    bold: Sequence[Path],
    output: Path,
    code: str = "",
) -> None:
    """Write a subject's sample index.

    A volume is a sample if it stands within an event that is kept (or outside of events, with
    ``samples: all``), is not censored, and is not among the test rows that the leakage audit drops.

    Parameters
    ----------
    settings : SamplesSettings
        The subject, its runs and timeline, the exchangeable unit.
    inventory, splits, leakage : Path
        Tables of the stimuli stage.
    bold : list of Path
        The subject's runs.
    output : Path
        The table to write.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If runs and events don't fit together, or no sample is left in training or test.
    """
    runs = {run.run: run for run in read_runs(bold, signal=False)}
    wanted = settings.runs
    if sorted(runs) != sorted(wanted):
        raise UserError(
            f"{output}: sub-{settings.subject} has runs {', '.join(wanted)}, but was given "
            f"{', '.join(runs)}; prepare those that lack, or list them under `missing:`"
        )
    listed, audit = read_inventory(inventory), read_leakage(leakage)
    events = listed.timeline(settings.timeline)
    check_fit(events, list(runs.values()), settings.trims, inventory, settings.absent)
    groups = read_splits(splits).of(settings.timeline)
    parts, lost = [], 0
    for name in wanted:
        between, by_volume = settings.samples == "all", settings.by_volume
        part = run_samples(runs[name], events[name], settings.exchange, between, by_volume)
        part["split"], part["repeat"] = groups[name]
        if groups[name][0] != "train":
            gone = part["keep"] & _dropped(part["time"].to_numpy(), name, audit.drop)
            part.loc[gone, "keep"] = False
            lost += int(gone.sum())
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    table["session"] = table["run"].str.extract(r"^ses-([A-Za-z0-9]+)", expand=False)
    trials = table["run"].map({name: run.trials is not None for name, run in runs.items()})
    table["presentation"] = (table.groupby("item").cumcount() + 1).where(trials & table["keep"])
    table["presentation"] = table["presentation"].astype("Int64")
    if settings.average:
        table["average"], table["keep"] = _averages(table)
    else:
        table["average"] = None
    table = table[list(COLUMNS)]
    _check_left(table, output)
    averaged = [run.trials.averaged for run in runs.values() if run.trials]
    rows = "trials" if averaged else "volumes"
    if any((own > 1).any() for own in averaged):
        rows = "items"
    methods = sentences(table, settings.exchange, rows, lost, settings.samples == "all")
    methods += part_sentences(settings.parts)
    simulated = listed.provenance.simulated or audit.provenance.simulated
    simulated = simulated or any(run.simulated for run in runs.values())
    write_table(
        output, table, Provenance(KIND, simulated, settings.key(), code, methods=methods), COLUMNS
    )


def sentences(
    table: pd.DataFrame, exchange: Exchange, rows: str, dropped: int, between: bool = False
) -> tuple[str, ...]:
    """What was held out, and which rows are samples, for the methods section.

    Parameters
    ----------
    table : DataFrame
        The sample index.
    exchange : Exchange
        As configured.
    rows : {"volumes", "trials", "items"}
        What rows are; items are averages over the trials of a run.
    dropped : int
        Test rows that the leakage audit took out.
    between : bool
        Whether volumes outside of events are samples.
    """
    used = table[table["keep"]]
    runs = used.groupby("split")["run"].nunique()
    if "each" in runs:
        text = [f"Each of {runs['each']} runs was held out in turn (leave-one-run-out)."]
    else:
        train, test = int(runs.get("train", 0)), int(runs.get("test", 0))
        text = [
            f"{train} {'runs were' if train > 1 else 'run was'} used for training, and {test} "
            f"{'were' if test > 1 else 'was'} held out for testing."
        ]
    tested = used[used["repeat"].notna()].groupby("repeat")["run"].nunique()
    if (tested > 1).any():
        text.append(
            "Test runs that show the same stimuli at the same times are repeats of each other."
        )
    if used["average"].notna().any():
        text.append(
            "Samples are items: trials of one item were averaged over the training runs, and over "
            "the held-out runs, never over both."
        )
    else:
        what = {
            "volumes": "all volumes" if between else "the volumes within events",
            "trials": "single trials",
            "items": "items, averaged over their trials of a run",
        }
        text.append(f"Samples are {what[rows]}.")
    if table["censor"].any():
        text.append(f"Censored {rows} are not samples.")
    if dropped:
        text.append(f"{dropped} held-out {rows} were left out for what the leakage audit found.")
    if used["unit"].notna().any():
        alone = (used["exchange"] == used["unit"]).all()
        unit = {
            "block": "blocks of one label",
            "round": "blocks of one label, within rounds that show every label once",
            "item": "single presentations" if alone else "an item with all its showings",
            "time": f"time blocks of {exchange.seconds:g} s",
        }[exchange.unit]
        rest = (
            ", with the volumes until the next event" if between and exchange.unit != "time" else ""
        )
        text.append(f"The unit that permutations move is {unit}{rest}, within each run.")
    return tuple(text)


def part_sentences(parts: Parts | None) -> tuple[str, ...]:
    """How runs were parted, for the methods section; all else holds for the parts."""
    if parts is None:
        return ()
    if parts.times:
        cuts = ", ".join(f"{time:g}" for time in parts.times)
        return (
            f"Each run was cut in time at {cuts} s, and {parts.gap:g} s after each cut were left "
            "out; the parts stand for runs, and each was cleaned by itself.",
        )
    return (
        "Test trials stand in the same runs as training trials, and share their noise and "
        f"cleaning; training trials within {parts.gap:g} s of one were left out. Each such run "
        "counts as two.",
    )


def run_samples(
    run: Run,
    events: Sequence[Event],
    exchange: Exchange,
    between: bool = False,
    by_volume: bool = False,
) -> pd.DataFrame:
    """Columns run, row, time, item, exchange, label, unit, shares, censor and keep of one run.

    Parameters
    ----------
    run : Run
        Its times and censored volumes are used.
    events : list of Event
        What it shows; of each volume as :func:`tristream.stimuli.shown_at.shown_at` has it.
    exchange : Exchange
        For ``time``, units are time blocks of `seconds` from the first volume within an event; a
        last block shorter than half of that joins the one before.
    between : bool
        Whether volumes outside of events are samples; they change places with the event before.
    by_volume : bool
        Whether features are those of the volume's own event, not taken to time.
    """
    item = np.full(run.n_volumes, None, object)
    moved = np.full(run.n_volumes, None, object)
    label = np.full(run.n_volumes, None, object)
    unit = np.full(run.n_volumes, None, object)
    keep = np.zeros(run.n_volumes, bool)
    by_time = exchange.unit == "time"
    for event, shown in _rows(run, events):
        item[shown] = (event.stimulus if by_time else event.item) or None
        # What was shown under the label of a condition is not known; it need not be one stimulus.
        moved[shown] = event.unit if event.kind == "label" and not by_time else item[shown]
        label[shown] = event.label or None
        unit[shown] = event.unit or None
        keep[shown] = event.keep
    if by_time:
        filled = None
    elif run.trials or by_volume:
        filled = [f"{own}=1" if own else None for own in unit]
    else:
        filled = _shares(run, events)
    if between:
        keep |= pd.isna(item)
        moved, unit = (pd.Series(own).ffill().to_numpy(copy=True) for own in (moved, unit))
    if by_time:
        shown = np.logical_or.reduce([rows for _, rows in _rows(run, events)]) | between
        unit[shown] = [f"{run.run}/{k}" for k in time_blocks(run.time[shown], exchange.seconds)]
    return pd.DataFrame(
        {
            "run": run.run,
            "row": np.arange(run.n_volumes),
            "time": np.round(run.time, 6),
            "item": item,
            "exchange": moved,
            "label": label,
            "unit": unit,
            "shares": filled,
            "censor": run.censor,
            "keep": keep & ~run.censor,
        }
    )


def _shares(run: Run, events: Sequence[Event]) -> list[str | None]:
    """What the features of each volume are taken from, as of `COLUMNS`."""
    shown = [event for event in events if event.unit]
    onsets, durations = (np.array([getattr(e, n) for e in shown]) for n in ("onset", "duration"))
    out: list[str | None] = []
    for row in shares(run.time, run.tr, onsets, durations):
        of_unit: dict[str, float] = {}
        for k in np.flatnonzero(row > SMALLEST_SHARE):
            of_unit[shown[k].unit] = of_unit.get(shown[k].unit, 0.0) + float(row[k])
        out.append(";".join(f"{unit}={share:.6g}" for unit, share in of_unit.items()) or None)
    return out


def read_shares(column: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
    """Unit to its share of every row of a run, from the column `shares`.

    Parameters
    ----------
    column : sequence of str
        One a row; empty where no unit is shown.
    """
    found: dict[str, npt.NDArray[np.float64]] = {}
    for row, text in enumerate(column):
        for part in filter(None, text.split(";")):
            unit, share = part.rsplit("=", 1)
            found.setdefault(unit, np.zeros(len(column)))[row] = float(share)
    return found


def _rows(run: Run, events: Sequence[Event]) -> list[tuple[Event, npt.NDArray[np.bool_]]]:
    """Each event, by onset, and which rows of the run it fills."""
    ordered = sorted(events, key=lambda event: event.onset)
    if not run.trials:
        shown = shown_at(run.time, run.tr, ordered)
        return [(event, shown == n) for n, event in enumerate(ordered)]
    own = trial_events(run, ordered)
    return [(event, np.array([event in here for here in own])) for event in ordered]


def time_blocks(times: npt.NDArray[np.float64], seconds: float) -> npt.NDArray[np.intp]:
    """Number of the time block, from 1, in which each volume lies.

    Parameters
    ----------
    times : ndarray of shape (n,)
        Rising seconds.
    seconds : float
        Length of a block. The last one joins the one before if it is shorter than half; its
        length counts to the end of its last volume's TR.
    """
    if not len(times):
        return np.empty(0, np.intp)
    number = np.floor((times - times[0] + TOLERANCE) / seconds).astype(np.intp)
    tr = np.median(np.diff(times)) if len(times) > 1 else 0.0
    last = number == number[-1]
    if number[-1] > 0 and times[-1] + tr - (times[0] + number[-1] * seconds) < seconds / 2:
        number[last] = number[~last][-1]
    return number + 1


def _averages(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Names of what is averaged, and which rows are then samples: each item's first of a split.

    Averages never join training and test runs.
    """
    name = (table["split"] + "/" + table["item"]).where(table["keep"])
    name = name.where(name.duplicated(keep=False))
    return name, table["keep"] & ~(name.notna() & name.duplicated())


def _dropped(
    times: npt.NDArray[np.float64], run: str, drop: Sequence[Mapping[str, Any]]
) -> npt.NDArray[np.bool_]:
    """Volumes that lie in an interval of the run which the leakage audit drops."""
    out = np.zeros(len(times), bool)
    for interval in drop:
        if interval["run"] == run:
            out |= (times >= interval["start"]) & (times < interval["end"])
    return out


def _check_left(table: pd.DataFrame, output: Path) -> None:
    for split in table["split"].unique():
        if not table.loc[table["split"] == split, "keep"].any():
            raise UserError(
                f"{output}: no volume of split {split!r} is a sample: events, censoring and the "
                "leakage audit leave none; look at inventory.tsv and leakage.tsv"
            )
