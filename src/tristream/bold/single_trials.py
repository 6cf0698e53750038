"""Single trials under what training runs chose, voxel by voxel: see `trial_choices`.

A run is estimated by itself: its components of noise come from its own volumes, the voxels of the
noise pool, their number, responses and penalties from the subject's training runs.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tristream.bold.run_file import Run
from tristream.bold.trial_choices import Choices, blocks, components_of
from tristream.bold.trial_designs import RunDesigns, designs_of
from tristream.bold.trial_fit import Array, TrialFit
from tristream.bold.trial_model_file import read_model
from tristream.bold.trials import ILL_CONDITIONED, Estimator, condition_number, estimates
from tristream.errors import UserError
from tristream.stimuli.timelines import Event
from tristream.store import Omission

if TYPE_CHECKING:
    from tristream.config import trials as config

# A longer time without an event (s) is a rest.
REST = 1.0


@estimates("glmsingle")
class ChosenEstimates(Estimator):
    """Ridge under each voxel's response, components of noise and penalty."""

    def __init__(self, settings: "config.Trials", model: Path | None = None) -> None:
        super().__init__(settings, model)
        assert model is not None
        self._path, self._model = model, read_model(model)

    def responses(
        self, run: Run, trials: Sequence[Event], others: Sequence[Event]
    ) -> tuple[Array, npt.NDArray[np.bool_]]:
        """The estimates; the run must have the model's voxels."""
        chosen = self._model.choices
        if len(chosen.response) != run.bold.shape[1]:
            raise UserError(
                f"{self._path}: is of {len(chosen.response)} voxels, but {run.run} has "
                f"{run.bold.shape[1]}; delete it and run again"
            )
        designs = designs_of(run, trials, others, self._model.duration)
        return estimated(run.bold, designs, chosen), ~designs.estimable

    def methods(self, trials: int, others: int) -> str:
        """What was chosen, and that the run was estimated under it."""
        text = (
            f"{' '.join(self._model.methods)} Under these choices the {trials} trials of a run "
            "were estimated together"
        )
        if others:
            text += "; events that are not samples were modelled, too, by a regressor a duration"
        return f"{text}."

    def doubts(
        self, run: Run, trials: Sequence[Event], others: Sequence[Event]
    ) -> tuple[Omission, ...]:
        """What the model omits; designs without rest, and ill-conditioned ones."""
        design = doubts_of_design(run.time, run.projection, trials, others)
        return (*self._model.omitted, *design)


def doubts_of_design(
    time: Array, projection: Array, trials: Sequence[Event], others: Sequence[Event]
) -> tuple[Omission, ...]:
    """Why estimates of a run may be worth little: no rest between trials, or hardly any time.

    Parameters
    ----------
    time : ndarray of shape (volumes,)
        Seconds of the run at which the volumes stand.
    projection : ndarray of shape (volumes, q)
        What is projected out of the BOLD.
    trials, others : list of Event
    """
    found = []
    if without_rest([*trials, *others]):
        why = (
            f"no rest of {REST:g} s between any two trials: what all trials share is hardly told "
            "from the baseline, nor voxels that respond from the noise pool; write `estimate: "
            "mean`, or `noise_components: 0`"
        )
        found.append(Omission("rest between trials", why))
    number = condition_number(time, trials, others, "spm", projection)
    if number > ILL_CONDITIONED:
        why = (
            "responses to single trials overlap so much that ridge shortens most of what is there "
            f"(condition number {number:,.0f}); write `estimate: lss`, or `average_repeats`"
        )
        found.append(Omission("well-determined trials", why))
    return tuple(found)


def estimated(bold: npt.NDArray[np.floating], designs: RunDesigns, chosen: Choices) -> Array:
    """Responses to the trials of a run, (trials, voxels).

    Parameters
    ----------
    bold : ndarray of shape (volumes, voxels)
        Cleaned, in percent of the mean.
    designs : RunDesigns
    chosen : Choices
    """
    noise = np.zeros((len(bold), 0))
    if chosen.components:
        noise = components_of(lambda voxels: bold[:, voxels], chosen.pool, chosen.components)
    found = np.zeros((designs.canonical.trials.shape[1], bold.shape[1]))
    fits = {n: TrialFit(designs.library[n], noise) for n in np.unique(chosen.response).tolist()}
    for chunk in blocks(bold.shape[1]):
        for number in np.unique(chosen.response[chunk]).tolist():
            voxels = chunk.start + np.flatnonzero(chosen.response[chunk] == number)
            fit = fits[number]
            solved = fit.solve(fit.products(bold[:, voxels]), noise.shape[1])
            ridge = solved.estimates(chosen.penalty[voxels])
            found[:, voxels] = chosen.scale[voxels] * ridge + chosen.offset[voxels]
    found[~designs.estimable] = 0
    return found


def without_rest(events: Sequence[Event]) -> bool:
    """Whether all events follow each other without a pause of `REST` seconds."""
    ordered = sorted(events, key=lambda event: event.onset)
    pauses = [after.onset - event.end for event, after in pairwise(ordered)]
    return bool(pauses) and max(pauses) < REST
