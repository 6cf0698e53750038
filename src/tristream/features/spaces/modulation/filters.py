"""Two-dimensional modulation filters on a cochleagram with a logarithmic frequency axis."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FRAME_RATE = 100.0
"""Frames of the cochleagram per second."""
PER_OCTAVE = 24
CHANNELS = 128
SPAN = 4.0
"""A filter's response ends at this multiple of its best rate: it is 5e-6 there."""
CYCLES = 8.0
"""Cycles of the slowest rate around a chunk."""


def tuning(frequency: NDArray, best: float) -> NDArray:
    """Gain of a filter for modulations of positive frequency: x exp(1 - x), x = (f / best)^2.

    The shape of Chi et al. (2005), eq. for the spectral filters' transfer function.
    """
    x = (frequency / best) ** 2
    return np.where(frequency > 0, x * np.exp(1 - x), 0.0)


@dataclass(frozen=True)
class Filters:
    """A bank of modulation filters.

    Attributes
    ----------
    rates : tuple of float
        Hz.
    scales : tuple of float
        Cycles per octave.
    bands : int
        Groups of neighbouring channels that energy is averaged over.
    step : int
        Frames that energy is averaged over.
    """

    rates: tuple[float, ...]
    scales: tuple[float, ...]
    bands: int
    step: int

    @property
    def margin(self) -> int:
        """Frames that are needed before and after a chunk: whole steps."""
        steps = np.ceil(CYCLES / self.rates[0] * FRAME_RATE / self.step)
        return int(steps) * self.step

    @cached_property
    def spectral(self) -> NDArray:
        """One filter matrix a scale and direction, (scales, 2, channels, channels).

        Beyond the outermost channels the spectrum goes on as it is there. Complex: responses to
        modulations in quadrature. The second direction is the first one's mirror image.
        """
        points = 64 * PER_OCTAVE
        frequency = np.fft.fftfreq(points, 1 / PER_OCTAVE)
        nearest = np.clip(np.arange(-CHANNELS, 2 * CHANNELS), 0, CHANNELS - 1)
        spread = (nearest[:, None] == np.arange(CHANNELS)).astype(float)
        offset = np.arange(CHANNELS)[:, None] - np.arange(-CHANNELS, 2 * CHANNELS)
        matrices = []
        for scale in self.scales:
            kernel = np.fft.ifft(tuning(frequency, scale))
            kernel /= np.sqrt((np.abs(kernel) ** 2).sum())
            matrix = kernel[offset] @ spread
            # A falling ripple has its positive rates at positive scales.
            matrices.append([matrix.conj(), matrix])
        return np.array(matrices, np.complex64)

    def energy(self, piece: NDArray) -> NDArray:
        """Mean energy of each filter's response over each step of the chunk.

        Parameters
        ----------
        piece : ndarray, (frames, channels)
            Cochleagram in dB of a chunk with margins; whole steps.

        Returns
        -------
        ndarray of float32, (steps, rates, scales, 2, bands)
            Directions: up, down.
        """
        from scipy.fft import ifft, rfft

        frames = len(piece)
        steps, around = frames // self.step, self.margin // self.step
        spectrum = rfft(np.asarray(piece, np.float32), axis=0)
        starts = self._starts
        energy = np.empty(
            (steps - 2 * around, len(self.rates), len(self.scales), 2, self.bands), np.float32
        )
        for index, rate in enumerate(self.rates):
            per_step = min(int(np.ceil(SPAN * rate * self.step / FRAME_RATE)), self.step)
            count = steps * per_step
            band = np.zeros((count, CHANNELS), np.complex64)
            kept = min(count, len(spectrum))
            frequency = np.arange(kept) * FRAME_RATE / frames
            # Samples stand in the middle of their segment, frames at theirs.
            shift = (self.step / per_step - 1) / 2 / FRAME_RATE
            gain = tuning(frequency, rate) * np.exp(2j * np.pi * frequency * shift)
            gain *= 2 * count / frames / self._norm(rate)
            band[:kept] = spectrum[:kept] * gain[:, None].astype(np.complex64)
            response = ifft(band, axis=0, overwrite_x=True)[around * per_step :]
            response = response[: (steps - 2 * around) * per_step]
            for at, scale in enumerate(self.spectral):
                for direction, matrix in enumerate(scale):
                    power = np.abs(response @ matrix.T) ** 2
                    power = np.add.reduceat(power, starts, axis=1) / self.band_sizes
                    power = power.reshape(-1, per_step, self.bands).mean(1)
                    energy[:, index, at, direction] = power
        return energy

    def over_bands(self, energy: NDArray) -> NDArray:
        """Mean over all channels, (steps, rates, scales, 2)."""
        return energy @ (self.band_sizes / CHANNELS).astype(np.float32)

    @cached_property
    def band_sizes(self) -> NDArray:
        """Channels of each band."""
        return np.array([len(part) for part in np.array_split(np.arange(CHANNELS), self.bands)])

    @property
    def _starts(self) -> NDArray:
        return np.cumsum(self.band_sizes) - self.band_sizes

    def _norm(self, rate: float) -> float:
        """Square root of the energy of the temporal filter's impulse response, per second."""
        frequency = np.arange(0, SPAN * rate, rate / 500)
        return float(np.sqrt((tuning(frequency, rate) ** 2).sum() * rate / 500))
