"""From signals in media time to noise-free BOLD at the times of volumes."""

import numpy as np
from scipy.signal import fftconvolve
from scipy.stats import gamma

from tristream.simulate.preset import Preset, Run
from tristream.simulate.signals import STEP

LENGTH = 32.0  # of the haemodynamic response (s)
UNDERSHOOT = 10.0  # of it after the peak (s)
RATIO = 6.0  # peak to undershoot
PEAK_STEP = 0.1  # voxels' peaks are multiples of it (s)


def hrf(peak: float) -> np.ndarray:
    """Double-gamma haemodynamic response every 0.1 s, with unit area.

    Parameters
    ----------
    peak : float
        Time of its maximum (s); the undershoot follows 10 s later (Glover 1999).
    """
    times = np.arange(0, LENGTH, STEP)
    response = gamma.pdf(times, peak + 1) - gamma.pdf(times, peak + UNDERSHOOT + 1) / RATIO
    return response / (response.sum() * STEP)


def peaks(preset: Preset) -> np.ndarray:
    """All peaks that voxels can have (s)."""
    low, high = preset.readout.hrf_peak
    return np.round(np.arange(low, high + PEAK_STEP / 2, PEAK_STEP), 6)


def volumes(preset: Preset, run: Run) -> int:
    """Number of volumes of a run, dummies included."""
    seconds = preset.onsets(run)[-1] + run.duration + preset.film.lead_out
    return int(np.ceil(round(seconds / preset.tr, 6)))


def volume_times(preset: Preset, run: Run) -> np.ndarray:
    """Seconds from the start of the run at which its volumes stand, (volumes,)."""
    return preset.start_time + preset.tr * np.arange(volumes(preset, run))


def responses(
    preset: Preset, run: Run, times: np.ndarray, courses: np.ndarray, at: np.ndarray
) -> np.ndarray:
    """Haemodynamic responses to signals that a run shows.

    Parameters
    ----------
    preset, run : Preset, Run
        Which part of the film is shown when.
    times : ndarray of shape (n,)
        Media times of the signals (s).
    courses : ndarray of shape (n, d)
        Signals over the whole film; they are zero while nothing is shown.
    at : ndarray of shape (p,)
        Peaks of the responses (s).

    Returns
    -------
    ndarray of shape (p, volumes, d)
    """
    sampled = volume_times(preset, run)
    clock = np.arange(0, sampled[-1] + STEP, STEP)
    drive = np.zeros((len(clock), courses.shape[1]))
    for onset in preset.onsets(run):
        shown = (clock >= onset) & (clock < onset + run.duration)
        media = clock[shown] - onset + run.media_start
        for column in range(courses.shape[1]):
            drive[shown, column] = np.interp(media, times, courses[:, column])
    out = np.empty((len(at), len(sampled), courses.shape[1]))
    for index, peak in enumerate(at):
        bold = fftconvolve(drive, hrf(peak)[:, None] * STEP, axes=0)[: len(clock)]
        for column in range(courses.shape[1]):
            out[index, :, column] = np.interp(sampled, clock, bold[:, column])
    return out
