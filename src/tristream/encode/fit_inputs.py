"""What an encoding model is fitted to: feature files, run files of BOLD, and the sample index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.align.aligned import AlignedInfo, check_times, read_aligned, read_info
from tristream.align.exchange import Unit
from tristream.align.samples import (
    Presentations,
    exchange_unit,
    mean_rows,
    presentations,
    read_samples,
    read_shares,
)
from tristream.bold.run_file import read_run, read_runs
from tristream.config.delays import in_volumes
from tristream.config.models import EncodingDesign
from tristream.encode.disk_arrays import DiskArrays
from tristream.errors import UserError
from tristream.space.grayordinates import Grayordinates
from tristream.store import Omission

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
NOTHING_SHOWN = "it shows nothing of which the model has features"
Layout = dict[str, list[list[str]]]
"""Band to spaces, each a list of ``space/layer``."""


@dataclass(frozen=True)
class Run:
    """One run of BOLD, as the fit sees it.

    Attributes
    ----------
    path : Path
        Its bold file.
    volumes : int
        How many there are.
    rows : ndarray of int
        Volumes that are used, ascending.
    projection : ndarray of shape (volumes, q)
        Orthonormal basis of what was projected out of the BOLD.
    unit, item : ndarray of int of shape (volumes,)
        Presentation (or block of time) of each volume, and what is shown, by a number that is the
        same in all runs; -1 where there is none.
    shows : ndarray of int of shape (volumes,)
        What its features are of: as `item`, but alike for events that are known by one label.
    stimulated : ndarray of bool of shape (volumes,)
        Volumes with an item on (all, if the run names none).
    split, repeat : str
        As in ``samples``.
    name : str
        As in ``samples``.
    shares : ndarray of shape (volumes, presentations)
        How much of what a volume's features are taken from each presentation fills, numbered as in
        `unit`; no columns for blocks of time.
    shared : dict
        Rows that are means over presentations, some of them in other runs.
    files : dict of str to Path
        Bold files of all runs.
    """

    path: Path
    volumes: int
    rows: Ints
    projection: Floats
    unit: Ints
    item: Ints
    shows: Ints
    stimulated: npt.NDArray[np.bool_]
    split: str
    repeat: str
    name: str = ""
    shares: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    shared: Presentations = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)

    def bold(self, rows: Ints, voxels: slice = slice(None)) -> npt.NDArray[np.float32]:
        """BOLD of some volumes, (rows, voxels)."""
        files = {**self.files, self.name: self.path}
        values = mean_rows(
            self.name, rows, self.shared, lambda run: read_run(files[run], voxels=voxels).bold
        )
        if not np.isfinite(values).all():
            raise UserError(f"{self.path}: BOLD has NaN or infinite values; run bold again")
        return values


@dataclass(frozen=True)
class Inputs:
    """All that goes into one model of one subject.

    Attributes
    ----------
    runs : dict of str to Run
        In the order of the bold files given.
    layout : dict
        Band to spaces to ``space/layer``.
    files : dict of str to Path
        ``space/layer`` to its aligned file.
    ijk, affine, shape, grayordinates
        The subject's voxels, or vertices.
    tr, start_time : float
        Of the BOLD, seconds.
    simulated : bool
        Whether any input is.
    control : {'none', 'shifted'}
        Whether features are moved away from their stimulus.
    items : tuple of str
        ``space/layer`` of labels and images, whose features are zero where none is shown.
    exchange : {'block', 'round', 'item', 'time'}
        The exchangeable unit of the samples.
    arrays : DiskArrays
        Makes arrays of all voxels.
    omitted : tuple of Omission
        Runs that show nothing of which any band has features.
    """

    runs: dict[str, Run]
    layout: Layout
    files: dict[str, Path]
    ijk: npt.NDArray[np.int32]
    affine: Floats
    shape: npt.NDArray[np.int64]
    tr: float
    start_time: float
    simulated: bool
    control: str
    grayordinates: Grayordinates | None = None
    items: tuple[str, ...] = ()
    exchange: Unit = "time"
    arrays: DiskArrays = field(default_factory=DiskArrays)
    omitted: tuple[Omission, ...] = ()

    def features(self, label: str) -> dict[str, Floats]:
        """Undelayed features of ``space/layer``, run by run, each (volumes, p).

        Under the control ``shifted``, features of the stimulated volumes are rolled by half of
        their number within each run.
        """
        out = {}
        by_run = read_aligned(self.files[label])
        for name, run in self.runs.items():
            values = by_run[name]
            if not np.isfinite(values).all():
                raise UserError(
                    f"{self.files[label]}: {name} has NaN or infinite values; extract the "
                    "features again"
                )
            out[name] = shifted(values, run.stimulated) if self.control == "shifted" else values
        return out


def shifted(values: Floats, stimulated: npt.NDArray[np.bool_]) -> Floats:
    """Roll each interval of stimulated rows by half of its length; the others stay.

    One by one: a run of two showings of a clip, rolled as a whole, would show it again.
    """
    out = values.copy()
    on = np.flatnonzero(stimulated)
    for interval in np.split(on, np.flatnonzero(np.diff(on) > 1) + 1):
        out[interval] = values[np.roll(interval, len(interval) // 2)]
    return out


def read_inputs(
    model: EncodingDesign,
    aligned: Sequence[Path],
    bold: Sequence[Path],
    samples: Path,
    arrays: DiskArrays | None = None,
) -> Inputs:
    """Read the heads of all files and check that they fit together.

    Parameters
    ----------
    model : EncodingDesign
        As configured.
    aligned : sequence of Path
        Aligned features; every space that the model names must be among them.
    bold : sequence of Path
        The subject's run files.
    samples : Path
        The subject's sample index.
    arrays : DiskArrays, optional
        By default with files in the folder of temporary files.

    Raises
    ------
    UserError
        If a space is missing, or files disagree about runs, volumes or voxels.
    """
    table, provenance = read_samples(samples)
    heads = read_runs(bold, signal=False)
    if heads[0].trials and (model.hrf != "fir" or in_volumes(model.delays, heads[0].tr) != [0]):
        raise UserError(
            f"{bold[0]}: its rows are trials, whose estimates allow for the response's lag; "
            "give the model `delays: [0]`"
        )
    paths = {head.run: path for path, head in zip(bold, heads, strict=True)}
    what = _shown(table, exchange_unit(provenance))
    runs = {head.run: _run(paths, head.projection, what, head.run, samples) for head in heads}
    # Where repeats are averaged over runs, those that show nothing new hold no sample.
    runs = {name: run for name, run in runs.items() if len(run.rows) or not _empties(table, name)}
    layout, files, infos = _spaces(model, aligned)
    for path in files.values():
        check_times(path, heads)
    blank = [name for name in runs if all(name in infos[label].blank for label in files)]
    if len(blank) == len(runs):
        raise UserError(
            f"{', '.join(map(str, files.values()))}: no run shows anything that has these "
            "features; name other spaces in the model's bands"
        )
    return Inputs(
        runs={name: run for name, run in runs.items() if name not in blank},
        layout=layout,
        files=files,
        ijk=heads[0].ijk,
        affine=heads[0].affine,
        shape=np.array(heads[0].shape),
        tr=heads[0].tr,
        start_time=heads[0].start_time,
        simulated=provenance.simulated
        or any(info.simulated for info in infos.values())
        or any(head.simulated for head in heads),
        control=model.control,
        grayordinates=heads[0].grayordinates,
        items=tuple(sorted(label for label in files if infos[label].sampling == "item")),
        exchange=exchange_unit(provenance),
        arrays=arrays or DiskArrays(),
        omitted=tuple(Omission(f"run {name}", NOTHING_SHOWN) for name in blank),
    )


def _shown(table: pd.DataFrame, unit: Unit) -> pd.DataFrame:
    """The sample index with what changes places (`shown`), and what features are of (`shows`).

    Rounds are made of what blocks show. An event that is known by its label alone counts as itself
    where items are exchanged; in a block it shows what others of the label do.
    """
    items = table["item"].where(table["item"] != "")
    # Volumes after a unit that change places with it show nothing themselves.
    of_unit = items.groupby([table["run"], table["unit"]]).transform("first")
    shows = of_unit.where(table["unit"] != "", items).fillna("")
    return table.assign(
        shown=shows if unit in ("block", "round") else table["exchange"], shows=shows
    )


def _empties(table: pd.DataFrame, name: str) -> bool:
    return bool((table.loc[table["run"] == name, "average"] != "").any())


def _run(
    paths: dict[str, Path], projection: Floats, table: pd.DataFrame, name: str, samples: Path
) -> Run:
    path = paths[name]
    volumes = len(projection)
    own = table[table["run"] == name].sort_values("row")
    if len(own) != volumes or not np.array_equal(own["row"], np.arange(volumes)):
        raise UserError(
            f"{samples}: {len(own)} rows for {name}, but {path} has {volumes} volumes; "
            "run align again"
        )
    codes, units = pd.factorize(own["unit"].where(own["unit"] != ""), use_na_sentinel=True)
    stimulated = (own["item"] != "").to_numpy()
    return Run(
        path=path,
        volumes=volumes,
        rows=np.flatnonzero((own["keep"] & ~own["censor"]).to_numpy()),
        projection=projection,
        unit=codes.astype(np.int64),
        item=_numbers(table["shown"], own["shown"]),
        shows=_numbers(table["shows"], own["shows"]),
        stimulated=stimulated if stimulated.any() else np.ones(volumes, bool),
        split=str(own["split"].iloc[0]),
        repeat=str(own["repeat"].iloc[0]) or name,
        name=name,
        shares=_shares(list(own["shares"]), list(units)),
        shared=presentations(table, name),
        files=paths,
    )


def _numbers(every: pd.Series, own: pd.Series) -> Ints:
    """The number of each name among those of all runs; -1 where there is none."""
    known = {one: k for k, one in enumerate(sorted(set(every) - {""}))}
    return np.array([known.get(one, -1) for one in own], np.int64)


def _shares(column: Sequence[str], units: Sequence[str]) -> Floats:
    """Shares of units (volumes, presentations); those without a volume of their own come last."""
    found = read_shares(column)
    order = [*units, *(unit for unit in found if unit not in units)] if found else []
    own = [found.get(unit, np.zeros(len(column))) for unit in order]
    return np.array(own).reshape(len(order), len(column)).T


def _spaces(
    model: EncodingDesign, aligned: Sequence[Path]
) -> tuple[Layout, dict[str, Path], dict[str, AlignedInfo]]:
    found: dict[str, Path] = {}
    infos = {}
    for path in aligned:
        info = read_info(path)
        label = f"{info.space}/{info.layer}"
        found[label], infos[label] = path, info
    layout: Layout = {}
    for band, named in model.bands.items():
        layout[band] = [_layers(name, found, band) for name in named]
    used = {label for spaces in layout.values() for layers in spaces for label in layers}
    return layout, {k: v for k, v in found.items() if k in used}, infos


def _layers(name: str, found: Mapping[str, Path], band: str) -> list[str]:
    """``space/layer`` as it is; ``space`` as all its layers."""
    layers = [label for label in found if label == name or label.split("/")[0] == name]
    if not layers:
        raise UserError(
            f"no aligned features of {name!r}, which band {band!r} names; given were "
            f"{', '.join(found) or 'none'}"
        )
    return layers
