"""One subject's presentations: the mean response to each, what was shown, and its features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.align import samples as index
from tristream.align.aligned import read_aligned
from tristream.align.exchange import Unit
from tristream.bold.run_file import Run, read_runs
from tristream.decode.run_rows import rows_in_order, volumes_later
from tristream.errors import UserError
from tristream.features.core.feature_file import open_features
from tristream.store import Omission

Floats = npt.NDArray[np.floating]
ALL = "all voxels"


@dataclass(frozen=True)
class ShownUnits:
    """Presentations of one subject.

    Attributes
    ----------
    x : ndarray of float32, shape (units, voxels)
        Mean over the rows of each.
    item, label, run : list of str
        What each shows, its label (empty where there is none), its run.
    split : list of str
        ``train``, ``test``, ``imagined``, or ``each`` (leave-one-run-out).
    rows : list of (str, ndarray of int)
        Run and rows at which each was shown, before the delay.
    regions : dict of str to ndarray of int
        Voxels of each.
    trials : bool
        Whether rows are trials.
    delay : float
        Seconds by which responses were taken later.
    simulated : bool
    omitted : tuple of Omission
    """

    x: npt.NDArray[np.float32]
    item: list[str]
    label: list[str]
    run: list[str]
    split: list[str]
    rows: list[tuple[str, npt.NDArray[np.intp]]]
    regions: Mapping[str, npt.NDArray[np.integer]]
    trials: bool
    delay: float
    simulated: bool
    omitted: tuple[Omission, ...] = field(default=())


@dataclass(frozen=True)
class ShownFeatures:
    """Features of each presentation in one layer.

    Attributes
    ----------
    space, layer : str
    values : ndarray of float32, shape (presentations, p)
    names : ndarray of str, shape (presentations,)
        The name by which each is identified.
    averaged : int
        Presentations that took the mean of their label.
    others : ndarray of shape (others, p) or None
        Candidates that were never shown.
    """

    space: str
    layer: str
    values: npt.NDArray[np.float32]
    names: npt.NDArray[Any]
    averaged: int = 0
    others: Floats | None = None


def read_units(
    bold: Sequence[Path],
    samples: Path,
    regions: Sequence[str],
    delay: str | None,
    imagined: Sequence[str],
    exchange: Unit,
) -> ShownUnits:
    """Read the presentations of one subject.

    Parameters
    ----------
    bold : sequence of Path
        Run files (kind ``bold``).
    samples : Path
        The sample index (kind ``samples``).
    regions : sequence of str
        All voxels as one, if none is named.
    delay : str or None
        How much later than the item its volumes are taken.
    imagined : sequence of str
        Runs, or patterns, in which items were imagined.
    exchange : {'block', 'round', 'item', 'time'}
        The dataset's exchangeable unit: of ``time``, a time block is an item.

    Raises
    ------
    UserError
        If files don't fit each other, nothing is shown, a region is unknown or holds no data.
    """
    table, provenance = index.read_samples(samples)
    runs = read_runs(bold)
    signal = {run.run: run.bold for run in runs}
    means, parts = [], []
    for path, run in zip(bold, runs, strict=True):
        part = _shown(table[table["run"] == run.run], run, volumes_later(delay, run), path, samples)
        shared = index.presentations(table, run.run)
        values = index.mean_rows(run.run, part["row"].to_numpy(), shared, signal.__getitem__)
        unit, names = pd.factorize(part["unit"])
        for number in range(len(names)):
            means.append(values[unit == number].mean(0))
        parts.append(part.groupby(unit).agg({**dict.fromkeys(KEPT, "first"), "shown": list}))
    if not means:
        raise UserError(f"{samples}: no sample shows an item; name the dataset's events")
    units = pd.concat(parts, ignore_index=True)
    if exchange == "time":
        # The same block of runs that repeat each other is the same item.
        where = units["repeat"].where(units["repeat"] != "", units["run"])
        units["item"] = where + "/" + units["unit"].str.rsplit("/", n=1).str[-1]
    unmatched = [one for one in imagined if not any(fnmatch(r, one) for r in signal)]
    if unmatched:
        raise UserError(
            f"{samples}: `imagined`: no run is {unmatched[0]!r}; the subject has "
            f"{', '.join(list(signal)[:3])} …"
        )
    unseen = units["run"].map(lambda r: any(fnmatch(r, one) for one in imagined))
    if (unseen & (units["split"] == "train")).any():
        raise UserError(f"{samples}: `imagined` names runs that are used for training")
    found = ShownUnits(
        x=np.stack(means),
        item=units["item"].tolist(),
        label=units["label"].tolist(),
        run=units["run"].tolist(),
        split=units["split"].mask(unseen, "imagined").tolist(),
        rows=[
            (run, np.array(rows)) for run, rows in zip(units["run"], units["shown"], strict=True)
        ],
        regions={},
        trials=runs[0].trials is not None,
        delay=runs[0].tr * volumes_later(delay, runs[0]),
        simulated=provenance.simulated or any(run.simulated for run in runs),
    )
    return _with_regions(found, runs[0], regions, bold[0])


KEPT = ("run", "item", "label", "unit", "split", "repeat")


def _shown(part: pd.DataFrame, run: Run, delay: int, path: Path, samples: Path) -> pd.DataFrame:
    """Rows of a run that show something, `delay` volumes later, with the row that showed it."""
    part = rows_in_order(part, run, path, samples)
    moved = part[["item", "label", "unit", "keep"]].shift(delay)
    part = part.assign(**{name: moved[name].fillna("") for name in ("item", "label", "unit")})
    used = moved["keep"].eq(True) & ~part["censor"] & (part["unit"] != "") & (part["item"] != "")
    return part.assign(shown=part["row"] - delay)[used]


def _with_regions(found: ShownUnits, run: Run, wanted: Sequence[str], path: Path) -> ShownUnits:
    """Voxels of each region; those that are not finite everywhere are left out."""
    every = {ALL: np.arange(found.x.shape[1])}
    unknown = [name for name in wanted if name not in run.regions]
    if unknown:
        known = ", ".join(run.regions) or "none"
        raise UserError(f"{path}: has no region {unknown[0]!r} (it has {known}); correct `regions`")
    good = np.isfinite(found.x).all(0) & (found.x != found.x[0]).any(0)
    regions, omitted = {}, []
    for name in wanted or every:
        own = run.regions[name] if wanted else every[name]
        regions[name] = own[good[own]]
        if not len(regions[name]):
            raise UserError(
                f"{path}: no voxel of region {name!r} has finite values that vary over the "
                "samples; correct `regions`"
            )
        if lost := len(own) - len(regions[name]):
            why = "not finite, or constant, in the samples"
            omitted.append(Omission(f"{lost} of {len(own)} voxels of {name}", why))
    return replace(found, regions=regions, omitted=tuple(omitted))


def read_targets(
    features: Path, aligned: Path, units: ShownUnits, candidates: Path | None = None
) -> ShownFeatures:
    """Features of each presentation, and the name by which it is identified.

    Features of labels and images are those of the presentation's item. Where an imagined item, or
    one that is known by its label alone, has none, they are the mean over the images of its label
    that were shown, and the presentation goes by its label. Films and sounds: the mean over the
    volumes at which it was shown.

    Parameters
    ----------
    features, aligned : Path
        Files of one layer.
    units : ShownUnits
    candidates : Path, optional
        Array of the user's own features, (items, p), as ``.npy``.

    Raises
    ------
    UserError
        If the layer has features for neither the item nor its label, or own features don't fit.
    """
    with open_features(features) as source:
        space, layer, timed = source.about.space, source.about.layer, source.about.timed
        if not timed:
            rows = np.asarray(source.item_values[()], np.float32)
            vectors = dict(zip(source.items, rows, strict=True))
    if timed:
        moments = read_aligned(aligned)
        values = np.stack([moments[run][rows].mean(0) for run, rows in units.rows])
        names, averaged = units.item, 0
    else:
        values, names, averaged = _of_items(vectors, units, features)
    others = None if candidates is None else _own(candidates, values.shape[1])
    return ShownFeatures(space, layer, values.astype(np.float32), np.array(names), averaged, others)


def _own(path: Path, width: int) -> Floats:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: not an array of own candidates ({error}); save it with np.save"
        ) from None
    if values.ndim != 2 or values.shape[1] != width:
        raise UserError(
            f"{path}: has shape {values.shape}, but the layer has {width} units; own candidates "
            "are (items, units), made by the same extractor"
        )
    return np.asarray(values, np.float64)


def _of_items(
    vectors: Mapping[str, npt.NDArray[np.float32]], units: ShownUnits, path: Path
) -> tuple[npt.NDArray[np.float32], list[str], int]:
    by_label: dict[str, dict[str, npt.NDArray[np.float32]]] = {}
    for item, label in zip(units.item, units.label, strict=True):
        if label and item in vectors:
            by_label.setdefault(label, {})[item] = vectors[item]
    values, names, averaged = [], [], 0
    for item, label, split in zip(units.item, units.label, units.split, strict=True):
        # An image must have features; what was imagined, or is known by its label alone, can't.
        unseen = split == "imagined" or item == label
        if item in vectors:
            values.append(vectors[item])
            names.append(item)
        elif unseen and label in by_label:
            values.append(np.mean(list(by_label[label].values()), axis=0))
            names.append(label)
            averaged += 1
        else:
            raise UserError(
                f"{path}: holds no features of {item!r}"
                f"{f', nor of an image of its label {label!r}' if unseen else ''}; extract the "
                "features again, or name another space"
            )
    return np.stack(values), names, averaged
