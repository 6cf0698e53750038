"""One simulated subject: its weights, responses and noise, run by run.

The ceiling of a voxel is the correlation between its noise-free signal and the mean over the test
runs of signal and noise, once what every analysis takes out (mean, linear trend, cosines, the six
motion parameters; dummy volumes) is projected out of both. Signals are scaled to reach the ceiling
that was drawn for the voxel; the ceiling that is kept as truth is the one that came about.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import truncnorm

from tristream.simulate.haemodynamics import peaks, responses, volumes
from tristream.simulate.noise import (
    Motion,
    autocorrelation,
    cosines,
    drifts,
    field,
    motion,
    motion_effects,
    smooth_noise,
)
from tristream.simulate.preset import Preset
from tristream.simulate.signals import Signals
from tristream.simulate.voxels import Voxels

BASELINE = 1000.0
SATURATION = 0.3  # extra signal of the first dummy volume, as a part of the baseline
T1_DECAY = 1.2  # volumes


@dataclass(frozen=True)
class RunParts:
    """What one run is made of, each (volumes, v), in the image's units.

    Attributes
    ----------
    signal, noise, drift, moved : ndarray of float32
        Noise-free signal; autocorrelated noise; drifts; effects of head motion and spikes.
    head : Motion
        Head motion.
    """

    signal: np.ndarray
    noise: np.ndarray
    drift: np.ndarray
    moved: np.ndarray
    head: Motion


@dataclass(frozen=True)
class Subject:
    """A simulated subject.

    Attributes
    ----------
    label : str
        Without ``sub-``.
    baseline : ndarray of shape (v,)
        Mean of each voxel.
    runs : dict of str to RunParts
        In the order of the preset.
    ceiling, share, hrf_peak, rho : ndarray of shape (v,)
        What is true of each voxel: ceiling r (0 without signal), the part of its signal's
        variance that is not linear in the fitted features (NaN without signal), the peak of its
        response (s), its noise's autocorrelation.
    """

    label: str
    baseline: np.ndarray
    runs: dict[str, RunParts]
    ceiling: np.ndarray
    share: np.ndarray
    hrf_peak: np.ndarray
    rho: np.ndarray

    def bold(self, preset: Preset, run: str) -> np.ndarray:
        """The measured images' voxels, dummy volumes still settling, float32 (volumes, v)."""
        parts = self.runs[run]
        bold = self.baseline + parts.signal + parts.noise + parts.drift + parts.moved
        settling = np.exp(-np.arange(preset.dummies) / T1_DECAY)[:, None]
        bold[: preset.dummies] += SATURATION * settling * self.baseline
        return bold.astype(np.float32)


def simulate_subject(
    preset: Preset, brain: Voxels, drive: Signals, number: int, label: str
) -> Subject:
    """Simulate a subject; `number` and the preset's seed fix everything that is random."""
    rng = np.random.default_rng([preset.seed, 2, number])
    size = len(brain.ijk)
    baseline = BASELINE * (1 + 0.1 * field(brain, preset, 20.0, rng))
    rho = autocorrelation(brain, preset, rng)
    peak = rng.integers(len(peaks(preset)), size=size)
    signals, share = _signals(preset, brain, drive, peak, rng)
    deviation = (preset.noise.percent / 100 * baseline).astype(np.float32)
    heads, noises, others = {}, {}, {}
    for run in preset.runs:
        count = volumes(preset, run)
        heads[run.run] = motion(preset, count, rng)
        noises[run.run] = deviation * smooth_noise(brain, preset, rho, count, rng)
        drift = deviation * preset.noise.drift * drifts(preset, count, size, rng)
        moved = deviation * motion_effects(preset, brain, heads[run.run], rng)
        others[run.run] = drift.astype(np.float32), moved.astype(np.float32)
    wanted = _ceilings(preset, brain, rng)
    amplitude, ceiling = _scaled(preset, signals, noises, heads, wanted)
    runs = {
        name: RunParts(
            (amplitude * signals[name]).astype(np.float32), noise, *others[name], heads[name]
        )
        for name, noise in noises.items()
    }
    return Subject(label, baseline, runs, ceiling, share, peaks(preset)[peak], rho)


def _signals(
    preset: Preset, brain: Voxels, drive: Signals, peak: np.ndarray, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Signals of each run (volumes, v), of variance 1 over all that is shown, and their shares."""
    names = list(drive.linear)
    kinds = [*(drive.linear[n] for n in names), *(drive.nonlinear[n] for n in names), drive.fitted]
    columns = np.cumsum([0, *(courses.shape[1] for courses in kinds)])
    courses = np.hstack(kinds)
    weights = _weights(preset, brain, drive, rng)
    low, high = preset.readout.share
    wanted = rng.uniform(low, high, size=len(peak))
    banks = {r.run: responses(preset, r, drive.times, courses, peaks(preset)) for r in preset.runs}
    once = {(r.media_start, r.duration): r.run for r in reversed(preset.runs)}
    shown = np.concatenate([banks[run][:, preset.dummies :] for run in once.values()], axis=1)
    shown -= shown.mean(axis=1, keepdims=True)
    driven, fitted = slice(columns[-2]), slice(columns[-2], columns[-1])
    share = np.full(len(peak), np.nan)
    for index in np.unique(peak):
        here = np.flatnonzero(peak == index)
        bank = shown[index][:, driven]
        mixed = _mixed(bank, columns, len(names), weights[:, here])
        weights[:, here], share[here] = _shared(
            bank, shown[index][:, fitted], mixed, columns[len(names)], wanted[here]
        )
    out = {run: np.zeros((bank.shape[1], len(peak))) for run, bank in banks.items()}
    for run, bank in banks.items():
        for index in np.unique(peak):
            here = peak == index
            out[run][:, here] = bank[index][:, driven] @ weights[:, here]
    return out, share


def _weights(preset: Preset, brain: Voxels, drive: Signals, rng: np.random.Generator) -> np.ndarray:
    """Random weights of each voxel on its streams' signals, all linear ones first, (d, v)."""
    rows = []
    for kind in (drive.linear, drive.nonlinear):
        for name, courses in kind.items():
            weight = rng.standard_normal((courses.shape[1], len(brain.ijk)))
            if kind is drive.linear:
                weight *= drive.spread[name][:, None]
            rows.append(weight * [name in preset.regions[r].streams for r in brain.region])
    return np.vstack(rows)


def _mixed(bank: np.ndarray, columns: np.ndarray, streams: int, weights: np.ndarray) -> np.ndarray:
    """Weights with which each stream of a voxel adds as much variance as its others."""
    weights = weights.copy()
    for part in range(2 * streams):
        rows = slice(columns[part], columns[part + 1])
        deviation = (bank[:, rows] @ weights[rows]).std(axis=0)
        weights[rows] /= np.where(deviation > 0, deviation, 1)
    return weights


def _shared(
    bank: np.ndarray, fitted: np.ndarray, weights: np.ndarray, first: int, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weigh nonlinear signals so that the wanted share is not linear in the fitted features.

    The share is the residual variance of a regression of the noise-free signal on the fitted
    features' components after the same haemodynamic response. With L and N the linear and
    nonlinear signal and ' for residuals, |L' + aN'|^2 = wanted |L + aN|^2 is solved for a.
    """
    basis = np.linalg.qr(fitted)[0]

    def rest(signal: np.ndarray) -> np.ndarray:
        return signal - basis @ (basis.T @ signal)

    one, other = bank[:, :first] @ weights[:first], bank[:, first:] @ weights[first:]
    one_rest, other_rest = rest(one), rest(other)
    a = np.sum(other_rest**2, axis=0) - wanted * np.sum(other**2, axis=0)
    b = np.sum(one_rest * other_rest, axis=0) - wanted * np.sum(one * other, axis=0)
    c = np.sum(one_rest**2, axis=0) - wanted * np.sum(one**2, axis=0)
    solvable = (a > 0) & (c < 0)
    root = (-b + np.sqrt(np.maximum(b**2 - a * c, 0))) / np.where(solvable, a, 1)
    weights = weights.copy()
    weights[first:] *= np.where(solvable, root, 0)
    signal = bank @ weights
    deviation = signal.std(axis=0)
    silent = deviation == 0
    deviation[silent] = 1
    share = np.sum(rest(signal) ** 2, axis=0) / np.maximum(np.sum(signal**2, axis=0), 1e-12)
    return weights / deviation, np.where(silent, np.nan, share)


def _ceilings(preset: Preset, brain: Voxels, rng: np.random.Generator) -> np.ndarray:
    """Ceilings to reach, (v,): a truncated normal in each region."""
    wanted = np.empty(len(brain.region))
    for name, region in preset.regions.items():
        inside = brain.region == name
        mean, deviation = region.ceiling or preset.noise.ceiling
        low, high = ((limit - mean) / deviation for limit in preset.noise.ceiling_limits)
        wanted[inside] = truncnorm.rvs(
            low, high, mean, deviation, size=int(inside.sum()), random_state=rng
        )
    return wanted


def cleaned(preset: Preset, values: np.ndarray, head: Motion) -> np.ndarray:
    """Steady-state volumes without mean, linear trend, cosines and motion parameters."""
    count = len(values) - preset.dummies
    design = np.column_stack(
        [
            np.ones(count),
            np.linspace(-1, 1, count),
            cosines(count, preset.tr),
            head.parameters[preset.dummies :],
        ]
    )
    basis = np.linalg.qr(design)[0]
    kept = values[preset.dummies :]
    return kept - basis @ (basis.T @ kept)


def _scaled(
    preset: Preset,
    signals: Mapping[str, np.ndarray],
    noises: Mapping[str, np.ndarray],
    heads: Mapping[str, Motion],
    wanted: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Amplitude of each voxel's signal, and the ceiling that comes of it."""
    names = [run.run for run in preset.test_runs]
    signal = np.mean([cleaned(preset, signals[n], heads[n]) for n in names], axis=0)
    noise = np.mean([cleaned(preset, noises[n], heads[n]) for n in names], axis=0)
    deviation = signal.std(axis=0)
    silent = deviation == 0
    ratio = wanted / np.sqrt(1 - wanted**2)
    amplitude = np.where(silent, 0, ratio * noise.std(axis=0) / np.where(silent, 1, deviation))
    averaged = amplitude * signal + noise
    ceiling = np.mean(signal * averaged, axis=0) / (
        np.where(silent, 1, deviation) * averaged.std(axis=0)
    )
    return amplitude, np.where(silent, 0.0, ceiling)
