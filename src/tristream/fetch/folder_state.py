"""What a user's folder holds now, as a rule depends on it: names, sizes and times of change.

No version pins a folder. Files may be corrected in place or added after an error, so rules that
read it name this hash in their ``params:``. It costs a walk through the folder, and reads no file.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from tristream.config.settings.fetch import FetchDatasetSettings, FetchStimuliSettings
from tristream.config.sources import FolderSource
from tristream.fetch.sources import METADATA
from tristream.hashing import hash_text


def dataset_state(settings: FetchDatasetSettings) -> str:
    """Of all names, and of the content of small files that are read for all subjects.

    Empty for a dataset that a commit or a checksum pins.

    Parameters
    ----------
    settings : FetchDatasetSettings
    """
    return _state(
        f"{name}\t{size}\t{changed}" if name.endswith(METADATA) else name
        for name, size, changed in _files(settings)
    )


def subject_state(settings: FetchDatasetSettings, subject: str) -> str:
    """Of a subject's files, and of those that belong to no subject; empty as of the dataset.

    Parameters
    ----------
    settings : FetchDatasetSettings
    subject : str
        Label without ``sub-``.
    """
    return _state(
        f"{name}\t{size}\t{changed}" for name, size, changed in _files(settings, f"sub-{subject}")
    )


def stimuli_state(settings: FetchStimuliSettings) -> str:
    """Of the stimuli that the table names; empty for those that are not in a folder.

    Parameters
    ----------
    settings : FetchStimuliSettings
    """
    if not isinstance(settings.source, FolderSource):
        return ""
    root = Path(settings.source.path).expanduser()
    return _state(f"{path}\t{_stamp(root / path)}" for path in settings.paths)


def _files(settings: FetchDatasetSettings, own: str = "") -> list[tuple[str, int, int]]:
    """Name, bytes and time of change of each file of the folders, in order.

    With `own`, folders of other subjects are not entered: every chosen subject asks once.
    """
    found = []
    for source in (settings.source, settings.derivatives):
        if isinstance(source, FolderSource):
            root = Path(source.path).expanduser()
            for folder, inner, names in os.walk(root):
                inner[:] = sorted(
                    name
                    for name in inner
                    if not name.startswith(".") and (not own or not _of_another(name, own))
                )
                for name in sorted(names):
                    place = Path(folder, name)
                    found.append((place.relative_to(root).as_posix(), *_stamp(place)))
    return found


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stated = path.stat()
    except OSError:
        return -1, -1
    return stated.st_size, stated.st_mtime_ns


def _of_another(folder: str, own: str) -> bool:
    return folder.startswith("sub-") and folder != own


def _state(lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    return hash_text(text)[:16] if text else ""
