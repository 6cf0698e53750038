"""Cells of the atlas of calibration: a test on a design under a null hypothesis, many times."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from helpers.calibration_designs import DESIGNS, Design
from helpers.calibration_subjects import Subject, World
from helpers.calibration_tests import TESTS, Found, Tested

LEVEL, STRICT = 0.05, 0.01
ROUNDING = 1e-9
SHARES = (0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Cell:
    """One row of the atlas.

    Attributes
    ----------
    design, test : str
        Names in `DESIGNS` and `TESTS`.
    null : str
        In words.
    world : World
        What voxels answer under the null hypothesis.
    planted : tuple of float
        Shares of variance that the planted effect has, voxel by voxel in turn.
    effect : str
        Field of the world that `planted` is put into.
    conservative : str
        Why its rates may be lower; empty where they should not be.
    of_items : bool
        Whether voxels without effect may answer items, as strongly as those with one: of items that
        the model has not seen, answers alone are no effect.
    """

    design: str
    test: str
    null: str
    world: World
    planted: tuple[float, ...] = SHARES
    effect: str = "planted"
    conservative: str = ""
    of_items: bool = False


@dataclass(frozen=True)
class Rates:
    """What was counted in a cell.

    Attributes
    ----------
    realisations : int
    p : ndarray of shape (realisations, n)
        Under the null hypothesis.
    fwe : ndarray of bool of shape (realisations,)
        Realisations with a false positive; empty where one thing is tested.
    power, oracle : float
        Share of planted effects with p at most .05, and of those whose statistic is beyond the
        95th percentile of the same statistic without effect, see :class:`Cell`.
    refused : str
    """

    realisations: int
    p: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    fwe: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    power: float = np.nan
    oracle: float = np.nan
    refused: str = ""

    def rate(self, level: float) -> float:
        """Share of p values at most this."""
        return float((self.p <= level + ROUNDING).mean())

    def interval(self, level: float) -> tuple[float, float]:
        """95 % interval of the rate; what is tested in one realisation is not independent."""
        shares = (self.p <= level + ROUNDING).mean(1)
        if self.p.shape[1] == 1:
            found = binomtest(int(shares.sum()), len(shares)).proportion_ci(0.95)
            return float(found.low), float(found.high)
        half = 1.96 * shares.std(ddof=1) / np.sqrt(len(shares))
        return float(shares.mean() - half), float(shares.mean() + half)

    @property
    def fwe_interval(self) -> tuple[float, float]:
        """95 % interval of the share of realisations with a false positive."""
        found = binomtest(int(self.fwe.sum()), len(self.fwe)).proportion_ci(0.95)
        return float(found.low), float(found.high)


def draws(
    design: Design, test: Tested, world: World, number: int, folder: Path, seed: int = 0
) -> Iterator[tuple[Sequence[Subject], Found]]:
    """Subjects, and what the test found in them, in one draw after the other.

    Each has features, training data and test data of its own.
    """
    subjects = [
        Subject(design, folder / f"{k:02}", test.voxels, k) for k in range(1, 1 + test.subjects)
    ]
    for index in range(number):
        for subject in subjects:
            subject.draw(seed + index, world)
        yield subjects, test.run(subjects, seed + index)


def measure(
    cell: Cell, number: int, folder: Path, downloads: Path, seed: int = 0, share: float = 0.25
) -> Rates:
    """Run a cell.

    Parameters
    ----------
    cell : Cell
    number : int
        Realisations of the null hypothesis.
    folder : Path
        For files.
    downloads : Path
        Folder of downloads.
    seed : int
        Of the first; the others follow.
    share : float
        As many more realisations, as a share of `number`, have the planted effect.
    """
    design, test = DESIGNS[cell.design](downloads), TESTS[cell.test]
    found: list[Found] = []
    for _, one in draws(design, test, cell.world, number, folder, seed):
        if one.refused:
            return Rates(number, refused=one.refused.replace(f"{folder}/", ""))
        found.append(one)
    null = rates_of(found)
    many = round(share * number) if cell.planted else 0
    if not many:
        return null
    driven = replace(cell.world, **{cell.effect: cell.planted})
    other = [one for _, one in draws(design, test, driven, many, folder, seed + 100_000)]
    power = float(np.mean([(one.p <= LEVEL + ROUNDING).mean() for one in other]))
    if not cell.of_items:
        observed = (np.concatenate([one.observed for one in each]) for each in (found, other))
        return replace(null, power=power, oracle=beyond(*observed))
    unrelated = replace(cell.world, items=tuple(cell.world.items + s for s in cell.planted))
    same = [one for _, one in draws(design, test, unrelated, many, folder, seed + 200_000)]
    effect, without = (np.stack([one.observed for one in each]) for each in (other, same))
    shares = len(cell.planted)
    oracle = [beyond(without[:, k::shares], effect[:, k::shares]) for k in range(shares)]
    return replace(null, power=power, oracle=float(np.mean(oracle)))


def rates_of(found: Sequence[Found]) -> Rates:
    """What was found without effect, counted."""
    largest = [one.p_fwe.min() for one in found if one.p_fwe is not None]
    p = np.stack([one.p for one in found])
    return Rates(len(found), p, np.array(largest) <= LEVEL + ROUNDING)


def beyond(null: np.ndarray, effect: np.ndarray, level: float = LEVEL) -> float:
    """Power of a test that knows how its statistic is distributed without effect.

    A statistic that takes few values is called beyond at its limit with the probability that
    makes the level exact.
    """
    limit = np.quantile(null, 1 - level)
    above, equal = (null > limit + ROUNDING).mean(), (np.abs(null - limit) <= ROUNDING).mean()
    share = np.clip((level - above) / equal, 0, 1) if equal > 0 else 0.0
    return float(
        (effect > limit + ROUNDING).mean() + share * (np.abs(effect - limit) <= ROUNDING).mean()
    )


HEADER = (
    "| design | test | null | drawn | rate at .05 | at .01 | FWE any | power | oracle | verdict |",
    "|---|---|---|---|---|---|---|---|---|---|",
)


def key(cell: Cell) -> str:
    """How a row begins."""
    return f"| {cell.design} | {cell.test} | {cell.null} |"


def verdict(rates: Rates) -> str:
    """Whether a cell holds: its interval reaches the level or stays below it, FWE likewise."""
    if rates.refused:
        return "refuses"
    low, high = rates.interval(LEVEL)
    family = rates.fwe_interval[0] <= LEVEL if len(rates.fwe) else True
    if low > 0.06 or not family:
        return "**rejects too often**"
    if low > LEVEL or rates.rate(STRICT) > 0.015:
        return "to be looked at"
    return "lower" if high < 0.04 else "holds"


def row(cell: Cell, rates: Rates) -> str:
    """One row of a Markdown table."""
    if rates.refused:
        return f"{key(cell)} | refused: {rates.refused} | | | | | refuses |"
    low, high = rates.interval(LEVEL)
    at = f"{_share(rates.rate(LEVEL))} ({_share(low)}–{_share(high)})"
    drawn = f"{rates.realisations} × {rates.p.shape[1]}"
    fwe = ""
    if len(rates.fwe):
        low, high = rates.fwe_interval
        fwe = f"{_share(float(rates.fwe.mean()), 2)} ({_share(low, 2)}–{_share(high, 2)})"
    power = [_share(v, 2) if np.isfinite(v) else "" for v in (rates.power, rates.oracle)]
    end = verdict(rates)
    if end == "lower" and cell.conservative:
        end = f"lower: {cell.conservative}"
    cells = [drawn, at, _share(rates.rate(STRICT)), fwe, *power, end]
    return f"{key(cell)} {' | '.join(cells)} |"


def _share(value: float, digits: int = 3) -> str:
    return f"{max(value, 0):.{digits}f}".replace("0.", ".", 1)


def merged(page: str, rows: Sequence[str], order: Sequence[Cell]) -> str:
    """A page with these rows in its table, in place of older ones of the same cells."""
    start = page.index(HEADER[0])
    end = page.find("\n\n", start)
    known = {
        own: line
        for own in map(key, order)
        for line in [*page.splitlines(), *rows]
        if line.startswith(own)
    }
    table = "\n".join([*HEADER, *(known[own] for own in map(key, order) if own in known)])
    return page[:start] + table + (page[end:] if end >= 0 else "\n")
