"""Files whose content is elsewhere: links and pointers that git-annex or git LFS left in its place.

A clone holds them for whatever has not been fetched. Each reader would say something else of them.
"""

import os
from pathlib import Path

# Pointers are small (bytes), and begin so.
POINTER = 32_768
ANNEX, LFS = b"/annex/objects/", b"version https://git-lfs.github.com/spec/"


def absent_content(place: Path) -> str:
    """Why a file's content is not here and what brings it, as a message ends; empty if it is.

    Parameters
    ----------
    place : Path
        Where the file lies; a file that is not there at all counts as here.
    """
    if place.is_symlink() and not place.exists():
        target = os.readlink(place)
        if ANNEX.decode() not in target.replace(os.sep, "/"):
            return f"it is a link to {target}, which is not there; copy the file in its place"
        return f"it was not fetched; {_in_clone(place, 'annex get')}"
    if not place.is_file() or place.stat().st_size > POINTER:
        return ""
    with place.open("rb") as file:
        begins = file.read(len(LFS))
    if begins.startswith(ANNEX):
        return f"it was not fetched; {_in_clone(place, 'annex get')}"
    if begins.startswith(LFS):
        return f"it was not fetched; {_in_clone(place, 'lfs pull --include')}"
    return ""


def _in_clone(place: Path, command: str) -> str:
    """The command that brings a file of the clone in which it lies."""
    here = place.absolute()
    clone = next((folder for folder in here.parents if (folder / ".git").exists()), here.parent)
    path = here.relative_to(clone).as_posix()
    return f"run `git -C {clone} {command} '{path}'`, or the same for all of a folder"
