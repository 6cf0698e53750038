"""What a derived space has learned from training stimuli: the only module that opens its file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from tristream.errors import UserError
from tristream.store import Provenance, create_h5, json_attribute, open_h5

KIND = "fusion"
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Fit:
    """What was learned.

    Attributes
    ----------
    space : str
        The derived space.
    method : dict
        Its block of the study, without stream and layers.
    arrays : dict of str to ndarray
        All that is needed to turn rows of the parents into rows of the space.
    samples : int
        Rows that it was learned from.
    stimuli : list of str
        Films and sounds that they belong to; empty for labels and images.
    quality : dict
        How the fit went: explained variance, training correlations, …
    simulated : bool
        Whether simulated data went into it.
    """

    space: str
    method: Mapping[str, Any]
    arrays: Arrays
    samples: int
    stimuli: list[str] = field(default_factory=list)
    quality: Mapping[str, Any] = field(default_factory=dict)
    simulated: bool = False


def write_fit(
    path: Path, fit: Fit, config: Mapping[str, Any], code: str, methods: Sequence[str]
) -> None:
    """Write ``fusion/D/SPACE.h5``."""
    provenance = Provenance(KIND, fit.simulated, dict(config), code, methods=tuple(methods))
    with create_h5(path, provenance) as file:
        file.attrs["space"] = fit.space
        file.attrs["method"] = json.dumps(fit.method)
        file.attrs["samples"] = fit.samples
        file.attrs["stimuli"] = json.dumps(fit.stimuli)
        file.attrs["quality"] = json.dumps(fit.quality)
        for name, array in fit.arrays.items():
            file[f"arrays/{name}"] = array


def read_fit(path: Path, method: Mapping[str, Any] | None = None) -> Fit:
    """Read what :func:`write_fit` wrote.

    Parameters
    ----------
    path : Path
        The file.
    method : dict, optional
        What it must have been fitted with.

    Raises
    ------
    UserError
        If the file is missing, or was fitted with another method.
    """
    arrays: Arrays = {}

    def keep(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = np.asarray(item[()])

    with open_h5(path, KIND) as (file, provenance):
        stored = json_attribute(file, "method", path)
        if method is not None and stored != method:
            raise UserError(f"{path}: was fitted with other options than the study's; fit it again")
        file["arrays"].visititems(keep)
        return Fit(
            space=str(file.attrs["space"]),
            method=stored,
            arrays=arrays,
            samples=int(file.attrs["samples"]),
            stimuli=json_attribute(file, "stimuli", path),
            quality=json_attribute(file, "quality", path),
            simulated=provenance.simulated,
        )
