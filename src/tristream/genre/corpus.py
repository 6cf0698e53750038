"""A folder of music, one folder a genre: its tracks, what is left out, and how they are split."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from tristream.errors import UserError
from tristream.genre.gtzan import FAULTS
from tristream.genre.kept_out import checksums, same_sounds
from tristream.media.file_kinds import SUFFIXES
from tristream.media.sounds import heard

FOLDS = 5
"""A fifth of the groups is held out to test, and a fifth to stop early."""


@dataclass(frozen=True)
class Track:
    """One file of a corpus.

    Attributes
    ----------
    path : Path
    name : str
        ``GENRE/FILE``.
    genre : str
        Name of its folder.
    sha256 : str
    group : str
        What is not torn apart by a split: the track, with copies of its file; or what a table of
        groups says, such as the artist.
    split : str
        ``train``, ``validation`` or ``test``; empty before the corpus is split.
    """

    path: Path
    name: str
    genre: str
    sha256: str
    group: str
    split: str = ""


@dataclass(frozen=True)
class Corpus:
    """Tracks, and what was left out.

    Attributes
    ----------
    folder : Path
    tracks : tuple of Track
    left_out : dict of str to str
        Name of a track, and why it is not used.
    kept_out : dict of str to str
        sha256 and name of the sounds that no track may be.
    """

    folder: Path
    tracks: tuple[Track, ...]
    left_out: dict[str, str]
    kept_out: dict[str, str]

    @property
    def classes(self) -> tuple[str, ...]:
        """The genres, sorted."""
        return tuple(sorted({track.genre for track in self.tracks}))

    @property
    def labels(self) -> np.ndarray:
        """Index of each track's genre, (tracks,)."""
        return np.array([self.classes.index(track.genre) for track in self.tracks])

    def of(self, split: str) -> np.ndarray:
        """Indices of the tracks of a split."""
        return np.flatnonzero([track.split == split for track in self.tracks])


def read_corpus(
    folder: Path,
    *,
    leave_out_faults: bool = False,
    kept_out: Sequence[Path] = (),
    groups: Path | None = None,
    progress: bool = True,
) -> Corpus:
    """The tracks of a folder ``GENRE/TRACK.wav``.

    Parameters
    ----------
    folder : Path
        Of one folder a genre, each with sound files.
    leave_out_faults : bool
        Leave out what is known to be repeated, distorted or damaged in GTZAN, copies of files,
        silence, and files that can't be decoded. Otherwise such a file is refused, but for
        repetitions, and copies of a file are kept on one side of the split.
    kept_out : sequence of Path
        Sounds that no track may be, by their checksum or as sounds.
    groups : Path, optional
        Table with columns ``track`` (``GENRE/FILE`` or the file's name without suffix) and
        ``group``, such as the artist.
    progress : bool
        Whether bars are drawn.

    Raises
    ------
    UserError
        If there are no two genres, a genre has fewer than five groups, a file can't be decoded, a
        group has two genres, or a track has no group.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name one with a folder for each genre")
    paths = sorted(
        path
        for path in folder.glob("*/*")
        if path.suffix.lower() in SUFFIXES["sound"] and not path.parent.name.startswith(".")
    )
    if len({path.parent for path in paths}) < 2:
        raise UserError(
            f"{folder}: has sounds of fewer than two genres; it needs GENRE/TRACK.wav, one folder "
            "a genre"
        )
    left_out: dict[str, str] = {}
    wanted = []
    for path in paths:
        why = (FAULTS.get(path.stem) or _unusable(path)) if leave_out_faults else ""
        if why:
            left_out[_name(path)] = why
        else:
            wanted.append(path)
    digests = checksums(wanted)
    sounds = checksums(kept_out)
    for path, why in same_sounds(digests, sounds, progress).items():
        left_out[_name(path)] = f"kept out: {why}"
    copies = _copies(digests)
    tracks = []
    for path, digest in digests.items():
        if _name(path) in left_out:
            continue
        first = copies[path]
        if first != path and (leave_out_faults or first.parent != path.parent):
            left_out[_name(path)] = f"is a copy of {_name(first)}"
            continue
        tracks.append(Track(path, _name(path), path.parent.name, digest, _name(first)))
    if groups is not None:
        tracks = _grouped(tracks, groups)
    kept = {digest: path.name for path, digest in sounds.items()}
    corpus = Corpus(folder, tuple(tracks), dict(sorted(left_out.items())), kept)
    _check_groups(corpus)
    return corpus


def split_corpus(corpus: Corpus, seed: int = 0) -> Corpus:
    """Hold out a fifth of the groups of each genre to test, and a fifth of all to stop early."""
    labels = corpus.labels
    groups = np.array([track.group for track in corpus.tracks])
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    (_, test), (_, validation), *_ = folds.split(labels, labels, groups)
    names = np.full(len(labels), "train", dtype=object)
    names[test], names[validation] = "test", "validation"
    tracks = tuple(
        replace(track, split=str(name)) for track, name in zip(corpus.tracks, names, strict=True)
    )
    return replace(corpus, tracks=tracks)


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _unusable(path: Path) -> str:
    """Why a sound teaches nothing; empty if it does."""
    try:
        notes = heard(path)
    except UserError as error:
        return str(error).removeprefix(f"{path}: ")
    return "silence" if notes == ("its sound is silence",) else ""


def _copies(digests: Mapping[Path, str]) -> dict[Path, Path]:
    """The first file of equal content, for each file."""
    first: dict[str, Path] = {}
    for path, digest in digests.items():
        first.setdefault(digest, path)
    return {path: first[digest] for path, digest in digests.items()}


def _grouped(tracks: Sequence[Track], table: Path) -> list[Track]:
    try:
        rows = pd.read_csv(table, sep="\t", dtype=str, keep_default_na=False)
        of = dict(zip(rows["track"], rows["group"], strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{table}: can't be read as a table with columns track and group ({error})"
        ) from None
    found = []
    for track in tracks:
        group = of.get(track.name) or of.get(track.path.stem)
        if not group:
            raise UserError(f"{table}: has no group of {track.name}; add a row, or its group")
        found.append(replace(track, group=group))
    return found


def _check_groups(corpus: Corpus) -> None:
    genre_of: dict[str, str] = {}
    for track in corpus.tracks:
        if genre_of.setdefault(track.group, track.genre) != track.genre:
            raise UserError(
                f"{corpus.folder}: group {track.group} has tracks of {genre_of[track.group]} and "
                f"{track.genre}; give each genre groups of its own"
            )
    counts = Counter(genre_of.values())
    few = [genre for genre, count in counts.items() if count < FOLDS]
    if few:
        raise UserError(
            f"{corpus.folder}/{few[0]}: {counts[few[0]]} tracks (or groups) are left of it; each "
            f"genre needs {FOLDS}, to learn from, to stop early and to test"
        )
    if len(counts) < 2:
        raise UserError(f"{corpus.folder}: fewer than two genres are left")
