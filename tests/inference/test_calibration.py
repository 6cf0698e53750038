"""Error rates of the permutation tests, over independent realisations.

Each realisation is a voxel with its own noise in training and test data, and its own fit: a ridge
regression on delayed features of a real film, which so becomes a smooth prediction of nothing. The
realisations of one cut of the film share the design, and are fitted at once; sixteen cuts are
taken.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import av
import nibabel as nib
import numpy as np
import pytest
from scipy import signal, stats

from helpers.fixed_permutations import Permuted, permutation_test
from tristream.inference.permutation import (
    PredictedRun,
    moves_of,
    null_correlations,
)
from tristream.inference.tested_runs import widened_runs
from tristream.inference.widening import lost_by_shifts, widening

TR = 1.4
TRAINING, TEST = 210, 200
BLOCK = 15  # samples: 21 s
CUTS, VOXELS = 16, 250
PERMUTATIONS = 499
DELAYS = (1, 2, 3, 4, 5, 6)


def sound(path, volumes):
    """Log energy of the film's sound in eight bands, one value a volume."""
    with av.open(str(path)) as file:
        stream = file.streams.audio[0]
        x = np.concatenate([frame.to_ndarray().mean(0) for frame in file.decode(stream)])
        length = int(TR * stream.rate)
    spectrum = np.abs(np.fft.rfft(x[: volumes * length].reshape(volumes, length), axis=1)) ** 2
    edges = np.geomspace(8, spectrum.shape[1], 9).astype(int)
    bands = [spectrum[:, low:high].sum(1) for low, high in pairwise(edges)]
    return np.log1p(np.stack(bands, axis=1))


def luminance(path, volumes):
    """Luminance of 4 x 3 fields of the film's key frames, between which it is interpolated."""
    fields, times = [], []
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        for frame in file.decode(stream):
            fields.append(frame.reformat(4, 3, "gray").to_ndarray().ravel())
            times.append(frame.time)
    at = (np.arange(volumes) + 0.5) * TR
    return np.stack([np.interp(at, times, column) for column in np.array(fields, float).T], 1)


def cosines(volumes):
    """What a high-pass filter of 128 s takes away."""
    number = 1 + int(2 * volumes * TR / 128)
    at = np.pi * (np.arange(volumes)[:, None] + 0.5) / volumes
    return np.linalg.qr(np.cos(at * np.arange(number)))[0]


def cleaned(x):
    basis = cosines(len(x))
    return x - basis @ (basis.T @ x)


@pytest.fixture(scope="module")
def features(film):
    """Delayed features of a real film, (volumes, features x delays)."""
    volumes = int(590 / TR)
    x = np.hstack([sound(film, volumes), luminance(film, volumes)])
    x = (x - x.mean(0)) / x.std(0)
    return np.hstack([np.roll(x, d, axis=0) for d in DELAYS])


@pytest.fixture(scope="module")
def noises(resting):
    """Kinds of noise: function of a generator, volumes and voxels."""
    bold, confounds = resting
    y = np.asarray(nib.load(bold).dataobj).squeeze().T.astype(float)
    y = y[:, y.std(0) > 0]
    basis = np.linalg.qr(np.column_stack([np.ones(len(y)), np.loadtxt(confounds)]))[0]
    y = cleaned(y - basis @ (basis.T @ y))
    y /= y.std(0)

    def real(rng, volumes, voxels):
        """Vertices from a random moment on; after the end comes the beginning."""
        start = rng.integers(0, len(y), voxels)
        return y[
            (np.arange(volumes)[:, None] + start) % len(y), rng.integers(0, y.shape[1], voxels)
        ]

    def ar(rho):
        return lambda rng, volumes, voxels: signal.lfilter(
            [1], [1, -rho], rng.standard_normal((volumes + 50, voxels)), axis=0
        )[50:]

    return {"AR(0.5)": ar(0.5), "AR(0.8)": ar(0.8), "resting state": real}


def fitted(x_train, y_train, x_test):
    """Ridge predictions."""
    gram = x_train @ x_train.T
    scale = np.trace(gram) / len(gram)
    dual = np.linalg.solve(gram / scale + np.eye(len(gram)), y_train - y_train.mean(0))
    return x_test @ (x_train.T @ dual)


@dataclass(frozen=True)
class Experiment:
    """One cut of the film: test data without signal, and predictions fitted to noise."""

    y: np.ndarray
    prediction: np.ndarray

    def run(self, length=BLOCK):
        unit = np.minimum(np.arange(TEST) // length, TEST // length - 1)
        return PredictedRun(self.y, self.prediction, unit, projection=cosines(TEST))


def experiments(features, noise: Callable, cuts=CUTS, voxels=VOXELS, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(cuts):
        x = np.roll(features, rng.integers(len(features)), axis=0)
        y = noise(rng, TRAINING + TEST, voxels)
        train, test = slice(0, TRAINING), slice(TRAINING, TRAINING + TEST)
        parts = [cleaned(v) for v in (x[train], y[train], x[test], y[test])]
        yield Experiment(parts[3], fitted(*parts[:3]))


def p_values(all_experiments, test: Callable[[Experiment, int], Permuted]):
    return np.concatenate([test(one, seed).p for seed, one in enumerate(all_experiments)])


def found_by(run, seed, null="blocks", wide=True, permutations=PERMUTATIONS):
    moves = moves_of([run], "time", null)
    runs = widened_runs([run], moves, "time") if wide else [run]
    return permutation_test(runs, moves, permutations, seed)


def blocks(one, seed):
    return found_by(one.run(), seed)


def plain_blocks(one, seed):
    return found_by(one.run(), seed, wide=False)


def single_volumes(one, seed):
    return found_by(one.run(1), seed, wide=False)


def shifts(one, seed):
    return found_by(one.run(), seed, "shift")


@pytest.mark.parametrize("kind", ["AR(0.5)", "AR(0.8)", "resting state"])
def test_error_rates_without_signal(features, noises, kind):
    found = list(experiments(features, noises[kind]))
    p = p_values(found, blocks)
    assert 0.04 <= (p <= 0.05).mean() <= 0.06
    assert (p <= 0.01).mean() <= 0.015
    # Controls: what the blocks are for, and what the widening is for.
    assert (p_values(found, single_volumes) <= 0.05).mean() > 0.08
    if kind == "resting state":
        assert (p_values(found, plain_blocks) <= 0.05).mean() > 0.07
    p = p_values(found, shifts)
    assert 0.04 <= (p <= 0.05).mean() <= 0.06
    assert (p <= 0.01).mean() <= 0.015


def planted(one, r):
    """The same with a correlation of `r` between prediction and data."""
    p = one.prediction / one.prediction.std(0)
    return Experiment(r * p + np.sqrt(1 - r**2) * one.y / one.y.std(0), one.prediction)


def test_a_planted_correlation_is_found(features, noises):
    found = [planted(one, 0.3) for one in experiments(features, noises["AR(0.5)"], cuts=4)]
    assert (p_values(found, blocks) <= 0.05).mean() >= 0.8


def test_false_discoveries_stay_below_their_rate(features, noises):
    """Half of the voxels carry signal; 200 experiments of 100 voxels."""
    shares = []
    for seed, one in enumerate(experiments(features, noises["AR(0.5)"], cuts=200, voxels=100)):
        strong = planted(one, 0.4)
        half = np.arange(100) < 50
        mixed = Experiment(np.where(half, strong.y, one.y), one.prediction)
        q = stats.false_discovery_control(found_by(mixed.run(), seed, permutations=999).p)
        shares.append((q <= 0.05)[~half].sum() / max(1, (q <= 0.05).sum()))
    mean, error = np.mean(shares), np.std(shares) / np.sqrt(len(shares))
    assert mean + 1.645 * error <= 0.05


def test_stretched_nulls_have_the_variance_of_correlations_without_signal(features, noises):
    """What each correction is for, at slow noise."""
    seen, bare, whole = [], [], []
    for one in experiments(features, noises["AR(0.8)"]):
        run = one.run()
        moves = moves_of([run], "time", "shift")
        observed, null = null_correlations([run], moves, moves.draw(0, PERMUTATIONS, 0))
        seen.append((observed**2).mean())
        for found, projection in ((bare, None), (whole, run.projection)):
            share = lost_by_shifts(replace(run, projection=projection))
            found.append(share * (null**2).mean())
    seam, both = np.mean(bare), np.mean(whole)
    assert seam < 0.98 * both
    assert both / np.mean(seen) == pytest.approx(1, abs=0.08)


def test_widening_is_one_for_white_noise_and_grows_with_dependence(features, noises):
    rng = np.random.default_rng(0)
    unit = np.arange(300) // 15
    white = PredictedRun(*rng.standard_normal((2, 300, 200)), unit)
    units = moves_of([white], "time").of_run(0)
    assert widening(white, units) == pytest.approx(1, abs=0.01)
    slow = [signal.lfilter([1], [1, -0.95], rng.standard_normal((300, 200)), axis=0) for _ in "ab"]
    run = PredictedRun(*slow, unit)
    assert widening(run, units) > 1.2
    assert widening(run, []) == 1
    assert widening(run, units, chunk=7) == pytest.approx(widening(run, units))
