"""Single trials: one row an event instead of one row a volume.

Every estimate of this module is linear in the cleaned BOLD, so that it is one matrix (trials,
volumes): window means, or rows of the pseudoinverse of a general linear model whose columns went
through the same projection as the BOLD (which, by the theorem of Frisch, Waugh and Lovell, is the
model with mean, trend, confounds and censored volumes in it). `single_trials` adds an estimate that
differs from voxel to voxel.

Events that are not samples (repeats for the subject's task, carried-over clips, cues) stay in the
models, one regressor for those of equal length; they get no row.

A run of few trials does not determine the mean and variance of its voxels, and an imagery run's
differ from those of perception. With ``scale: training`` the rows are therefore left in percent of
the voxel's mean signal; decoders take mean and variance from training rows, encoders an intercept.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from nilearn.glm.first_level import make_first_level_design_matrix

from tristream.bold.cleaning import Array, project_out
from tristream.bold.run_file import Run, Trials
from tristream.config.settings.bold import BoldSettings
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.stimuli.events import events_of_run
from tristream.stimuli.timelines import TOLERANCE, Event
from tristream.store import Omission

if TYPE_CHECKING:
    from tristream.config import trials as config

# What the rows of a run are scaled by.
SCALED = {
    "run": "Each voxel was z-scored over the trials of its run.",
    "training": "Responses were left in percent of each voxel's mean signal, to be scaled by the "
    "mean and variance of training trials.",
    "given": "Responses kept the units in which they were given, to be scaled by the mean and "
    "variance of training trials.",
}
# A regressor of which the projection leaves less than this share of its length is not estimable.
ESTIMABLE = 1e-3
# Noise of estimates grows with the condition number; at 2,755 nothing was left of r = .42.
ILL_CONDITIONED = 100.0


class Estimator(ABC):
    """How responses to trials come from cleaned volumes.

    Parameters
    ----------
    settings : Trials
        The descriptor's ``trials``.
    model : Path, optional
        What was chosen on the subject's training runs, for estimates that need it.
    """

    def __init__(self, settings: "config.Trials", model: Path | None = None) -> None:
        self.settings = settings
        self.model = model

    @abstractmethod
    def responses(
        self, run: Run, trials: Sequence[Event], others: Sequence[Event]
    ) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Responses (trials, voxels), and which trials can't be estimated and have zeros.

        Parameters
        ----------
        run : Run
            Cleaned volumes.
        trials, others : list of Event
            Those that are samples, and those that are modelled without being samples.
        """

    @abstractmethod
    def methods(self, trials: int, others: int) -> str:
        """What was done, in a sentence: `trials` were estimated beside `others`."""

    def doubts(
        self, run: Run, trials: Sequence[Event], others: Sequence[Event]
    ) -> tuple[Omission, ...]:
        """Why estimates of this design may be worth little."""
        return ()


class _Weighted(Estimator):
    """Responses that are weighted means of volumes, alike in all voxels."""

    @abstractmethod
    def weights(self, run: Run, trials: Sequence[Event], others: Sequence[Event]) -> Array:
        """One row a trial, (trials, volumes); zero for a trial that can't be estimated."""

    def responses(
        self, run: Run, trials: Sequence[Event], others: Sequence[Event]
    ) -> tuple[Array, npt.NDArray[np.bool_]]:
        """The weighted means."""
        weights = self.weights(run, trials, others)
        return weights @ run.bold.astype(np.float64), np.all(weights == 0, axis=1)


E = TypeVar("E", bound=Estimator)
ESTIMATORS: dict[str, type[Estimator]] = {}


def estimates(name: str) -> Callable[[type[E]], type[E]]:
    """Register a class as the estimator of this name.

    Raises
    ------
    TypeError
        If it lacks `responses` or `methods`.
    """

    def register(estimator: type[E]) -> type[E]:
        if lacking := ", ".join(sorted(estimator.__abstractmethods__)):
            raise TypeError(f"{estimator.__name__}, estimator of trials {name}, lacks {lacking}")
        ESTIMATORS[name] = estimator
        return estimator

    return register


@estimates("mean")
class WindowMean(_Weighted):
    """The mean of the volumes in a window after the onset."""

    def weights(self, run: Run, trials: Sequence[Event], others: Sequence[Event]) -> Array:
        """Equal weights inside of the window."""
        shift, window = self.settings.shift, self.settings.window
        return window_weights(run.time, run.censor, trials, shift, window)

    def methods(self, trials: int, others: int) -> str:
        """Where the window lies."""
        window = self.settings.window
        length = "as long as the trial" if window is None else f"of {window:g} s"
        return (
            f"The response to each of the {trials} trials of a run is the mean of the uncensored "
            f"volumes in a window {length} that begins {self.settings.shift:g} s after its onset "
            "[@horikawa2017]."
        )


class _Modelled(_Weighted):
    """Weights from general linear models."""

    kind: ClassVar[str]

    def weights(self, run: Run, trials: Sequence[Event], others: Sequence[Event]) -> Array:
        """Rows of pseudoinverses."""
        design = trial_design(run.time, trials, others, self.settings.hrf)
        return model_weights(design, len(trials), run.projection, self.kind)

    def _responses(self, others: int) -> str:
        hrf = {"spm": "SPM's canonical response", "glover": "Glover's response"}
        found = (
            f"Expected responses were made with nilearn [@nilearn] from {hrf[self.settings.hrf]} "
            "and went through the same projection as the BOLD"
        )
        if others:
            found += "; events that are not samples were modelled, too, by a regressor a duration"
        return f"{found}."


@estimates("given")
class GivenResponses(_Weighted):
    """Responses that were read as such: each trial has a row."""

    def weights(self, run: Run, trials: Sequence[Event], others: Sequence[Event]) -> Array:
        """One of the rows."""
        onsets = np.array([event.onset for event in trials])
        return (np.abs(onsets[:, None] - run.time) <= TOLERANCE).astype(np.float64)

    def methods(self, trials: int, others: int) -> str:
        """How many rows were taken."""
        left = f"; {others} that are not samples were left out" if others else ""
        return f"A run has {trials} trials{left}."


@estimates("lsa")
class AllTrials(_Modelled):
    """One model with a regressor for each trial."""

    kind = "lsa"

    def doubts(
        self, run: Run, trials: Sequence[Event], others: Sequence[Event]
    ) -> tuple[Omission, ...]:
        """Whether the model is ill-conditioned."""
        hrf = self.settings.hrf
        number = condition_number(run.time, trials, others, hrf, run.projection)
        if number <= ILL_CONDITIONED:
            return ()
        return (Omission("well-determined trials", ill_conditioned(number)),)

    def methods(self, trials: int, others: int) -> str:
        """One model a run."""
        return (
            f"The {trials} trials of a run were estimated by one general linear model, with a "
            f"regressor for each (least squares, all) [@mumford2012]. {self._responses(others)}"
        )


@estimates("lss")
class OneAgainstOthers(_Modelled):
    """A model for each trial, in which the others share a regressor."""

    kind = "lss"

    def methods(self, trials: int, others: int) -> str:
        """A model a trial."""
        return (
            f"Each of the {trials} trials of a run was estimated by a general linear model of its "
            "own, in which the other trials share one regressor (least squares, separate) "
            f"[@mumford2012]. {self._responses(others)}"
        )


def trials_of_run(
    run: Run, settings: BoldSettings, receipt: Receipt, model: Path | None = None
) -> Run:
    """The run with one row a trial, by the events of its events file."""
    assert settings.trials is not None
    events = events_of_run(settings.trials.events, settings.subject, run.run, receipt)
    return as_trials(run, events, settings.trials.estimation, settings.trims.end, model)


def as_trials(
    run: Run,
    events: Sequence[Event],
    settings: "config.Trials",
    trimmed: int = 0,
    model: Path | None = None,
) -> Run:
    """The run with one row a trial.

    Parameters
    ----------
    run : Run
        Cleaned volumes, in percent of each voxel's mean.
    events : list of Event
        All events of the run; those with `keep` are the trials.
    settings : Trials
        The descriptor's ``trials``.
    trimmed : int
        Volumes that were acquired after those of the run, and left out.
    model : Path, optional
        See :class:`Estimator`.

    Returns
    -------
    Run
        `time` holds onsets; rows whose volumes are censored or not there are censored, and zero.

    Raises
    ------
    UserError
        If the run has no trial, none that can be estimated, or ends before its events do.
    """
    where = f"sub-{run.subject} {run.run}"
    if settings.estimate != "given":
        _check_length(run, events, trimmed, where)
    kept = [event for event in events if event.keep]
    others = [event for event in events if not event.keep]
    if not kept:
        raise UserError(f"{where}: no event is a sample; fix `events` in the descriptor")
    estimator = ESTIMATORS[settings.estimate](settings, model)
    rows, lost = estimator.responses(run, kept, others)
    if lost.all():
        raise UserError(f"{where}: no trial lies within uncensored volumes; look at its events")
    text, doubts = [estimator.methods(len(kept), len(others))], estimator.doubts(run, kept, others)
    for doubt in doubts:
        print(f"warning: {where}: {doubt.why}", file=sys.stderr)
    if lost.any():
        text.append("Trials without volumes from which they can be estimated were left out.")
    first, averaged = np.arange(len(kept)), np.ones(len(kept), np.int64)
    if settings.average_repeats == "run":
        rows, first, averaged = _averaged(rows, [event.item for event in kept], lost)
        lost = lost[first]
        if averaged.max() > 1:
            text.append("Presentations of one item were averaged within a run.")
    # Responses that are given have no mean signal that they would be in percent of.
    scaled = "given" if (settings.estimate, settings.scale) == ("given", "training") else ""
    projection = np.zeros((len(rows), 0))
    if settings.scale == "run":
        rows, projection = _standardized(rows, lost), np.where(lost, 0, 1.0)[:, None]
        projection /= np.linalg.norm(projection)
    shown = [kept[index] for index in first]
    return replace(
        run,
        time=np.array([event.onset for event in shown]),
        bold=rows.astype(np.float32),
        confounds=np.empty((0, len(run.confound_names))),
        projection=projection,
        censor=lost,
        fd=np.full(len(rows), np.nan),
        trials=Trials(
            estimate=settings.estimate,
            scale=settings.scale,
            duration=np.array([event.duration for event in shown]),
            averaged=averaged,
        ),
        omitted=(*run.omitted, *doubts),
        methods=(*run.methods, *text, SCALED[scaled or settings.scale]),
    )


def _check_length(run: Run, events: Sequence[Event], trimmed: int, where: str) -> None:
    acquired = run.time[-1] - run.start_time + run.tr * (1 + trimmed)
    end = max((event.end for event in events), default=0.0)
    if end > acquired + run.tr:
        raise UserError(
            f"{where}: events last until {end:.2f} s, but the BOLD ends at {acquired:.2f} s; fix "
            "the events, tr or trims"
        )


def window_weights(
    time: Array,
    censor: npt.NDArray[np.bool_],
    trials: Sequence[Event],
    shift: float,
    window: float | None,
) -> Array:
    """Average of the uncensored volumes that stand in each trial's shifted window.

    Parameters
    ----------
    time : ndarray of shape (volumes,)
        Seconds of the run at which the volumes stand.
    censor : ndarray of bool, shape (volumes,)
    trials : list of Event
    shift : float
        Seconds from onset to the window's begin.
    window : float, optional
        Its length (s); each trial's own by default.

    Returns
    -------
    ndarray of shape (trials, volumes)
        Zero for a trial without volumes.
    """
    start = np.array([event.onset for event in trials])[:, None] + shift - TOLERANCE
    length = np.array([window or event.duration for event in trials])[:, None]
    inside = (time >= start) & (time < start + length) & ~censor
    return np.asarray(inside / np.maximum(inside.sum(axis=1, keepdims=True), 1), np.float64)


def trial_design(time: Array, trials: Sequence[Event], others: Sequence[Event], hrf: str) -> Array:
    """Expected responses: one column a trial, then one for each length of the other events.

    Parameters
    ----------
    time : ndarray of shape (volumes,)
        Seconds of the run at which the volumes stand.
    trials, others : list of Event
    hrf : str
        nilearn's name of the response function.

    Returns
    -------
    ndarray of shape (volumes, trials + lengths)
    """
    lengths = sorted({round(event.duration, 3) for event in others})
    names = [f"trial{n:05d}" for n in range(len(trials))]
    names += [f"other{lengths.index(round(event.duration, 3)):05d}" for event in others]
    everything = [*trials, *others]
    table = pd.DataFrame(
        {
            "onset": [event.onset for event in everything],
            "duration": [event.duration for event in everything],
            "trial_type": names,
        }
    )
    design = make_first_level_design_matrix(time, table, hrf_model=hrf, drift_model=None)
    columns = sorted(set(names), key=lambda name: (name.startswith("other"), name))
    return design[columns].to_numpy(np.float64)


def condition_number(
    time: Array, trials: Sequence[Event], others: Sequence[Event], hrf: str, projection: Array
) -> float:
    """Largest over smallest singular value of the model of all trials, after the projection.

    Parameters
    ----------
    time, trials, others, hrf
        As of :func:`trial_design`.
    projection : ndarray of shape (volumes, q)
        As of :func:`model_weights`.
    """
    left = project_out(trial_design(time, trials, others, hrf), projection)
    size = np.linalg.norm(left, axis=0)
    return float(np.linalg.cond(left[:, size > ESTIMABLE] / size[size > ESTIMABLE]))


def ill_conditioned(number: float) -> str:
    """What a condition number beyond `ILL_CONDITIONED` means, and the way out."""
    return (
        f"responses to single trials overlap so much that one model of all does not tell them from "
        f"noise (condition number {number:,.0f}); write `estimate: lss`, or `average_repeats`"
    )


def model_weights(design: Array, trials: int, projection: Array, estimate: str) -> Array:
    """Rows that give least-squares trial estimates from projected BOLD.

    Parameters
    ----------
    design : ndarray of shape (volumes, trials + others)
        From :func:`trial_design`.
    trials : int
        How many of its columns are trials.
    projection : ndarray of shape (volumes, q)
        What was projected out of the BOLD.
    estimate : {"lsa", "lss"}

    Returns
    -------
    ndarray of shape (trials, volumes)
        Zero for a trial whose response the projection takes out.
    """
    left = project_out(design, projection)
    size = np.linalg.norm(design, axis=0)
    estimable = np.linalg.norm(left, axis=0) > ESTIMABLE * np.maximum(size, ESTIMABLE)
    left = left * estimable
    if estimate == "lsa":
        weights = np.linalg.pinv(left)[:trials]
    else:
        total, others = left[:, :trials].sum(axis=1), left[:, trials:]
        weights = np.stack(
            [
                np.linalg.pinv(np.column_stack([left[:, n], total - left[:, n], others]))[0]
                for n in range(trials)
            ]
        )
    return np.asarray(np.where(estimable[:trials, None], weights, 0), np.float64)


def _averaged(
    responses: Array, items: Sequence[str], lost: npt.NDArray[np.bool_]
) -> tuple[Array, npt.NDArray[np.intp], npt.NDArray[np.int64]]:
    """Rows of one item averaged, in the order of first presentations."""
    groups: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault(item, []).append(index)
    usable = [[n for n in group if not lost[n]] or group[:1] for group in groups.values()]
    first = np.array([group[0] for group in usable])
    averaged = np.array([len(group) for group in usable], np.int64)
    rows = np.stack([responses[group].mean(axis=0) for group in usable])
    order = np.argsort(first, kind="stable")
    return rows[order], first[order], averaged[order]


def _standardized(rows: Array, lost: npt.NDArray[np.bool_]) -> Array:
    """Each voxel z-scored over the run's trials; lost ones stay zero."""
    good = rows[~lost]
    deviation = good.std(axis=0, ddof=1) if len(good) > 1 else np.zeros(rows.shape[1])
    out = np.zeros_like(rows)
    out[~lost] = (good - good.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    return out
