"""The file of what a subject's training runs chose for the estimates of single trials."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tristream.bold.response_library import LIBRARY
from tristream.bold.trial_choices import Choices
from tristream.errors import UserError
from tristream.store import Omission, Provenance, create_h5, open_h5

KIND = "trial-model"
PER_VOXEL = ("response", "explained", "pool", "fraction", "penalty", "scale", "offset")


@dataclass(frozen=True)
class TrialModel:
    """What was chosen, and from what.

    Attributes
    ----------
    subject : str
    runs : int
        Training runs that chose.
    duration : float
        Length of the event (s) whose response peaks at 1: the median of training trials.
    choices : Choices
    omitted : tuple of Omission
    methods : tuple of str
    """

    subject: str
    runs: int
    duration: float
    choices: Choices
    omitted: tuple[Omission, ...] = ()
    methods: tuple[str, ...] = ()


def write_model(
    path: Path, model: TrialModel, simulated: bool, config: dict[str, object], code: str = ""
) -> None:
    """Write the file, atomically."""
    provenance = Provenance(KIND, simulated, config, code, model.omitted, model.methods)
    chosen = model.choices
    with create_h5(path, provenance) as file:
        for name in PER_VOXEL:
            file[name] = getattr(chosen, name)
        file["errors"] = chosen.errors
        file["library"] = np.array([[one.peak, one.scale] for one in LIBRARY])
        file.attrs["components"] = chosen.components
        file.attrs["threshold"] = chosen.threshold
        for name in ("subject", "runs", "duration"):
            file.attrs[name] = getattr(model, name)


def read_model(path: Path) -> TrialModel:
    """Read the file.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, provenance):
        try:
            attrs = file.attrs
            choices = Choices(
                **{name: file[name][()] for name in PER_VOXEL},
                threshold=float(attrs["threshold"]),
                components=int(attrs["components"]),
                errors=file["errors"][()],
            )
            about = str(attrs["subject"]), int(attrs["runs"]), float(attrs["duration"])
        except (KeyError, OSError) as error:
            raise UserError(
                f"{path}: not a whole model ({error}); delete it and run again"
            ) from None
    return TrialModel(*about, choices, provenance.omitted, provenance.methods)
