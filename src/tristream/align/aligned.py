"""Features at the times of the volumes: the file of one layer and stimulus timeline."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from tristream.align.resample import Piece, mean_over, resample_items, resample_timed
from tristream.align.timeline import check_fit, trial_events
from tristream.bold.run_file import Run, read_run
from tristream.config.settings.align import AlignSettings
from tristream.errors import UserError
from tristream.features.core.feature_file import FeatureFile, StimulusFeatures, open_features
from tristream.stimuli.shown_at import shown_at
from tristream.stimuli.tables import read_inventory
from tristream.stimuli.timelines import Event
from tristream.store import (
    Provenance,
    create_h5,
    open_h5,
    read_strings,
    write_strings,
)

KIND = "aligned"
# An event may ask for this much more of a film than there is (s): rounding in events files.
OVERRUN = 1.0
AVERAGED = (
    "averaged under a triangle that reaches one TR to either side of each volume, a low-pass "
    "filter sampled at the times of the volumes"
)


@dataclass(frozen=True)
class AlignedInfo:
    """What is known of an aligned file beside its features.

    Attributes
    ----------
    space, layer : str
        Feature space and its layer.
    sampling : str
        ``timed`` (films, sounds) or ``item`` (labels, images).
    names : tuple of str
        Names of the p columns.
    tr : float
        Seconds.
    times : dict of run to ndarray of shape (volumes,)
        Seconds of the run at which the rows stand.
    simulated : bool
        Whether a simulation went into it.
    blank : frozenset of str
        Runs that show nothing which has features, such as those of imagery: all are zero.
    """

    space: str
    layer: str
    sampling: str
    names: tuple[str, ...]
    tr: float
    times: dict[str, npt.NDArray[np.float64]]
    simulated: bool
    blank: frozenset[str] = frozenset()


class AlignedFile:
    """An open aligned file, from :func:`open_aligned`."""

    def __init__(self, file: h5py.File, provenance: Provenance) -> None:
        self.provenance = provenance
        self._file = file

    @property
    def runs(self) -> list[str]:
        """Runs in the order of the BOLD."""
        return list(self._file["runs"])

    def features(self, run: str) -> npt.NDArray[np.float32]:
        """Undelayed features of a run, (volumes, p)."""
        return self._file["runs"][run][()]

    @cached_property
    def info(self) -> AlignedInfo:
        """All but the features."""
        attrs = self._file.attrs
        return AlignedInfo(
            space=str(attrs["space"]),
            layer=str(attrs["layer"]),
            sampling=str(attrs["sampling"]),
            names=tuple(read_strings(self._file, "names")),
            tr=float(attrs["tr"]),
            times={run: self._file["times"][run][()] for run in self._file["times"]},
            simulated=self.provenance.simulated,
            blank=frozenset(run for run in self.runs if "blank" in self._file["runs"][run].attrs),
        )


@contextmanager
def open_aligned(path: Path | str) -> Iterator[AlignedFile]:
    """Open an aligned file for reading.

    Raises
    ------
    UserError
        If it is missing, damaged, or not an aligned file.
    """
    with open_h5(path, KIND) as (file, provenance):
        yield AlignedFile(file, provenance)


def read_aligned(path: Path | str) -> dict[str, npt.NDArray[np.float32]]:
    """Undelayed features of each run: dict of run to array of shape (volumes, p)."""
    with open_aligned(path) as file:
        return {run: file.features(run) for run in file.runs}


def read_info(path: Path | str) -> AlignedInfo:
    """What is known of an aligned file beside its features."""
    with open_aligned(path) as file:
        return file.info


def check_times(path: Path | str, runs: Sequence[Run]) -> None:
    """Check that an aligned file has a row for each volume of these runs, at the same times.

    Raises
    ------
    UserError
        If a run is missing or its volumes stand at other times.
    """
    times = read_info(path).times
    for run in runs:
        if run.run not in times:
            raise UserError(f"{path}: holds no features of {run.run}; align them again")
        at = times[run.run]
        if len(at) != run.n_volumes or not np.allclose(at, run.time, atol=1e-3):
            raise UserError(
                f"{path}: {run.run} has {len(at)} rows from {at[0]:.3f} s, but sub-{run.subject} "
                f"has {run.n_volumes} volumes from {run.time[0]:.3f} s; subjects whose volumes "
                "stand at other times need a timeline of their own (timelines: in the descriptor), "
                "or are left out of `subjects:` in config.yaml"
            )


def align_features(
    settings: AlignSettings,
    features: Path,
    inventory: Path,
    bold: Sequence[Path],
    output: Path,
    code: str = "",
) -> None:
    """Bring one layer to the volumes of every run of a timeline.

    Parameters
    ----------
    settings : AlignSettings
        Which timeline, and which of its runs.
    features, inventory : Path
        Files of the features and stimuli stages.
    bold : list of Path
        Runs of subjects with that timeline, each run once; only their times are used.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If runs, events, features and stimuli don't fit together.
    """
    if not bold:
        raise UserError("no run files were given; name them with --bold")
    runs = [read_run(path, signal=False) for path in bold]
    listed = read_inventory(inventory)
    events = listed.timeline(settings.timeline)
    check_fit(events, runs, settings.trims, inventory, settings.absent)
    with open_features(features) as source:
        given, about = source.provenance, source.about
        simulated = given.simulated or listed.provenance.simulated
        simulated = simulated or any(run.simulated for run in runs)
        every = [event for run in runs for event in events[run.run]]
        layer = _layer(source, every, settings.by_volume)
        methods = merged(layer.sentences(run, events[run.run]) for run in runs)
        provenance = Provenance(KIND, simulated, settings.key(), code, given.omitted, methods)
        with create_h5(output, provenance) as file:
            for name in ("space", "layer", "sampling"):
                file.attrs[name] = getattr(about, name)
            file.attrs["tr"] = runs[0].tr
            write_strings(file, "names", source.names)
            for run in runs:
                at_rows = layer.at_trials if run.trials else layer.at_volumes
                file[f"runs/{run.run}"] = at_rows(run, events[run.run])
                if not layer.shown(run, events[run.run]):
                    file[f"runs/{run.run}"].attrs["blank"] = True
                file[f"times/{run.run}"] = run.time


@dataclass(frozen=True)
class _Timed:
    """Features with a media time; `absent` are the stimuli that can have none."""

    path: Path
    stimuli: Mapping[str, StimulusFeatures]
    absent: frozenset[str]

    def sentences(self, run: Run, events: Sequence[Event]) -> list[str]:
        """What :meth:`at_volumes` or :meth:`at_trials` does with a run."""
        shown = self.shown(run, events)
        kinds = " or ".join(sorted({event.kind for event in shown}))
        if not shown:
            return ["Features are zero in runs that show nothing that has them."]
        if run.trials:
            text = [f"Each trial took the mean of the features over its {kinds}."]
            if any(not self.shown(run, here) for here in trial_events(run, events)):
                text.append("Features of trials without one are zero.")
            return text
        text = [f"Features were taken as linear between their samples and {AVERAGED}."]
        if not np.logical_or.reduce([event.holds(run.time) for event in shown]).all():
            text.append(f"Outside of each {kinds} they take their mean over what the run shows.")
        return text

    def shown(self, run: Run, events: Sequence[Event]) -> list[Event]:
        """Events that have features."""
        return [e for e in events if e.timed and e.stimulus not in self.absent]

    def at_volumes(self, run: Run, events: Sequence[Event]) -> npt.NDArray[np.float32]:
        shown = self.shown(run, events)
        if not shown:
            width = next(iter(self.stimuli.values())).values.shape[1]
            return np.zeros((run.n_volumes, width), np.float32)
        pieces = [self._piece(run.run, event) for event in shown]
        return resample_timed(run.time, run.tr, pieces)

    def at_trials(self, run: Run, events: Sequence[Event]) -> npt.NDArray[np.float32]:
        """Mean over each trial's event; zero for trials without film or sound."""
        width = next(iter(self.stimuli.values())).values.shape[1]
        out = np.zeros((run.n_volumes, width), np.float32)
        for row, here in enumerate(trial_events(run, events)):
            if shown := self.shown(run, here):
                out[row] = mean_over(self._piece(run.run, shown[0]))
        return out

    def _piece(self, run: str, event: Event) -> Piece:
        if event.stimulus not in self.stimuli:
            raise UserError(
                f"{self.path}: holds no features of {event.stimulus!r}, which {run} shows; extract "
                "the features again"
            )
        shown = self.stimuli[event.stimulus]
        times = shown.times
        last = event.media_start + event.duration
        if last > times[-1] + shown.window + OVERRUN:
            raise UserError(
                f"{self.path}: {run} shows {event.stimulus} until {last:.2f} s, but its features "
                f"end at {times[-1]:.2f} s; fix the events, or extract the features again"
            )
        rows = slice(
            max(int(np.searchsorted(times, event.media_start)) - 1, 0),
            int(np.searchsorted(times, last)) + 1,
        )
        values = shown.values[rows]
        return Piece(values, times[rows], event.onset, event.duration, event.media_start)


@dataclass(frozen=True)
class _Items:
    """Features of labels or images.

    `images`: of images; runs whose events name labels alone, as of imagery, have none. `by_volume`:
    of the volumes that a table labels.
    """

    path: Path
    vectors: Mapping[str, npt.NDArray[np.float64]]
    width: int
    images: bool = False
    by_volume: bool = False

    def sentences(self, run: Run, events: Sequence[Event]) -> list[str]:
        """What :meth:`at_volumes` or :meth:`at_trials` does with a run."""
        shown = self.shown(run, events)
        kinds = " or ".join(sorted({event.kind for event in shown}))
        if not shown:
            return ["Features are zero in runs that show nothing that has them."]
        if run.trials:
            text = [f"Each trial took the features of its {kinds}."]
            if any(not self.shown(run, here) for here in trial_events(run, events)):
                text.append("Features of trials without one are zero.")
            return text
        if self.by_volume:
            return [
                f"Each volume took the features of the {kinds} that the table gives it, and zeros "
                "where it gives none."
            ]
        return [
            f"The features of each {kinds} were switched on for as long as it was shown, zero "
            f"otherwise, and {AVERAGED}."
        ]

    def at_volumes(self, run: Run, events: Sequence[Event]) -> npt.NDArray[np.float32]:
        shown = self.shown(run, events)
        onsets, durations = (
            np.array([getattr(e, n) for e in shown]) for n in ("onset", "duration")
        )
        vectors = np.array([self.vectors[e.item] for e in shown]).reshape(len(shown), self.width)
        if self.by_volume:
            rows = shown_at(run.time - run.start_time, run.tr, shown)
            with_none = np.concatenate([vectors, np.zeros((1, self.width))])
            return with_none[rows].astype(np.float32)
        return resample_items(run.time, run.tr, onsets, durations, vectors)

    def at_trials(self, run: Run, events: Sequence[Event]) -> npt.NDArray[np.float32]:
        """The features of each trial's item; zero for trials without one."""
        out = np.zeros((run.n_volumes, self.width), np.float32)
        for row, here in enumerate(trial_events(run, events)):
            shown = self.shown(run, here)
            if shown:
                out[row] = self.vectors[shown[0].item]
        return out

    def shown(self, run: Run, events: Sequence[Event]) -> list[Event]:
        """Events that have features; refuses items that lack them."""
        shown = [e for e in events if not e.timed and e.item]
        if self.images and not any(event.kind == "image" for event in shown):
            return [event for event in shown if event.item in self.vectors]
        unknown = sorted({e.item for e in shown} - set(self.vectors))
        if unknown:
            raise UserError(
                f"{self.path}: holds no features of {', '.join(unknown)}, shown in {run.run}; "
                "extract the features again"
            )
        return shown


def merged(lists: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Every sentence once."""
    return tuple(dict.fromkeys(text for own in lists for text in own))


def _layer(
    source: FeatureFile, events: Sequence[Event], by_volume: bool = False
) -> _Timed | _Items:
    if source.about.timed:
        absent = frozenset(o.what for o in source.provenance.omitted)
        return _Timed(source.path, source.stimuli, absent)
    values = np.asarray(source.item_values[()], np.float64)
    vectors = dict(zip(source.items, values, strict=True))
    images = any(event.kind == "image" and event.item in vectors for event in events)
    return _Items(source.path, vectors, values.shape[1], images, by_volume)
