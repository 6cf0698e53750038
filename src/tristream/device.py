"""Where torch computes."""

import fcntl
import os
import tempfile
from functools import cache
from pathlib import Path

from tristream.errors import UserError

_HELD: list[int] = []
"""Descriptors of locks, which the operating system lets go when the process ends."""


def choose_device(wanted: str) -> str:
    """The device of torch that is wanted; ``auto`` takes the GPU if there is one.

    Where there are several GPUs, ``cuda`` is one that no other job of the package is at work on.

    Raises
    ------
    UserError
        If ``cuda`` is wanted and torch finds no GPU.
    """
    import torch

    found = torch.cuda.is_available()
    if wanted == "auto":
        wanted = "cuda" if found else "cpu"
    if wanted.startswith("cuda") and not found:
        raise UserError(f"device: {wanted}, but torch finds no GPU; use auto or cpu")
    if wanted == "cuda" and (count := torch.cuda.device_count()) > 1:
        torch.cuda.set_device(free_gpu(count))
    return wanted


@cache
def free_gpu(count: int) -> int:
    """The first of some GPUs whose lock is free, held until this process ends.

    The locks are advisory and of this machine: files in the folder of temporary files. If all are
    held, or none can be, jobs are spread by their process number.
    """
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    for index in range(count):
        name = named[index] if len(named) == count else str(index)
        path = Path(tempfile.gettempdir()) / f"tristream-gpu-{name.replace('/', '-')}.lock"
        try:
            # Another user's file may be opened to be locked, but not as if it were to be made.
            there = path.exists()
            descriptor = os.open(path, os.O_RDONLY | (0 if there else os.O_CREAT), 0o644)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            continue
        _HELD.append(descriptor)
        return index
    return os.getpid() % count
