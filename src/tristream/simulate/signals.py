"""From feature files to the signals that drive voxels, in continuous media time.

Per stream a few mixtures of the leading principal components of its features, chosen so that the
other streams' features follow them least; and products of them that no linear model of the features
can follow. Nothing of the code that analyses is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.sparse
from scipy.interpolate import CubicSpline
from scipy.stats import ortho_group

from tristream.errors import UserError
from tristream.features.core.feature_file import open_features
from tristream.simulate.preset import Preset, Stream

STEP = 0.1  # of the continuous time grid (s)
COARSE = 0.5  # of the grid on which principal components are found (s)


@dataclass(frozen=True)
class Signals:
    """What drives the voxels, over the whole film.

    Attributes
    ----------
    times : ndarray of shape (n,)
        Media time (s), every 0.1 s.
    linear, nonlinear : dict of str to ndarray of shape (n, d)
        Per stream that drives voxels; each column has mean 0 and variance 1
        over what is shown.
    spread : dict of str to ndarray of shape (d,)
        Per stream, the standard deviations of the components that its linear signals come from,
        relative to the first: what a random readout of the features themselves would follow.
    fitted : ndarray of shape (n, k)
        Leading principal components of all fitted features: what counts as linear in them.
    """

    times: np.ndarray
    linear: dict[str, np.ndarray]
    nonlinear: dict[str, np.ndarray]
    spread: dict[str, np.ndarray]
    fitted: np.ndarray

    def readout(self, stream: str) -> np.ndarray:
        """All signals of a stream, linear ones first: what an oracle is given, (n, d)."""
        return np.hstack([self.linear[stream], self.nonlinear[stream]])


def signals(preset: Preset, files: Sequence[Path]) -> Signals:
    """Make the signals of a preset from its feature files.

    Parameters
    ----------
    preset : Preset
        Which layers make which stream.
    files : sequence of Path
        Feature files; the preset's layers must be among them.

    Raises
    ------
    UserError
        If a layer is missing, not of the film, or does not change over time.
    """
    paths = _by_layer(files)
    missing = [layer for layer in preset.features if layer not in paths]
    if missing:
        raise UserError(
            f"preset {preset.name}: no feature file of {', '.join(missing)}; "
            "extract it, or fix `streams` of the preset"
        )
    layers = {layer: _read(paths[layer], preset.film.stimulus) for layer in preset.features}
    end = max(float(times[-1]) for _, times in layers.values())
    for run in preset.runs:
        if run.media_start + run.duration > end + 1:
            raise UserError(
                f"preset {preset.name}: {run.run} shows {preset.film.stimulus} up to "
                f"{run.media_start + run.duration:g} s, but its features end at {end:g} s; fix "
                "`runs` of the preset"
            )
    grid = np.arange(0, end, COARSE)
    shown = _shown(preset, grid)
    found = {n: _components(preset, s, layers, grid, shown) for n, s in preset.streams.items()}
    linear, spread = _distinct(preset, found, shown)
    fitted = np.hstack([found[name][0] for name, s in preset.streams.items() if s.fitted])
    times = np.arange(0, grid[-1] + STEP / 2, STEP)
    shown = _shown(preset, times)
    fine = {name: _standard(_finer(grid, z, times), shown) for name, z in linear.items()}
    fitted = _standard(_finer(grid, fitted, times), shown)
    rng = np.random.default_rng([preset.seed, 1])
    nonlinear = {
        name: _products(z, preset.streams[name].nonlinear, fitted, shown, rng)
        for name, z in fine.items()
    }
    return Signals(times, fine, nonlinear, spread, fitted)


def _by_layer(files: Sequence[Path]) -> dict[str, Path]:
    found = {}
    for path in files:
        with open_features(path) as file:
            found[file.about.label] = path
    return found


def _read(path: Path, stimulus: str) -> tuple[np.ndarray, np.ndarray]:
    """Values (n, p) and times (n,) of a layer; columns that never change are left out."""
    with open_features(path) as file:
        if stimulus not in file.stimuli:
            raise UserError(f"{path}: has no features of {stimulus}; extract them for this film")
        shown = file.stimuli[stimulus]
        values, times = shown.values[()], shown.times
    spread = values.std(axis=0, dtype=np.float64)
    moving = spread > 1e-6 * max(float(spread.max()), 1e-12)
    if len(times) < 3 or not moving.any():
        raise UserError(f"{path}: the features of {stimulus} do not change over time")
    return values[:, moving], times


def _components(
    preset: Preset,
    stream: Stream,
    layers: dict[str, tuple[np.ndarray, np.ndarray]],
    grid: np.ndarray,
    shown: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Leading components over time of a stream's layers, each layer with equal weight, (n, k).

    They are found in what is shown, and continued over the rest of the film. Also returned are
    their standard deviations relative to the first, (k,).
    """
    gram = np.zeros((len(grid), int(shown.sum())))
    for layer in stream.features:
        values, times = layers[layer]
        courses = _slow_removed(_resampling(times, grid) @ values, preset.readout.high_pass)
        courses = _standard(courses, shown)
        gram += courses @ courses[shown].T / courses.shape[1]
    variances, axes = np.linalg.eigh(gram[shown])
    count = max(preset.readout.components, stream.linear)
    kept = np.flatnonzero(variances > 1e-9 * variances[-1])[::-1][:count]
    return _standard(gram @ _signed(axes[:, kept]), shown), np.sqrt(variances[kept] / variances[-1])


def _resampling(times: np.ndarray, grid: np.ndarray) -> scipy.sparse.csr_matrix:
    """Averages of samples around grid points, triangular, no narrower than the sampling."""
    width = max(COARSE, float(np.median(np.diff(times))))
    first = np.searchsorted(times, grid - width)
    last = np.searchsorted(times, grid + width, side="right")
    rows, columns, weights = [], [], []
    for row, (start, stop) in enumerate(zip(first, last, strict=True)):
        near = np.arange(start, stop)
        weight = np.maximum(1 - np.abs(times[near] - grid[row]) / width, 0)
        if weight.sum() < 1e-9:  # before the first sample, after the last, in a gap
            near, weight = np.array([np.abs(times - grid[row]).argmin()]), np.ones(1)
        rows.append(np.full(len(near), row))
        columns.append(near)
        weights.append(weight / weight.sum())
    entries = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    return scipy.sparse.csr_matrix(entries, shape=(len(grid), len(times)))


def _slow_removed(courses: np.ndarray, cutoff: float) -> np.ndarray:
    """Without mean and cosines slower than `cutoff` (Hz)."""
    spectrum = scipy.fft.dct(courses, axis=0, norm="ortho")
    spectrum[: int(2 * len(courses) * COARSE * cutoff) + 1] = 0
    return scipy.fft.idct(spectrum, axis=0, norm="ortho")


def _shown(preset: Preset, times: np.ndarray) -> np.ndarray:
    """Which media times any run shows."""
    spans = [(run.media_start, run.media_start + run.duration) for run in preset.runs]
    return np.any([(times >= start) & (times < end) for start, end in spans], axis=0)


def _standard(courses: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Mean 0 and variance 1 over what is shown; what does not change there becomes 0."""
    deviation = courses[shown].std(axis=0)
    deviation[deviation < 1e-9] = np.inf
    return (courses - courses[shown].mean(axis=0)) / deviation


def _distinct(
    preset: Preset, found: dict[str, tuple[np.ndarray, np.ndarray]], shown: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Signals of each stream that are linear in its own features and little in the others'.

    Of a fitted stream these are the mixtures of its components that vary most once the other fitted
    streams' components are regressed out; the mixtures themselves are kept whole, so that a model
    needs this stream's features and no other's. An unfitted stream is what all fitted ones leave of
    it, so that no model of the fitted features can predict it. Also returned are the standard
    deviations of what the other streams do not follow, relative to the first signal's.
    """
    scaled = {name: courses * spread for name, (courses, spread) in found.items()}
    fitted = [name for name, stream in preset.streams.items() if stream.fitted]
    signals, spreads = {}, {}
    for name, stream in preset.streams.items():
        if not stream.linear:
            continue
        others = np.hstack([scaled[other] for other in fitted if other != name])
        own = _without(scaled[name], others, shown)
        variances, axes = np.linalg.eigh(own[shown].T @ own[shown])
        first = np.argsort(variances)[::-1][: stream.linear]
        mixtures = (scaled[name] if stream.fitted else own) @ _signed(axes[:, first])
        signals[name] = _standard(_uncorrelated(mixtures, shown), shown)
        spreads[name] = np.sqrt(variances[first] / variances[first[0]])
    return signals, spreads


def _signed(axes: np.ndarray) -> np.ndarray:
    """The sign of an eigenvector is arbitrary: its largest entry becomes positive."""
    return axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])


def _uncorrelated(courses: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The nearest uncorrelated set (Loewdin), over what is shown."""
    courses = courses - courses[shown].mean(axis=0)
    variances, axes = np.linalg.eigh(courses[shown].T @ courses[shown])
    return courses @ (axes / np.sqrt(variances)) @ axes.T


def _without(courses: np.ndarray, others: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """What a linear regression (with intercept) on `others`, over what is shown, leaves."""
    design = np.column_stack([np.ones(len(others)), others])
    return courses - design @ np.linalg.lstsq(design[shown], courses[shown], rcond=None)[0]


def _finer(grid: np.ndarray, courses: np.ndarray, times: np.ndarray) -> np.ndarray:
    return np.asarray(CubicSpline(grid, courses)(times))


def _products(
    z: np.ndarray,
    count: int,
    fitted: np.ndarray,
    shown: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Saturating products of pairs of mixtures of `z`, without what is linear in `fitted`."""
    rotation = ortho_group.rvs(z.shape[1], random_state=rng) if count else np.eye(z.shape[1])
    mixtures = np.tanh(z @ rotation)
    pairs = list(combinations(range(z.shape[1]), 2))[:count]
    products = [mixtures[:, i] * mixtures[:, j] for i, j in pairs]
    if not products:
        return np.empty((len(z), 0))
    return _standard(_without(np.column_stack(products), fitted, shown), shown)
