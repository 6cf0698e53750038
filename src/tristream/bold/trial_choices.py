"""What a model of single trials chooses from training runs, after GLMsingle (Prince et al. 2022).

1. A response for all trials alike, under the canonical HRF, tells voxels that respond from others.
2. Each voxel takes the HRF of the library under which single trials explain most of its variance.
3. Voxels that are bright and don't respond are the noise pool; the first principal components of
   each run's pool are candidates for the model. How many are in it is chosen, one number for all,
   by how well estimates of an item predict those of the same item in other runs.
4. So is, for each voxel, the fraction to which ridge shortens its estimates.

Voxels are read and solved in chunks; what is kept of all voxels is one number a choice, so that
memory does not grow with the runs' volumes times the voxels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
from sklearn.mixture import GaussianMixture

from tristream.bold.fractional_ridge import penalties_of
from tristream.bold.trial_fit import Array, Design, Signals, TrialFit

# Fractions of the length of least squares that are tried.
FRACTIONS = np.linspace(1, 0.05, 20)
# The noise pool: brighter than this share of this percentile of all voxels' means.
BRIGHT_SHARE, BRIGHT_PERCENTILE = 0.1, 99.0
# As few components are taken as reach the best error up to this factor.
ENOUGH = 1.05
# Voxels that judge the number of components where none responds by itself.
FEWEST_JUDGES = 100
# Of the largest eigenvalue: components of less variance are rounding.
NO_ROUNDING = 1e-8
# Voxels that are solved at a time.
BLOCK = 2048


@dataclass(frozen=True)
class TrainingRun:
    """A run from which is chosen.

    Attributes
    ----------
    designs : sequence of Design
        One a response of the library.
    canonical : Design
        Under the canonical response.
    items : sequence of str
        Of each trial.
    estimable : ndarray of bool, shape (trials,)
        Which trials have volumes to be estimated from.
    session : str
        Runs of one session have the same.
    read : callable
        From a slice of voxels to cleaned BOLD, (volumes, voxels), in percent of the mean.
    """

    designs: Sequence[Design]
    canonical: Design
    items: Sequence[str]
    estimable: npt.NDArray[np.bool_]
    session: str
    read: Callable[[slice], Signals]


@dataclass(frozen=True)
class Choices:
    """What was chosen; arrays have one value a voxel.

    Attributes
    ----------
    response : ndarray of int
        Which of the library.
    explained : ndarray
        Share of variance that one response for all trials explains.
    threshold : float
        Of `explained`: voxels above respond.
    pool : ndarray of bool
        The noise pool.
    components : int
        Of noise, in each run's model.
    errors : ndarray of shape (components tried + 1,)
        Median over responding voxels of the error of prediction, by number of components; empty
        where no item comes back in another run.
    fraction, penalty : ndarray
        Length of the estimates relative to least squares, and the ridge penalty that gives it.
    scale, offset : ndarray
        What ridge estimates are multiplied by, and what is then added, so that they are the least
        squares prediction of the unregularised ones.
    """

    response: npt.NDArray[np.int64]
    explained: Array
    threshold: float
    pool: npt.NDArray[np.bool_]
    components: int
    errors: Array
    fraction: Array
    penalty: Array
    scale: Array
    offset: Array


def choose(runs: Sequence[TrainingRun], brightness: Array, most_components: int) -> Choices:
    """Choose responses, components of noise and fractions.

    Parameters
    ----------
    runs : sequence of TrainingRun
        Training runs alone.
    brightness : ndarray of shape (voxels,)
        Mean signal of each voxel.
    most_components : int
        Components of noise that are tried at most.
    """
    voxels = len(brightness)
    explained, response = np.zeros(voxels), np.zeros(voxels, np.int64)
    for chunk in blocks(voxels):
        bold = [run.read(chunk) for run in runs]
        explained[chunk] = mean_response(runs, bold)
        response[chunk] = best_response(runs, bold)
    threshold = tail_threshold(explained)
    pool = noise_pool(brightness, explained, threshold)
    trials = Repeats.of(runs)
    noise = [np.zeros((len(run.canonical.trials), 0)) for run in runs]
    components, errors = 0, np.zeros(0)
    if trials.repeated and most_components and pool.any():
        noise = [components_of(run.read, pool, most_components) for run in runs]
        judges = judging(explained, threshold)
        errors = component_errors(runs, noise, response, judges, trials)
        components = few_enough(errors)
        noise = [columns[:, :components] for columns in noise]
    shape = Choices(response, explained, threshold, pool, components, errors, *np.ones((4, voxels)))
    shape.penalty[:], shape.offset[:] = 0, 0
    if trials.repeated:
        _choose_fractions(runs, noise, shape, trials)
    return shape


def blocks(voxels: int) -> Iterator[slice]:
    """Slices of `BLOCK` voxels."""
    for start in range(0, voxels, BLOCK):
        yield slice(start, min(start + BLOCK, voxels))


def mean_response(runs: Sequence[TrainingRun], bold: Sequence[Signals]) -> Array:
    """Share of variance that one response for all trials of all runs explains, (voxels,)."""
    size, products, total = 0.0, np.zeros(bold[0].shape[1]), np.zeros(bold[0].shape[1])
    for run, signals in zip(runs, bold, strict=True):
        together = run.canonical.trials.sum(axis=1, keepdims=True)
        fit = TrialFit(Design(together, run.canonical.others), np.zeros((len(together), 0)))
        found = fit.solve(fit.products(signals), 0)
        size += float(found.squares[0])
        products += (found.squares[:, None] * found.estimates())[0]
        others = fit.explained(signals) - found.explained
        total += np.einsum("tv,tv->v", signals, signals, dtype=np.float64) - others
    with_mean = products**2 / size if size else np.zeros_like(products)
    return np.asarray(np.divide(with_mean, total, out=np.zeros_like(total), where=total > 0))


def best_response(runs: Sequence[TrainingRun], bold: Sequence[Signals]) -> npt.NDArray[np.int64]:
    """The response of the library under which single trials explain most, (voxels,)."""
    explained = np.zeros((len(runs[0].designs), bold[0].shape[1]))
    for run, signals in zip(runs, bold, strict=True):
        for number, design in enumerate(run.designs):
            none = np.zeros((len(design.trials), 0))
            explained[number] += TrialFit(design, none).explained(signals)
    return np.asarray(np.argmax(explained, axis=0), np.int64)


def tail_threshold(values: Array) -> float:
    """Where two Gaussians fitted to the values are equally likely, seen from the upper end.

    Parameters
    ----------
    values : ndarray of shape (voxels,)
        Shares of explained variance.

    Returns
    -------
    float
        The largest value that belongs rather to the lower one; the largest of all where two
        Gaussians are one.
    """
    ordered = np.sort(values)
    if len(np.unique(ordered)) < 2:
        return float(ordered[-1])
    mixture = GaussianMixture(
        2, tol=1e-10, reg_covar=1e-12, max_iter=1000, n_init=3, random_state=0
    )
    likely = mixture.fit(ordered[:, None]).predict_proba(ordered[:, None])
    lower = ordered[likely[:, likely[-1].argmax()] <= 0.5]
    return float(lower[-1]) if len(lower) else float(ordered[-1])


def noise_pool(brightness: Array, explained: Array, threshold: float) -> npt.NDArray[np.bool_]:
    """Voxels that are bright and don't respond."""
    bright = brightness > BRIGHT_SHARE * np.percentile(brightness, BRIGHT_PERCENTILE)
    return bright & (explained < threshold)


def judging(explained: Array, threshold: float) -> npt.NDArray[np.bool_]:
    """Voxels that choose the number of components: those that respond, else the best few."""
    found = explained > threshold
    if not found.any():
        found[np.argsort(explained)[-FEWEST_JUDGES:]] = True
    return found


def components_of(
    read: Callable[[slice], Signals], pool: npt.NDArray[np.bool_], number: int
) -> Array:
    """First principal components of a run's noise pool, each voxel scaled to the same length.

    Parameters
    ----------
    read : callable
        As of `TrainingRun`.
    pool : ndarray of bool, shape (voxels,)
    number : int
        How many.

    Returns
    -------
    ndarray of shape (volumes, components)
        Orthonormal; fewer than `number` where the pool has fewer dimensions.
    """
    products: Array = np.zeros((0, 0))
    for chunk in blocks(len(pool)):
        signals = np.asarray(read(chunk), np.float64)[:, pool[chunk]]
        length = np.linalg.norm(signals, axis=0)
        signals /= np.where(length > 0, length, 1)
        products = signals @ signals.T + (products if products.size else 0)
    values, vectors = np.linalg.eigh(products)
    known = values[::-1][:number] > NO_ROUNDING * values[-1]
    return np.asarray(vectors[:, ::-1][:, :number][:, known])


@dataclass(frozen=True)
class Repeats:
    """Which trials show the item of a trial in another run.

    Attributes
    ----------
    pairs : sparse array of shape (trials, trials)
    counts : ndarray of shape (trials,)
        In how many pairs a trial is.
    sessions : ndarray of int, shape (trials,)
        −1 for trials that can't be estimated.
    """

    pairs: scipy.sparse.csr_array
    counts: Array
    sessions: npt.NDArray[np.int64]

    @classmethod
    def of(cls, runs: Sequence[TrainingRun]) -> "Repeats":
        """Of the trials of all runs, in their order."""
        estimable = np.concatenate([run.estimable for run in runs])
        items = np.unique([item for run in runs for item in run.items], return_inverse=True)[1]
        belongs = np.repeat(np.arange(len(runs)), [len(run.items) for run in runs])
        shows = _indicators(items, estimable)
        together = _indicators(items * len(runs) + belongs, estimable)
        pairs = scipy.sparse.csr_array(shows @ shows.T - together @ together.T)
        pairs.eliminate_zeros()
        names = sorted({run.session for run in runs})
        sessions = np.array([names.index(runs[n].session) for n in belongs.tolist()])
        counts = np.asarray(pairs.sum(axis=1), np.float64)
        return cls(pairs, counts, np.where(estimable, sessions, -1))

    @property
    def repeated(self) -> bool:
        """Whether any item comes back in another run."""
        return bool(self.counts.any())

    def errors(self, unregularised: Array, candidates: Iterator[Array]) -> Iterator[Array]:
        """Error of each candidate's estimates as predictions of other runs' unregularised ones.

        Estimates are z-scored by mean and deviation that the unregularised ones have in their
        session. The error is the sum of squares over all pairs of trials of one item in different
        runs, (voxels,).

        Parameters
        ----------
        unregularised : ndarray of shape (trials, voxels)
        candidates : iterator of ndarray of shape (trials, voxels)
        """
        mean, deviation = self._moments(unregularised)
        target = (unregularised - mean) / deviation
        met, own = self.pairs @ target, self.counts @ target**2
        for candidate in candidates:
            scaled = (candidate - mean) / deviation
            yield self.counts @ scaled**2 + own - 2 * np.einsum("tv,tv->v", scaled, met)

    def _moments(self, estimates: Array) -> tuple[Array, Array]:
        mean, deviation = np.zeros_like(estimates), np.ones_like(estimates)
        for session in np.unique(self.sessions[self.sessions >= 0]):
            rows = np.flatnonzero(self.sessions == session)
            mean[rows] = estimates[rows].mean(axis=0)
            if len(rows) > 1:
                spread = estimates[rows].std(axis=0, ddof=1)
                deviation[rows] = np.where(spread > 0, spread, np.inf)
        return mean, deviation


def _indicators(
    groups: npt.NDArray[np.int64], used: npt.NDArray[np.bool_]
) -> scipy.sparse.csr_array:
    rows = np.flatnonzero(used)
    values = (np.ones(len(rows)), (rows, groups[rows]))
    return scipy.sparse.csr_array(values, shape=(len(groups), int(groups.max()) + 1))


def component_errors(
    runs: Sequence[TrainingRun],
    noise: Sequence[Array],
    response: npt.NDArray[np.int64],
    judges: npt.NDArray[np.bool_],
    trials: Repeats,
) -> Array:
    """Median error over the judging voxels, by number of components from none on."""
    numbers = range(min(columns.shape[1] for columns in noise) + 1)
    errors = np.zeros((len(numbers), int(judges.sum())))
    done = 0
    for bold, voxels, number in _by_response(runs, response, judges):
        fits = [TrialFit(r.designs[number], n) for r, n in zip(runs, noise, strict=True)]
        products = [fit.products(y) for fit, y in zip(fits, bold, strict=True)]

        def estimates(
            components: int,
            fits: list[TrialFit] = fits,
            products: list[tuple[Array, Array]] = products,
        ) -> Array:
            pairs = zip(fits, products, strict=True)
            return np.vstack([fit.solve(p, components).estimates() for fit, p in pairs])

        found = trials.errors(estimates(0), (estimates(n) for n in numbers))
        errors[:, done : done + len(voxels)] = list(found)
        done += len(voxels)
    return np.asarray(np.median(errors, axis=1))


def few_enough(errors: Array) -> int:
    """The fewest components whose gain reaches the best one up to the factor `ENOUGH`."""
    gain = errors[0] - errors
    chosen, best = 0, -np.inf
    for number, value in enumerate(gain):
        if value > best:
            chosen, best = number, float(value)
            if best * ENOUGH >= gain.max():
                break
    return chosen


def _choose_fractions(
    runs: Sequence[TrainingRun], noise: Sequence[Array], chosen: Choices, trials: Repeats
) -> None:
    """Fill in fraction, penalty, scale and offset of every voxel."""
    everywhere = np.ones(len(chosen.response), bool)
    for bold, voxels, number in _by_response(runs, chosen.response, everywhere):
        rotated = []
        for run, columns, signals in zip(runs, noise, bold, strict=True):
            fit = TrialFit(run.designs[number], columns)
            rotated.append(fit.solve(fit.products(signals), chosen.components))
        squares = np.concatenate([one.squares for one in rotated])
        weights = np.vstack([one.weights for one in rotated])
        penalties = penalties_of(FRACTIONS, squares, weights)

        def estimates(alpha: float | Array, rotated: list[Any] = rotated) -> Array:
            return np.vstack([one.estimates(alpha) for one in rotated])

        free = estimates(0.0)
        errors = np.array(list(trials.errors(free, map(estimates, penalties))))
        best = errors.argmin(axis=0)
        penalty = penalties[best, np.arange(len(voxels))]
        chosen.fraction[voxels], chosen.penalty[voxels] = FRACTIONS[best], penalty
        used = trials.sessions >= 0
        line = rescaling(estimates(penalty)[used], free[used])
        chosen.scale[voxels], chosen.offset[voxels] = line


def rescaling(ridge: Array, free: Array) -> tuple[Array, Array]:
    """Slope and intercept of unregularised estimates on those of ridge; 1 and 0 if it falls.

    Parameters
    ----------
    ridge, free : ndarray of shape (trials, voxels)
    """
    centred = ridge - ridge.mean(axis=0)
    size = (centred**2).sum(axis=0)
    slope = np.divide((centred * free).sum(axis=0), size, out=np.zeros(len(size)), where=size > 0)
    falls = (slope < 0) | (size == 0)
    offset = free.mean(axis=0) - slope * ridge.mean(axis=0)
    return np.where(falls, 1.0, slope), np.where(falls, 0.0, offset)


def _by_response(
    runs: Sequence[TrainingRun],
    response: npt.NDArray[np.int64],
    wanted: npt.NDArray[np.bool_],
) -> Iterator[tuple[list[Signals], npt.NDArray[np.intp], int]]:
    """BOLD of each run, voxels and response, for wanted voxels of a chunk that share a response."""
    for chunk in blocks(len(response)):
        here = np.flatnonzero(wanted[chunk])
        if not len(here):
            continue
        bold = [run.read(chunk) for run in runs]
        for number in np.unique(response[chunk][here]):
            those = here[response[chunk][here] == number]
            yield [signals[:, those] for signals in bold], those + chunk.start, int(number)
