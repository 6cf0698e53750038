"""The home of the tables behind maps: one row a voxel or vertex."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from tristream.store import Provenance, read_table, write_table

KIND = "map-table"


def write_map_table(
    path: Path, table: pd.DataFrame, columns: Mapping[str, str], provenance: Provenance
) -> None:
    """Write the numbers behind maps.

    Parameters
    ----------
    path : Path
        A TSV.
    table : DataFrame
    columns : mapping
        Meaning of each column; may name more than there are.
    provenance : Provenance
        Of the maps.
    """
    write_table(path, table, replace(provenance, kind=KIND, methods=()), columns)


def read_map_table(path: Path) -> tuple[pd.DataFrame, Provenance]:
    """Read what :func:`write_map_table` wrote."""
    return read_table(path, KIND)
