"""Files of maps on surfaces: GIfTI by hemisphere, or one CIFTI of all grayordinates."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from tristream.config.layouts import FSLR
from tristream.maps.map_images import write_cifti, write_gifti
from tristream.maps.map_list import Entry
from tristream.maps.names import Names
from tristream.maps.style import titled
from tristream.maps.surface import FSAVERAGE5, HEMISPHERES, Places
from tristream.space.grayordinates import CORTEX
from tristream.store import Provenance

# Values of all places, what they are, and for labels their meaning.
Map = tuple[npt.NDArray, str, dict[int, str] | None]


def export(
    names: Names, places: Places, maps: Mapping[str, Map], provenance: Provenance
) -> list[Entry]:
    """Write maps of BOLD that lies on surfaces, in the format that it came in.

    Parameters
    ----------
    names : Names
        Of the files; their space says which format.
    places : Places
        Where the values lie.
    maps : mapping
        Name of a quantity to its :data:`Map`.
    provenance : Provenance
        Says whether the BOLD is simulated.
    """
    write = _cifti if names.space == FSLR else _gifti
    return [
        entry
        for name, (values, what, labels) in maps.items()
        for entry in write(names, places, name, values, what, labels, provenance)
    ]


def _cifti(
    names: Names,
    places: Places,
    name: str,
    values: npt.NDArray,
    what: str,
    labels: dict[int, str] | None,
    provenance: Provenance,
) -> list[Entry]:
    path = names.cifti(name, "dlabel" if labels else "dscalar")
    write_cifti(path, values, places, what, provenance, labels)
    file = path.relative_to(names.folder).as_posix()
    return [Entry(file, titled(what, provenance.simulated), "CIFTI", "cifti", name)]


def _gifti(
    names: Names,
    places: Places,
    name: str,
    values: npt.NDArray,
    what: str,
    labels: dict[int, str] | None,
    provenance: Provenance,
) -> list[Entry]:
    where = places.grayordinates
    assert where is not None
    entries = []
    for side, structure in zip(HEMISPHERES, CORTEX, strict=True):
        here = where.of(structure)
        texture = np.full(FSAVERAGE5.vertices, 0 if labels else np.nan, values.dtype)
        texture[places.ijk[here, 0]] = values[here]
        path = names.surface(name, side)
        write_gifti(path, texture, what, side, provenance.simulated)
        file = path.relative_to(names.folder).as_posix()
        title = titled(f"{what}, {side} hemisphere", provenance.simulated)
        entries.append(Entry(file, title, "GIfTI", "gifti", name))
    return entries
