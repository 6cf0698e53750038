"""A bank of gammatone filters, and its envelopes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tristream.features.core.audio.sound_stream import Track, averaged, decibel

RATE = 16_000
HOP = 160
"""Samples a frame: 10 ms."""
ORDER = 4
MARGIN = 40
"""Frames around a chunk; the slowest filter's response has died away after 12."""
REACH = 10.0
"""Bandwidths on either side at which a filter ends: it is down by 80 dB there."""
FLOOR = 1e-8
FINE = 4
"""Parts of a frame in which a leaky integrator works."""


@dataclass(frozen=True)
class Bank:
    """Fourth-order gammatone filters.

    Attributes
    ----------
    centres : ndarray, (channels,)
        Hz.
    bandwidths : ndarray, (channels,)
        The gammatone's parameter b in Hz: 1.019 equivalent rectangular bandwidths of human
        hearing (Glasberg & Moore 1990), as in ``scipy.signal.gammatone``.
    """

    centres: NDArray

    @property
    def bandwidths(self) -> NDArray:
        return 1.019 * (24.7 + self.centres / 9.26449)

    def response(self, channel: int, frequencies: NDArray) -> NDArray:
        """Transfer function, 1 at the centre, of the complex gammatone.

        Its impulse response is t^3 exp(-2 pi b t) exp(2 pi i f t), whose magnitude is the
        envelope of the real one; it is moved so that the envelope's peak stands at t = 0: a click
        is heard at the same time in all channels.
        """
        f, b = self.centres[channel], self.bandwidths[channel]
        delay = (ORDER - 1) / (2 * np.pi * b)
        return (1 + 1j * (frequencies - f) / b) ** -ORDER * np.exp(2j * np.pi * frequencies * delay)


def erb_spaced(lowest: float, highest: float, count: int) -> NDArray:
    """Centre frequencies at equal distances on the ERB-rate scale (Glasberg & Moore 1990)."""
    corner = 24.7 * 9.26449
    return np.exp(np.linspace(np.log(lowest + corner), np.log(highest + corner), count)) - corner


def octave_spaced(lowest: float, per_octave: int, count: int) -> NDArray:
    """Centre frequencies at equal ratios."""
    return lowest * 2 ** (np.arange(count) / per_octave)


def cochleagram(track: Track, bank: Bank, chunk: int = 520, leak: float = 0.0) -> Iterator[NDArray]:
    """Power of each channel's envelope in frames of 10 ms, in dB re a full-scale sine.

    Frame `k` is the mean over the 10 ms from k * 10 ms on. Numbers do not depend on `chunk`
    (0.01 dB for centres up to 7 kHz).

    Parameters
    ----------
    track : Track
        16 kHz; what follows its last whole frame is left out.
    bank : Bank
    chunk : int
        Frames a piece.
    leak : float
        Time constant in seconds of a leaky integrator of the power before the logarithm, in steps
        of 2.5 ms. It keeps modulations that frames of 10 ms can't hold from coming back as
        slow ones.

    Yields
    ------
    ndarray of float32, (frames, channels)
    """
    margin = MARGIN * HOP
    total = track.samples // HOP * HOP
    filters: BlockFilters | None = None
    for piece in track.pieces(chunk * HOP, margin, margin, total):
        if filters is None or filters.samples != len(piece):
            filters = BlockFilters(bank, len(piece), HOP // FINE if leak else HOP)
        power = filters.envelope_power(piece)
        level = averaged(decibel(_leaked(power, leak)), FINE) if leak else decibel(power)
        yield level[MARGIN : len(level) - MARGIN].astype(np.float32)


class BlockFilters:
    """The bank for blocks of one length, each taken as periodic.

    The filters work in the frequency domain, each channel at a sampling rate that just holds its
    band.

    Parameters
    ----------
    bank : Bank
    samples : int
        Length of a block; whole frames.
    hop : int
        Samples of a frame.
    """

    def __init__(self, bank: Bank, samples: int, hop: int) -> None:
        self.samples = samples
        self.frames = samples // hop
        self.channels = []
        nyquist, duration = samples // 2, samples / RATE
        for channel, (centre, width) in enumerate(zip(bank.centres, bank.bandwidths, strict=True)):
            per_frame = min(int(np.ceil(2 * REACH * width * hop / RATE)), hop)
            count = self.frames * per_frame
            lowest = round(centre * duration) - count // 2
            # A band that is wider than the spectrum ends where that does.
            first, last = max(lowest, -nyquist), min(lowest + count - 1, nyquist)
            frequencies = np.arange(first, last + 1) / duration
            shift = (hop / per_frame - 1) / 2 / RATE  # to the middle of each segment
            gain = bank.response(channel, frequencies) * np.exp(2j * np.pi * frequencies * shift)
            gain *= 2 * count / samples
            self.channels.append((per_frame, first, first - lowest, gain.astype(np.complex64)))

    def envelope_power(self, block: NDArray) -> NDArray:
        """Mean squared envelope in frames.

        Parameters
        ----------
        block : ndarray, (samples,)

        Returns
        -------
        ndarray of float32, (frames, channels)
        """
        from scipy.fft import ifft, rfft

        half = rfft(np.asarray(block, np.float32))[: self.samples // 2 + 1]
        zero = len(half) - 1
        spectrum = np.concatenate([half[:0:-1].conj(), half])
        power = np.empty((self.frames, len(self.channels)), np.float32)
        for channel, (per_frame, first, at, gain) in enumerate(self.channels):
            band = np.zeros(self.frames * per_frame, np.complex64)
            band[at : at + len(gain)] = spectrum[zero + first : zero + first + len(gain)] * gain
            response = ifft(band, overwrite_x=True).view(np.float32)
            power[:, channel] = (response**2).reshape(self.frames, -1).sum(1) / per_frame
        return power


def _leaked(power: NDArray, leak: float) -> NDArray:
    from scipy.signal import lfilter

    kept = np.exp(-HOP / FINE / RATE / leak)
    return np.asarray(lfilter([1 - kept], [1, -kept], power, axis=0))
