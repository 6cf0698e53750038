"""Noise ceiling of held-out data that were measured more than once.

One quantity, the explainable variance of the data as they are scored: signal variance over all
variance. The ceiling of a correlation is its root. Three designs give it:

- runs that show the same at the same times (:func:`repeat_power`);
- items that runs show in other orders (:class:`ItemPower`): what an item's showings in different
  runs have in common;
- items that are shown again in one run alone (:func:`within_run_power`): slow noise and drifts
  span both showings, which are not independent; what showings of *different* items have
  in common at nearly the same distance in time is subtracted.

Each gives the sums of signal and of all power over the groups of samples that intervals leave out.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from tristream.encode.jackknife import Groups, bias, interval, sums_by_group
from tristream.encode.prediction_scores import correlation

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]
MOST_SPLITS = 100
# Up to so many repeats all splits are used (at most 70).
FEW_REPEATS = 8


@dataclass(frozen=True)
class Ceiling:
    """What a perfect model of the stimulus could reach on the test data.

    Attributes
    ----------
    r : ndarray of shape (voxels,)
        Largest expected correlation: the root of `explainable`, 0 where that is negative.
    low : ndarray of shape (voxels,)
        Lower end of the 95 % interval of `r`; NaN with too few exchange units.
    explainable : ndarray of shape (voxels,)
        Share of the data's variance that is signal, unclipped.
    halves : ndarray of shape (voxels,)
        The same share by :func:`split_half`, for comparison; NaN where repeats are not whole runs.
    """

    r: Floats
    low: Floats
    explainable: Floats
    halves: Floats


@dataclass(frozen=True)
class Power:
    """Sums over the samples of each group, (groups, voxels): of signal, and of all power."""

    signal: Floats
    all: Floats

    @property
    def share(self) -> Doubles:
        """Explainable variance, (voxels,)."""
        return share(self.signal.sum(0), self.all.sum(0))

    @property
    def share_left_out(self) -> Doubles:
        """The same without each group, (groups, voxels)."""
        return share(self.signal.sum(0) - self.signal, self.all.sum(0) - self.all)


def ceiling(power: Power, groups: Groups, halves: Floats | None = None) -> Ceiling:
    """Ceiling from sums over groups.

    The estimate loses the bias of a ratio, and has an interval, by a jackknife over the groups.
    That is of log(1 - share), noise over all, whose spread hardly depends on its size.

    Parameters
    ----------
    power : Power
    groups : Groups
    halves : ndarray of shape (voxels,), optional
        The second opinion.
    """
    full, left_out = power.share, power.share_left_out
    low = np.full_like(full, np.nan)
    if groups.enough:
        low = -np.expm1(interval(_noise(full), _noise(left_out), groups).high)
        full = full - bias(full, left_out, groups)
    return Ceiling(
        r=np.sqrt(np.clip(full, 0, 1)),
        low=np.sqrt(np.clip(low, 0, 1)),
        explainable=full,
        halves=np.full_like(full, np.nan) if halves is None else halves,
    )


def share(signal: Floats, power: Floats) -> Doubles:
    """Signal over all power; 0 where there is none."""
    return np.divide(signal, power, out=np.zeros(signal.shape), where=power > 0)


def _noise(explainable: Floats) -> Doubles:
    """Log of the share of noise, which is finite however small it was estimated."""
    return np.log(np.maximum(1 - explainable, 1e-3))


def repeat_power(repeats: Sequence[Floats], codes: Sequence[Ints], count: int) -> Power:
    """Signal power and power of averages (Sahani & Linden 2003; Hsu et al. 2004).

    With P(.) the variance over time, R repeats y_r and their average ȳ, the noise of one repeat is
    NP = R (mean P(y_r) - P(ȳ)) / (R - 1), free of bias when noise is independent between repeats,
    and the signal power is P(ȳ) - NP / R. A test that is not repeated has the mean noise of those
    that are.

    Parameters
    ----------
    repeats : sequence of ndarray of shape (R, time, voxels), one a test
        One of them has two repeats or more.
    codes : sequence of ndarray of int of shape (time,), one a test
        Group of each sample, -1 in none.
    count : int
        Groups of all tests.
    """
    power, noise, samples = [], [], []
    for y, own in zip(repeats, codes, strict=True):
        number = len(y)
        centred = y - y.mean(1, keepdims=True, dtype=np.float64)
        mean = centred.mean(0)
        each = (centred**2).mean(0)
        sums = sums_by_group(own, count, mean**2, each, np.ones((len(own), 1)))
        power.append(sums[0][:-1])
        noise.append((sums[1] - sums[0])[:-1] / max(number - 1, 1))
        samples.append(sums[2][:-1])
    of_one = sum(len(y) * n.sum(0) for y, n in zip(repeats, noise, strict=True))
    of_one = of_one / sum(s.sum() for y, s in zip(repeats, samples, strict=True) if len(y) > 1)
    noise = [
        n if len(y) > 1 else s * of_one for y, n, s in zip(repeats, noise, samples, strict=True)
    ]
    every = np.sum(power, axis=0)
    return Power(every - np.sum(noise, axis=0), every)


class ItemPower:
    """Signal of items that several runs show, from products of showings in different runs.

    A cell is a sample of an item: the item, and how long it has been shown. Showings of one run are
    averaged first: their products share the run's noise.

    Parameters
    ----------
    cells, voxels : int
        How many there are.
    """

    def __init__(self, cells: int, voxels: int) -> None:
        self._sum = np.zeros((cells, voxels), np.float32)
        self._square = np.zeros((cells, voxels), np.float32)
        self._runs = np.zeros(cells, np.int64)

    def add(self, values: Floats, cells: Ints) -> None:
        """Take the samples of one run.

        Parameters
        ----------
        values : ndarray of shape (samples, voxels)
        cells : ndarray of int of shape (samples,)
        """
        present, place, times = np.unique(cells, return_inverse=True, return_counts=True)
        weights = 1 / times[place]
        shape = (len(present), len(cells))
        average = csr_array((weights, (place, np.arange(len(cells)))), shape=shape)
        centred = values - values.mean(0, dtype=np.float64)
        mean = average @ centred
        self._sum[present] += mean
        self._square[present] += mean**2
        self._runs[present] += 1

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Cells that several runs show."""
        return self._runs > 1

    @property
    def signal(self) -> Floats:
        """Square of each cell's signal, free of bias, (cells, voxels); 0 where it is not known."""
        pairs = np.where(self.known, self._runs * (self._runs - 1), 1)[:, None]
        return np.where(self.known[:, None], (self._sum**2 - self._square) / pairs, 0)


def within_run_power(
    values: Floats, showing: Ints, item: Ints, offset: Ints
) -> dict[int, tuple[Doubles, int]]:
    """Signal of items that one run shows several times, as far as other items don't share it.

    Of two showings a and b of an item the product is that of their signal and of noise at their
    distance. The noise's part is that of a with the showings before and after b, and of b with
    those around a, which are of other items: their mean is taken away. So the noise's covariance
    may change with distance, as long as it changes steadily from one showing to the next.

    Parameters
    ----------
    values : ndarray of shape (samples, voxels)
        Samples of one run.
    showing, item, offset : ndarray of int of shape (samples,)
        Number of the presentation in the order of time, what it shows, and which of its samples.

    Returns
    -------
    dict of int to (ndarray of shape (voxels,), int)
        Item to the sum over pairs of showings and their samples, and the number of these; items
        without a pair are left out.
    """
    centred = values - values.mean(0, dtype=np.float64)
    rows = {(s, o): row for row, (s, o) in enumerate(zip(showing, offset, strict=True))}
    order = list(dict.fromkeys(showing.tolist()))
    items = dict(zip(showing.tolist(), item.tolist(), strict=True))
    found: dict[int, tuple[Doubles, int]] = {}
    for a, b in combinations(range(len(order)), 2):
        what = items[order[a]]
        if items[order[b]] != what:
            continue
        around = [(a, b - 1), (a, b + 1), (a - 1, b), (a + 1, b)]
        around = [
            (c, d)
            for c, d in around
            if 0 <= c < d < len(order) and items[order[c]] != items[order[d]]
        ]
        for at in sorted({int(o) for s, o in rows if s == order[a]}):
            pairs = [(rows.get((order[c], at)), rows.get((order[d], at))) for c, d in around]
            own = rows.get((order[a], at)), rows.get((order[b], at))
            known = [(c, d) for c, d in pairs if c is not None and d is not None]
            if None in own or not known:
                continue
            product = centred[own[0]] * centred[own[1]]
            shared = np.mean([centred[c] * centred[d] for c, d in known], axis=0)
            total, number = found.get(what, (np.zeros(values.shape[1]), 0))
            found[what] = total + product - shared, number + 1
    return found


def split_half(repeats: Floats, seed: int = 0) -> npt.NDArray[np.float64]:
    """Explainable variance of the average, by split-half reliability.

    The repeats are split into two halves of h each, the halves' averages correlated, and with
    k = R / h the reliability of all R is k r / (1 + (k - 1) r) (Spearman 1910; Brown 1910, Br J
    Psychol 3:271 and 296). r is the mean over all splits, from nine repeats on over
    100 random ones; with an odd number of repeats each split leaves one out.

    Parameters
    ----------
    repeats : ndarray of shape (R, time, voxels)
        At least two.
    seed : int
        Of the random splits.

    Returns
    -------
    ndarray of shape (voxels,), unclipped; -inf where the halves are opposite
    """
    count = len(repeats)
    half = count // 2
    y = repeats - repeats.mean(1, keepdims=True, dtype=np.float64)
    splits = _splits(count, half, np.random.default_rng(seed))
    r = np.mean([correlation(y[list(a)].mean(0), y[list(b)].mean(0)) for a, b in splits], axis=0)
    step = count / half
    below = 1 + (step - 1) * r
    return np.divide(step * r, below, out=np.full_like(r, -np.inf), where=below > 0)


def _splits(
    count: int, half: int, rng: np.random.Generator
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Pairs of disjoint halves."""
    found: set[tuple[tuple[int, ...], tuple[int, ...]]] = set()
    if count <= FEW_REPEATS:
        for a in combinations(range(count), half):
            others = [i for i in range(count) if i not in a]
            found |= {(a, b) for b in combinations(others, half) if a < b}
    while count > FEW_REPEATS and len(found) < MOST_SPLITS:
        order = rng.permutation(count)[: 2 * half].tolist()
        a, b = sorted((tuple(sorted(order[:half])), tuple(sorted(order[half:]))))
        found.add((a, b))
    return sorted(found)


def within_run_repeats(shown: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """What is shown more than once in one run.

    Parameters
    ----------
    shown : iterable of (run, item)
        One pair an event; the item of a film names its part (``film@70``).

    Returns
    -------
    dict
        Run to the items that it repeats; runs without any are left out.
    """
    found: dict[str, list[str]] = {}
    for (run, item), times in Counter(shown).items():
        if times > 1:
            found.setdefault(run, []).append(item)
    return found
