"""The home of the `encoding` file: its layout, written and read in one place."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from tristream.encode.ceiling import Ceiling, Power
from tristream.encode.disk_arrays import forget
from tristream.encode.jackknife import Groups
from tristream.encode.mixture import Mixture
from tristream.encode.residuals import Residuals
from tristream.encode.voxel_curves import VoxelCurves
from tristream.space import grayordinates
from tristream.space.grayordinates import Grayordinates
from tristream.store import (
    Provenance,
    create_h5,
    json_attribute,
    open_h5,
    read_mapped,
    read_strings,
    write_strings,
)

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
KIND = "encoding"
# What a test run holds of every volume and voxel, and is read where it is asked for.
MAPPED = ("prediction", "y", "picked")
CEILING = ("r", "low", "explainable", "halves")


@dataclass(frozen=True)
class WholeRun:
    """All volumes of a run of BOLD, also those that are not used.

    Attributes
    ----------
    unit, item : ndarray of int of shape (volumes,)
        As of :class:`HeldOut`.
    shares : ndarray of shape (volumes, presentations)
        How much of what a volume's features are taken from each presentation fills, numbered as in
        `unit`; no columns for blocks of time.
    projection : ndarray of shape (volumes, q)
        Orthonormal basis of what was projected out.
    stimulated : ndarray of bool of shape (volumes,)
        Volumes with an item on.
    shows : ndarray of int of shape (volumes,)
        What features are of: as `item`, but alike for events that are known by one label.
    """

    unit: Ints
    item: Ints
    shares: Floats
    projection: Floats
    stimulated: npt.NDArray[np.bool_]
    shows: Ints

    @property
    def filled(self) -> Ints:
        """The presentation that most of a volume's features are from, (volumes,); -1 for none.

        Where it fills less than half as much as where it fills most, it is at its edge.
        """
        if not self.shares.size:
            return self.unit
        most = self.shares.argmax(1)
        enough = self.shares.max(1) > 0.5 * self.shares.max(0).clip(min=1e-9)[most]
        return np.where(enough, most, -1)

    @property
    def filled_item(self) -> Ints:
        """What is shown in each of :attr:`filled`, (volumes,); -1 where there is nothing."""
        return self._filled_with(self.item)

    @property
    def filled_shows(self) -> Ints:
        """What the features of each of :attr:`filled` are of, (volumes,)."""
        return self._filled_with(self.shows)

    def _filled_with(self, what: Ints) -> Ints:
        known = {u: w for u, w in zip(self.unit, what, strict=True) if u >= 0}
        return np.array([known.get(unit, -1) for unit in self.filled], np.int64)


@dataclass(frozen=True)
class HeldOut:
    """Predictions of one test run, or of the average of its repeats.

    Attributes
    ----------
    prediction : ndarray of shape (time, voxels)
        Sum of the bands' predictions: relative to the training mean, which is the intercept.
    band_prediction : ndarray of shape (bands, time, voxels)
    y : ndarray of shape (time, voxels)
        BOLD, mean over repeats.
    unit : ndarray of int of shape (time,)
        Presentation, block or block of time, -1 where there is none.
    runs : tuple of str
        The runs that were averaged.
    gamma, alpha : ndarray of shape (bands, voxels), (voxels,)
        Hyperparameters of the model that predicts this run: of a mean of models the mean band
        weights, and the penalty of the best one.
    projection : ndarray of shape (time, q)
        Orthonormal basis of what was projected out of all the runs.
    item : ndarray of int of shape (time,)
        What is shown, by a number that is the same in all test runs; -1 where nothing is.
    rows : ndarray of int of shape (time,)
        Rows of the bold file of the first run: volumes or trials, rising.
    whole : mapping of str to WholeRun
        Each of `runs` with all its volumes.
    mixture : Mixture or None
        The models whose mean predicts; None where that is one.
    picked : ndarray of shape (time, voxels) or None
        What the best of these models predicts.
    """

    prediction: Floats
    band_prediction: Floats
    y: Floats
    unit: Ints
    runs: tuple[str, ...]
    gamma: Floats
    alpha: Floats
    projection: Floats
    item: Ints
    rows: Ints
    whole: Mapping[str, WholeRun] = field(default_factory=dict)
    mixture: Mixture | None = None
    picked: Floats | None = None

    @property
    def models(self) -> Mixture:
        """Of banded ridge: the models whose mean predicts, or the one that does."""
        return self.mixture or Mixture.single(self.gamma, self.alpha)

    @property
    def best_prediction(self) -> Floats:
        """Of one model a voxel."""
        return self.prediction if self.picked is None else self.picked

    @property
    def first(self) -> WholeRun:
        """The first run with all its volumes."""
        return self.whole[self.runs[0]]

    @property
    def shows(self) -> Ints | None:
        """:attr:`WholeRun.shows` of the first run, (time,); None where only samples are known."""
        return self.first.shows[self.rows] if self.whole else None

    @property
    def filled(self) -> Ints:
        """:attr:`WholeRun.filled` of the first run; -1 for presentations without samples."""
        filled = self.first.filled
        return np.where(np.isin(filled, self.unit), filled, -1)


@dataclass(frozen=True)
class TrainingRun:
    """A run that a model was fitted to; `rows` are the used volumes, the rest as in the inputs."""

    rows: Ints
    projection: Floats
    stimulated: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Scores:
    """Test scores: `r` and `r2` (voxels,), `band_r2` (bands, voxels) adding up to `r2`.

    `low` and `high` (voxels,) are the 95 % interval of `r`; None with too few exchange units.
    """

    r: Floats
    r2: Floats
    band_r2: Floats
    low: Floats | None = None
    high: Floats | None = None


@dataclass(frozen=True)
class LeftOut:
    """Test scores without each group of samples, from which intervals of other means follow.

    Attributes
    ----------
    groups : Groups
        Which groups are compared with each other; of a file without `codes`.
    z : ndarray of shape (groups, voxels)
        Fisher z of r.
    power : Power or None
        Of each group, (groups, voxels); None without ceiling.
    """

    groups: Groups
    z: Floats
    power: Power | None = None


@dataclass(frozen=True)
class Fitted:
    """What predicts BOLD for a new stimulus.

    Attributes
    ----------
    gamma, alpha, cv : ndarray of shape (bands, voxels), (voxels,), (voxels,)
        Chosen hyperparameters, as of :class:`HeldOut`; and the cross-validated R² of the best.
    intercept : ndarray of shape (voxels,)
    runs : dict of str to TrainingRun
        In the order of its dual weights, which :mod:`tristream.encode.dual_weights` reads.
    edge : float
        Share of voxels whose penalty is the smallest or largest of the grid.
    network : dict of str to ndarray
        Weights of a network by name; empty for other kinds.
    mixture : Mixture or None
        As of :class:`HeldOut`.
    residuals : Residuals or None
        Of banded ridge.
    """

    gamma: Floats
    alpha: Floats
    cv: Floats
    intercept: Floats
    runs: Mapping[str, TrainingRun]
    edge: float
    network: Mapping[str, Floats] = field(default_factory=dict)
    mixture: Mixture | None = None
    residuals: Residuals | None = None

    @property
    def models(self) -> Mixture:
        """As of :class:`HeldOut`."""
        return self.mixture or Mixture.single(self.gamma, self.alpha)


@dataclass(frozen=True)
class Encoding:
    """A fitted and tested encoding model of one subject.

    Attributes
    ----------
    bands : list of str
    ijk, affine, shape, grayordinates
        The voxels, or vertices.
    tests : mapping of str to HeldOut
        By repeat group or run; of a file, each is opened when it is asked for, and its predictions
        and data are read where they are.
    scores : Scores
    ceiling : Ceiling or None
        None without repeats.
    fitted : Fitted
    about : dict
        The file's attributes.
    left_out : LeftOut or None
        None with too few exchange units.
    curves : VoxelCurves or None
        None where the file's provenance says why.
    """

    bands: list[str]
    ijk: npt.NDArray[np.int32]
    affine: Floats
    shape: Ints
    tests: Mapping[str, HeldOut]
    scores: Scores
    ceiling: Ceiling | None
    fitted: Fitted
    about: dict[str, Any]
    grayordinates: Grayordinates | None = None
    left_out: LeftOut | None = None
    curves: VoxelCurves | None = None

    def in_memory(self) -> "Encoding":
        """The same with all test runs open, where each would be whenever it is asked for."""
        return replace(self, tests=dict(self.tests))


@dataclass(frozen=True)
class ScoredVoxels:
    """What an encoding scored at each voxel: no predictions, no weights.

    Attributes
    ----------
    bands, ijk, affine, shape, grayordinates, scores, ceiling, about
        As of :class:`Encoding`.
    gamma, alpha, cv : ndarray of shape (bands, voxels), (voxels,), (voxels,)
        Chosen weights of the bands' kernels, penalty (of stacking (bands, voxels)), and
        cross-validated R² of the choice.
    """

    bands: list[str]
    ijk: npt.NDArray[np.int32]
    affine: Floats
    shape: Ints
    scores: Scores
    ceiling: Ceiling | None
    gamma: Floats
    alpha: Floats
    cv: Floats
    about: dict[str, Any]
    grayordinates: Grayordinates | None = None


def write_encoding(path: Path, encoding: Encoding, provenance: Provenance) -> None:
    """Write the file that ``docs/files.md`` calls `encoding`."""
    with create_h5(path, provenance) as file:
        for key, value in encoding.about.items():
            file.attrs[key] = json.dumps(value) if isinstance(value, dict | list) else value
        write_strings(file, "bands", encoding.bands)
        for key in ("ijk", "affine", "shape"):
            file[key] = getattr(encoding, key)
        grayordinates.write(file, encoding.grayordinates)
        for key in ("gamma", "alpha", "cv"):
            file[f"hyper/{key}"] = getattr(encoding.fitted, key).astype(np.float32)
        _write_mixture(file["hyper"], encoding.fitted.mixture)
        for key in ("r", "r2", "band_r2"):
            file[f"scores/{key}"] = getattr(encoding.scores, key).astype(np.float32)
        for key in ("low", "high"):
            if (bound := getattr(encoding.scores, key)) is not None:
                file[f"scores/{key}"] = bound.astype(np.float32)
        if encoding.left_out is not None:
            _write_left_out(file.create_group("left_out"), encoding.left_out)
        if encoding.ceiling is not None:
            for key in CEILING:
                file[f"ceiling/{key}"] = getattr(encoding.ceiling, key).astype(np.float32)
        for name, unit in encoding.tests.items():
            group = file.create_group(f"test/{name}", track_order=True)
            for key in ("prediction", "band_prediction", "y", "gamma", "alpha"):
                group[key] = getattr(unit, key).astype(np.float32, copy=False)
            for key in ("unit", "projection", "item", "rows"):
                group[key] = getattr(unit, key)
            write_strings(group, "run", unit.runs)
            _write_mixture(group, unit.mixture)
            if unit.picked is not None:
                group["picked"] = unit.picked.astype(np.float32, copy=False)
                forget(unit.picked)
            forget(unit.prediction, unit.band_prediction, unit.y)
            for run, volumes in unit.whole.items():
                for own in fields(WholeRun):
                    group[f"whole/{run}/{own.name}"] = getattr(volumes, own.name)
        _write_fitted(file.create_group("model"), encoding.fitted)
        if encoding.curves is not None:
            for own in fields(VoxelCurves):
                file[f"curves/{own.name}"] = getattr(encoding.curves, own.name)


def _write_left_out(group: h5py.Group, left_out: LeftOut) -> None:
    group["stratum"] = left_out.groups.stratum
    group.attrs["touching"] = left_out.groups.touching
    group["z"] = left_out.z.astype(np.float32)
    if left_out.power is not None:
        group["signal"] = left_out.power.signal.astype(np.float32)
        group["power"] = left_out.power.all.astype(np.float32)


def read_left_out(path: Path) -> LeftOut | None:
    """Read the scores without each group of samples; None where exchange units are too few.

    Raises
    ------
    UserError
        As :func:`read_encoding`.
    """
    with open_h5(path, KIND) as (file, _):
        return _left_out(file)


def _left_out(file: h5py.File) -> LeftOut | None:
    if "left_out" not in file:
        return None
    group = file["left_out"]
    power = Power(group["signal"][()], group["power"][()]) if "power" in group else None
    groups = Groups((), group["stratum"][()], bool(group.attrs["touching"]))
    return LeftOut(groups, group["z"][()], power)


def _curves(file: h5py.File) -> VoxelCurves | None:
    if "curves" not in file:
        return None
    return VoxelCurves(**{own.name: file["curves"][own.name][()] for own in fields(VoxelCurves)})


def _write_fitted(group: h5py.Group, fitted: Fitted) -> None:
    group["intercept"] = fitted.intercept.astype(np.float32)
    group.attrs["edge_share"] = fitted.edge
    runs = group.create_group("runs", track_order=True)
    for name, run in fitted.runs.items():
        for key in ("rows", "projection", "stimulated"):
            runs[f"{name}/{key}"] = getattr(run, key)
    for name, values in fitted.network.items():
        group[f"network/{name}"] = values
    if fitted.residuals is not None:
        for own in fields(Residuals):
            values = getattr(fitted.residuals, own.name)
            group[f"residuals/{own.name}"] = values.astype(np.float32)


def _write_mixture(parent: h5py.Group, mixture: Mixture | None) -> None:
    if mixture is None:
        return
    group = parent.create_group("mixture")
    group.attrs["temperature"] = mixture.temperature
    group["gamma"], group["alpha"] = mixture.gamma, mixture.alpha
    group["index"], group["share"] = mixture.index.astype(np.int32), mixture.share


def _mixture(parent: h5py.Group) -> Mixture | None:
    if "mixture" not in parent:
        return None
    group = parent["mixture"]
    arrays = {key: group[key][()] for key in ("gamma", "alpha", "index", "share")}
    return Mixture(**arrays, temperature=float(group.attrs["temperature"]))


def read_encoding(path: Path, whole: bool = True) -> tuple[Encoding, Provenance]:
    """Read an `encoding` file: test runs when they are asked for.

    Parameters
    ----------
    path : Path
    whole : bool
        Without it `band_prediction`, which is most of its bytes, has no rows.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, provenance):
        tests = _StoredTests(path, tuple(file["test"]), whole)
        found = Encoding(tests=tests, fitted=_fitted(file), **_scored(file, path))
        return replace(found, left_out=_left_out(file), curves=_curves(file)), provenance


def read_scores(path: Path) -> tuple[ScoredVoxels, Provenance]:
    """Read the scores of an `encoding` file, without predictions and weights.

    Raises
    ------
    UserError
        As :func:`read_encoding`.
    """
    with open_h5(path, KIND) as (file, provenance):
        hyper = {key: file["hyper"][key][()] for key in ("gamma", "alpha", "cv")}
        return ScoredVoxels(**hyper, **_scored(file, path)), provenance


def _scored(file: h5py.File, path: Path) -> dict[str, Any]:
    """What both readers want."""
    ceiling = None
    if "ceiling" in file:
        ceiling = Ceiling(**{key: file["ceiling"][key][()] for key in CEILING})
    return {
        "bands": read_strings(file, "bands"),
        **{key: file[key][()] for key in ("ijk", "affine", "shape")},
        "scores": Scores(**{key: values[()] for key, values in file["scores"].items()}),
        "ceiling": ceiling,
        "about": {key: _plain(file, key, path) for key in file.attrs},
        "grayordinates": grayordinates.read(file),
    }


class _StoredTests(Mapping[str, HeldOut]):
    """Test runs of a file, each opened when it is asked for: predictions are most of its bytes."""

    def __init__(self, path: Path, names: tuple[str, ...], whole: bool) -> None:
        self._path, self._names, self._whole = path, names, whole

    def __getitem__(self, name: str) -> HeldOut:
        if name not in self._names:
            raise KeyError(name)
        with open_h5(self._path, KIND) as (file, _):
            group = file["test"][name]
            arrays = {
                f.name: _rows(group[f.name], self._whole or f.name != "band_prediction")
                for f in fields(HeldOut)
                if f.name not in ("runs", "whole", "mixture", *MAPPED) and f.name in group
            }
            arrays |= {
                key: np.asarray(read_mapped(self._path, KIND, f"test/{name}/{key}"))
                for key in MAPPED
                if key in group
            }
            runs, stored = tuple(read_strings(group, "run")), group.get("whole", {})
            whole = {
                run: WholeRun(**{f.name: stored[run][f.name][()] for f in fields(WholeRun)})
                for run in runs
                if run in stored
            }
            return HeldOut(runs=runs, whole=whole, mixture=_mixture(group), **arrays)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _rows(data: h5py.Dataset, wanted: bool) -> npt.NDArray:
    return np.asarray(data[()] if wanted else data[:0])


def _fitted(file: h5py.File) -> Fitted:
    model, hyper = file["model"], file["hyper"]
    residuals = None
    if "residuals" in model:
        residuals = Residuals(**{f.name: model["residuals"][f.name][()] for f in fields(Residuals)})
    return Fitted(
        **{key: hyper[key][()] for key in ("gamma", "alpha", "cv")},
        intercept=model["intercept"][()],
        runs={
            name: TrainingRun(*(run[key][()] for key in ("rows", "projection", "stimulated")))
            for name, run in model["runs"].items()
        },
        edge=float(model.attrs["edge_share"]),
        network={name: values[()] for name, values in model.get("network", {}).items()},
        mixture=_mixture(hyper),
        residuals=residuals,
    )


def _plain(file: h5py.File, name: str, path: Path) -> Any:
    """An attribute as it was before writing."""
    value = file.attrs[name]
    if isinstance(value, str) and value[:1] in ("[", "{"):
        return json_attribute(file, name, path)
    return value.item() if isinstance(value, np.generic) else value
