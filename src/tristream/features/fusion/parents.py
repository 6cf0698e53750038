"""The parents of a derived space: their feature files, read block by block on one grid."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from tristream.errors import UserError
from tristream.features.core.feature_file import FeatureFile, open_features
from tristream.features.fusion.common_grid import common_times, is_on_grid, to_grid
from tristream.store import Omission

Array = npt.NDArray[np.float64]
# Rows of the grid that are held at a time.
BLOCK = 1024


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

    def __init__(self, bands: Sequence[Sequence[FeatureFile]], where: str) -> None:
        self.bands = bands
        self.where = where
        kinds = {layer.about.sampling for layer in self.layers}
        if len(kinds) > 1:
            raise UserError(
                f"{where}: parents mix features of films or sounds with features of labels or "
                "images; fuse those of one kind"
            )
        self.timed = kinds == {"timed"}

    @property
    def layers(self) -> list[FeatureFile]:
        """All files, parent by parent."""
        return [layer for band in self.bands for layer in band]

    @property
    def simulated(self) -> bool:
        """Whether a simulation went into any parent."""
        return any(layer.provenance.simulated for layer in self.layers)

    @property
    def stimuli(self) -> list[str]:
        """Films and sounds that every parent has, in the first parent's order."""
        first, *others = (layer.stimuli for layer in self.layers)
        return [name for name in first if all(name in other for other in others)]

    @property
    def omitted(self) -> tuple[Omission, ...]:
        """What a parent lacks; what has no features in one parent has none here."""
        found = dict.fromkeys(o for layer in self.layers for o in layer.provenance.omitted)
        if self.timed:
            common = set(self.stimuli)
            for layer in self.layers:
                for name in set(layer.stimuli) - common - {o.what for o in found}:
                    found[Omission(name, "not every parent has features of it")] = None
        return tuple(found)

    def items(self) -> list[str]:
        """Labels or images that every parent has."""
        first, *others = (layer.items for layer in self.layers)
        return [item for item in first if all(item in other for other in others)]

    def widths(self) -> list[int]:
        """Columns of each parent."""
        return [sum(layer.width for layer in band) for band in self.bands]

    def names(self) -> list[str]:
        """Names of all columns, parent by parent, with space and layer before them."""
        return [f"{layer.about.label}/{name}" for layer in self.layers for name in layer.names]

    def grid(self, stimulus: str) -> Grid:
        """The common times of a film or sound."""
        groups = [layer.stimuli[stimulus] for layer in self.layers]
        all_times = [group.times for group in groups]
        times, step = common_times(all_times, f"{self.where}: {stimulus}")
        averaged = any(not is_on_grid(mine, times, step) for mine in all_times)
        window = max(group.window for group in groups)
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
            to_grid(layer.stimuli[grid.stimulus].times, grid.times, grid.step)
            for layer in self.layers
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


def _averaged(layer: FeatureFile, stimulus: str, weights: csr_array) -> Array:
    """Weighted sums of samples; only those between the first and the last weight are read."""
    used = np.unique(weights.indices)
    first, last = int(used[0]), int(used[-1]) + 1
    values = layer.stimuli[stimulus].values[first:last]
    return np.asarray(weights[:, first:last] @ values.astype(np.float64))


def _of_items(layer: FeatureFile, items: Sequence[str]) -> Array:
    place = {item: row for row, item in enumerate(layer.items)}
    return np.asarray(layer.item_values[()], np.float64)[[place[item] for item in items]]


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
        layers = [stack.enter_context(open_features(path)) for path in paths]
        bands = [[layer for layer in layers if _belongs(layer, name)] for name in names]
        for name, band in zip(names, bands, strict=True):
            if not band:
                raise UserError(f"{where}: its parent {name} has no feature file among those given")
        others = [layer.path for layer in layers if not any(layer in band for band in bands)]
        if others:
            raise UserError(f"{others[0]}: not a parent of {where} ({', '.join(names)})")
        yield Parents(bands, where)


def _belongs(layer: FeatureFile, name: str) -> bool:
    return name in (layer.about.label, layer.about.space)
