"""Whether a file holds what its header announces."""

import gzip
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import nibabel as nib
from nibabel.arrayproxy import ArrayProxy

from tristream.bold.nifti import DAMAGED, damaged


@dataclass(frozen=True)
class RunImage:
    """The image of a run: how many volumes of it are the run's, and where these stand.

    `start_time` is the second of its acquisition for which a volume stands.
    """

    path: Path
    volumes: int
    start_time: float


Images = dict[str, RunImage]
"""Run to its image."""

# Bytes that are decompressed at a time.
BLOCK = 2**22


def check_whole(path: Path, image: nib.Nifti1Image | nib.Cifti2Image) -> None:
    """Check that a file holds what its header announces, without reading it.

    Raises
    ------
    UserError
        If it is truncated or damaged.
    """
    stored = cast(ArrayProxy, image.dataobj)
    wanted = stored.offset + math.prod(image.shape) * stored.dtype.itemsize
    found = path.stat().st_size
    if path.suffix == ".gz":
        try:
            found = wanted if _announced(path) == wanted % 2**32 else _decompressed(path, wanted)
        except DAMAGED as error:
            raise damaged(path, error) from None
    if found < wanted:
        raise damaged(path, ValueError(f"{found} bytes, its header announces {wanted}"))


def _announced(path: Path) -> int:
    """What gzip's last four bytes say of the length, modulo 2³²."""
    with path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(), "little")


def _decompressed(path: Path, wanted: int) -> int:
    """How many bytes come out, up to those that are wanted.

    A file may be several joined, of which the last alone says its own length, and bytes that are
    not gzip's may follow, which nobody reads.
    """
    found = 0
    with gzip.open(path) as file:
        while found < wanted and (block := file.read(min(BLOCK, wanted - found))):
            found += len(block)
    return found
