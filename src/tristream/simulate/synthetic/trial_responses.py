"""Synthetic responses to single trials: the same maps as those of BOLD, without its time course."""

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tristream.simulate.synthetic.event_responses import PERCENT, WAVES, Latents, SubjectResponses
from tristream.simulate.synthetic.settings import ITEM, LABEL, Array, SyntheticSettings
from tristream.stimuli.timelines import Event

# What is shown by each trial of a run, in the order of the table; None where nothing is known.
Trials = Sequence[Event | None]


class TrialResponses(SubjectResponses):
    """What every point of one subject's brain answers to every trial.

    Noise is independent from trial to trial, and smooth in space. A response is a change in
    per cent: it has no baseline, and neither drift nor haemodynamic response.

    Parameters
    ----------
    settings : SyntheticSettings
        Effect size and seed.
    subject : str
        Label without ``sub-``.
    trials : dict of str to sequence of Event or None
        The trials of each run.
    edge : float
        Of the images' voxels (mm).
    latents : dict, optional
        What stimuli show; without, each item is a random vector.
    """

    def __init__(
        self,
        settings: SyntheticSettings,
        subject: str,
        trials: Mapping[str, Trials],
        edge: float,
        latents: Latents | None = None,
    ) -> None:
        self._trials = trials
        runs = {run: [one for one in own if one] for run, own in trials.items()}
        numbers = {run: len(own) for run, own in trials.items()}
        super().__init__(settings, subject, runs, 1.0, numbers, edge, latents)

    def __call__(self, run: str, worlds: Array) -> npt.NDArray[np.float32]:
        """Responses to the trials of a run at points (n, 3), MNI mm: float32, (trials, n)."""
        deviation = self._deviation(run, self._waves(worlds), worlds)
        return np.asarray(PERCENT * deviation, np.float32)

    def unknown(self, name: str, count: int, worlds: Array) -> npt.NDArray[np.float32]:
        """Noise for trials of which nothing is known, (count, n); `name` chooses it."""
        noise = self._rng("unknown", name).standard_normal((count, WAVES))
        return np.asarray(PERCENT * noise @ self._waves(worlds).T, np.float32)

    def _courses(
        self, runs: Mapping[str, Sequence[Event]], latents: Latents | None, size: int
    ) -> dict[str, dict[str, Array]]:
        """What each trial shows, of zero mean over all trials of which it is known."""
        found: dict[str, dict[str, Array]] = {LABEL: {}, ITEM: {}}
        for run, events in runs.items():
            labels = [[event.label == label for label in self.labels] for event in events]
            found[LABEL][run] = np.array(labels, float).reshape(len(events), len(self.labels))
            items = [_shown(event, latents, size) for event in events]
            found[ITEM][run] = np.array(items, float).reshape(len(events), size)
        for courses in found.values():
            mean = np.concatenate(list(courses.values())).mean(axis=0)
            for run in courses:
                courses[run] -= mean
        return found

    def _signal(self, name: str, run: str, weights: Array) -> Array:
        known = [event is not None for event in self._trials[run]]
        signal = np.zeros((len(known), len(weights)))
        signal[known] = super()._signal(name, run, weights)
        return signal

    def _noise(self, run: str) -> Array:
        return self._rng("noise", run).standard_normal((self.volumes[run], WAVES))


def _shown(event: Event, latents: Latents | None, size: int) -> Array:
    """Measures of what an event shows, the mean over its duration; or a vector for its item."""
    if latents is None:
        return np.random.default_rng([zlib.crc32(event.item.encode()), 1]).standard_normal(size)
    if event.stimulus not in latents:
        return np.zeros(size)
    times, values = latents[event.stimulus]
    start = 0.0 if np.isnan(event.media_start) else event.media_start
    during = (times >= start) & (times < start + event.duration)
    return np.asarray(values[during if during.any() else slice(None)].mean(axis=0))
