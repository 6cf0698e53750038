"""Test items whose features lie nearer to a training item than training items do to each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.features.core.feature_file import FeatureFile, open_features
from tristream.stimuli.tables import Inventory, Splits

Array = npt.NDArray[np.floating]
# With fewer training items no share below `NEAR` can be told.
FEWEST = 100
# Share of training items that have a neighbour as near, from which a test item is named.
NEAR = 0.01
# Of a wider layer columns are taken at equal steps.
MOST_COLUMNS = 20_000


@dataclass(frozen=True)
class Neighbour:
    """A test item and the training item that is nearest to it.

    Attributes
    ----------
    item, nearest : str
    r : float
        Correlation of their features, each column scaled by training items.
    share : float
        (1 + training items whose own nearest other training item is at least as near) /
        (1 + training items): uniform if test items were drawn as training items were.
    same_label : bool
        Whether both have one label.
    """

    item: str
    nearest: str
    r: float
    share: float
    same_label: bool

    @property
    def is_near(self) -> bool:
        """Whether hardly any training item has a neighbour as near."""
        return self.share <= NEAR


@dataclass(frozen=True)
class Items:
    """Items that only training runs, and that only test runs show, with the label of each."""

    train: list[str]
    test: list[str]
    labels: dict[str, str]
    shown: dict[str, tuple[str, float, float]]


def items_of(inventory: Inventory, splits: Splits) -> Items:
    """What is on one side alone; nothing where runs are left out in turn."""
    table = inventory.table.merge(splits.table, on=["timeline", "run"])
    table = table[table["keep"].astype(bool)]
    on = {
        side: list(dict.fromkeys(table.loc[table["split"] == side, "item"]))
        for side in ("train", "test")
    }
    first = table.drop_duplicates("item")
    labelled = first.dropna(subset=["label"])
    labels = dict(zip(labelled["item"].astype(str), labelled["label"].astype(str), strict=True))
    shown = {
        str(row["item"]): (
            str(row["stimulus"]), float(row["media_start"]), float(row["duration"])
        )
        for row in first.to_dict("records")
    }  # fmt: skip
    both = set(on["train"]) & set(on["test"])
    return Items(on["train"], [name for name in on["test"] if name not in both], labels, shown)


def neighbours(train: Array, test: Array, items: Items) -> list[Neighbour]:
    """The nearest training item of each test item.

    Parameters
    ----------
    train, test : ndarray of shape (items, p)
        Features, in the order of `items`.
    """
    mean, spread = train.mean(axis=0), train.std(axis=0)
    varies = spread > 1e-12 * np.abs(mean).max(initial=1e-300)
    a, b = (_unit((x[:, varies] - mean[varies]) / spread[varies]) for x in (train, test))
    among = a @ a.T
    np.fill_diagonal(among, -np.inf)
    nearest_other = np.sort(among.max(axis=1))
    to_train = b @ a.T
    found = []
    for number, name in enumerate(items.test):
        best = int(to_train[number].argmax())
        r, other = float(to_train[number, best]), items.train[best]
        as_near = len(nearest_other) - int(np.searchsorted(nearest_other, r - 1e-12))
        label = items.labels.get(name)
        found.append(
            Neighbour(
                item=name,
                nearest=other,
                r=r,
                share=(1 + as_near) / (1 + len(nearest_other)),
                same_label=label is not None and label == items.labels.get(other),
            )
        )
    return sorted(found, key=lambda one: (one.share, -one.r))


def neighbours_in(path: Path, items: Items) -> list[Neighbour]:
    """The same in a feature file; none if it lacks an item, or there are too few."""
    if len(items.train) < FEWEST or not items.test:
        return []
    with open_features(path) as file:
        rows = dict(_rows(file, items))
    if set(rows) != {*items.train, *items.test}:
        return []
    train, test = (np.stack([rows[name] for name in side]) for side in (items.train, items.test))
    return neighbours(train, test, items)


def _rows(file: FeatureFile, items: Items) -> Iterator[tuple[str, Array]]:
    """Features of each item: its row, or the mean of the rows while it is shown."""
    wanted = {*items.train, *items.test}
    columns = slice(None, None, -(-file.width // MOST_COLUMNS))
    if not file.about.timed:
        values = np.asarray(file.item_values[()], np.float32)[:, columns]
        yield from (
            (one, row) for one, row in zip(file.items, values, strict=True) if one in wanted
        )
        return
    for name in sorted(wanted):
        stimulus, start, seconds = items.shown[name]
        if stimulus not in file.stimuli:
            continue
        times = file.stimuli[stimulus].times
        inside = np.flatnonzero((times >= start) & (times < start + seconds))
        if len(inside):
            part = file.stimuli[stimulus].values[inside[0] : inside[-1] + 1]
            yield name, np.asarray(part, np.float64)[:, columns].mean(axis=0).astype(np.float32)


def _unit(x: Array) -> Array:
    x = x - x.mean(axis=1, keepdims=True)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0)
