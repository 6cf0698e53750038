"""A subject's model of single trials, chosen on training runs: see `trial_choices`."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from tristream.bold.response_library import LIBRARY
from tristream.bold.run_file import Run, read_run, read_runs
from tristream.bold.trial_choices import Choices, Repeats, TrainingRun, choose
from tristream.bold.trial_designs import designs_of
from tristream.bold.trial_fit import Signals
from tristream.bold.trial_model_file import TrialModel, write_model
from tristream.config.settings.bold import TrialModelSettings
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.stimuli.events import events_of_run
from tristream.stimuli.timelines import Event
from tristream.store import Omission

NO_REPEATS = (
    "no item comes back in another training run, so that neither components of noise nor ridge "
    "could be chosen: estimates are least squares under each voxel's response; show items in "
    "several training runs, or write `estimate: lss`"
)
DEALT_OUT = (
    "The held-out trials of these runs shared one regressor for each duration, so that neither "
    "components nor fractions were chosen by their responses."
)


def choose_model(
    settings: TrialModelSettings,
    volumes: Sequence[Path],
    receipt: Path,
    output: Path,
    code: str = "",
) -> None:
    """Choose responses, components of noise and fractions on training runs, and write the file.

    Parameters
    ----------
    settings : TrialModelSettings
        The subject, how trials are estimated, and which runs choose.
    volumes : sequence of Path
        Cleaned volumes of the training runs.
    receipt : Path
        The subject's receipt, for events.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If a run is missing, differs from others in its voxels, or no run has a trial.
    """
    heads = read_runs(volumes, signal=False)
    if sorted(head.run for head in heads) != sorted(settings.training):
        raise UserError(
            f"{output}: sub-{settings.subject} has training runs {', '.join(settings.training)}, "
            f"but was given {', '.join(head.run for head in heads)}; prepare them again"
        )
    events = settings.trials.events
    files = Receipt.read(receipt)
    shown = [events_of_run(events, settings.subject, head.run, files) for head in heads]
    trials = [event.duration for run in shown for event in run if event.keep]
    if not trials:
        raise UserError(
            f"sub-{settings.subject}: no event of a training run is a sample; fix `events`"
        )
    duration = float(np.median(trials))
    runs = [
        training_run(path, head, own, duration)
        for path, head, own in zip(volumes, heads, shown, strict=True)
    ]
    brightness = np.stack([head.mean for head in heads]).mean(axis=0, dtype=np.float64)
    most = settings.trials.estimation.noise_components
    choices = choose(runs, brightness, most)
    repeated = Repeats.of(runs).repeated
    omitted = () if repeated else (Omission("repeated items", NO_REPEATS),)
    simulated = any(head.simulated for head in heads)
    text = methods_of(choices, len(runs), most, repeated)
    if events.parts and events.parts.items:
        text = f"{text} {DEALT_OUT}"
    model = TrialModel(settings.subject, len(runs), duration, choices, omitted, (text,))
    write_model(output, model, simulated, settings.key(), code)


def training_run(path: Path, head: Run, events: Sequence[Event], duration: float) -> TrainingRun:
    """What is chosen from, of one run's file and events."""
    trials = [event for event in events if event.keep]
    others = [event for event in events if not event.keep]
    designs = designs_of(head, trials, others, duration)
    return TrainingRun(
        designs=designs.library,
        canonical=designs.canonical,
        items=[event.item for event in trials],
        estimable=designs.estimable,
        session=head.run.partition("_")[0] if head.run.startswith("ses-") else "",
        read=partial(_bold, path),
    )


def _bold(path: Path, voxels: slice) -> Signals:
    return read_run(path, voxels=voxels).bold


def methods_of(choices: Choices, runs: int, most: int, repeated: bool) -> str:
    """What was chosen, in sentences."""
    text = (
        f"A model of single trials was chosen on the {runs} training runs of a subject, after "
        f"GLMsingle [@prince2022]: each voxel took, of {len(LIBRARY)} haemodynamic responses, the "
        "one under which a general linear model with a regressor for each trial explains most of "
        "its variance."
    )
    if not repeated:
        return f"{text} No item came back in another training run, so that nothing else was chosen."
    if most and choices.pool.any():
        text += (
            f" {choices.components} of up to {most} principal components of a noise pool "
            f"({choices.pool.sum():,} bright voxels of whose variance one response for all trials "
            f"explains less than {100 * choices.threshold:.2g} %) were added to the model of each "
            "run, from the run's own volumes."
        )
    return (
        f"{text} Estimates were shortened by ridge to a fraction of least squares, chosen for each "
        f"voxel [@rokem2020] (median {np.median(choices.fraction):.2f}), and rescaled to predict "
        "least squares. Components and fractions are those with which estimates of an item best "
        "predict those of the same item in other training runs."
    )
