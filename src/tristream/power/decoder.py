"""The study's decoder on simulated trials: a ridge classifier, its chance measured."""

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tristream.bold.trials import window_weights
from tristream.config.decoders import Decoder
from tristream.decode.decoding import decode
from tristream.decode.decoding_samples import Samples
from tristream.power.design import DesignRun

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class TrialRun:
    """Trials of one run.

    Attributes
    ----------
    weights : ndarray of shape (trials, volumes)
        Mean of the volumes in each trial's window.
    label, unit : ndarray of str of shape (trials,)
    """

    weights: Floats
    label: npt.NDArray[np.str_]
    unit: npt.NDArray[np.str_]

    @classmethod
    def of(cls, run: DesignRun, tr: float, shift: float) -> "TrialRun":
        """Trials of a run, each the mean of its volumes `shift` seconds later, one TR at least."""
        trials = [replace(trial, duration=max(trial.duration, tr)) for trial in run.trials]
        none = np.zeros(len(run.time), bool)
        weights = window_weights(run.time, none, trials, shift, None)
        there = weights.any(axis=1)
        return cls(
            weights[there],
            np.array([trial.label for trial in trials])[there],
            np.array([trial.unit for trial in trials])[there],
        )

    def average(self, bold: Floats) -> npt.NDArray[np.float64]:
        """Trials of BOLD of shape (volumes, voxels), z-scored over the run's own."""
        rows = self.weights @ bold.astype(np.float64)
        deviation = rows.std(axis=0, ddof=1) if len(rows) > 1 else np.zeros(rows.shape[1])
        return (rows - rows.mean(axis=0)) / np.where(deviation > 0, deviation, 1)


@dataclass(frozen=True)
class Decoded:
    """Accuracy, the mean accuracy of permuted labels, and the share of these that reach it."""

    accuracy: float
    chance: float
    p: float


UNKNOWN = Decoded(float("nan"), float("nan"), float("nan"))


def decode_trials(
    train: Sequence[tuple[TrialRun, Floats]],
    test: Sequence[tuple[TrialRun, Floats]],
    permutations: int,
    seed: int,
    rounds: bool = False,
) -> Decoded:
    """Fit to the trials of training runs, and name the labels of those of test runs.

    Parameters
    ----------
    train, test : sequence of (TrialRun, ndarray of shape (trials, voxels))
    permutations : int
        Of the labels; with none, or with fewer than 1,000 distinct ones, chance is the share of
        the commonest label and there is no p.
    seed : int
        Of the permutations.
    rounds : bool
        Whether labels stay in rounds that show each once.

    Returns
    -------
    Decoded
        NaN where a label of the test runs is in no training run.
    """
    if not _labels(test) <= _labels(train):
        return UNKNOWN
    samples = _samples(train, test, rounds)
    decoder = Decoder(
        datasets=[],
        kind="ridge",
        samples="blocks",
        regularization=samples.x.shape[1],
        permutations=permutations,
        seed=seed,
    )
    with redirect_stderr(io.StringIO()):  # hundreds of progress bars, of a moment each
        found = decode(samples, decoder)
    if len(found.null):
        return Decoded(found.accuracy, float(found.null.mean()), found.p)
    commonest = np.bincount(samples.y[found.tested]).max() / len(found.tested)
    return Decoded(found.accuracy, float(commonest), float("nan"))


def _labels(runs: Sequence[tuple[TrialRun, Floats]]) -> set[str]:
    return {label for run, _ in runs for label in run.label.tolist()}


def _samples(
    train: Sequence[tuple[TrialRun, Floats]],
    test: Sequence[tuple[TrialRun, Floats]],
    rounds: bool,
) -> Samples:
    """All trials, their units, runs and labels."""
    classes = sorted(_labels(train))
    code: Mapping[str, int] = {label: index for index, label in enumerate(classes)}
    unit: list[npt.NDArray[np.intp]] = []
    label: list[int] = []
    run: list[int] = []
    length: list[int] = []
    names: list[str] = []
    for number, (trials, _) in enumerate([*train, *test]):
        known, own = np.unique(trials.unit, return_inverse=True)
        unit.append(own + len(names))
        for index, name in enumerate(known):
            members = np.flatnonzero(own == index)
            label.append(code[str(trials.label[members[0]])])
            run.append(number)
            length.append(len(members))
            names.append(str(name))
    count = len(train) + len(test)
    return Samples(
        x=np.concatenate([values for _, values in (*train, *test)]),
        unit=np.concatenate(unit),
        label=np.array(label),
        run=np.array(run),
        length=np.array(length),
        item=np.arange(len(label)),  # events name labels alone: no trial is of the item of another
        unit_names=names,
        classes=classes,
        runs=[str(number) for number in range(count)],
        test=np.arange(count) >= len(train),
        repeat=[""] * count,
        exchange="round" if rounds else "block",
        simulated=True,
    )
