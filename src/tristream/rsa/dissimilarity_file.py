"""The home of the `dissimilarities` file: distances between the items that one subject met."""

from pathlib import Path

import numpy as np

from tristream.rsa.dissimilarity import Dissimilarities
from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

KIND = "dissimilarities"
STRINGS = ("items", "regions", "layers")
ARRAYS = ("region", "layer", "halves")


def write_dissimilarities(path: Path, found: Dissimilarities, provenance: Provenance) -> None:
    """Write the file that ``docs/files.md`` calls `dissimilarities`."""
    with create_h5(path, provenance) as file:
        for key in STRINGS:
            write_strings(file, key, getattr(found, key))
        for key in ARRAYS:
            file[key] = getattr(found, key).astype(np.float32)
        file["shown"] = found.shown.astype(np.int32)


def read_dissimilarities(path: Path) -> tuple[Dissimilarities, Provenance]:
    """Read what :func:`write_dissimilarities` wrote.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, provenance):
        items, regions, layers = (read_strings(file, key) for key in STRINGS)
        region, layer, halves = (file[key][()].astype(np.float64) for key in ARRAYS)
        shown = file["shown"][()]
    return Dissimilarities(items, regions, layers, region, layer, halves, shown), provenance
