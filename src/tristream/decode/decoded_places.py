"""Places that items are decoded from: regions, all of them together, and imagery's gate in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tristream.config.identification import IdentificationDesign
from tristream.decode.pattern_reliability import (
    Reliability,
    corrected_over_regions,
    pattern_reliability,
)
from tristream.decode.shown_units import ShownUnits
from tristream.decode.unit_ridge import moments

LONGEST = 24
"""Characters of regions' names side by side, above which their number stands for them."""


@dataclass(frozen=True)
class Place:
    """Where items are decoded from.

    Attributes
    ----------
    name : str
        Of a region, or of all together.
    voxels : ndarray of int
        Columns of the samples.
    bands : dict of str to ndarray of int
        Of all regions together: which of `voxels` each has; empty for one region.
    """

    name: str
    voxels: npt.NDArray[np.integer]
    bands: Mapping[str, npt.NDArray[np.integer]] = field(default_factory=dict)


def places_of(units: ShownUnits, design: IdentificationDesign) -> list[Place]:
    """Each region, and with ``banded`` all together; voxels that regions share are there once.

    Raises
    ------
    ValueError
        If ``banded`` is asked for and there is one region.
    """
    found = [Place(name, voxels) for name, voxels in units.regions.items()]
    if not design.banded:
        return found
    if len(found) < 2:
        raise ValueError("banded: regions are the bands, and one is named; name two or more")
    every = np.unique(np.concatenate([place.voxels for place in found]))
    bands = {place.name: np.searchsorted(every, place.voxels) for place in found}
    return [*found, Place(joined_name(list(bands)), every, bands)]


def joined_name(regions: Sequence[str]) -> str:
    """Name of all regions together, ``V1+LOC``, which no region has.

    Examples
    --------
    >>> joined_name(["V1", "LOC"]), joined_name([f"region{k}" for k in range(9)])
    ('V1+LOC', 'all 9 regions')
    """
    name = "+".join(regions)
    if len(name) > LONGEST:
        name = f"all {len(regions)} regions"
    while name in regions:
        name += ", joined"
    return name


def gates_of(
    places: Sequence[Place],
    units: ShownUnits,
    split: npt.NDArray[Any],
    design: IdentificationDesign,
) -> dict[str, Reliability | str]:
    """Reliability of imagined patterns in each place, corrected for all, or why there is none."""
    found = {place.name: _gate(units, split, place.voxels, design) for place in places}
    tested = {name: one for name, one in found.items() if isinstance(one, Reliability)}
    return found | corrected_over_regions(tested)


def _gate(
    units: ShownUnits,
    split: npt.NDArray[Any],
    voxels: npt.NDArray[np.integer],
    design: IdentificationDesign,
) -> Reliability | str:
    """Reliability of imagined patterns, or why there is none."""
    own = np.flatnonzero(split == "imagined")
    _, scale = moments(units.x[split != "imagined"][:, voxels])
    try:
        return pattern_reliability(
            units.x[own][:, voxels] / scale,
            [units.item[unit] for unit in own],
            [units.run[unit] for unit in own],
            seed=design.seed,
        )
    except ValueError as error:
        return str(error)
