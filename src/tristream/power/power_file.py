"""The home of the files of a power analysis: every realisation in HDF5, means in a table."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tristream.store import Provenance, create_h5, read_json, read_table, sidecar, write_table

if TYPE_CHECKING:
    from tristream.power.detection import Grid

KIND = "power"
COLUMNS = {
    "subjects": "1: one subject; else subjects of a group test by sign flips",
    "effect": "Ceiling r of a driven voxel in one run; 0 is the control",
    "training_runs": "Runs that the models are fitted to",
    "repeats": "How many times as often as planned each test run is shown and averaged",
    "ceiling": "Ceiling r of the averaged test run",
    "r": "Mean test correlation of driven voxels",
    "r_low": "Lower end of its 95 % interval over realisations",
    "r_high": "Upper end",
    "power": "Share of driven voxels that is significant after FDR over all voxels",
    "power_low": "Lower end of its 95 % interval over realisations",
    "power_high": "Upper end",
    "false_positives": "Share of simulated voxels without signal that is significant after FDR",
    "false_low": "Lower end of its 95 % interval (Wilson)",
    "false_high": "Upper end",
    "false_uncorrected": "Share of voxels without signal with p at most .05, uncorrected",
    "uncorrected_low": "Lower end of its 95 % interval (Wilson)",
    "uncorrected_high": "Upper end",
    "false_discoveries": "Share of the significant voxels without signal, mean over realisations",
    "accuracy": "Share of test trials whose label a ridge classifier names",
    "accuracy_low": "Lower end of its 95 % interval over realisations",
    "accuracy_high": "Upper end",
    "chance": "The same under permuted labels",
    "decoder_power": "Share of realisations in which the accuracy has p at most .05",
}


@dataclass(frozen=True)
class PlannedStudy:
    """The design as it was read, in numbers, and how it was analysed.

    Attributes
    ----------
    name : str
        Of the block in ``power:``.
    tr : float
        Seconds.
    unit : str
        What is permuted: ``block``, ``item`` or ``time``.
    training_runs : int
    test_runs : list of int
        Runs that show the same, and are averaged: one number a group.
    volumes : int
        Of all training runs.
    labels : list of str
        Empty where the design is one of features.
    trials : int
        Labelled events of training runs and of one run of each test group.
    delays : list of int
        Of the encoder, in TR.
    solver : str
        Of the encoder.
    n_distinct : int
        Distinct rearrangements of the test blocks, at most 10^15.
    """

    name: str
    tr: float
    unit: str
    training_runs: int
    test_runs: Sequence[int]
    volumes: int
    labels: Sequence[str]
    trials: int
    delays: Sequence[int]
    solver: str
    n_distinct: int


def write_power(
    path: Path, planned: PlannedStudy, grid: "Grid", table: pd.DataFrame, provenance: Provenance
) -> None:
    """Write ``NAME.h5``, and ``NAME.tsv`` with its sidecar beside it.

    Parameters
    ----------
    path : Path
        The HDF5 file.
    planned : PlannedStudy
    grid : Grid
        Every realisation.
    table : DataFrame
        Means and intervals, columns as :data:`COLUMNS`.
    provenance : Provenance
    """
    with create_h5(path, provenance) as file:
        for key, value in asdict(planned).items():
            file.attrs[key] = json.dumps(value) if isinstance(value, list | tuple) else value
        for key in ("effects", "runs", "repeats", "subjects"):
            file[key] = getattr(grid, key)
        for key in grid.found:
            file[key] = getattr(grid, key)
        file["group/power"], file["group/false"] = grid.group_power, grid.group_false
    write_table(path.with_suffix(".tsv"), table, provenance, COLUMNS, **asdict(planned))


def read_power(path: Path) -> tuple[pd.DataFrame, PlannedStudy, Provenance]:
    """Read the table that :func:`write_power` wrote, and its design.

    Parameters
    ----------
    path : Path
        ``NAME.h5``, or the table beside it.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    beside = path.with_suffix(".tsv")
    table, provenance = read_table(beside, KIND)
    content: dict[str, Any] = read_json(sidecar(beside), KIND)[0]
    keys = PlannedStudy.__dataclass_fields__
    return table, PlannedStudy(**{key: content[key] for key in keys}), provenance
