"""The parents of a derived space: their feature files, read block by block on one grid."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from tristream.errors import UserError
from tristream.features.fusion.common_grid import common_times, is_on_grid, to_grid
from tristream.store import Omission, Provenance, open_h5, read_strings

Array = npt.NDArray[np.float64]
# Rows of the grid that are held at a time.
BLOCK = 1024


@dataclass(frozen=True)
class Layer:
    """One feature file of a parent."""

    path: Path
    file: h5py.File
    said: Provenance

    @property
    def label(self) -> str:
        """``space/layer``."""
        return f"{self.file.attrs['space']}/{self.file.attrs['layer']}"

    @property
    def names(self) -> list[str]:
        """Names of its columns, with space and layer before them."""
        return [f"{self.label}/{name}" for name in read_strings(self.file, "names")]

    def times(self, stimulus: str) -> Array:
        """Centres of the samples of a film or sound."""
        return np.asarray(self.file["stimuli"][stimulus]["times"][()], np.float64)


@dataclass(frozen=True)
class Grid:
    """Times of one film or sound that all parents have in common.

    Attributes
    ----------
    stimulus : str
        Its name.
    times : ndarray of shape (n,)
        Seconds of media time.
    step : float
        Seconds between the times.
    window : float
        Seconds of the stimulus that went into a row.
    """

    stimulus: str
    times: Array
    step: float
    window: float

    @property
    def reach(self) -> float:
        """Seconds to either side of a time that went into its row."""
        return self.window / 2


class Parents:
    """Feature files of the parents, open; `bands` holds the layers of each parent in order."""

    def __init__(self, bands: Sequence[Sequence[Layer]], where: str) -> None:
        self.bands = bands
        self.where = where
        kinds = {str(layer.file.attrs["sampling"]) for layer in self.layers}
        if len(kinds) > 1:
            raise UserError(
                f"{where}: parents mix features of films or sounds with features of labels or "
                "images; fuse those of one kind"
            )
        self.timed = kinds == {"timed"}

    @property
    def layers(self) -> list[Layer]:
        """All files, parent by parent."""
        return [layer for band in self.bands for layer in band]

    @property
    def simulated(self) -> bool:
        """Whether a simulation went into any parent."""
        return any(layer.said.simulated for layer in self.layers)

    @property
    def stimuli(self) -> list[str]:
        """Films and sounds that every parent has, in the first parent's order."""
        first, *others = (list(layer.file["stimuli"]) for layer in self.layers)
        return [name for name in first if all(name in other for other in others)]

    @property
    def omitted(self) -> tuple[Omission, ...]:
        """What a parent lacks; what has no features in one parent has none here."""
        found = dict.fromkeys(o for layer in self.layers for o in layer.said.omitted)
        if self.timed:
            common = set(self.stimuli)
            for layer in self.layers:
                for name in set(layer.file["stimuli"]) - common - {o.what for o in found}:
                    found[Omission(name, "not every parent has features of it")] = None
        return tuple(found)

    def items(self) -> list[str]:
        """Labels or images that every parent has."""
        first, *others = (read_strings(layer.file, "items") for layer in self.layers)
        return [item for item in first if all(item in other for other in others)]

    def widths(self) -> list[int]:
        """Columns of each parent."""
        return [sum(layer.file["names"].shape[0] for layer in band) for band in self.bands]

    def names(self) -> list[str]:
        """Names of all columns, parent by parent."""
        return [name for layer in self.layers for name in layer.names]

    def grid(self, stimulus: str) -> Grid:
        """The common times of a film or sound."""
        groups = [layer.file["stimuli"][stimulus] for layer in self.layers]
        all_times = [layer.times(stimulus) for layer in self.layers]
        times, step = common_times(all_times, f"{self.where}: {stimulus}")
        averaged = any(not is_on_grid(mine, times, step) for mine in all_times)
        window = max(float(group.attrs["window"]) for group in groups)
        return Grid(stimulus, times, step, window + 2 * step * averaged)

    def blocks(
        self, grid: Grid, wanted: npt.NDArray[np.bool_] | None = None
    ) -> Iterator[tuple[slice, list[Array]]]:
        """Rows of the grid, `BLOCK` at a time.

        Parameters
        ----------
        grid : Grid
            From :meth:`grid`.
        wanted : ndarray of bool, shape (n,), optional
            Rows to give; all by default.

        Yields
        ------
        rows : slice
            Where the block stands among the wanted rows.
        parts : list of ndarray of shape (rows, p)
            One for each parent.
        """
        places = np.arange(len(grid.times)) if wanted is None else np.flatnonzero(wanted)
        weights = [
            to_grid(layer.times(grid.stimulus), grid.times, grid.step) for layer in self.layers
        ]
        for start in range(0, len(places), BLOCK):
            chosen = places[start : start + BLOCK]
            at = iter(weights)
            parts = [
                np.concatenate(
                    [_averaged(layer, grid.stimulus, next(at)[chosen]) for layer in band], axis=1
                )
                for band in self.bands
            ]
            yield slice(start, start + len(chosen)), parts

    def item_rows(self, items: Sequence[str]) -> list[Array]:
        """Rows of labels or images, one array for each parent."""
        return [
            np.concatenate([_of_items(layer, items) for layer in band], axis=1)
            for band in self.bands
        ]


def _averaged(layer: Layer, stimulus: str, weights: csr_array) -> Array:
    """Weighted sums of the samples that have a weight; only the stretch they lie in is read."""
    used = np.unique(weights.indices)
    first, last = int(used[0]), int(used[-1]) + 1
    values = layer.file["stimuli"][stimulus]["values"][first:last]
    return np.asarray(weights[:, first:last] @ values.astype(np.float64))


def _of_items(layer: Layer, items: Sequence[str]) -> Array:
    place = {item: row for row, item in enumerate(read_strings(layer.file, "items"))}
    return np.asarray(layer.file["values"][()], np.float64)[[place[item] for item in items]]


@contextmanager
def open_parents(names: Sequence[str], paths: Sequence[Path], space: str) -> Iterator[Parents]:
    """Open the files of the parents of `space`.

    Parameters
    ----------
    names : sequence of str
        The parents as the study names them: ``musicnn`` or ``musicnn/cnn3``.
    paths : sequence of Path
        Their feature files, in any order but layers of one space in the order they are wanted.
    space : str
        The derived space, for messages.

    Raises
    ------
    UserError
        If a parent has no file, a file no parent, or they don't go together.
    """
    where = f"fusion.{space}"
    with ExitStack() as stack:
        layers = []
        for path in paths:
            file, said = stack.enter_context(open_h5(path, "features"))
            layers.append(Layer(path, file, said))
        bands = [[layer for layer in layers if _belongs(layer, name)] for name in names]
        for name, band in zip(names, bands, strict=True):
            if not band:
                raise UserError(f"{where}: was given no feature file of its parent {name}")
        strangers = [layer.path for layer in layers if not any(layer in band for band in bands)]
        if strangers:
            raise UserError(f"{strangers[0]}: is of no parent of {where} ({', '.join(names)})")
        yield Parents(bands, where)


def _belongs(layer: Layer, name: str) -> bool:
    return name in (layer.label, str(layer.file.attrs["space"]))
