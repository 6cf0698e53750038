"""The home of the tables of one subject and model: by region, and by cluster."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tristream.store import Provenance, read_table, write_table

BY_REGION = "regions-table"
BY_CLUSTER = "clusters-table"
WHOLE = "all voxels"
REGION_COLUMNS = {
    "region": "Region of the Harvard-Oxford atlas (probability at least 25 %)",
    "voxels": "Voxels of the mask in it",
    "mean_r": "Mean test correlation",
    "r_low": "Lower end of its 95 % interval; n/a with too few exchange units",
    "r_high": "Upper end",
    "over_ceiling": "r over its noise ceiling, pooled over all voxels of the region; n/a without",
    "over_ceiling_low": "Lower end of its 95 % interval",
    "over_ceiling_high": "Upper end",
    "mean_r2": "Mean test R2",
    "significant": "Voxels below the configured false discovery rate; n/a without p values",
    "peak_r": "Largest test correlation",
    "x": "Place of the largest correlation, mm, MNI",
    "y": "mm, MNI",
    "z": "mm, MNI",
}
CLUSTER_COLUMNS = {
    "cluster": "Number of the cluster; with a letter, a further peak of it",
    "x": "Place of the peak, mm",
    "y": "mm",
    "z": "mm",
    "peak_r": "Test correlation at the peak",
    "mm3": "Size of the cluster; n/a for further peaks",
    "voxels": "Voxels of the cluster; n/a for further peaks",
    "region": "Region of the Harvard-Oxford atlas at the peak",
}


def write_by_region(
    path: Path, table: pd.DataFrame, bands: Sequence[str], provenance: Provenance
) -> None:
    """Write the table by region; each of `bands` has a column ``split_r2_BAND``."""
    columns = REGION_COLUMNS | {
        f"split_r2_{band}": f"Mean share of test R2 of the band {band} (product measure)"
        for band in bands
    }
    write_table(path, table, provenance, columns)


def read_by_region(path: Path) -> tuple[pd.DataFrame, Provenance]:
    """Read what :func:`write_by_region` wrote: :data:`REGION_COLUMNS`, and those of the bands."""
    return read_table(path, BY_REGION)


def write_by_cluster(path: Path, table: pd.DataFrame, provenance: Provenance) -> None:
    """Write the table by cluster."""
    write_table(path, table, provenance, CLUSTER_COLUMNS)


def read_by_cluster(path: Path) -> tuple[pd.DataFrame, Provenance]:
    """Read what :func:`write_by_cluster` wrote: :data:`CLUSTER_COLUMNS`."""
    return read_table(path, BY_CLUSTER)
