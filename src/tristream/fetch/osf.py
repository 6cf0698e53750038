"""Files of a public project of the Open Science Framework, listed by ``osfclient``.

osfclient knows the OSF's addresses and pages. It can't go on with a download that broke off, and
compares nothing, so files are received here: in parts, under another name until size and checksum
are those that the OSF states.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tristream.config.sources import OsfSource
from tristream.errors import UserError
from tristream.fetch.file_lock import lock
from tristream.fetch.receipt import FetchedFile
from tristream.fetch.sources import Listing
from tristream.hashing import hash_file
from tristream.paths import inside, open_unlinked

ALGORITHMS = ("sha256", "md5")  # of those that the OSF states, the first
CHUNK = 1 << 16  # bytes; no more is lost when a download breaks off


@dataclass(frozen=True)
class OsfOrigin:
    """A project, or a folder of it, whose files come into the data folder.

    Attributes
    ----------
    source : OsfSource
        Project, storage and folder.
    root : Path
        Where the files belong.
    """

    source: OsfSource
    root: Path

    def listing(self) -> Listing:
        """All files with the sizes and checksums that the OSF states; none is brought."""
        files = [file for file, _ in self._remote.values()]
        return Listing(self.root, "", tuple(sorted(files, key=lambda file: file.path)))

    def bring(self, listing: Listing, paths: Sequence[str]) -> list[FetchedFile]:
        """Bring `paths`; what is here and whole is not brought again."""
        found = []
        with lock(self.root.with_suffix(".lock")):
            for path in paths:
                if path not in self._remote:
                    raise UserError(f"{self.source.name}: has no file {path}; fix its path")
                file, open_at = self._remote[path]
                place = inside(self.root, path)
                if not place.is_file() or not _whole(place, file):
                    self._receive(file, open_at, place)
                algorithm = file.checksum.partition(":")[0] or "sha256"
                checksum = f"{algorithm}:{hash_file(place, algorithm)}"
                found.append(FetchedFile(path, place.stat().st_size, checksum))
        return found

    def methods(self, what: str, commit: str) -> tuple[str, ...]:
        """From the OSF, by what it states."""
        return (
            f"{what} downloaded from the project {self.source.project} of the Open Science "
            "Framework and compared with the sizes and checksums that it states.",
        )

    @cached_property
    def _remote(self) -> dict[str, tuple[FetchedFile, Callable[[int], Any]]]:
        """Path to the file, and to a function that asks for it from some byte on."""
        try:
            from osfclient.api import OSF
        except ModuleNotFoundError:
            raise UserError(
                "projects of the OSF need its client; run `pip install tristream[osf]`"
            ) from None
        folder = self.source.folder.strip("/")
        start = f"/{folder}/" if folder else "/"
        found = {}
        with _one_line(self.source, "can't be listed"):
            osf = OSF()
            osf.session.base_url = self.source.api
            for file in osf.project(self.source.project).storage(self.source.storage).files:
                if not file.path.startswith(start):
                    continue
                path = file.path.removeprefix(start)
                inside(self.root, path)
                stated = [f"{a}:{file.hashes[a]}" for a in ALGORITHMS if file.hashes.get(a)]
                size = None if file.size is None else int(file.size)
                listed = FetchedFile(path, size, stated[0] if stated else "")
                found[path] = (listed, _opener(osf.session, file._download_url))
        return found

    def _receive(self, file: FetchedFile, open_at: Callable[[int], Any], place: Path) -> None:
        part = place.with_name(f".{place.name}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        have = part.stat().st_size if part.exists() else 0
        if file.size is not None and have >= file.size:  # the half of another file
            part.unlink()
            have = 0
        with _one_line(self.source, f"{file.path} did not arrive whole"), open_at(have) as reply:
            reply.raise_for_status()
            with open_unlinked(part, "ab" if reply.status_code == 206 else "wb") as content:
                for chunk in reply.iter_content(CHUNK):
                    content.write(chunk)
        if not _whole(part, file):
            found = f"{part.stat().st_size} bytes, sha256 {hash_file(part)}"
            part.unlink()
            raise UserError(
                f"{place}: what came from {self.source.name} has {found}, the OSF states "
                f"{file.size} bytes, {file.checksum or 'no checksum'}; it was discarded: run again,"
                " and if it stays so tell the project's owners"
            )
        os.replace(part, place)


def _opener(session: Any, url: str) -> Callable[[int], Any]:
    def open_at(first: int) -> Any:
        headers = {"Accept-Encoding": "identity"}
        if first:
            headers["Range"] = f"bytes={first}-"
        return session.get(url, headers=headers, stream=True, timeout=60)

    return open_at


def _whole(path: Path, file: FetchedFile) -> bool:
    if file.size is not None and path.stat().st_size != file.size:
        return False
    algorithm, _, digest = file.checksum.partition(":")
    return not digest or hash_file(path, algorithm) == digest


@contextmanager
def _one_line(source: OsfSource, what: str) -> Iterator[None]:
    """Turn what requests and osfclient raise into one line."""
    from osfclient.exceptions import OSFException
    from requests.exceptions import RequestException

    try:
        yield
    except KeyError as error:
        reason = f"its answer has no {error}"
    except (OSFException, RequestException, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
    else:
        return
    raise UserError(
        f"{source.name}: {what} ({reason}); what has arrived is kept: check the project's name and "
        "the network, and run again"
    )
