"""The home of the `partition` file: how the bands of one model share the test variance."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from tristream.encode.jackknife import Interval
from tristream.encode.partition.parts_by_unit import PartsByUnit
from tristream.encode.partition.variance import Partition, set_names
from tristream.phrases import listed
from tristream.space import grayordinates
from tristream.space.grayordinates import Grayordinates
from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

KIND = "partition"
ESTIMATES = ("value", "se", "low", "high")


@dataclass(frozen=True)
class StoredPartition:
    """The variance partition of one subject and model.

    Attributes
    ----------
    bands : list of str
        Bands whose parts were distinguished.
    rest : list of str
        Bands that stay in every model.
    groups : list of str
        Groups of voxels over which `found.means` are taken.
    found : Partition
    ijk, grayordinates
        The voxels, or vertices.
    by_unit : PartsByUnit or None
        What each exchangeable unit adds, for tests; None where that is not known.
    picked : bool
        Whether all are of best candidates, though the model itself is of means over candidates.
    """

    bands: list[str]
    rest: list[str]
    groups: list[str]
    found: Partition
    ijk: npt.NDArray[np.int32]
    by_unit: PartsByUnit | None = None
    picked: bool = False
    grayordinates: Grayordinates | None = None

    @property
    def sets(self) -> list[str]:
        """Names of the sets of bands, in the order of the parts: ``a``, ``b``, ``a+b``, …"""
        return set_names(self.bands)

    def methods(self) -> tuple[str, ...]:
        """What was done, as sentences."""
        count = f"{2 ** len(self.bands) - 1} sets"
        fitted = f"nested models, fitted anew to each of the {count} of these bands"
        if len(self.bands) == 1:
            fitted = "a nested model without it"
        rest = ""
        if self.rest:
            names = f"band{'s' * (len(self.rest) > 1)} {listed(self.rest)}"
            rest = f"; {names} stayed in every model"
        sentences = [
            f"Unique and shared variance of the band{'s' * (len(self.bands) > 1)} "
            f"{listed(self.bands)} came from {fitted}{rest} [@deheer2017]."
        ]
        if self.picked:
            sentences.append(
                "All models of the partition, that of all bands, too, were of each voxel's best "
                "band weights and penalty: a mean over candidates predicts less where there is "
                "nothing to predict, the less the more bands it has, and a band of no use would "
                "seem to add variance."
            )
        if np.isfinite(self.found.parts.low).any():
            sentences.append(
                f"Its 95 % intervals are of a jackknife over {self.found.blocks} groups of test "
                "data [@efron1993], widened where neighbours in time depend on each other "
                "[@kunsch1989]."
            )
        return tuple(sentences)


def write_partition(path: Path, stored: StoredPartition, provenance: Provenance) -> None:
    """Write the file that ``docs/files.md`` calls `partition`."""
    with create_h5(path, provenance) as file:
        file.attrs["blocks"] = stored.found.blocks
        file.attrs["picked"] = stored.picked
        for key in ("bands", "rest", "groups", "sets"):
            write_strings(file, key, getattr(stored, key))
        file["ijk"] = stored.ijk
        grayordinates.write(file, stored.grayordinates)
        if stored.by_unit is not None:
            _write_units(file.create_group("units"), stored.by_unit)
        file["r2"] = stored.found.r2.astype(np.float32)
        for name in ("parts", "means"):
            for key in ESTIMATES:
                values = getattr(getattr(stored.found, name), key)
                file[f"{name}/{key}"] = values.astype(np.float32)


def read_partition(path: Path) -> tuple[StoredPartition, Provenance]:
    """Read a `partition` file.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, provenance):
        found = Partition(
            r2=file["r2"][()],
            parts=_interval(file["parts"]),
            means=_interval(file["means"]),
            blocks=int(file.attrs["blocks"]),
        )
        stored = StoredPartition(
            bands=read_strings(file, "bands"),
            rest=read_strings(file, "rest"),
            groups=read_strings(file, "groups"),
            found=found,
            ijk=file["ijk"][()],
            by_unit=_units(file["units"]) if "units" in file else None,
            picked=bool(file.attrs["picked"]),
            grayordinates=grayordinates.read(file),
        )
        return stored, provenance


def _write_units(group: h5py.Group, by_unit: PartsByUnit) -> None:
    group.attrs["unit"] = by_unit.unit
    group["parts"], group["widening"] = by_unit.parts, by_unit.widening
    if by_unit.pairs is not None:
        group["pairs"] = by_unit.pairs


def _units(group: h5py.Group) -> PartsByUnit:
    pairs = group["pairs"][()] if "pairs" in group else None
    unit = group.attrs["unit"]
    return PartsByUnit(unit, group["parts"][()], group["widening"][()], pairs)


def _interval(group: h5py.Group) -> Interval:
    return Interval(**{key: group[key][()] for key in ESTIMATES})
