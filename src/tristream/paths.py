"""Safe joins inside a dataset root: text from a dataset never reaches outside the dataset."""

import errno
import os
import unicodedata
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tristream.errors import UserError


def inside(root: Path, relative: str) -> Path:
    """Join `relative` to `root`, refusing whatever would leave it.

    The check is on the text alone: annexed files are links into ``.git/annex``, so links that a
    dataset's own tree holds are followed only by :func:`resolve_inside`.

    Parameters
    ----------
    root : Path
        Root folder of the dataset.
    relative : str
        A POSIX path as read from the dataset, e.g. ``sub-01/func/sub-01_bold.nii.gz``.

    Raises
    ------
    UserError
        If the path is absolute, empty, or climbs out of `root`.
    """
    pure = PurePosixPath(relative)
    if not relative or "\0" in relative or "\\" in relative:
        raise UserError(f"{root}: {relative!r} is not a path inside the dataset")
    if pure.is_absolute() or ".." in pure.parts:
        raise UserError(f"{root}: the path {relative!r} leaves the dataset; it is not followed")
    return root.joinpath(*pure.parts)


def resolve_inside(root: Path, relative: str) -> Path:
    """Like :func:`inside`, and follow links: the target too must lie under `root`.

    Or in the annex of a repository that `root` is a folder of.
    """
    target, home = inside(root, relative).resolve(), root.resolve()
    annexes = (folder / ".git/annex/objects" for folder in home.parents)
    if not target.is_relative_to(home) and not any(map(target.is_relative_to, annexes)):
        raise UserError(f"{root}: the link {relative!r} leaves the dataset; it is not followed")
    return target


def open_unlinked(path: Path, mode: str, encoding: str | None = None) -> IO[Any]:
    """Open a file, but not through a link: where others may write, it could lead to any file.

    Raises
    ------
    UserError
        If a link stands in the file's place.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW, 0o666)

    try:
        return open(path, mode, encoding=encoding, opener=opener)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise UserError(
            f"{path}: is a link where a plain file belongs, and is not followed; delete it and "
            "run again"
        ) from None


def composed(name: str) -> str:
    """A name with its accents composed (NFC), so that equal names are equal text.

    Disks of Apple computers store them decomposed.
    """
    return unicodedata.normalize("NFC", name)
