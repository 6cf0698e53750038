"""What stands on top of the signal: autocorrelated smooth noise, drifts, head motion, spikes."""

from dataclasses import dataclass

import numpy as np
import scipy.ndimage

from tristream.simulate.preset import Preset
from tristream.simulate.voxels import Voxels

DRIFT_PERIOD = 128.0  # drifts are slower than this (s)
FWHM_PER_SD = np.sqrt(8 * np.log(2))
HEAD_RADIUS = 50.0  # mm, for framewise displacement (Power et al. 2012)
STEPS = np.array([0.02] * 3 + [0.0003] * 3)  # of head motion, a volume: mm, radians
JUMP = np.array([0.4] * 3 + [0.004] * 3)  # of a sudden movement
AXES = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


@dataclass(frozen=True)
class Motion:
    """Head motion of one run.

    Attributes
    ----------
    parameters : ndarray of shape (volumes, 6)
        Three translations (mm) and three rotations (radians).
    spikes : ndarray of int
        Volumes that a sudden movement has hit.
    """

    parameters: np.ndarray
    spikes: np.ndarray

    @property
    def displacement(self) -> np.ndarray:
        """Framewise displacement (mm; Power et al. 2012), NaN for the first volume."""
        step = np.abs(np.diff(self.parameters, axis=0))
        total = step[:, :3].sum(axis=1) + HEAD_RADIUS * step[:, 3:].sum(axis=1)
        return np.concatenate([[np.nan], total])


def motion(preset: Preset, count: int, rng: np.random.Generator) -> Motion:
    """A slow wander and a few sudden movements, none of them in the dummy volumes."""
    walk = np.cumsum(rng.standard_normal((count, 6)) * STEPS, axis=0)
    walk = scipy.ndimage.gaussian_filter1d(walk, 2.0, axis=0, mode="nearest")
    hit = rng.random(count) < preset.noise.spikes
    hit[: preset.dummies + 1] = False
    spikes = np.flatnonzero(hit)
    signs = rng.choice([-1.0, 1.0], size=(len(spikes), 6))
    walk[spikes] += signs * JUMP * rng.uniform(0.7, 1.3, size=(len(spikes), 6))
    return Motion(walk, spikes)


def cosines(count: int, tr: float) -> np.ndarray:
    """Discrete cosines slower than 128 s, as fMRIPrep names them, (count, k)."""
    order = np.arange(1, int(2 * count * tr / DRIFT_PERIOD) + 1)
    phase = np.pi * (np.arange(count)[:, None] + 0.5) * order / count
    return np.sqrt(2 / count) * np.cos(phase)


def field(brain: Voxels, preset: Preset, fwhm: float, rng: np.random.Generator) -> np.ndarray:
    """One smooth random map with mean 0 and variance 1, (v,)."""
    return _smooth(brain, fwhm / preset.voxel, 1, rng)[0].astype(float)


def autocorrelation(brain: Voxels, preset: Preset, rng: np.random.Generator) -> np.ndarray:
    """Map of lag-one autocorrelations, smooth over 20 mm, uniform over the preset's span, (v,)."""
    rank = field(brain, preset, 20.0, rng).argsort().argsort()
    low, high = preset.noise.ar
    return low + (high - low) * (rank + 0.5) / len(rank)


def smooth_noise(
    brain: Voxels, preset: Preset, rho: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Stationary AR(1) noise of unit variance, smooth in space, float32 (count, v)."""
    noise = _smooth(brain, preset.noise.fwhm / preset.voxel, count, rng)
    rho = rho.astype(np.float32)
    innovation = np.sqrt(1 - rho**2)
    for index in range(1, count):
        noise[index] = rho * noise[index - 1] + innovation * noise[index]
    return noise


def _smooth(brain: Voxels, fwhm: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """White over time, Gaussian over space (`fwhm` in voxels), unit variance, (count, v)."""
    sd = fwhm / FWHM_PER_SD
    kernel = scipy.ndimage.gaussian_filter1d(np.eye(1, 65, 32)[0], sd)
    scale = np.float32(np.sum(kernel**2) ** -1.5)
    out = np.empty((count, len(brain.ijk)), np.float32)
    places = tuple(brain.ijk.T)
    for index in range(count):
        white = rng.standard_normal(brain.shape, dtype=np.float32)
        # Wrapped, so that the variance is the same at the edges of the image.
        out[index] = scipy.ndimage.gaussian_filter(white, sd, mode="wrap")[places] * scale
    return out


def drifts(preset: Preset, count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Slow drifts: cosines and a smaller linear trend, mean 0, variance 1, (count, size)."""
    line = np.linspace(-0.5, 0.5, count)[:, None]
    basis = np.hstack([line / np.linalg.norm(line) / 2, cosines(count, preset.tr)])
    drift = basis @ rng.standard_normal((basis.shape[1], size))
    return (drift - drift.mean(axis=0)) / drift.std(axis=0)


def motion_effects(
    preset: Preset, brain: Voxels, head: Motion, rng: np.random.Generator
) -> np.ndarray:
    """What head motion does to voxels, in standard deviations of the noise, (volumes, v).

    Some voxels follow a mixture of the six parameters; spikes hit all, in a smooth pattern.
    """
    size = len(brain.ijk)
    parameters = head.parameters - head.parameters.mean(axis=0)
    parameters = parameters / parameters.std(axis=0)
    weights = rng.standard_normal((6, size))
    effect = parameters @ (weights / np.linalg.norm(weights, axis=0))
    effect *= preset.noise.motion * (rng.random(size) < preset.noise.motion_voxels)
    for spike in head.spikes:
        effect[spike] += preset.noise.spike_size * field(brain, preset, 20.0, rng)
    return effect
