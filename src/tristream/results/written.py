"""Files of which only a job knows the names: it lists them, so that a lost one is missed.

A rule can't declare such files, and Snakemake misses what a rule declares alone.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tristream.errors.json_text import parse

# Sets of the blocks of `recorded` at work.
_recording: list[set[Path]] = []


@contextmanager
def recorded() -> Iterator[set[Path]]:
    """Yield a set that gathers the files which this process writes in the block."""
    written: set[Path] = set()
    _recording.append(written)
    try:
        yield written
    finally:
        _recording.remove(written)


def note(path: Path) -> None:
    """Tell the blocks of :func:`recorded` that a file was written."""
    for written in _recording:
        written.add(path)


def sizes(files: Iterable[Path], listing: Path) -> dict[str, int]:
    """What `listing` says under ``files`` of the files that lie around it: path to bytes."""
    found = ((os.path.relpath(path, listing.parent), path.stat().st_size) for path in files)
    return dict(sorted((Path(name).as_posix(), size) for name, size in found))


def lost(listing: Path | str) -> list[str]:
    """Files of a `listing` that are gone, itself too, or shorter than when it was written."""
    listing = Path(listing)
    try:
        stored = parse(listing.read_text(encoding="utf-8")).get("files", {})
    except FileNotFoundError:
        return [listing.name]
    except (OSError, ValueError, AttributeError):
        return []
    return [name for name, size in stored.items() if not _is_whole(listing.parent / name, size)]


def _is_whole(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size >= size
    except OSError:
        return False


def listed(listing: Path) -> dict[str, int]:
    """What :func:`sizes` put into a listing; nothing of a file that is none or is damaged."""
    try:
        found = parse(listing.read_text(encoding="utf-8")).get("files", {})
        return {str(name): int(size) for name, size in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
