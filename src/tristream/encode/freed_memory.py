"""Memory that is freed goes back to the system."""

import ctypes
import os
from contextlib import suppress

# Names of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGE, LEFT = 4 * 2**20, 64 * 2**20
"""Bytes from which an array has memory of its own, and that stay free at the end of the heap."""


def return_freed_memory() -> None:
    """Give arrays of some megabytes memory of their own, which ends with them.

    glibc puts blocks of up to 32 MB onto one heap once it has freed one of their size, and a small
    block that is kept above them holds all that lies below: a fit of 4,800 volumes and 82,000
    voxels kept 4.5 GB that nothing used. Other C libraries are left as they are.
    """
    with suppress(OSError, ValueError):
        if not os.confstr("CS_GNU_LIBC_VERSION"):
            return
        malloc = ctypes.CDLL(None)
        malloc.mallopt(M_MMAP_THRESHOLD, LARGE)
        malloc.mallopt(M_TRIM_THRESHOLD, LEFT)
