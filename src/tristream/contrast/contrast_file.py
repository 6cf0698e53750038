"""The files of a contrast: t maps of one subject, and counts of voxels by region."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.space import grayordinates
from tristream.space.grayordinates import Grayordinates
from tristream.store import (
    Omission,
    Provenance,
    create_h5,
    json_attribute,
    open_h5,
    read_json,
    read_strings,
    read_table,
    sidecar,
    write_strings,
    write_table,
)

KIND, TABLE = "contrast", "contrast-table"
REGIONS = {
    "region": "of the dataset; in MNI volumes of the Harvard-Oxford atlas; on surfaces a structure",
    "voxels": "voxels of the region",
    "above": "voxels that count for the first side of the contrast",
    "below": "voxels that count for its second side",
    "highest_t": "largest t",
    "lowest_t": "smallest t",
}

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ContrastMap:
    """A contrast of one subject.

    Attributes
    ----------
    effect, variance : ndarray of shape (voxels,)
        Mean effect over runs, in units of each run's standard deviation, and variance of that mean.
    t, z : ndarray of shape (voxels,)
    ijk : ndarray of shape (voxels, 3)
    affine : ndarray of shape (4, 4)
    shape : tuple of int
    regions : dict of str to ndarray of int
        The dataset's regions: which voxels they hold.
    dof : float
        Degrees of freedom, over all runs.
    runs : list of str
        Those that hold all conditions of the contrast.
    conditions : dict of str to int
        Events of each in these runs.
    provenance : Provenance
    grayordinates : Grayordinates or None
        Structures of BOLD on surfaces.
    """

    effect: Floats
    variance: Floats
    t: Floats
    z: Floats
    ijk: npt.NDArray[np.int32]
    affine: npt.NDArray[np.float64]
    shape: tuple[int, int, int]
    regions: Mapping[str, npt.NDArray[np.int32]]
    dof: float
    runs: list[str]
    conditions: Mapping[str, int]
    provenance: Provenance = field(default=Provenance(KIND, False))
    grayordinates: Grayordinates | None = None

    @property
    def simulated(self) -> bool:
        """Whether the BOLD is simulated."""
        return self.provenance.simulated

    @property
    def omitted(self) -> tuple[Omission, ...]:
        """What is not in the file, and why."""
        return self.provenance.omitted


@dataclass(frozen=True)
class ContrastTable:
    """Voxels that pass the threshold, by region.

    Attributes
    ----------
    table : DataFrame
        Columns `REGIONS`; all voxels first.
    threshold : float
        |t| that they pass; infinite where none does.
    rule : str
        How it was chosen, in words.
    provenance : Provenance
    """

    table: pd.DataFrame
    threshold: float
    rule: str
    provenance: Provenance


def write_contrast(path: Path, found: ContrastMap) -> None:
    """Write the file of one subject."""
    with create_h5(path, found.provenance) as file:
        for key in ("effect", "variance", "t", "z", "ijk", "affine", "shape"):
            file[key] = getattr(found, key)
        grayordinates.write(file, found.grayordinates)
        for region, members in found.regions.items():
            file[f"regions/{region}"] = members
        write_strings(file, "runs", found.runs)
        file.attrs["dof"] = found.dof
        file.attrs["conditions"] = json.dumps(found.conditions)


def read_contrast(path: Path | str) -> ContrastMap:
    """Read what :func:`write_contrast` wrote.

    Raises
    ------
    UserError
        If the file is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, provenance):
        i, j, k = (int(n) for n in file["shape"][()])
        return ContrastMap(
            effect=file["effect"][()],
            variance=file["variance"][()],
            t=file["t"][()],
            z=file["z"][()],
            ijk=file["ijk"][()],
            affine=file["affine"][()],
            shape=(i, j, k),
            regions={name: members[()] for name, members in file.get("regions", {}).items()},
            dof=float(file.attrs["dof"]),
            runs=read_strings(file, "runs"),
            conditions=json_attribute(file, "conditions", Path(path)),
            provenance=provenance,
            grayordinates=grayordinates.read(file),
        )


def write_contrast_table(path: Path, found: ContrastTable) -> None:
    """Write counts by region; threshold and rule go into the sidecar."""
    write_table(
        path, found.table, found.provenance, REGIONS, threshold=found.threshold, rule=found.rule
    )


def read_contrast_table(path: Path | str) -> ContrastTable:
    """Read what :func:`write_contrast_table` wrote."""
    table, provenance = read_table(path, TABLE)
    side = read_json(sidecar(path), TABLE)[0]
    return ContrastTable(table, float(side["threshold"]), str(side["rule"]), provenance)
