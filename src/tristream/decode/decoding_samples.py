"""From run files and the sample index to labelled samples."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.core.groupby import SeriesGroupBy

from tristream.align import samples as index
from tristream.align.exchange import Unit
from tristream.bold.run_file import Run, read_runs
from tristream.config.decoders import DecoderDesign
from tristream.decode.run_rows import rows_in_order, volumes_later
from tristream.errors import UserError
from tristream.store import Omission


@dataclass(frozen=True)
class Joined:
    """Whose the runs of several subjects are, and what these met alike.

    Attributes
    ----------
    subjects : list of str
    subject : ndarray of int, shape (runs,)
        Whose each run is.
    same_run : ndarray of int, shape (runs,)
        Number of the run's name, the same in all subjects.
    thing : ndarray of int, shape (units,)
        What each unit shows, the same number in all subjects: an item, or the k-th block of a label
        in a run.
    space : str
        In which the subjects' voxels lie; empty where that is not known.
    """

    subjects: list[str]
    subject: np.ndarray
    same_run: np.ndarray
    thing: np.ndarray
    space: str = ""


@dataclass(frozen=True)
class Samples:
    """Labelled samples of one subject, and the exchangeable units that they belong to.

    Samples of several subjects are made by :mod:`tristream.decode.joined_subjects`.

    Attributes
    ----------
    x : ndarray of float64, shape (samples, voxels)
        Volumes, or averages of the volumes of a unit.
    unit : ndarray of int, shape (samples,)
        Each sample's unit: an index into the four lists that follow.
    label, run, length : ndarray of int, shape (units,)
        The unit's label (index into `classes`), its run (index into `runs`), and its number of
        volumes before censoring.
    item : ndarray of int, shape (units,)
        What the unit shows, numbered in the order of the items' names.
    unit_names : list of str
        As in the sample index.
    classes, runs : list of str
        Labels in alphabetical order; runs in the order of the files.
    test : ndarray of bool, shape (runs,)
        Whether the run is held out; all false for leave-one-run-out.
    repeat : list of str, one a run
        Group of runs that show the same at the same times; empty where there is none.
    exchange : {'block', 'round', 'item', 'time'}
        What changes places under the null hypothesis: units, or items with all their showings.
    simulated : bool
        Whether any input says so.
    omitted : tuple of Omission
        What was left out.
    rows : {'volumes', 'trials'}
        What the rows of the run files are.
    delay : float
        Seconds by which labels were moved: whole volumes.
    ijk : ndarray of int of shape (voxels, 3)
        Where the voxels are, as in the run files; without rows where that is not known.
    column : ndarray of int of shape (voxels,)
        Which of the run files' voxels they are; empty where there are no files.
    one_item : bool
        Each label is that of one item, so that presentations count as items.
    item_names : list of str
        By their number in `item`; empty where presentations count as items.
    joined : Joined or None
        Of several subjects; then runs are those of each.
    """

    x: np.ndarray
    unit: np.ndarray
    label: np.ndarray
    run: np.ndarray
    length: np.ndarray
    item: np.ndarray
    unit_names: list[str]
    classes: list[str]
    runs: list[str]
    test: np.ndarray
    repeat: list[str]
    exchange: Unit
    simulated: bool = False
    omitted: tuple[Omission, ...] = field(default=())
    rows: str = "volumes"
    delay: float = 0.0
    ijk: np.ndarray = field(default_factory=lambda: np.empty((0, 3), int))
    column: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    one_item: bool = False
    item_names: list[str] = field(default_factory=list)
    joined: Joined | None = None

    @property
    def y(self) -> np.ndarray:
        """Label of each sample."""
        return self.label[self.unit]

    @property
    def sample_run(self) -> np.ndarray:
        """Run of each sample."""
        return self.run[self.unit]


def read_samples(
    bold: Sequence[Path], samples: Path, decoder: DecoderDesign, exchange: Unit
) -> Samples:
    """Read one subject's labelled volumes, or their averages by unit.

    Run files hold each voxel z-scored by its own run, over all of the run's uncensored volumes,
    rest included; they are taken as they are. With ``delay`` a volume takes the label that was
    shown that many seconds earlier.

    Parameters
    ----------
    bold : sequence of Path
        Run files of one subject (kind ``bold``).
    samples : Path
        The subject's sample index (kind ``samples``).
    decoder : DecoderDesign
        Its `samples` and `delay` are used.
    exchange : {'block', 'round', 'item', 'time'}
        The dataset's exchangeable unit.

    Raises
    ------
    UserError
        If files don't fit each other, a unit or an item has two labels, or there is nothing to
        decode.
    """
    table, provenance = index.read_samples(samples)
    simulated = provenance.simulated
    volumes, rows = [], []
    runs = read_runs(bold)
    signal = {run.run: run.bold for run in runs}
    for path, run in zip(bold, runs, strict=True):
        if run.trials:
            _check_trials(run, decoder, path)
        part = _labelled(
            table[table["run"] == run.run], run, volumes_later(decoder.delay, run), path, samples
        )
        shared = index.presentations(table, run.run)
        used = index.mean_rows(run.run, part["row"].to_numpy(), shared, signal.__getitem__)
        volumes.append(used.astype(np.float64))
        rows.append(part)
        simulated |= run.simulated
    if not sum(map(len, rows)):
        raise UserError(f"{samples}: no volume has a label; a decoder needs labelled events")
    labelled = pd.concat(rows, ignore_index=True)
    x, good, omitted = _finite(np.concatenate(volumes), samples)
    found = _assembled(x, labelled, samples, decoder.samples == "blocks", exchange)
    kind = "trials" if runs[0].trials else "volumes"
    delay = runs[0].tr * volumes_later(decoder.delay, runs[0])
    return replace(
        found,
        simulated=simulated,
        omitted=omitted,
        rows=kind,
        delay=delay,
        ijk=runs[0].ijk[good],
        column=np.flatnonzero(good),
    )


def _check_trials(run: Run, decoder: DecoderDesign, path: Path) -> None:
    if volumes_later(decoder.delay, run):
        raise UserError(f"{path}: its rows are trials; the decoder needs `delay: 0`")
    if run.trials and run.trials.scale == "training" and decoder.standardize != "training":
        raise UserError(
            f"{path}: its trials are to be scaled by training trials (trials.scale); the decoder "
            "needs `standardize: training`"
        )


def _labelled(part: pd.DataFrame, run: Run, delay: int, path: Path, samples: Path) -> pd.DataFrame:
    """Rows of a run that have a label, `delay` volumes later, with their unit's full length."""
    part = rows_in_order(part, run, path, samples)
    shown = part[["exchange", "label", "unit", "keep"]].shift(delay)
    part = part.assign(**{column: shown[column] for column in ("exchange", "label", "unit")})
    part = part.assign(keep=shown["keep"].eq(True))
    part = part[part["label"].notna() & (part["label"] != "")]
    part = part.assign(length=part.groupby("unit")["row"].transform("size"))
    part = part[part["keep"] & ~part["censor"]]
    if (part["unit"] == "").any():
        raise UserError(
            f"{samples}: a labelled volume of {path} has no unit; correct `exchange` in the "
            "dataset file"
        )
    return part


def _finite(x: np.ndarray, samples: Path) -> tuple[np.ndarray, np.ndarray, tuple[Omission, ...]]:
    good = np.isfinite(x).all(0)
    if good.all():
        return x, good, ()
    if not good.any():
        raise UserError(f"{samples}: no voxel has finite values in all labelled volumes")
    why = "not finite in some labelled volume"
    return x[:, good], good, (Omission(f"{(~good).sum()} of {good.size} voxels", why),)


def _assembled(
    x: np.ndarray, labelled: pd.DataFrame, samples: Path, average: bool, exchange: Unit
) -> Samples:
    classes = sorted(labelled["label"].unique())
    if len(classes) < 2:
        raise UserError(f"{samples}: only one label ({classes[0]}); a decoder needs at least two")
    runs = list(dict.fromkeys(labelled["run"]))
    key = pd.MultiIndex.from_frame(labelled[["run", "unit"]].astype(str))
    unit, names = pd.factorize(key)
    units = labelled.groupby(unit)
    _check_one_label(units["label"], [name[1] for name in names], "unit", samples)
    if exchange == "item":
        items = labelled.groupby("exchange")
        _check_one_label(items["label"], sorted(map(str, items.groups)), "item", samples)
    first = units.first()
    item_names, item = np.unique(first["exchange"].astype(str), return_inverse=True)
    if one_item := exchange == "item" and len(np.unique(item)) == len(classes):
        # To name the label is to know the item again: what is new is the presentation.
        item = np.arange(len(first))
    if average:
        x = np.stack([x[unit == u].mean(0) for u in range(len(names))])
        unit = np.arange(len(names))
    by_run = labelled.groupby("run")
    if (by_run["split"].nunique() > 1).any():
        raise UserError(f"{samples}: a run is both train and test; run `stimuli inventory` again")
    of_run = by_run.first().loc[runs]
    return Samples(
        x=x,
        unit=unit,
        label=first["label"].map(classes.index).to_numpy(),
        run=first["run"].map(runs.index).to_numpy(),
        length=first["length"].to_numpy(),
        item=item,
        unit_names=[str(name[1]) for name in names],
        classes=classes,
        runs=runs,
        test=(of_run["split"] == "test").to_numpy(),
        repeat=["" if pd.isna(r) else str(r) for r in of_run["repeat"]],
        exchange=exchange,
        one_item=one_item,
        item_names=[] if one_item else item_names.tolist(),
    )


def _check_one_label(labels: SeriesGroupBy, names: Sequence[str], what: str, samples: Path) -> None:
    mixed = (labels.nunique() > 1).to_numpy()
    if mixed.any():
        raise UserError(
            f"{samples}: {what} {names[int(mixed.argmax())]!r} has volumes of two labels; what is "
            "permuted must have one: correct `exchange` in the dataset file"
        )
