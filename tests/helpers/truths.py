"""Truth files of simulations that were never made."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tristream.simulate.truth_file import VoxelTruth, write_truth
from tristream.store import Provenance

PROVENANCE = Provenance("truth", True, methods=("The BOLD is simulated.",))


def voxel_truth(ijk: np.ndarray, streams: Sequence[str], ceiling: np.ndarray) -> VoxelTruth:
    """The truth of voxels whose responses and noise do not matter."""
    count = len(ijk)
    region, peak = np.array(["region"] * count), np.full(count, 5.0)
    share, rho = np.full(count, 0.2), np.full(count, 0.5)
    return VoxelTruth(
        np.asarray(ijk, np.int32), region, np.array(streams), ceiling, share, peak, rho
    )


def write(
    path: Path,
    voxels: Mapping[str, VoxelTruth] | None = None,
    latents: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]] | None = None,
) -> Path:
    """A truth file of these subjects and latents."""
    write_truth(path, PROVENANCE, latents or {}, voxels or {})
    return path
