"""Test runs: which repeat one another, what all repeats use, scores and ceiling over them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import numpy.typing as npt

from tristream.bold.run_file import read_run
from tristream.encode.ceiling import (
    Ceiling,
    ItemPower,
    Power,
    ceiling,
    repeat_power,
    split_half,
    within_run_power,
)
from tristream.encode.disk_arrays import forget
from tristream.encode.encoding_file import HeldOut, Scores
from tristream.encode.fit_inputs import Floats, Inputs, Ints, Run
from tristream.encode.jackknife import Groups, groups_of, interval, sums_by_group
from tristream.encode.prediction_scores import (
    centred,
    correlation,
    fisher_mean,
    fisher_z,
    split_r2,
)
from tristream.store import Omission

# Voxels at a time, in data of test runs; those that are read are whole chunks of files.
CHUNK, READ = 2048, 8192


def test_groups(inputs: Inputs) -> dict[str, list[str]]:
    """Repeat group to its runs; empty for leave-one-run-out."""
    groups: dict[str, list[str]] = {}
    for name, run in inputs.runs.items():
        if run.split == "test":
            groups.setdefault(run.repeat, []).append(name)
    return groups


def common_rows(inputs: Inputs, groups: Mapping[str, Sequence[str]]) -> Inputs:
    """Keep of each test run the volumes that all repeats of it use."""
    runs = dict(inputs.runs)
    for members in groups.values():
        rows = reduce(np.intersect1d, [runs[name].rows for name in members])
        runs.update({name: replace(runs[name], rows=rows) for name in members})
    return replace(inputs, runs=runs)


def scores_of(tests: Sequence[HeldOut]) -> Scores:
    """Per test run, then averaged: r in Fisher z, R² as it is."""
    rs, splits = [], []
    for start in range(0, tests[0].y.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        own = [(t.y[:, part], t.prediction[:, part], t.band_prediction[..., part]) for t in tests]
        rs.append(fisher_mean(np.stack([correlation(y, whole) for y, whole, _ in own])))
        splits.append(np.mean([split_r2(y, bands) for y, _, bands in own], axis=0))
        for test in tests:
            forget(test.y, test.prediction, test.band_prediction)
    split = np.concatenate(splits, axis=1)
    return Scores(np.concatenate(rs), split.sum(0), split)


def bounded(scores: Scores, z: Floats, groups: Groups) -> Scores:
    """Scores with the interval of r, by Fisher z without each group, (groups, voxels)."""
    found = interval(fisher_z(scores.r), z, groups).tanh()
    return replace(scores, low=found.low, high=found.high) if groups.enough else scores


@dataclass(frozen=True)
class Measured:
    """A ceiling, what it comes from, and by which design: ``runs``, ``items``, ``within runs``."""

    ceiling: Ceiling
    power: Power
    design: str


def left_out_of(inputs: Inputs, tests: Mapping[str, HeldOut]) -> Groups:
    """What intervals of test scores leave out together: exchange units, the same as tests move."""
    units = [test.unit for test in tests.values()]
    return groups_of(inputs.exchange, units, [test.item for test in tests.values()])


def ceiling_of(
    inputs: Inputs,
    groups: Mapping[str, Sequence[str]],
    tests: Mapping[str, HeldOut],
    left_out: Groups,
) -> Measured | Omission:
    """Ceiling over all tests together, from what was measured several times; or why there is none.

    Parameters
    ----------
    inputs : Inputs
    groups : mapping of str to sequence of str
        Test to the runs that repeat one another; empty for leave-one-run-out.
    tests : mapping of str to HeldOut
    left_out : Groups
        From :func:`left_out_of`.
    """
    if any(len(members) > 1 for members in groups.values()):
        return Measured(*_of_runs(inputs, groups, left_out), "runs")
    if inputs.exchange != "item":
        return Omission("ceiling", "no test run is a repeat of another")
    cells = _Cells.of(inputs, tests)
    for design, power_of in (("items", _between_runs), ("within runs", _within_runs)):
        # Of which items the signal is known does not depend on the voxels.
        if power_of(inputs, cells, slice(0, 1)).enough:
            return Measured(*_of_items(power_of, inputs, cells, tests, left_out), design)
    return Omission("ceiling", "most items of the test are shown once")


def _of_runs(
    inputs: Inputs, groups: Mapping[str, Sequence[str]], left_out: Groups
) -> tuple[Ceiling, Power]:
    """Of runs that show the same at the same times."""
    voxels = len(inputs.ijk)
    power = Power(*np.empty((2, len(left_out), voxels)))
    halves = np.empty(voxels)
    counts = {len(members) for members in groups.values()}
    for start in range(0, voxels, READ):
        part = slice(start, start + READ)
        repeats = [
            np.stack([inputs.runs[name].bold(inputs.runs[name].rows, part) for name in members])
            for members in groups.values()
        ]
        found = repeat_power(repeats, left_out.codes, len(left_out))
        power.signal[:, part], power.all[:, part] = found.signal, found.all
        halves[part] = np.nan
        if len(counts) == 1:
            centred = [y - y.mean(1, keepdims=True) for y in repeats]
            halves[part] = split_half(np.concatenate(centred, axis=1))
    return ceiling(power, left_out, halves), power


@dataclass(frozen=True)
class _Cells:
    """Samples of the test by what they show: cell (item, how long it is shown) of each.

    Attributes
    ----------
    tests : list of ndarray of int
        Cell of each scored sample, one array a test.
    shown : dict of str to (rows, cells)
        Run to the rows of its file that show a cell.
    item : ndarray of int of shape (cells,)
        What each cell shows.
    """

    tests: list[Ints]
    shown: dict[str, tuple[Ints, Ints]]
    item: Ints

    @property
    def count(self) -> int:
        """How many cells there are."""
        return len(self.item)

    @classmethod
    def of(cls, inputs: Inputs, tests: Mapping[str, HeldOut]) -> "_Cells":
        numbers: dict[tuple[int, int], int] = {}
        scored, shown = [], dict[str, list[tuple[int, int]]]()
        for test in tests.values():
            run = inputs.runs[test.runs[0]]
            named = zip(test.item.tolist(), _offsets(run)[test.rows].tolist(), strict=True)
            own = np.array([numbers.setdefault(one, len(numbers)) for one in named])
            own[test.item < 0] = -1
            scored.append(own)
            for row, cell in zip(test.rows.tolist(), own.tolist(), strict=True):
                for name, other in run.shared.get(row, [(run.name, row)]):
                    if cell >= 0:
                        shown.setdefault(name, []).append((other, cell))
        arrays = {name: tuple(np.array(sorted(pairs)).T) for name, pairs in shown.items()}
        item = np.array([one for one, _ in numbers], np.int64)
        return cls(scored, {k: (rows, cells) for k, (rows, cells) in arrays.items()}, item)


def _offsets(run: Run) -> Ints:
    """How many volumes each volume's presentation has been on, censored ones counted."""
    _, first, place = np.unique(run.unit, return_index=True, return_inverse=True)
    return np.arange(run.volumes) - first[place]


@dataclass(frozen=True)
class _Signal:
    """Signal power of each cell, (cells, voxels), and the cells of which it is known."""

    cells: _Cells
    power: Floats
    known: npt.NDArray[np.bool_]

    @property
    def enough(self) -> bool:
        """Whether it is known of most scored samples."""
        scored = np.concatenate(self.cells.tests)
        return bool(self.known[scored[scored >= 0]].sum() * 2 > len(scored))


def _between_runs(inputs: Inputs, cells: _Cells, voxels: slice) -> _Signal:
    """From showings of an item in different runs, whose noise is independent."""
    found = ItemPower(cells.count, len(inputs.ijk[voxels]))
    for name, (rows, own) in cells.shown.items():
        found.add(_measured(inputs, name, rows, voxels), own)
    return _Signal(cells, found.signal, found.known)


def _within_runs(inputs: Inputs, cells: _Cells, voxels: slice) -> _Signal:
    """From showings of an item in one run, less what they share with those of other items."""
    power = np.zeros((cells.count, len(inputs.ijk[voxels])), np.float32)
    known = np.zeros(cells.count, bool)
    for name, (rows, own) in cells.shown.items():
        if name not in inputs.runs:
            continue
        run = inputs.runs[name]
        values, shown = _measured(inputs, name, rows, voxels), (run.unit[rows], cells.item[own])
        found = within_run_power(values, *shown, _offsets(run)[rows])
        for item, (total, pairs) in found.items():
            power[cells.item == item] = total / pairs
            known |= cells.item == item
    return _Signal(cells, power, known)


def _measured(inputs: Inputs, name: str, rows: Ints, voxels: slice) -> Floats:
    """BOLD of some rows of a run, nothing averaged."""
    run = inputs.runs.get(name) or next(iter(inputs.runs.values()))
    return read_run({**run.files, run.name: run.path}[name], voxels=voxels).bold[rows]


def _of_items(
    power_of: Callable[[Inputs, _Cells, slice], _Signal],
    inputs: Inputs,
    cells: _Cells,
    tests: Mapping[str, HeldOut],
    left_out: Groups,
) -> tuple[Ceiling, Power]:
    """Of items: sums over the samples of which the signal is known."""
    power = Power(*np.zeros((2, len(left_out), len(inputs.ijk))))
    for start in range(0, len(inputs.ijk), READ):
        part = slice(start, start + READ)
        signal = power_of(inputs, cells, part)
        for codes, cell, test in zip(left_out.codes, cells.tests, tests.values(), strict=True):
            own = np.where((cell >= 0) & signal.known[cell], codes, -1)
            y = centred(test.y[:, part])
            found = sums_by_group(own, len(left_out), signal.power[cell], y * y)
            power.signal[:, part] += found[0][:-1]
            power.all[:, part] += found[1][:-1]
    return ceiling(power, left_out), power
