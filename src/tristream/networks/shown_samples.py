"""One subject's labelled samples, each with the moment of the stimulus that it answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.align import samples as index
from tristream.align.timeline import trial_events
from tristream.bold.run_file import Run, read_runs
from tristream.config.networks import NetworkDesign
from tristream.decode.run_rows import rows_in_order, volumes_later
from tristream.errors import UserError
from tristream.stimuli.shown_at import NONE, shown_at
from tristream.stimuli.tables import read_inventory
from tristream.stimuli.timelines import Event
from tristream.store import Omission


@dataclass(frozen=True)
class ShownSamples:
    """Labelled samples of one subject.

    Attributes
    ----------
    y : ndarray of float32, shape (samples, voxels)
        Responses: volumes, trials, or means over a presentation.
    column : ndarray of int, shape (voxels,)
        Which of the run files' voxels they are.
    label, run : list of str
    event : list of Event
        What each shows.
    at : ndarray of shape (samples,)
        Seconds after the event's onset that each answers.
    test : ndarray of bool, shape (samples,)
        Whether its run is held out.
    rows : {'volumes', 'trials'}
        What the rows of the run files are.
    delay : float
        Seconds by which responses were taken later: whole volumes.
    simulated : bool
    omitted : tuple of Omission
    ranked : bool
        Whether the voxels are those with the largest F of the labels.
    """

    y: npt.NDArray[np.float32]
    column: npt.NDArray[np.intp]
    label: list[str]
    run: list[str]
    event: list[Event]
    at: npt.NDArray[np.float64]
    test: npt.NDArray[np.bool_]
    rows: str = "volumes"
    delay: float = 0.0
    simulated: bool = False
    omitted: tuple[Omission, ...] = ()
    ranked: bool = False

    @property
    def item(self) -> list[str]:
        """What each shows: image or clip."""
        return [event.item for event in self.event]

    @property
    def classes(self) -> list[str]:
        """Labels in alphabetical order."""
        return sorted(set(self.label))

    @property
    def one_item(self) -> bool:
        """Whether each label is that of one item, so that no other item of it is left to learn."""
        return len(set(self.item)) == len(self.classes)

    @property
    def learnt(self) -> npt.NDArray[np.bool_]:
        """Samples of other runs and, unless each label is one item, of other items."""
        learn = ~self.test
        if not self.one_item:
            learn &= ~np.isin(self.item, np.array(self.item)[self.test])
        return learn


def read_shown(
    bold: Sequence[Path],
    samples: Path,
    inventory: Path,
    timeline: str,
    block: NetworkDesign,
    where: str,
) -> ShownSamples:
    """Read the labelled samples of one subject.

    Parameters
    ----------
    bold : sequence of Path
        Run files (kind ``bold``).
    samples, inventory : Path
        The subject's sample index, and the dataset's events.
    timeline : str
        That the subject saw.
    block : NetworkDesign
        Its `samples`, `test`, `regions` and `delay` are used.
    where : str
        Key of the network in the study, for messages.

    Raises
    ------
    UserError
        If files don't fit each other, fewer than two labels or no held-out run are there, or a
        region is unknown or holds no data.
    """
    table, provenance = index.read_samples(samples)
    events = read_inventory(inventory).timeline(timeline)
    runs = read_runs(bold)
    signal = {run.run: run.bold for run in runs}
    values, parts = [], []
    for path, run in zip(bold, runs, strict=True):
        own = rows_in_order(table[table["run"] == run.run], run, path, samples)
        later = volumes_later(block.delay, run)
        part = _labelled(own, run, later, events.get(run.run, []))
        shared = index.presentations(table, run.run)
        rows = index.mean_rows(run.run, part["row"].to_numpy(), shared, signal.__getitem__)
        if block.samples == "blocks":
            rows, part = _blocks(rows, part)
        values.append(rows)
        parts.append(part)
    labelled = pd.concat(parts, ignore_index=True)
    classes = sorted(set(labelled["label"]))
    if len(classes) < 2:
        had = f"only one ({classes[0]})" if classes else "none"
        raise UserError(f"{samples}: of labels there is {had}; a network needs at least two")
    _check_one_label(labelled, samples)
    y, column, omitted = _voxels(np.concatenate(values), runs[0], block.regions, bold[0])
    found = ShownSamples(
        y=y,
        column=column,
        label=labelled["label"].tolist(),
        run=labelled["run"].tolist(),
        event=labelled["event"].tolist(),
        at=labelled["at"].to_numpy(float),
        test=_held_out(labelled, block.test, samples, where),
        rows="trials" if runs[0].trials else "volumes",
        delay=runs[0].tr * volumes_later(block.delay, runs[0]),
        simulated=provenance.simulated or any(run.simulated for run in runs),
        omitted=omitted,
    )
    return found


def _check_one_label(labelled: pd.DataFrame, samples: Path) -> None:
    item = labelled["event"].map(lambda event: event.item)
    mixed = labelled["label"].groupby(item).nunique() > 1
    if mixed.any():
        raise UserError(
            f"{samples}: {mixed.idxmax()!r} has two labels, and a network can't tell from what is "
            "shown which is meant; correct `label` in the dataset file, or take the dataset out"
        )


def _labelled(part: pd.DataFrame, run: Run, later: int, events: Sequence[Event]) -> pd.DataFrame:
    """Rows of a run that answer something with a label, with its event and the second of it."""
    ordered = sorted(events, key=lambda event: event.onset)
    if run.trials:
        here = [next((one for one in own if one.label), None) for own in trial_events(run, ordered)]
    else:
        shown = shown_at(run.time, run.tr, ordered)
        here = [None if place == NONE else ordered[place] for place in shown]
    moved = part[["label", "keep", "time"]].shift(later)
    event = pd.Series(pd.Series(here, dtype=object).shift(later).to_numpy(), dtype=object)
    label = moved["label"].fillna("")
    used = moved["keep"].eq(True) & ~part["censor"] & (label != "") & event.notna()
    part = part.assign(label=label, event=event, shown=moved["time"])[used]
    middle = [one.duration / 2 for one in part["event"]]
    passed = [
        float(np.clip(time - one.onset, 0, one.duration))
        for time, one in zip(part["shown"], part["event"], strict=True)
    ]
    return part.assign(at=middle if run.trials else passed)


def _blocks(
    values: npt.NDArray[np.float32], part: pd.DataFrame
) -> tuple[npt.NDArray[np.float32], pd.DataFrame]:
    """Means over the rows of each presentation, which answer its middle."""
    if part.empty:
        return values, part
    number, _ = pd.factorize(np.array([one.onset for one in part["event"]]))
    means = np.stack([values[number == k].mean(0) for k in range(number.max() + 1)])
    part = part.groupby(number).first()
    return means, part.assign(at=[one.duration / 2 for one in part["event"]])


def _held_out(
    labelled: pd.DataFrame, patterns: Sequence[str], samples: Path, where: str
) -> npt.NDArray[np.bool_]:
    runs = list(dict.fromkeys(labelled["run"]))
    for pattern in patterns:
        if not any(fnmatchcase(run, pattern) for run in runs):
            raise UserError(
                f"{samples}: {where}.test: no run with labels is {pattern!r}; there are "
                f"{', '.join(runs[:3])} …"
            )
    if patterns:
        held = {run for run in runs if any(fnmatchcase(run, one) for one in patterns)}
    else:
        held = set(labelled.loc[labelled["split"] == "test", "run"])
    if not held:
        raise UserError(
            f"{samples}: there is no held-out run with labels; name some under {where}.test"
        )
    return labelled["run"].isin(held).to_numpy()


def _voxels(
    y: npt.NDArray[np.float32], run: Run, regions: Sequence[str], path: Path
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp], tuple[Omission, ...]]:
    """Voxels of the regions that are finite and vary over the samples."""
    wanted = np.arange(y.shape[1])
    if unknown := [name for name in regions if name not in run.regions]:
        known = ", ".join(run.regions) or "none"
        raise UserError(f"{path}: has no region {unknown[0]!r} (it has {known}); correct `regions`")
    if regions:
        wanted = np.unique(np.concatenate([run.regions[name] for name in regions]))
    own = y[:, wanted]
    good = np.isfinite(own).all(0) & (own != own[0]).any(0)
    if not good.any():
        raise UserError(
            f"{path}: no voxel has finite values that vary over the samples; correct `regions`"
        )
    lost = int((~good).sum())
    why = "not finite, or constant, in the samples"
    omitted = (Omission(f"{lost} of {len(wanted)} voxels", why),) if lost else ()
    return own[:, good], wanted[good].astype(np.intp), omitted


def with_voxels(shown: ShownSamples, count: int | None) -> ShownSamples:
    """The voxels with the largest F of the labels, in samples that are learnt from alone.

    Parameters
    ----------
    shown : ShownSamples
    count : int or None
        How many; None or more than there are: all.
    """
    if count is None or count >= len(shown.column):
        return shown
    from sklearn.feature_selection import f_classif

    learn = shown.learnt
    labels: Any = np.array(shown.label)[learn]
    with np.errstate(divide="ignore", invalid="ignore"):
        strength = np.nan_to_num(f_classif(shown.y[learn].astype(float), labels)[0], nan=-1.0)
    best = np.sort(np.argsort(-strength, kind="stable")[:count])
    return replace(shown, y=shown.y[:, best], column=shown.column[best], ranked=True)
