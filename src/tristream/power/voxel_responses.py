"""Simulated BOLD of a design: driven voxels of known ceiling, and voxels of noise alone.

Each driven voxel has a tuning of its own over labels or features, and a haemodynamic response of
its own, convolved in continuous time; the encoder knows neither. Noise is autocorrelated.
The ceiling is the correlation of a voxel's noise-free signal with one run of its signal and noise,
over the volumes that are scored and after what cleaning takes out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve, lfilter

from tristream.bold.cleaning import clean, project_out
from tristream.config.power import Power
from tristream.power.design import Design, DesignRun
from tristream.simulate.haemodynamics import hrf
from tristream.simulate.signals import STEP

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
# Peaks of the responses (s), as of the simulated datasets.
PEAKS = (4.5, 7.0)
PEAK_STEP = 0.1


@dataclass(frozen=True)
class Columns:
    """Which simulated voxel stands in which column, (columns,) each.

    Attributes
    ----------
    realisation : ndarray of int
    effect : ndarray of float
        Ceiling r of one run; NaN for voxels that are never driven, which belong to all effects.
    """

    realisation: npt.NDArray[np.intp]
    effect: Floats

    @classmethod
    def of(cls, block: Power, effects: Sequence[float]) -> "Columns":
        """Noise voxels of all realisations, then the driven ones, effect by effect."""
        number, (silent, driven) = block.realisations, block.simulated_voxels
        one = np.repeat(np.arange(number), driven)
        return cls(
            np.concatenate([np.repeat(np.arange(number), silent), *[one] * len(effects)]),
            np.concatenate([np.full(number * silent, np.nan), np.repeat(effects, number * driven)]),
        )

    def driven(self, realisation: int, effect: float) -> npt.NDArray[np.intp]:
        """Columns of the driven voxels of one realisation."""
        return np.flatnonzero((self.realisation == realisation) & (self.effect == effect))

    def silent(self, realisation: int) -> npt.NDArray[np.intp]:
        """Columns of the voxels without signal of one realisation."""
        return np.flatnonzero((self.realisation == realisation) & np.isnan(self.effect))


class Responses:
    """Cleaned BOLD of any run of a design, and of any repetition of it.

    Parameters
    ----------
    design : Design
    block : Power
        Voxels, realisations, autocorrelation and seed are used.
    effects : sequence of float
        Ceilings of the driven voxels; at 0 they are noise.
    """

    def __init__(self, design: Design, block: Power, effects: Sequence[float]) -> None:
        self._block, self._effects = block, effects
        self.columns = Columns.of(block, effects)
        runs = [*design.train, *(run for group in design.test for run in group)]
        self._number = {run.name: index for index, run in enumerate(runs)}
        rng = np.random.default_rng([block.seed, 1])
        size = block.realisations * block.simulated_voxels[1]
        width = runs[0].drive.shape[1]
        tuning = rng.standard_normal((width, size))
        if design.labels:
            # What all labels have in common is not part of the effect.
            tuning -= tuning.mean(axis=0)
        steps = round((PEAKS[1] - PEAKS[0]) / PEAK_STEP)
        peak = rng.integers(steps + 1, size=size)
        self._signal = {run.name: _signal(run, tuning, peak) for run in runs}
        self._scale([group[0] for group in design.test])

    def _scale(self, tests: Sequence[DesignRun]) -> None:
        """Signals in units in which noise, cleaned, has a standard deviation of one."""
        noise = [self._noise(run, 0)[:, : sum(self._block.simulated_voxels)] for run in tests]
        noise_power = _power(tests, noise).mean()
        signal_power = _power(tests, [self._signal[run.name] for run in tests])
        scale = np.sqrt(noise_power / np.where(signal_power > 0, signal_power, 1))
        self._signal = {name: signal * scale for name, signal in self._signal.items()}

    def bold(self, run: DesignRun, copy: int) -> npt.NDArray[np.float32]:
        """One showing of a run, cleaned as the study's BOLD is, (volumes, columns).

        Parameters
        ----------
        run : DesignRun
        copy : int
            Number of the showing, from 0: each has noise of its own.
        """
        noise, signal = self._noise(run, copy), self._signal[run.name]
        silent = noise.shape[1] - signal.shape[1]
        parts = [noise[:, :silent]]
        parts += [noise[:, silent:] + e / np.sqrt(1 - e**2) * signal for e in self._effects]
        whole = np.concatenate(parts, axis=1).astype(np.float32)
        clean(whole, run.projection, np.zeros(len(whole), bool))
        return whole

    def _noise(self, run: DesignRun, copy: int) -> npt.NDArray[np.float64]:
        """Stationary AR(1) noise of unit variance, (volumes, voxels of all realisations)."""
        rng = np.random.default_rng([self._block.seed, 2, self._number[run.name], copy])
        rho = self._block.autocorrelation
        size = self._block.realisations * sum(self._block.simulated_voxels)
        white = rng.standard_normal((len(run.time), size)) * np.sqrt(1 - rho**2)
        white[0] /= np.sqrt(1 - rho**2)
        return np.asarray(lfilter([1], [1, -rho], white, axis=0))


def _signal(run: DesignRun, tuning: Floats, peak: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Noise-free BOLD at the volumes, (volumes, driven voxels)."""
    neural = run.drive @ tuning
    clock = np.arange(len(neural)) * STEP
    right = np.clip(np.searchsorted(clock, run.time), 1, len(clock) - 1)
    share = ((run.time - clock[right - 1]) / STEP)[:, None]
    out = np.empty((len(run.time), tuning.shape[1]))
    for number in np.unique(peak):
        mine = peak == number
        response = hrf(PEAKS[0] + PEAK_STEP * number)[:, None] * STEP
        bold = fftconvolve(neural[:, mine], response, axes=0)[: len(clock)]
        out[:, mine] = (1 - share) * bold[right - 1] + share * bold[right]
    return out


def _power(runs: Sequence[DesignRun], values: Sequence[Doubles]) -> npt.NDArray[np.float64]:
    """Variance over the scored volumes of runs, cleaned, each less its own mean."""
    parts = [
        project_out(value, run.projection)[run.rows]
        for run, value in zip(runs, values, strict=True)
    ]
    return np.concatenate([part - part.mean(axis=0) for part in parts]).var(axis=0)
