"""Stimuli that events name, found among a dataset's files or not."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from tristream.media.file_kinds import MEDIA_SUFFIXES, Kind
from tristream.paths import composed

# Folders whose pictures are not stimuli.
OTHER = re.compile(r"(^|/)(derivatives|code|docs|\.[^/]+)/")


@dataclass(frozen=True)
class Medium:
    """One row of a stimulus table.

    Attributes
    ----------
    stimulus : str
        A name that can stand in files.
    kind : {"film", "sound", "image"}
    path : str
        In the dataset; what the events call it, where the dataset does not hold it.
    match : str
        What the events call it.
    label : str
        The folder that it lies in, where folders are categories.
    found : bool
        Whether the dataset holds it.
    """

    stimulus: str
    kind: Kind
    path: str
    match: str
    label: str
    found: bool


def media_among(listed: Iterable[str]) -> dict[str, Kind]:
    """Films, sounds and images that a dataset ships as stimuli, by their paths."""
    found = {}
    for path in sorted(listed):
        kind = MEDIA_SUFFIXES.get(PurePosixPath(path).suffix.lower())
        if kind and not OTHER.search(path) and not path.startswith("sub-"):
            found[path] = kind
    return found


def stimulus_table(named: Sequence[str], shipped: Mapping[str, Kind]) -> list[Medium]:
    """A row for each stimulus that the events name.

    Parameters
    ----------
    named : sequence of str
        Values of the events' column, each once.
    shipped : dict of str to kind
        From :func:`media_among`.

    Returns
    -------
    list of Medium
        Empty if nothing says of what kind the stimuli are.
    """
    by_name: dict[str, list[str]] = {}
    for path in shipped:
        for key in _keys(path):
            by_name.setdefault(key, []).append(path)
    rows: list[tuple[str, str, Kind, bool]] = []
    for name in named:
        paths = by_name.get(composed(name.strip("/")), by_name.get(_last(name), []))
        kind = MEDIA_SUFFIXES.get(PurePosixPath(name).suffix.lower())
        if ".." in PurePosixPath(name).parts or not name.isprintable():
            continue  # leads out of the dataset: reading the events refuses it
        if len(paths) == 1:
            rows.append((name, paths[0], shipped[paths[0]], True))
        elif kind:
            rows.append((name, name.strip("/"), kind, False))
    names = _names([path for _, path, _, _ in rows])
    labels = _labels([name for name, _, _, _ in rows])
    return [
        Medium(names[path], kind, path, name, labels.get(name, ""), found)
        for name, path, kind, found in rows
    ]


def without_events(shipped: Mapping[str, Kind]) -> list[Medium]:
    """All shipped stimuli as rows of a table, where no events name them."""
    names = _names(list(shipped))
    return [Medium(names[p], kind, p, p, "", True) for p, kind in shipped.items()]


def _keys(path: str) -> set[str]:
    """What events may call a file: its path, the ends of it, all with or without its suffix."""
    parts = composed(path).split("/")
    ends = {"/".join(parts[n:]) for n in range(len(parts))}
    return ends | {end[: -len(PurePosixPath(end).suffix)] for end in ends}


def _last(name: str) -> str:
    return composed(name).replace("\\", "/").rpartition("/")[2]


def _labels(names: Sequence[str]) -> dict[str, str]:
    """Folders as labels, where there are several of them and most hold several stimuli."""
    folders = {name: name.strip("/").rpartition("/")[0] for name in names}
    known = {folder for folder in folders.values() if folder}
    if len(known) < 2 or len(known) > len(names) / 2:
        return {}
    return {name: folder.rpartition("/")[2] for name, folder in folders.items() if folder}


def _names(paths: Sequence[str]) -> dict[str, str]:
    """Paths to names of letters, digits and underscores, each another."""
    out: dict[str, str] = {}
    taken: set[str] = set()
    for path in dict.fromkeys(paths):
        stem = PurePosixPath(path).stem
        name = re.sub(r"[^A-Za-z0-9]+", "_", stem).strip("_")
        name = name if re.match(r"[A-Za-z]", name) else f"s_{name}".rstrip("_")
        unique, number = name, 2
        while unique in taken:
            unique, number = f"{name}_{number}", number + 1
        taken.add(unique)
        out[path] = unique
    return out
