"""The kinds of source behind one interface: list what there is, bring what is needed, tell how."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tristream.config.sources import ArchiveSource, DataladSource, FolderSource
from tristream.errors import UserError
from tristream.fetch import annex
from tristream.fetch.absent_content import absent_content
from tristream.fetch.archive import fetch_archive
from tristream.fetch.clone import beside, check_out
from tristream.fetch.file_lock import lock
from tristream.fetch.receipt import FetchedFile
from tristream.hashing import hash_file
from tristream.paths import resolve_inside
from tristream.store import Omission

# Small files that the stimuli stage reads for all subjects; some datasets annex them.
METADATA = (
    *("_events.tsv", "_bold.json", "dataset_description.json", "participants.tsv"),
    *("_trials.tsv", "_trials.csv"),
)


@dataclass(frozen=True)
class Listing:
    """All files of a source.

    Attributes
    ----------
    root : Path
        Folder that holds them.
    commit : str
        Commit of a DataLad dataset, else empty.
    files : tuple of FetchedFile
        Content of annexed files is not necessarily present.
    omitted : tuple of Omission
        What is not listed and why.
    elsewhere : dict of str to str
        As in a receipt.
    """

    root: Path
    commit: str
    files: tuple[FetchedFile, ...]
    omitted: tuple[Omission, ...] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)


class Origin(Protocol):
    """Where a dataset or its stimuli come from."""

    def listing(self) -> Listing:
        """All files, with small metadata files present."""

    def bring(self, listing: Listing, paths: Sequence[str]) -> list[FetchedFile]:
        """Make `paths` present and verified; sizes and checksums are those found."""

    def methods(self, what: str, commit: str) -> tuple[str, ...]:
        """Sentences on where files come from and what vouches for them.

        Parameters
        ----------
        what : str
            ``Data were``, ``Stimuli were`` …
        commit : str
            That of the listing.
        """


def open_origin(
    source: DataladSource | ArchiveSource | FolderSource, name: str, data: Path
) -> Origin:
    """The origin that `source` describes.

    Parameters
    ----------
    source : DataladSource, ArchiveSource or FolderSource
        As :meth:`tristream.config.load.Resolved.source` returns it.
    name : str
        Dataset id: the name of the clone's folder.
    data : Path
        The study's data folder.
    """
    if isinstance(source, DataladSource):
        return DataladOrigin(source, data / "datasets" / name)
    if isinstance(source, ArchiveSource):
        return ArchiveOrigin(source, data)
    return FolderOrigin(source)


@dataclass(frozen=True)
class DataladOrigin:
    """A clone in the data folder; one process at a time works in it.

    Attributes
    ----------
    source : DataladSource
        Address and pinned commit.
    root : Path
        Where the clone is.
    home : Path, optional
        The dataset whose folder `root` is, where it is nested.
    metadata : tuple of str
        Ends of the names of small files that are brought when the files are listed.
    accept : dict
        Path to the checksum of content that is taken although its key says another.
    """

    source: DataladSource
    root: Path
    home: Path | None = None
    metadata: tuple[str, ...] = METADATA
    accept: Mapping[str, str] = field(default_factory=dict)

    def listing(self) -> Listing:
        """Clone if needed, check out the commit, list its files."""
        with lock(beside(self.root, self.home, "{}.lock")):
            commit = check_out(self.source, self.root, self.home)
            files, omitted = annex.list_files(self.root)
            small = [f for f in files if f.annexed and f.path.endswith(self.metadata)]
            annex.get(self.root, small, self.accept)
            verified = annex.verify(self.root, small, self.accept)
        omitted += annex.departures(verified)
        return Listing(self.root, commit, tuple(files), tuple(omitted))

    def bring(self, listing: Listing, paths: Sequence[str]) -> list[FetchedFile]:
        """Get the content of `paths` and compare it with the annex keys."""
        with lock(beside(self.root, self.home, "{}.lock")):
            commit = check_out(self.source, self.root, self.home)
            if commit != listing.commit:
                raise UserError(
                    f"{self.root}: the listing is of commit {listing.commit[:12]}, but "
                    f"{commit[:12]} is pinned; run `tristream fetch dataset` again"
                )
            files = _select(listing, paths)
            annex.get(self.root, files, self.accept)
            return annex.verify(self.root, files, self.accept)

    def methods(self, what: str, commit: str) -> tuple[str, ...]:
        """By DataLad, at a commit."""
        url = self.source.url
        place = url if url.startswith(("http://", "https://")) else "a local repository"
        return (
            f"{what} obtained with DataLad [@halchenko2021] from {place} at commit {commit[:12]}; "
            "annexed files were compared with the sizes and checksums in their annex keys.",
        )


@dataclass(frozen=True)
class ArchiveOrigin:
    """Members of an archive on the package index."""

    source: ArchiveSource
    data: Path

    def listing(self) -> Listing:
        """Download and unpack: the members are all that there is."""
        root, files = fetch_archive(self.source, self.data)
        return Listing(root, "", tuple(files))

    def bring(self, listing: Listing, paths: Sequence[str]) -> list[FetchedFile]:
        """Unpack again whatever has been changed or deleted."""
        root, files = fetch_archive(self.source, self.data)
        return _select(Listing(root, "", tuple(files)), paths)

    def methods(self, what: str, commit: str) -> tuple[str, ...]:
        """From the package index, by SHA-256."""
        form = "wheel" if self.source.form == "wheel" else "source archive"
        return (
            f"{what} taken from the {form} of {self.source.package} {self.source.version} on the "
            "Python package index, which was checked against a pinned SHA-256.",
        )


@dataclass(frozen=True)
class FolderOrigin:
    """A user's folder, read in place."""

    source: FolderSource

    def listing(self) -> Listing:
        """All files with their sizes, small ones that all subjects need with their hashes.

        Hidden folders are left out. A file whose content is elsewhere has no size, and neither has
        a link to a folder, which is listed as a file, as git does it, and is not followed.
        """
        root = Path(self.source.path).expanduser()
        if not root.is_dir():
            raise UserError(f"{root}: no such folder; fix `source.path` in the descriptor")
        files = []
        for folder, inner, names in os.walk(root):
            inner[:] = sorted(d for d in inner if not d.startswith("."))
            links = [name for name in inner if Path(folder, name).is_symlink()]
            for name in sorted([*names, *links]):
                path = Path(folder, name)
                relative = path.relative_to(root).as_posix()
                if name in links or absent_content(path):
                    files.append(FetchedFile(relative, None))
                elif path.is_file():
                    # Events may be corrected without a change of size: the listing must tell.
                    small = relative.endswith(METADATA)
                    checksum = f"sha256:{hash_file(path)}" if small else ""
                    files.append(FetchedFile(relative, path.stat().st_size, checksum))
        return Listing(root, "", tuple(files))

    def bring(self, listing: Listing, paths: Sequence[str]) -> list[FetchedFile]:
        """Check that the files are there and hash them."""
        found = []
        for file in _select(listing, paths):
            place = resolve_inside(listing.root, file.path)
            named = listing.root / file.path
            if why := absent_content(named):
                raise UserError(f"{named}: its content is not present: {why}")
            if not place.is_file():
                raise UserError(f"{named}: is gone since the folder was listed")
            checksum = f"sha256:{hash_file(place)}"
            found.append(FetchedFile(file.path, place.stat().st_size, checksum))
        return found

    def methods(self, what: str, commit: str) -> tuple[str, ...]:
        """From a folder that no version pins."""
        return (
            f"{what} read from a local folder, which no version pins; the SHA-256 of each file was "
            "recorded.",
        )


def _select(listing: Listing, paths: Sequence[str]) -> list[FetchedFile]:
    by_path = {file.path: file for file in listing.files}
    absent = [path for path in paths if path not in by_path]
    if absent:
        raise UserError(f"{listing.root}: has no file {absent[0]}; fix the path in the descriptor")
    return [by_path[path] for path in paths]
