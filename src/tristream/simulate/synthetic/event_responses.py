"""Synthetic BOLD at any point of the template, so that every grid can ask for its own voxels.

Maps (weights, noise, baseline) are Gaussian random fields, written as sums of plane waves with
random directions (random Fourier features; Rahimi & Recht 2007): they are defined everywhere and
equally smooth everywhere, whatever grid samples them.
"""

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve, lfilter

from tristream.simulate.haemodynamics import hrf
from tristream.simulate.noise import FWHM_PER_SD, cosines
from tristream.simulate.signals import STEP
from tristream.simulate.synthetic.settings import (
    ITEM,
    LABEL,
    Array,
    SyntheticSettings,
    layer_at,
    region_at,
)
from tristream.stimuli.timelines import Event

WAVES = 400
FWHM = 8.0  # of maps (mm), and at least two voxels, so that interpolation does not wash them out
PEAK = 5.0  # of the haemodynamic response (s)
AUTOCORRELATION = 0.3  # of the noise, from volume to volume
DRIFT = 1.0  # standard deviation of the drift, in that of the noise
BASELINE, UNEVEN, PERCENT = 1000.0, 0.1, 1.5
DIMENSIONS = 4  # of what stands for an item without medium

# Stimulus to seconds of it, (n,), and standardised measures, (n, k).
Latents = Mapping[str, tuple[Array, Array]]


class SubjectResponses:
    """What every point of one subject's brain does in every run.

    Parameters
    ----------
    settings : SyntheticSettings
        Effect size and seed.
    subject : str
        Label without ``sub-``.
    runs : dict of str to list of Event
        The subject's runs.
    tr : float
        Seconds.
    volumes : dict of str to int
        Length of each run.
    edge : float
        Of the images' voxels (mm).
    latents : dict, optional
        What stand-in media show, and what imagined categories stand for; without, each item is a
        random vector.
    starts : dict of str to float, optional
        Seconds from the start of a TR to what a volume stands for; its middle by default.
    continuous : bool
        Whether the runs are parts of one scan, so that responses go on from one to the next.

    Attributes
    ----------
    labels : list of str
        The labels of all runs.
    courses : dict of str to dict of str to ndarray
        Region (``label``, ``item``) to run to noise-free courses, (volumes, d), zero mean; those
        of ``label`` are in the order of `labels`.
    """

    def __init__(
        self,
        settings: SyntheticSettings,
        subject: str,
        runs: Mapping[str, Sequence[Event]],
        tr: float,
        volumes: Mapping[str, int],
        edge: float,
        latents: Latents | None = None,
        starts: Mapping[str, float] | None = None,
        *,
        continuous: bool = False,
    ) -> None:
        self.settings, self.subject, self.tr, self.volumes = settings, subject, tr, volumes
        self.labels = sorted({e.label for events in runs.values() for e in events if e.label})
        size = next(iter(latents.values()))[1].shape[1] if latents else DIMENSIONS
        self._starts, self._continuous = starts, continuous
        self.courses = self._courses(runs, latents, size)
        rng = self._rng("waves")
        sd = np.sqrt(2) * max(FWHM, 2 * edge) / FWHM_PER_SD
        self._directions = rng.standard_normal((3, WAVES)) / sd
        self._phases = rng.uniform(0, 2 * np.pi, WAVES)
        self._uneven = rng.standard_normal(WAVES)
        names = {LABEL: self.labels, ITEM: [str(n) for n in range(size)]}
        self._weights = {
            region: np.stack([self._rng(region, n).standard_normal(WAVES) for n in own], axis=1)
            for region, own in names.items()
            if own
        }

    def __call__(self, run: str, worlds: Array) -> npt.NDArray[np.float32]:
        """BOLD of a run at points (n, 3), MNI mm: float32, (volumes, n), baseline included."""
        waves = self._waves(worlds)
        baseline = BASELINE * (1 + UNEVEN * waves @ self._uneven)
        # Deviations in per cent of the baseline: motion and its undoing leave them what they are.
        deviation = self._deviation(run, waves, worlds)
        return np.asarray(baseline * (1 + PERCENT / 100 * deviation), np.float32)

    def _waves(self, worlds: Array) -> Array:
        return np.asarray(np.sqrt(2 / WAVES) * np.cos(worlds @ self._directions + self._phases))

    def _deviation(self, run: str, waves: Array, worlds: Array) -> Array:
        """Noise, and signals where there are some, (volumes, n), of variance 1."""
        deviation = self._noise(run) @ waves.T
        region = region_at(worlds)
        size = self.settings.ceiling
        for name, weights in self._weights.items():
            here = region == name
            own = waves[here] @ weights
            if name == ITEM and self.settings.features:
                own *= _followed(worlds[here], len(self.settings.features), own.shape[1])
            deviation[:, here] *= np.sqrt(1 - size**2)
            deviation[:, here] += size * self._signal(name, run, own)
        return np.asarray(deviation)

    def _courses(
        self, runs: Mapping[str, Sequence[Event]], latents: Latents | None, size: int
    ) -> dict[str, dict[str, Array]]:
        """Region to run to courses: what is shown, convolved, at the times of the volumes."""
        found: dict[str, dict[str, Array]] = {LABEL: {}, ITEM: {}}
        before: dict[str, Array] = {}
        for run, events in runs.items():
            start = self.tr / 2 if self._starts is None else self._starts[run]
            clock = np.arange(0, self.volumes[run] * self.tr, STEP)
            drives = {
                LABEL: _label_drive(events, self.labels, clock),
                ITEM: _item_drive(events, latents, size, clock),
            }
            for region, drive in drives.items():
                if self._continuous:
                    before[region] = np.concatenate([before.get(region, drive[:0]), drive])
                times = start + self.tr * np.arange(self.volumes[run], dtype=np.float64)
                found[region][run] = _sampled(before.get(region, drive), len(clock), times)
        return found

    def _signal(self, name: str, run: str, weights: Array) -> Array:
        """Noise-free signals, of variance 1 over all runs; weights (n, d)."""
        courses = np.concatenate(list(self.courses[name].values()))
        covariance = courses.T @ courses / len(courses)
        variance = np.einsum("nd,de,ne->n", weights, covariance, weights, optimize=True)
        scaled = weights / np.sqrt(np.maximum(variance, 1e-12))[:, None]
        return np.asarray(self.courses[name][run] @ scaled.T)

    def _noise(self, run: str) -> Array:
        """Amplitude of each wave over the run: autocorrelated noise and drift."""
        rng, count = self._rng("noise", run), self.volumes[run]
        white = rng.standard_normal((count + 20, WAVES)) * np.sqrt(1 - AUTOCORRELATION**2)
        noise = lfilter([1], [1, -AUTOCORRELATION], white, axis=0)[20:]
        slow = cosines(count, self.tr) * np.sqrt(count)
        if slow.shape[1]:
            amplitude = rng.standard_normal((slow.shape[1], WAVES)) / np.sqrt(slow.shape[1])
            noise += DRIFT * slow @ amplitude
        return np.asarray(noise)

    def _rng(self, *what: str) -> np.random.Generator:
        """A stream of its own for each thing, so that a choice of runs changes no other."""
        name = "/".join([self.subject, *what])
        return np.random.default_rng([self.settings.seed, zlib.crc32(name.encode())])


def _followed(worlds: Array, layers: int, columns: int) -> npt.NDArray[np.bool_]:
    """Which columns, those of its own layer, each point follows: (n, columns)."""
    own = layer_at(worlds, layers)[:, None] == np.arange(layers)
    return np.repeat(own, columns // layers, axis=1)


def _label_drive(events: Sequence[Event], labels: Sequence[str], clock: Array) -> Array:
    """1 while an event of the label goes on, (seconds / 0.1, labels)."""
    drive = np.zeros((len(clock), len(labels)))
    for event in events:
        if event.label:
            drive[_during(event), labels.index(event.label)] = 1
    return drive


def _item_drive(events: Sequence[Event], latents: Latents | None, size: int, clock: Array) -> Array:
    """What is shown of each item: its medium's course, or a vector that stands for it.

    A cue to imagine, which is modelled and no sample, shows nothing.
    """
    drive = np.zeros((len(clock), size))
    for event in events:
        during = _during(event)
        if latents is None:
            name = zlib.crc32(event.item.encode())
            drive[during] = np.random.default_rng([name, 1]).standard_normal(size)
        elif event.stimulus in latents and (event.keep or event.kind != "label"):
            times, values = latents[event.stimulus]
            since = clock[during] - event.onset
            start = 0.0 if np.isnan(event.media_start) else event.media_start
            for column in range(size):
                drive[during, column] = np.interp(start + since, times, values[:, column])
    return drive


def _during(event: Event) -> slice:
    return slice(round(event.onset / STEP), max(round(event.end / STEP), 1))


def _sampled(drive: Array, count: int, times: Array) -> Array:
    """The haemodynamic response to `drive`, (volumes, d), of zero mean.

    Parameters
    ----------
    drive : ndarray (steps, d)
        What is shown; the run is its last `count` steps.
    count : int
    times : ndarray (volumes,)
        Seconds from the start of the run.
    """
    if not drive.shape[1]:
        return np.zeros((len(times), 0))  # events without labels
    bold = fftconvolve(drive, hrf(PEAK)[:, None] * STEP, axes=0)[: len(drive)][-count:]
    at = np.minimum(np.rint(times / STEP).astype(int), count - 1)
    return np.asarray(bold[at] - bold[at].mean(axis=0))
