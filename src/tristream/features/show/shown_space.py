"""A feature space of one dataset as it lies on disk: its layers, its stimuli, its extractor."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from tristream.config.load import Resolved
from tristream.errors import UserError
from tristream.features.core.checked_space import CheckedSpace, check
from tristream.features.core.feature_file import open_features
from tristream.fetch.receipt import Receipt
from tristream.results import Layout

Array = npt.NDArray[np.float64]
# Numbers that are read at a time.
BLOCK = 4_000_000


@dataclass(frozen=True)
class Space:
    """A feature space of a dataset.

    Attributes
    ----------
    name, dataset : str
        As in the study.
    checked : CheckedSpace or None
        Extractor and options; None for a space made from others.
    wanted : tuple of str
        Its layers.
    layers : dict of str to Path
        Feature files that exist, by layer.
    layout : Layout
        Where the study's results lie.
    resolved : Resolved
        The study.
    """

    name: str
    dataset: str
    checked: CheckedSpace | None
    wanted: tuple[str, ...]
    layers: dict[str, Path]
    layout: Layout
    resolved: Resolved

    @property
    def timed(self) -> bool:
        """Whether it describes films or sounds, not labels or images."""
        with open_features(self._first()) as file:
            return file.about.timed

    @property
    def stimuli(self) -> list[str]:
        """Films and sounds that have features."""
        with open_features(self._first()) as file:
            return list(file.stimuli)

    @property
    def images(self) -> list[str]:
        """Images that have features."""
        if self.checked is None or not self.checked.extractor.images or self.timed:
            return []
        with open_features(self._first()) as file:
            return file.items

    @property
    def hears(self) -> bool:
        """Whether the extractor reads the sound."""
        return self.checked is not None and self.checked.extractor.media == "sound"

    @property
    def weights(self) -> Path:
        """Receipt of the pretrained weights."""
        return self.layout.path("weights", space=self.name)

    def medium(self, stimulus: str) -> Path:
        """The film, sound or image itself.

        Raises
        ------
        UserError
            If it is not there.
        """
        table = self.resolved.datasets[self.dataset].stimuli.table
        paths = {row.stimulus: row.path for row in table}
        if stimulus not in paths:
            known = ", ".join(paths) or "none"
            raise UserError(f"{self.dataset}: no stimulus {stimulus!r}; there is {known}")
        receipt = Receipt.read(self.layout.path("stimuli_receipt", dataset=self.dataset))
        return receipt.path(paths[stimulus])

    def _first(self) -> Path:
        if not self.layers:
            raise UserError(
                f"{self.layout.root}: has no features of {self.name} for {self.dataset}; run the "
                "workflow, or `tristream features extract`, first"
            )
        return next(iter(self.layers.values()))


def find_space(resolved: Resolved, dataset: str, name: str) -> Space:
    """A space of the study and the feature files that exist of it.

    Raises
    ------
    UserError
        If the study has no such dataset or space.
    """
    study = resolved.study
    if dataset not in resolved.datasets:
        raise UserError(f"no dataset {dataset!r}; there is {', '.join(resolved.datasets)}")
    if name not in study.spaces:
        raise UserError(f"no feature space {name!r}; there is {', '.join(study.spaces)}")
    layout = Layout(study.results)
    if name in study.fusion:
        checked, wanted = None, tuple(study.fusion[name].layers)
    else:
        checked = check(name, study.features[name], data=study.data)
        wanted = tuple(checked.layers)
    files = {
        layer: layout.path("features", dataset=dataset, space=name, layer=layer) for layer in wanted
    }
    layers = {layer: file for layer, file in files.items() if file.is_file()}
    return Space(name, dataset, checked, wanted, layers, layout, resolved)


@dataclass(frozen=True)
class Rows:
    """Rows of one layer.

    Attributes
    ----------
    values : ndarray of shape (n, p)
    times : ndarray of shape (n,)
        Seconds of media time; NaN for labels and images.
    owners : list of str
        The film, sound, label or image of each row.
    """

    values: Array
    times: Array
    owners: list[str]


def some_rows(path: Path, most: int, stimuli: Sequence[str] | None = None) -> Rows:
    """At most `most` rows of a layer, evenly spaced over its films and sounds, or over its items.

    Between two rows that are given, those that are left out are not averaged in.
    """
    with open_features(path) as file:
        if not file.about.timed:
            chosen = _spread(len(file.items), most)
            values = np.asarray(file.item_values[()], np.float64)[chosen]
            return Rows(values, np.full(len(chosen), np.nan), [file.items[i] for i in chosen])
        shown = {name: file.stimuli[name] for name in (stimuli or file.stimuli)}
        total = sum(len(one.times) for one in shown.values())
        parts, times, owners = [], [], []
        for name, one in shown.items():
            count = len(one.times)
            chosen = _spread(count, max(round(most * count / total), 1))
            parts.append(_read(one.values, chosen))
            times.append(one.times[chosen])
            owners += [name] * len(chosen)
    return Rows(np.concatenate(parts), np.concatenate(times), owners)


def _spread(count: int, most: int) -> npt.NDArray[np.intp]:
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.intp))


def _read(values: h5py.Dataset, chosen: npt.NDArray[np.intp]) -> Array:
    """Chosen rows of an HDF5 array: read in blocks, which is quicker than row by row."""
    p = values.shape[1]
    together = max(BLOCK // max(p, 1), 1)
    out = np.empty((len(chosen), p))
    for first in range(0, int(chosen[-1]) + 1, together):
        mine = (chosen >= first) & (chosen < first + together)
        if mine.any():
            block = values[first : first + together]
            out[mine] = block[chosen[mine] - first]
    return out
