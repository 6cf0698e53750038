"""Locks that one process holds while it fetches, and that die with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tristream.errors import UserError
from tristream.paths import open_unlinked


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`; others wait.

    Raises
    ------
    UserError
        If the file system has no locks: two processes could write into one clone. If `path` is a
        link.
    """
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with open_unlinked(path, "a+") as file:  # which changes no file that is there
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            raise UserError(
                f"{path.parent}: this file system has no locks ({error.strerror}); name a data "
                "folder on another one by `data:` in config.yaml"
            ) from None
        yield
