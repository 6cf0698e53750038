"""librosa, compiled by one process at a time.

As its modules load, librosa has numba compile functions and keep them on disk. Where two processes
do so at once, on a fresh installation, each takes the other's files for its own; both crash, and
so does every process after them.
"""

from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from tristream.errors import UserError
from tristream.fetch.file_lock import lock

COMPILING = Path.home() / ".cache" / "tristream" / "librosa.lock"
COMPILED = ("util.utils", "core.audio", "core.pitch", "core.spectrum", "filters")
"""What any use of librosa loads, of all that is compiled."""


@cache
def load_librosa(*also: str) -> ModuleType:
    """Import librosa, and all that it compiles, while other processes wait.

    Where the home folder can't be written or has no locks, this process compiles for itself.

    Parameters
    ----------
    also : str
        Further modules that compile, such as ``"beat"``.
    """
    names = [f"librosa.{name}" for name in (*COMPILED, *also)]
    try:
        with lock(COMPILING):
            return _imported(names)
    except (OSError, UserError):
        return _imported_alone(names)


def _imported(names: list[str]) -> ModuleType:
    for name in names:
        import_module(name)
    return import_module("librosa")


def _imported_alone(names: list[str]) -> ModuleType:
    config: Any = import_module("numba.core.config")
    shared = config.CACHE_DIR
    with TemporaryDirectory() as own:
        config.CACHE_DIR = own
        try:
            return _imported(names)
        finally:
            config.CACHE_DIR = shared
