"""The feature file of one layer: the only module that writes and opens it.

A file holds the rows of one layer of a feature space: of films and sounds with their times in
``stimuli/NAME``, or one row for each label or image. Rows are read when they are asked for.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt

from tristream.errors import UserError
from tristream.store import (
    Omission,
    Provenance,
    create_h5,
    json_attribute,
    not_ours,
    open_h5,
    read_strings,
    write_strings,
)

KIND = "features"
Sampling = Literal["timed", "item"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cost:
    """What the pass cost in which the layer was computed.

    Attributes
    ----------
    layers : tuple of str
        All layers of the pass; its cost is theirs together.
    seconds, cpu_seconds : float
        On the clock; of all threads of the processor.
    memory : float
        Most MB in use.
    """

    layers: tuple[str, ...]
    seconds: float
    cpu_seconds: float
    memory: float


@dataclass(frozen=True)
class About:
    """What a feature file holds.

    Attributes
    ----------
    space, layer : str
        As in the study.
    extractor : str
        ``fusion_METHOD`` for a space made from others.
    sampling : str
        ``timed``: rows have times; ``item``: a row is a label or an image.
    options : dict
        Of the extractor, as they were in effect.
    weights : list of dict
        Pretrained weights: ``file``, ``sha256`` and ``licence`` of each.
    fit : dict
        Of a space made from others: how its fit went.
    cost : Cost or None
        What its pass cost.
    """

    space: str
    layer: str
    extractor: str
    sampling: Sampling
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: Sequence[Mapping[str, Any]] = ()
    fit: Mapping[str, Any] = field(default_factory=dict)
    cost: Cost | None = None

    @property
    def label(self) -> str:
        """``space/layer``."""
        return f"{self.space}/{self.layer}"

    @property
    def timed(self) -> bool:
        """Whether its rows have times."""
        return self.sampling == "timed"


class StimulusFeatures:
    """Rows of one film or sound."""

    def __init__(self, path: Path, group: h5py.Group) -> None:
        self._path, self._group = path, group

    @cached_property
    def times(self) -> Floats:
        """Centre of each row's window, in seconds of media time."""
        return np.asarray(self._group["times"][()], np.float64)

    @property
    def window(self) -> float:
        """Seconds of the stimulus that went into a row."""
        return float(self._group.attrs["window"])

    @property
    def values(self) -> h5py.Dataset:
        """Rows (n, p) on disk; slice it to read."""
        return self._group["values"]

    @property
    def notes(self) -> dict[str, Any]:
        """What the extractor noted of its pass, such as ``busy``."""
        return _json(self._group, "notes", self._path)


class FeatureFile:
    """An open feature file, from :func:`open_features`."""

    def __init__(self, path: Path, file: h5py.File, provenance: Provenance) -> None:
        self.path = path
        self.provenance = provenance
        self._file = file
        cost = _json(file, "cost", path)
        self.about = About(
            space=str(file.attrs["space"]),
            layer=str(file.attrs["layer"]),
            extractor=str(file.attrs["extractor"]),
            sampling="timed" if file.attrs["sampling"] == "timed" else "item",
            options=_json(file, "options", path),
            weights=json_attribute(file, "weights", path, []),
            fit=_json(file, "fit", path),
            cost=Cost(**{**cost, "layers": tuple(cost["layers"])}) if cost else None,
        )

    @cached_property
    def names(self) -> list[str]:
        """Names of the columns."""
        return read_strings(self._file, "names")

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self._file["names"].shape[0])

    @cached_property
    def stimuli(self) -> dict[str, StimulusFeatures]:
        """Films and sounds in order; none where rows are labels or images."""
        groups = self._file.get("stimuli", {})
        return {name: StimulusFeatures(self.path, groups[name]) for name in groups}

    @cached_property
    def items(self) -> list[str]:
        """Labels or images in the order of rows; none where rows have times."""
        return [] if self.about.timed else read_strings(self._file, "items")

    @property
    def item_values(self) -> h5py.Dataset:
        """Rows (items, p) on disk."""
        return self._file["values"]

    @property
    def item_notes(self) -> dict[str, Any]:
        """What the extractor noted of its pass over images."""
        return _json(self._file, "notes", self.path)

    @property
    def all_values(self) -> list[h5py.Dataset]:
        """Rows of every stimulus, or of all items: one array on disk each."""
        if self.about.timed:
            return [one.values for one in self.stimuli.values()]
        return [self.item_values] if "values" in self._file else []


@contextmanager
def open_features(path: Path | str) -> Iterator[FeatureFile]:
    """Open a feature file for reading.

    Raises
    ------
    UserError
        If it is missing, damaged, or not a feature file.
    """
    with open_h5(path, KIND) as (file, provenance):
        try:
            features = FeatureFile(Path(path), file, provenance)
        except (KeyError, TypeError, ValueError):
            raise not_ours(Path(path), "description of features") from None
        yield features


class FeatureWriter:
    """A feature file that is being written, from :func:`create_features`."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self._path = path
        self.h5 = file
        self._widths: set[int] = set()

    def stimulus(
        self,
        name: str,
        times: npt.ArrayLike,
        window: float,
        blocks: Iterator[npt.NDArray[Any]],
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a film or sound; its rows come in blocks, in order."""
        group = self.h5.create_group(f"stimuli/{name}")
        group["times"] = np.asarray(times, np.float64)
        group.attrs["window"] = float(window)
        self._rows(group, len(group["times"]), blocks, notes)

    def items(
        self,
        names: Sequence[str],
        blocks: Iterator[npt.NDArray[Any]],
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a row for each label or image; the rows come in blocks, in order."""
        write_strings(self.h5, "items", names)
        self._rows(self.h5, len(names), blocks, notes)

    @property
    def width(self) -> int:
        """Number of columns of what was written."""
        (width,) = self._widths
        return width

    def names(self, names: Sequence[str]) -> None:
        """Write the names of the columns."""
        write_strings(self.h5, "names", names)

    def cost(self, cost: Cost) -> None:
        """Write what the pass cost."""
        self.h5.attrs["cost"] = json.dumps(vars(cost))

    def _rows(
        self,
        group: h5py.Group,
        count: int,
        blocks: Iterator[npt.NDArray[Any]],
        notes: Mapping[str, Any] | None,
    ) -> None:
        if notes:
            group.attrs["notes"] = json.dumps(notes)
        at, values = 0, None
        for block in blocks:
            if values is None:
                values = group.create_dataset("values", (count, block.shape[1]), "f4")
            values[at : at + len(block)] = block
            at += len(block)
        if values is None or at != count:
            raise UserError(f"{self._path}: {at} rows for {count} times or items")
        self._widths.add(int(values.shape[1]))


@contextmanager
def create_features(
    path: Path,
    about: About,
    *,
    simulated: bool,
    config: Mapping[str, Any],
    code: str,
    omitted: Sequence[Omission] = (),
    methods: Sequence[str] = (),
) -> Iterator[FeatureWriter]:
    """Write a feature file; it appears under its name when the block ends well."""
    provenance = Provenance(KIND, simulated, dict(config), code, tuple(omitted), tuple(methods))
    with create_h5(path, provenance) as file:
        for name in ("space", "layer", "extractor", "sampling"):
            file.attrs[name] = getattr(about, name)
        file.attrs["options"] = json.dumps(about.options)
        file.attrs["weights"] = json.dumps(about.weights)
        if about.fit:
            file.attrs["fit"] = json.dumps(about.fit)
        yield FeatureWriter(path, file)


def _json(group: h5py.Group, name: str, path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json_attribute(group, name, path, {})
    return found
