"""Maps of unique and shared variance, with their corrected p."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.encode.partition.partition_file import read_partition
from tristream.errors import UserError
from tristream.inference.tested_partition_file import read_partition_test

Floats = npt.NDArray[np.floating]


def variance_maps(
    partition: Path, tested: Path, ijk: npt.NDArray[np.int32]
) -> dict[str, tuple[Floats, str]]:
    """Values at the voxels of a model, and what they mean.

    Parameters
    ----------
    partition, tested : Path
        Unique and shared variance of the model, and the file of their tests.
    ijk : ndarray of int of shape (voxels, 3)
        The voxels of the model.

    Returns
    -------
    dict
        ``unique_BAND`` or ``shared_BANDS`` to test R²; where there are p values, the same after
        ``q_`` and ``p_fwe_``.

    Raises
    ------
    UserError
        If a file is missing or damaged, or of other voxels.
    """
    stored, _ = read_partition(partition)
    found = read_partition_test(tested)[0].found
    if not np.array_equal(stored.ijk, ijk):
        raise UserError(f"{partition}: has other voxels than the model; delete it and run again")
    out = {}
    for name, value in zip(stored.sets, stored.found.parts.value, strict=True):
        several = "+" in name
        key = f"{'shared' if several else 'unique'}_{name}"
        what = f"test R2 that {name} share" if several else f"unique test R2 of band {name}"
        out[key] = (value, what)
        if name in found:
            out[f"q_{key}"] = (found[name].q, f"false discovery rate q of the {what}")
            out[f"p_fwe_{key}"] = (found[name].p_fwe, f"family-wise p of the {what}")
    return out
